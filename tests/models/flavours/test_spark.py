"""Models of Spark ML answer without Spark as they do in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.producer import Producer
from airflow_sfx.models.build import Training, build, finish
from airflow_sfx.models.flavours.detect import flavour_of
from airflow_sfx.models.model import load_artifact
from airflow_sfx.models.questions.terms import terms_of

COLUMNS = ["distance", "hour"]
SMALL = {"maxDepth": 3, "seed": 7}


def rows() -> pd.DataFrame:
    source = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"distance": source.normal(1000, 300, 200), "hour": source.integers(0, 24, 200) * 1.0}
    )
    frame["delay"] = frame["distance"] / 100 + frame["hour"] + source.normal(0, 2, 200)
    frame["late"] = (frame["delay"] > 22).astype(int)
    frame["part"] = frame["delay"].rank(pct=True).mul(2.99).astype(int)
    return frame


FRAME = rows()


@pytest.fixture(scope="module")
def data(java_home: Path) -> Iterator[Any]:
    """The rows in a session of Spark, which another module may have started."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java_home))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        other = None
        with suppress(PySparkRuntimeError):
            other = SparkSession.active()
        builder = SparkSession.builder.master("local[1]")
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "512m",
        }.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session.createDataFrame(FRAME.to_numpy().tolist(), list(FRAME.columns)).cache()
        if other is None:
            session.stop()


def estimator(kind: str) -> tuple[Any, str]:
    """Return an estimator, and the column that it predicts."""
    from pyspark.ml import classification, regression

    few = {**SMALL, "maxIter": 3}
    forest = {**SMALL, "numTrees": 3}
    made: dict[str, tuple[Any, str]] = {
        "linear": (regression.LinearRegression(solver="normal"), "delay"),
        "logistic": (classification.LogisticRegression(maxIter=5, threshold=0.3), "late"),
        "multinomial": (classification.LogisticRegression(maxIter=5), "part"),
        "tree": (regression.DecisionTreeRegressor(**SMALL), "delay"),
        "tree of classes": (classification.DecisionTreeClassifier(**SMALL), "part"),
        "leaf": (classification.DecisionTreeClassifier(maxDepth=0), "part"),
        "forest": (regression.RandomForestRegressor(**forest), "delay"),
        "forest of classes": (classification.RandomForestClassifier(**forest), "part"),
        "boosting": (regression.GBTRegressor(**few), "delay"),
        "boosting of classes": (classification.GBTClassifier(**few), "late"),
    }
    found, target = made[kind]
    return found.setLabelCol(target), target


def fitted(data: Any, kind: str) -> tuple[Any, str]:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler

    assembler = VectorAssembler(inputCols=COLUMNS, outputCol="features")
    last, target = estimator(kind)
    return Pipeline(stages=[assembler, last]).fit(data), target


def saved(model: Any, target: str | None, frame: pd.DataFrame = FRAME, **options: Any) -> bytes:
    content = build(model, Training((), {"train": frame}, target, **options))
    return finish(content, "delays", "20161101002256", Producer(user="ada"))


@pytest.mark.parametrize(
    "kind",
    [
        "linear",
        "logistic",
        "multinomial",
        "tree",
        "tree of classes",
        "leaf",
        "forest",
        "forest of classes",
        "boosting",
        "boosting of classes",
    ],
)
def test_a_model_answers_as_spark_does(data: Any, kind: str) -> None:
    model, target = fitted(data, kind)
    artifact = saved(model, target)
    if kind == "forest of classes":
        assert artifact == saved(model, target)
    found = load_artifact(artifact, "delays.zip")
    assert (found.record.flavour, found.record.scorer) == ("spark", "onnx")
    assert found.signature.names == tuple(COLUMNS)
    assert found.record.parity < 1e-12
    frame = FRAME[COLUMNS].astype(float)
    if "trees" in found.components:  # rows that are exactly at a threshold go left, too
        trees: Any = found.components["trees"]
        inner = [one for one, feature in enumerate(trees["features"]) if feature >= 0]
        exact = [[trees["thresholds"][one]] * 2 for one in inner]
        frame = pd.concat([frame, pd.DataFrame(exact, columns=COLUMNS)], ignore_index=True)
    own = flavour_of(model).answers(model, frame)
    answers = found.answers(frame)
    if own.probability is None:
        np.testing.assert_allclose(answers.prediction, own.prediction, rtol=1e-12)
    else:
        assert (answers.prediction == own.prediction).all()
        assert found.classes == ((0, 1) if target == "late" else (0, 1, 2))
        np.testing.assert_allclose(answers.probability, own.probability, atol=1e-12)
    if kind in ("linear", "logistic"):
        assert list(terms_of(found)) == [*COLUMNS, "(intercept)"]


def test_loading_needs_no_spark(data: Any, tmp_path: Path) -> None:
    model, target = fitted(data, "forest")
    path = tmp_path / "delays.zip"
    path.write_bytes(saved(model, target))
    code = (
        "import sys; sys.modules.update(pyspark=None, py4j=None)\n"
        "import airflow_sfx as sfx\n"
        f"print(sfx.models.load({str(path)!r}).predict([{{'distance': 900.0, 'hour': 7}}])[0])"
    )
    environment = {**os.environ, "JAVA_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    frame = pd.DataFrame({"distance": [900.0], "hour": [7.0]})
    own = flavour_of(model).answers(model, frame).prediction[0]
    assert float(done.stdout) == pytest.approx(own, rel=1e-12)


def test_a_model_alone_takes_the_columns_in_their_order(data: Any) -> None:
    model, target = fitted(data, "linear")
    alone = model.stages[-1]
    found = load_artifact(saved(alone, target, FRAME[[*COLUMNS, target]]), "delays.zip")
    own = flavour_of(model).answers(model, FRAME[COLUMNS])
    np.testing.assert_allclose(found.predict(FRAME), own.prediction, rtol=1e-12)
    with pytest.raises(ModelRefused, match="a vector of 2 numbers, and the rows have 4 columns"):
        saved(alone, target)


def test_what_is_not_known_is_refused_by_its_name(data: Any) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    model, target = fitted(data, "forest of classes")
    assembler, last = model.stages
    scaler = StandardScaler(inputCol="features", outputCol="scaled")
    scaled = Pipeline(stages=[assembler, scaler]).fit(data)
    with pytest.raises(ModelRefused, match="a StandardScalerModel of Spark is not a model"):
        saved(scaled, target)
    scaled.stages.append(last)
    with pytest.raises(ModelRefused, match="has a stage StandardScalerModel"):
        saved(scaled, target)
    with pytest.raises(ModelRefused, match="KMeansModel"):
        saved(KMeans(k=2, maxIter=1).fit(assembler.transform(data)), None)
    with pytest.raises(ModelRefused, match="not scored by components"):
        saved(model, target, precision="float32")
    wider = VectorAssembler(inputCols=["distance", "distance"], outputCol="features")
    model.stages[0] = wider
    with pytest.raises(ModelRefused, match="each once"):
        saved(model, target)
    model.stages[0] = assembler
    last.setThresholds([0.1, 0.2, 0.3])
    with pytest.raises(ModelRefused, match="thresholds="):
        saved(model, target)
