"""What a fitted model of Spark ML is made of, read from its session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.flavours.base import Array

Answer = Literal["number", "binary", "classes"]
"""A number; two classes by the sign of a score; a class for each of several scores."""

_KINDS: Mapping[str, Answer] = {
    "LinearRegressionModel": "number",
    "LogisticRegressionModel": "classes",
    "DecisionTreeRegressionModel": "number",
    "DecisionTreeClassificationModel": "classes",
    "RandomForestRegressionModel": "number",
    "RandomForestClassificationModel": "classes",
    "GBTRegressionModel": "number",
    "GBTClassificationModel": "binary",
}
_LINEAR = ("LinearRegressionModel", "LogisticRegressionModel")


@dataclass(frozen=True, slots=True)
class Stages:
    """A model, and the columns that its vector is assembled from.

    Args:
        model: The last stage.
        columns: The columns in their order, or None for a model without an assembler.
    """

    model: Any
    columns: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """The class of the model."""
        return type(self.model).__name__

    @property
    def is_linear(self) -> bool:
        """Whether the model has coefficients, and not trees."""
        return self.name in _LINEAR

    @property
    def answer(self) -> Answer:
        """What its scores mean."""
        found = _KINDS[self.name]
        if self.is_linear and found == "classes":
            return "binary" if self.model.coefficientMatrix.numRows == 1 else "classes"
        return found

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes, which Spark numbers from 0; empty for a regression."""
        return () if self.answer == "number" else tuple(range(int(self.model.numClasses)))


def stages_of(model: Any) -> Stages:
    """Return the model that a pipeline ends with, and the columns that it takes.

    Args:
        model: A fitted model, or a ``PipelineModel``.

    Raises:
        ModelRefused: A stage is of another class, or takes other columns than numbers.
    """
    *before, last = getattr(model, "stages", [model])
    _check_last(last)
    if not before:
        return Stages(last, None)
    vectors: dict[str, list[str]] = {}
    for stage in before:
        if type(stage).__name__ != "VectorAssembler":
            raise ModelRefused(
                f"the pipeline has a stage {type(stage).__name__}, and only VectorAssembler over"
                " columns of numbers is known before the model: prepare the columns before the"
                " pipeline, and store them as they are trained on"
            )
        vectors[stage.getOutputCol()] = [
            column for one in stage.getInputCols() for column in vectors.get(one, [one])
        ]
    columns = vectors.get(last.getFeaturesCol(), [])
    if len(columns) != last.numFeatures or len(set(columns)) != len(columns):
        raise ModelRefused(
            f"the pipeline assembles {len(columns)} columns ({', '.join(columns)!s:.200}) to a"
            f" vector of {last.numFeatures} numbers: assemble columns of numbers, each once"
        )
    return Stages(last, tuple(columns))


def _check_last(last: Any) -> None:
    if type(last).__name__ not in _KINDS:
        raise ModelRefused(
            f"a {type(last).__name__} of Spark is not a model that can be saved: pass one of"
            f" {', '.join(_KINDS)}, or a PipelineModel that ends with one"
        )
    if not hasattr(last, "_java_obj") or last._java_obj is None:
        raise ModelRefused(
            f"the {type(last).__name__} is in a session of Spark Connect, which does not give its"
            " parts: fit or load it in a classic session"
        )
    if last.hasParam("thresholds") and last.isSet("thresholds"):
        raise ModelRefused(
            f"the {type(last).__name__} has thresholds= for its classes, which a scorer does not"
            " have: clear them, and choose the class from the probabilities"
        )


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model.

    Args:
        weights: A row of coefficients for each score.
        intercepts: The intercept of each score.
        threshold: The score above which the answer is the class 1.
    """

    weights: Array
    intercepts: Array
    threshold: float = 0.0


@dataclass(slots=True)
class Trees:
    """Trees whose leaves have the values of one or more scores, node by node.

    Args:
        features: The feature that a node divides by; -1 for a leaf.
        thresholds: Rows with numbers up to this go left.
        left: The left child.
        right: The right child.
        values: The scores of a leaf; zeros for other nodes.
        roots: The root of each tree.
        weights: The factor of each tree.
    """

    features: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def linear_of(stages: Stages) -> Linear:
    """Return the coefficients of a linear model."""
    model = stages.model
    if stages.name == "LinearRegressionModel":
        weights = np.asarray(model.coefficients.toArray(), dtype=np.float64)
        return Linear(np.atleast_2d(weights), np.array([float(model.intercept)]))
    weights = np.asarray(model.coefficientMatrix.toArray(), dtype=np.float64)
    intercepts = np.asarray(model.interceptVector.toArray(), dtype=np.float64)
    if stages.answer == "classes":
        return Linear(weights, intercepts)
    share = np.float64(model.getThreshold())
    with np.errstate(divide="ignore"):
        return Linear(weights, intercepts, float(np.log(share / (1 - share))))


def trees_of(stages: Stages) -> Trees:
    """Return the trees of a model, read node by node from the session.

    Raises:
        ModelRefused: A node divides by categories.
    """
    model, found = stages.model, Trees()
    alone = stages.name.startswith("DecisionTree")
    weights = [1.0] if alone else [float(one) for one in model.treeWeights]
    mean = stages.name.startswith("RandomForest")
    found.weights = [one / sum(weights) if mean else one for one in weights]
    for tree in [model] if alone else model.trees:
        found.roots.append(len(found.features))
        _read(tree._java_obj.rootNode(), found, shares=stages.answer == "classes")
    return found


def _read(root: Any, found: Trees, *, shares: bool) -> None:
    """Append the nodes of a tree, the root first."""
    due = [(root, _appended(found))]
    while due:
        node, place = due.pop()
        if node.subtreeDepth() == 0:
            found.values[place] = _shares(node) if shares else [float(node.prediction())]
            continue
        split = node.split()
        if split.getClass().getSimpleName() != "ContinuousSplit":
            raise ModelRefused(
                f"a tree divides by the categories of its feature {split.featureIndex()}, which its"
                " columns do not have: train it on columns of numbers without the metadata of an"
                " indexer"
            )
        found.features[place] = int(split.featureIndex())
        found.thresholds[place] = float(split.threshold())
        found.left[place], found.right[place] = _appended(found), _appended(found)
        due += [
            (node.rightChild(), found.right[place]),
            (node.leftChild(), found.left[place]),
        ]


def _appended(found: Trees) -> int:
    for numbers, none in ((found.features, -1), (found.left, 0), (found.right, 0)):
        numbers.append(none)
    found.thresholds.append(0.0)
    found.values.append([])
    return len(found.features) - 1


def _shares(node: Any) -> list[float]:
    """Return the share of each class of the training rows in a leaf."""
    counts = np.array(list(node.impurityStats().stats()), dtype=np.float64)
    total = counts.sum()
    shares: list[float] = (counts / total if total > 0 else counts).tolist()
    return shares
