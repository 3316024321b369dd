"""Trees of rpart as ONNX: all rows walk down at once, step by step.

ONNX's own operators for trees know no substitute splits for missing values. Here each node is a row
of tables: the columns, thresholds and sides of its splits, and its children. A step looks these up
for the node where each row is, weighs the splits so that the first with a value decides, and goes
on to a child, or stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airflow_sfx.models.flavours.base import Array
from airflow_sfx.models.flavours.r.columns import ColumnGraph
from airflow_sfx.models.flavours.r.tree import LEFT, RIGHT, Split, Tree
from airflow_sfx.models.schema.signature import Feature


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tree as arrays, with a row for each node, and in most a column for each split.

    Args:
        column: The place of the split's column.
        below: The threshold.
        smaller: The side of smaller numbers; 0 for a split by levels, or for none.
        start: Where the sides of the split's levels start in ``sides``.
        has_levels: Whether the split is by levels.
        sides: The sides of the levels of all splits; the first is that of no level.
        children: The left child, the node itself, and the right child.
    """

    column: Array
    below: Array
    smaller: Array
    start: Array
    has_levels: Array
    sides: Array
    children: Array

    @classmethod
    def of(cls, tree: Tree, columns: Sequence[str], levels: Mapping[str, Sequence[str]]) -> _Tables:
        width = max(1, *(len(node.splits) for node in tree.nodes))
        shape = (len(tree.nodes), width)
        column, start = np.zeros(shape, np.int64), np.zeros(shape)
        below, smaller, has_levels = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
        children = np.repeat(np.arange(len(tree.nodes)), 3).reshape(-1, 3)
        sides = [0.0]
        for number, node in enumerate(tree.nodes):
            if node.splits:
                children[number, [0, 2]] = node.left, node.right
            for place, split in enumerate(node.splits):
                at = number, place
                column[at] = columns.index(split.column)
                if split.levels is None:
                    below[at] = split.below
                    smaller[at] = LEFT if split.smaller_left else RIGHT
                else:
                    has_levels[at], start[at] = True, len(sides)
                    sides += _sides(split, levels[split.column])
        return cls(column, below, smaller, start, has_levels, np.array(sides), children)


def _sides(split: Split, levels: Sequence[str]) -> list[float]:
    known = split.levels or {}
    return [0.0 if one not in known else LEFT if known[one] else RIGHT for one in levels]


def tree_to_onnx(
    tree: Tree, features: Sequence[Feature], levels: Mapping[str, Sequence[str]]
) -> bytes:
    """Return a tree as ONNX.

    Args:
        tree: The tree.
        features: The columns that it takes, at least one.
        levels: The levels of each column that has some.

    Returns:
        The file, whose answers are the nodes' own numbers.
    """
    columns = tree.columns or (features[0].name,)
    graph = ColumnGraph(columns, features, levels)
    node = graph.cast(graph.filled("root", 0.0), "int64")
    if tree.columns:
        walk = _Walk(graph, tree, columns, levels)
        for _ in range(tree.depth):
            node = walk.step(node)
    values = np.array([one.values for one in tree.nodes], dtype=np.float64)
    if not tree.classes:
        found = graph.node("Gather", [graph.constant("answers", values[:, 0]), node])
        return graph.model([(found, "double", [None])], graph.metadata)
    names = [str(tree.classes[one.label]) for one in tree.nodes]
    label = graph.node("Gather", [graph.constant("labels", np.array(names, object)), node])
    share = graph.node("Gather", [graph.constant("shares", values), node])
    outputs = [(label, "text", [None]), (share, "double", [None, values.shape[1]])]
    return graph.model(outputs, graph.metadata)


class _Walk:
    """Adds the steps, with the tables and the rows' values once."""

    def __init__(
        self,
        graph: ColumnGraph,
        tree: Tree,
        columns: Sequence[str],
        levels: Mapping[str, Sequence[str]],
    ) -> None:
        self._graph = graph
        tables = _Tables.of(tree, columns, levels)
        self._column = graph.constant("column", tables.column)
        self._below = graph.constant("below", tables.below)
        self._smaller = graph.constant("smaller", tables.smaller)
        self._children = graph.constant("children", tables.children)
        self._otherwise = graph.constant(
            "otherwise", np.array([[one.otherwise / 2] for one in tree.nodes])
        )
        # each split decides against all that come after it together
        width = tables.column.shape[1]
        self._weights = graph.constant("weights", 2.0 ** np.arange(width, 0, -1))
        self._last = graph.constant("last", np.array([1]))
        self._middle = graph.constant("middle", 1.0)
        self._none = graph.constant("none", 0.0)
        self._by_levels = bool(tables.has_levels.any())
        if self._by_levels:
            self._start = graph.constant("start", tables.start)
            self._has_levels = graph.constant("has_levels", tables.has_levels)
            self._sides = graph.constant("sides", tables.sides)
        self._values = self._matrix(columns, levels)

    def _matrix(self, columns: Sequence[str], levels: Mapping[str, Sequence[str]]) -> str:
        """Add the values of all columns, levels as their places, as one matrix."""
        graph = self._graph
        vectors = [graph.codes(one) if one in levels else one for one in columns]
        wide = [graph.node("Unsqueeze", [one, self._last]) for one in vectors]
        return graph.node("Concat", wide, axis=1)

    def step(self, node: str) -> str:
        """Add one step from the nodes where rows are, and return where they are then."""
        graph = self._graph
        column = graph.node("Gather", [self._column, node])
        values = graph.node("GatherElements", [self._values, column], axis=1)
        missing = graph.node("IsNaN", [values])
        smaller = graph.node("Gather", [self._smaller, node])
        is_below = graph.node("Less", [values, graph.node("Gather", [self._below, node])])
        side = graph.node("Where", [is_below, smaller, graph.node("Neg", [smaller])])
        if self._by_levels:
            side = self._side_of_levels(node, values, missing, side)
        side = graph.node("Where", [missing, self._none, side])
        weighed = graph.node("Mul", [side, self._weights])
        total = graph.node("ReduceSum", [weighed, self._last])  # keeps the dimension
        total = graph.node("Add", [total, graph.node("Gather", [self._otherwise, node])])
        goes = graph.node("Add", [graph.node("Sign", [total]), self._middle])
        children = graph.node("Gather", [self._children, node])
        child = graph.node("GatherElements", [children, graph.cast(goes, "int64")], axis=1)
        return graph.node("Squeeze", [child, self._last])

    def _side_of_levels(self, node: str, values: str, missing: str, side: str) -> str:
        graph = self._graph
        has_levels = graph.node("Gather", [self._has_levels, node])
        place = graph.node("Add", [values, graph.node("Gather", [self._start, node])])
        unknown = graph.node("Or", [missing, graph.node("Not", [has_levels])])
        place = graph.node("Where", [unknown, self._none, place])
        found = graph.node("Gather", [self._sides, graph.cast(place, "int64")])
        return graph.node("Where", [has_levels, found, side])
