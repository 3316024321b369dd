"""Decision trees, as rpart grows them, exact in doubles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.models.flavours.base import Answers, Array, Scorer
from airflow_sfx.models.schema.rows import Columns
from airflow_sfx.models.schema.signature import Value

TREE = "components/tree.packed"
"""The entry of the tree, which is all that scoring needs."""
_MOST_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a tree.

    Args:
        column: The column that it divides by, or empty for a leaf.
        below: Rows with smaller numbers go left; None if the column has levels.
        levels: Where each level goes: True for left; empty if the column has numbers.
        left: The number of its left child; the right one is the next.
        values: What a leaf answers: one number, or the probability of each class.
    """

    column: str = ""
    below: float | None = None
    levels: Mapping[str, bool] | None = None
    left: int = 0
    right: int = 0
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of decisions.

    Args:
        nodes: Its nodes, the root first; children come after their parents.
        classes: The classes of its probabilities; empty if it predicts a number.

    Raises:
        InvalidName: It is not a tree.

    Example:
        >>> tree = Tree((Node("x", 1.0, None, 1, 2), Node(values=(5.0,)), Node(values=(7.0,))))
        >>> tree.answers(Columns({"x": np.array([0.5, 1.0])}, 2)).prediction.tolist()
        [5.0, 7.0]
    """

    nodes: tuple[Node, ...]
    classes: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        count, width = len(self.nodes), len(self.classes) or 1
        for number, node in enumerate(self.nodes):
            is_leaf = not node.column
            children = () if is_leaf else (node.left, node.right)
            if any(not number < child < count for child in children):
                raise InvalidName(f"node {number} of the tree has children before it or beyond it")
            if is_leaf and len(node.values) != width:
                raise InvalidName(f"leaf {number} of the tree has {len(node.values)} values")
            if not is_leaf and (node.below is None) == (node.levels is None):
                raise InvalidName(f"node {number} of the tree divides neither numbers nor levels")
        if not 0 < count <= _MOST_NODES:
            raise InvalidName(f"a tree of {count} nodes cannot be used")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it divides by."""
        return tuple(dict.fromkeys(node.column for node in self.nodes if node.column))

    def to_json(self) -> dict[str, object]:
        """Return its members as JSON."""
        return {
            "nodes": [
                {"values": list(node.values)}
                if not node.column
                else {
                    "column": node.column,
                    **({} if node.below is None else {"below": node.below}),
                    **({} if node.levels is None else {"levels": dict(node.levels)}),
                    "left": node.left,
                    "right": node.right,
                }
                for node in self.nodes
            ],
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, data: Any) -> Tree:
        """Return the tree of its JSON members.

        Raises:
            InvalidName: They are not those of a tree.
        """
        try:
            return cls(tuple(map(_node, data["nodes"])), tuple(data["classes"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InvalidName):
                raise
            raise InvalidName(f"this is not a tree: {error}") from error

    def answers(self, columns: Columns) -> Answers:
        """Return what the tree says about rows.

        Raises:
            SchemaMismatch: A row lacks a value, or has a level that the tree does not know.
        """
        found = np.zeros((columns.rows, len(self.classes) or 1))
        rows_at: dict[int, Array] = {0: np.arange(columns.rows)}
        for number, node in enumerate(self.nodes):
            rows = rows_at.pop(number, None)
            if rows is None or not len(rows):
                continue
            if not node.column:
                found[rows] = node.values
                continue
            goes_left = _goes_left(node, columns.arrays[node.column][rows])
            rows_at[node.left], rows_at[node.right] = rows[goes_left], rows[~goes_left]
        if not self.classes:
            return Answers(found[:, 0])
        # the first of equal probabilities, as in R
        return Answers(np.asarray(list(self.classes))[found.argmax(axis=1)], found)


def _node(data: Mapping[str, Any]) -> Node:
    if "values" in data:
        return Node(values=tuple(float(one) for one in data["values"]))
    below, levels = data.get("below"), data.get("levels")
    return Node(
        str(data["column"]),
        None if below is None else float(below),
        None if levels is None else {str(key): bool(value) for key, value in levels.items()},
        int(data["left"]),
        int(data["right"]),
    )


def _goes_left(node: Node, values: Array) -> Array:
    if node.levels is None:
        numbers = np.array([np.nan if one is None else one for one in values.tolist()], np.float64)
        if np.isnan(numbers).any():
            raise _missing(node)
        found: Array = numbers < (node.below or 0.0)
        return found
    texts = [str(one).lower() if isinstance(one, bool) else one for one in values.tolist()]
    unknown = next((one for one in texts if one not in node.levels), node)
    if unknown is None:
        raise _missing(node)
    if unknown is not node:
        raise SchemaMismatch(
            f"the column {node.column!r:.80} has the level {unknown!r:.80}, which the tree does not"
            f" know: it knows {', '.join(list(node.levels)[:5])}"
        )
    return np.array([node.levels[one] for one in texts], np.bool_)


def _missing(node: Node) -> SchemaMismatch:
    return SchemaMismatch(
        f"the column {node.column!r:.80} has a missing value, and the tree's substitute splits are"
        " not kept: fill it first"
    )


class TreeScorer(Scorer):
    """Answers from a tree, with numpy only.

    Args:
        tree: The tree.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def native(self) -> object:
        """The tree."""
        return self._tree

    def answers(self, columns: Columns) -> Answers:
        """Return what the tree says about rows."""
        return self._tree.answers(columns)
