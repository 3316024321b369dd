"""ONNX graphs of linear models and trees, with numbers of 64 bits throughout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from airflow_sfx.models.flavours.base import Array, require
from airflow_sfx.models.flavours.spark.parts import Answer, Linear, Trees

_EXTRA = "'airflow-sfx[models]'"
_OPSETS = (("", 17), ("ai.onnx.ml", 5))
_IR = 10
_AT_MOST = 0
"""The mode of a node whose numbers go left if they are at most its threshold."""


class Graph:
    """An ONNX graph that takes one matrix, built from its first node to its last.

    Args:
        matrix: The name of the matrix.
        width: How many columns it has.
    """

    def __init__(self, matrix: str, width: int) -> None:
        require("onnx", _EXTRA, "saving a model of Spark")
        from onnx import TensorProto, helper, numpy_helper

        self._types, self._helper, self._tensors = TensorProto, helper, numpy_helper
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._takes = helper.make_tensor_value_info(matrix, TensorProto.DOUBLE, [None, width])
        self._matrix = matrix

    def linear(self, model: Linear) -> str:
        """Add the scores of a linear model, and return their name."""
        weights = self._constant("weights", np.ascontiguousarray(model.weights.T))
        product = self._node("MatMul", [self._matrix, weights])
        return self._node("Add", [product, self._constant("intercepts", model.intercepts)])

    def trees(self, model: Trees) -> str:
        """Add the scores of trees, and return their name."""
        return self._node("TreeEnsemble", [self._matrix], "ai.onnx.ml", **self._ensemble(model))

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
        kinds = self._types
        if answer == "number":
            return self._model([(scores, kinds.DOUBLE, [None, 1])])
        if answer == "binary":
            above = self._node("Greater", [scores, self._constant("threshold", [threshold])])
            label = self._node("Cast", [above], to=kinds.INT64)
            scaled = self._node("Mul", [scores, self._constant("scale", [scale])])
            one = self._node("Sigmoid", [scaled])
            # not 1 - p, which has no digits left if p is near 1
            other = self._node("Sigmoid", [self._node("Neg", [scaled])])
            share = self._node("Concat", [other, one], axis=1)
        else:
            label = self._node("ArgMax", [scores], axis=1, keepdims=1)
            share = scores if shares else self._node("Softmax", [scores], axis=1)
        flat = self._node("Reshape", [label, self._constant("shape", np.array([-1]))])
        return self._model([(flat, kinds.INT64, [None]), (share, kinds.DOUBLE, [None, None])])

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
            "nodes_splits": self._tensors.from_array(splits, "splits"),
            "nodes_modes": self._tensors.from_array(modes, "modes"),
            "leaf_targetids": [target for target, _ in leaves],
            "leaf_weights": self._tensors.from_array(values, "leaves"),
            **{f"nodes_{name}": listed for name, listed in nodes.items()},
        }

    def _node(self, kind: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(
            self._helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def _constant(self, name: str, value: Array | list[float]) -> str:
        self._constants.append(self._tensors.from_array(np.asarray(value), name))
        return name

    def _model(self, outputs: Sequence[tuple[str, int, list[int | None]]]) -> bytes:
        gives = [self._helper.make_tensor_value_info(*one) for one in outputs]
        graph = self._helper.make_graph(self._nodes, "model", [self._takes], gives, self._constants)
        opsets = [self._helper.make_opsetid(domain, version) for domain, version in _OPSETS]
        model = self._helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        return bytes(model.SerializeToString(deterministic=True))


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
