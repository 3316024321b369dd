"""ONNX graphs of linear models and trees, with numbers of 64 bits throughout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from airflow_sfx.models.flavours.graph import GraphBuilder
from airflow_sfx.models.flavours.spark.parts import Answer, Linear, Trees

_AT_MOST = 0
"""The mode of a node whose numbers go left if they are at most its threshold."""


class Graph(GraphBuilder):
    """An ONNX graph that takes one matrix, built from its first node to its last.

    Args:
        matrix: The name of the matrix.
        width: How many columns it has.
    """

    def __init__(self, matrix: str, width: int) -> None:
        super().__init__("saving a model of Spark")
        self._matrix = self.takes(matrix, "double", [None, width])

    def linear(self, model: Linear) -> str:
        """Add the scores of a linear model, and return their name."""
        weights = self.constant("weights", np.ascontiguousarray(model.weights.T))
        product = self.node("MatMul", [self._matrix, weights])
        return self.node("Add", [product, self.constant("intercepts", model.intercepts)])

    def trees(self, model: Trees) -> str:
        """Add the scores of trees, and return their name."""
        return self.node("TreeEnsemble", [self._matrix], "ai.onnx.ml", **self._ensemble(model))

    def finished(
        self, scores: str, answer: Answer, *, threshold: float, scale: float, shares: bool
    ) -> bytes:
        """Return the graph with its answers as outputs.

        Args:
            scores: The name of the scores.
            answer: What they mean.
            threshold: The score above which the answer is the class 1.
            scale: The factor of the score in the probability.
            shares: Whether the scores are probabilities already.
        """
        if answer == "number":
            return self.model([(scores, "double", [None, 1])])
        if answer == "binary":
            above = self.node("Greater", [scores, self.constant("threshold", [threshold])])
            label = self.cast(above, "int64")
            scaled = self.node("Mul", [scores, self.constant("scale", [scale])])
            one = self.node("Sigmoid", [scaled])
            # not 1 - p, which has no digits left if p is near 1
            other = self.node("Sigmoid", [self.node("Neg", [scaled])])
            share = self.node("Concat", [other, one], axis=1)
        else:
            label = self.node("ArgMax", [scores], axis=1, keepdims=1)
            share = scores if shares else self.node("Softmax", [scores], axis=1)
        flat = self.node("Reshape", [label, self.constant("shape", np.array([-1]))])
        return self.model([(flat, "int64", [None]), (share, "double", [None, None])])

    def _ensemble(self, model: Trees) -> dict[str, Any]:
        """Return the attributes of the trees, each of which is there once for each score."""
        width = len(next(one for one in model.values if one))
        nodes: dict[str, list[Any]] = {name: [] for name in _ATTRIBUTES}
        roots: list[int] = []
        leaves: list[tuple[int, float]] = []
        for root, weight in zip(model.roots, model.weights, strict=True):
            for target in range(width):
                roots.append(len(nodes["featureids"]))
                _add_tree(model, root, weight, target, nodes, leaves)
        splits = np.array(nodes.pop("splits"), dtype=np.float64)
        modes = np.full(len(splits), _AT_MOST, dtype=np.uint8)
        values = np.array([value for _, value in leaves], dtype=np.float64)
        return {
            "n_targets": width,
            "aggregate_function": 1,  # the sum
            "post_transform": 0,
            "tree_roots": roots,
            "nodes_splits": self.tensor("splits", splits),
            "nodes_modes": self.tensor("modes", modes),
            "leaf_targetids": [target for target, _ in leaves],
            "leaf_weights": self.tensor("leaves", values),
            **{f"nodes_{name}": listed for name, listed in nodes.items()},
        }


_ATTRIBUTES = ("featureids", "splits", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")


def _add_tree(
    model: Trees,
    root: int,
    weight: float,
    target: int,
    nodes: dict[str, list[Any]],
    leaves: list[tuple[int, float]],
) -> None:
    """Add a tree for one score; a leaf alone becomes a node with it on both sides."""
    inner = list(_inner(model, root))
    start = len(nodes["featureids"])
    places = {place: start + number for number, place in enumerate(inner)}
    for place in inner or [root]:
        alone = model.features[place] < 0
        nodes["featureids"].append(max(model.features[place], 0))
        nodes["splits"].append(model.thresholds[place])
        for side, child in (("true", model.left[place]), ("false", model.right[place])):
            leaf = place if alone else child
            is_leaf = model.features[leaf] < 0
            nodes[f"{side}leafs"].append(int(is_leaf))
            nodes[f"{side}nodeids"].append(len(leaves) if is_leaf else places[leaf])
            if is_leaf:
                leaves.append((target, model.values[leaf][target] * weight))


def _inner(model: Trees, root: int) -> Iterator[int]:
    """Yield the nodes of a tree that are not leaves, parents first."""
    due = [root]
    while due:
        place = due.pop()
        if model.features[place] >= 0:
            yield place
            due += [model.right[place], model.left[place]]
