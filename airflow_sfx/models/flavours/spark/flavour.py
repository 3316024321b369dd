"""The flavour of Spark ML: Spark's answers, ONNX that needs no Spark, parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.flavours.base import Answers, Flavour, Traits
from airflow_sfx.models.flavours.boosting import plain_parameters
from airflow_sfx.models.flavours.spark.graphs import Graph
from airflow_sfx.models.flavours.spark.parts import Stages, linear_of, stages_of, trees_of
from airflow_sfx.models.schema.signature import Feature

if TYPE_CHECKING:
    import pandas as pd

_MATRIX = "features"
_ROW = "sfx_row"
_MARGIN = 2.0
"""The factor of the score of boosted trees in their probability, as Spark has it."""


class SparkFlavour(Flavour):
    """Linear models and trees of Spark ML, alone or at the end of a pipeline."""

    name = "spark"
    modules = ("pyspark",)
    library = ("pyspark", "pyspark")

    def traits(self, model: Any) -> Traits:
        """Return what a model says about itself."""
        stages = stages_of(model)
        parameters = {one.name: value for one, value in stages.model.extractParamMap().items()}
        return Traits(
            "classification" if stages.classes else "regression",
            stages.columns,
            stages.classes,
            {"class": stages.name, **plain_parameters(parameters)},
        )

    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return what Spark says about rows."""
        from pyspark.sql import SparkSession
        from pyspark.sql.types import DoubleType, LongType, StructField, StructType

        stages = stages_of(model)
        _check_width(stages, frame.shape[1])
        session = SparkSession.builder.getOrCreate()
        fields = [StructField(str(name), DoubleType()) for name in frame.columns]
        schema = StructType([*fields, StructField(_ROW, LongType(), nullable=False)])
        numbers = frame.astype("float64").to_numpy().tolist()
        rows = session.createDataFrame(
            [(*row, number) for number, row in enumerate(numbers)], schema
        )
        if stages.columns is None:
            from pyspark.ml.feature import VectorAssembler

            names = [str(name) for name in frame.columns]
            features = stages.model.getFeaturesCol()
            rows = VectorAssembler(inputCols=names, outputCol=features).transform(rows)
        wanted = [stages.model.getPredictionCol(), _ROW]
        if stages.classes:
            wanted.append(stages.model.getProbabilityCol())
        found = model.transform(rows).select(wanted).collect()
        if len(found) != len(frame):
            raise ModelRefused(
                f"the pipeline answers {len(found)} of {len(frame)} rows: set handleInvalid of its"
                " VectorAssembler to 'error' or 'keep'"
            )
        found.sort(key=lambda row: int(row[1]))
        prediction = np.array([row[0] for row in found], dtype=np.float64)
        if not stages.classes:
            return Answers(prediction)
        probability = np.array([row[2].toArray() for row in found], dtype=np.float64)
        return Answers(prediction.astype(np.int64), probability)

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the model as ONNX, which computes with 64 bits, as Spark does."""
        stages = stages_of(model)
        names = {one.name for one in features}
        matrix = _MATRIX
        while matrix in names:
            matrix += "_"
        graph = Graph(matrix, len(features))
        if stages.is_linear:
            linear = linear_of(stages)
            scores, threshold = graph.linear(linear), linear.threshold
        else:
            scores, threshold = graph.trees(trees_of(stages)), 0.0
        yield graph.finished(
            scores,
            stages.answer,
            threshold=threshold,
            scale=1.0 if stages.is_linear else _MARGIN,
            shares=not stages.is_linear,
        )

    def components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients by column, or the trees node by node."""
        stages = stages_of(model)
        names = [one.name for one in features]
        if not stages.is_linear:
            return {"terms": names, "trees": asdict(trees_of(stages))}
        linear = linear_of(stages)
        coefficients: object = linear.weights
        if len(linear.weights) == 1:
            coefficients = dict(zip(names, linear.weights[0].tolist(), strict=True))
        return {"coefficients": coefficients, "terms": names, "intercept": linear.intercepts}


def _check_width(stages: Stages, width: int) -> None:
    if width != stages.model.numFeatures:
        raise ModelRefused(
            f"the {stages.name} takes a vector of {stages.model.numFeatures} numbers, and the rows"
            f" have {width} columns besides the target: pass a PipelineModel with its"
            " VectorAssembler, or rows of these columns alone as example=frame"
        )
