"""Decision trees, as rpart grows them, exact, with its substitute splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.flavours.base import Answers, Array, Scorer
from airflow_sfx.models.flavours.coefficients import levels_of
from airflow_sfx.models.schema.rows import Columns
from airflow_sfx.models.schema.signature import Value

TREE = "components/tree.packed"
"""The entry of the tree, which is all that scoring needs."""
_MOST_NODES = 1_000_000
LEFT, RIGHT = -1.0, 1.0
"""Where a row goes; 0 if a split does not know."""


@dataclass(frozen=True, slots=True)
class Split:
    """A division of rows into those that go left and right, but for those without a value.

    Args:
        column: The column.
        below: Rows with smaller numbers go to one side; None if the column has levels.
        smaller_left: Whether this is the left side.
        levels: Where each level goes: True for left. Others go to neither side.
    """

    column: str
    below: float | None = None
    smaller_left: bool = True
    levels: Mapping[str, bool] | None = None

    def sides(self, values: Array) -> Array:
        """Return the side of each value."""
        if self.levels is not None:
            sides = {level: LEFT if left else RIGHT for level, left in self.levels.items()}
            found = levels_of(values, list(self.levels))
            return np.array([0.0 if one is None else sides.get(one, 0.0) for one in found])
        numbers = np.array([np.nan if one is None else one for one in values.tolist()], np.float64)
        smaller, others = (LEFT, RIGHT) if self.smaller_left else (RIGHT, LEFT)
        sides_of_numbers: Array = np.where(numbers < (self.below or 0.0), smaller, others)
        return np.where(np.isnan(numbers), 0.0, sides_of_numbers)

    def to_json(self) -> dict[str, object]:
        """Return its members as JSON."""
        if self.levels is not None:
            return {"column": self.column, "levels": dict(self.levels)}
        return {"column": self.column, "below": self.below, "smaller_left": self.smaller_left}


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a tree.

    Args:
        values: What it answers for rows that go no further: one number, or the probability of each
            class.
        label: The place of the class that it predicts.
        splits: How it divides rows; empty for a leaf. Those after the first are for the rows whose
            value of the ones before is missing.
        otherwise: Where rows go that no split divides: ``LEFT``, ``RIGHT``, or 0 if they stay.
        left: The number of its left child.
        right: The number of its right child.
    """

    values: tuple[float, ...]
    label: int = 0
    splits: tuple[Split, ...] = ()
    otherwise: float = 0.0
    left: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of decisions.

    Args:
        nodes: Its nodes, the root first; children come after their parents.
        classes: The classes of its probabilities; empty if it predicts a number.

    Raises:
        InvalidName: It is not a tree.

    Example:
        >>> root = Node((6.0,), splits=(Split("x", 1.0),), left=1, right=2)
        >>> tree = Tree((root, Node((5.0,)), Node((7.0,))))
        >>> tree.answers(Columns({"x": np.array([0.5, 1.0, np.nan])}, 3)).prediction.tolist()
        [5.0, 7.0, 6.0]
    """

    nodes: tuple[Node, ...]
    classes: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        count, width = len(self.nodes), len(self.classes) or 1
        for number, node in enumerate(self.nodes):
            children = (node.left, node.right) if node.splits else ()
            if any(not number < child < count for child in children):
                raise InvalidName(f"node {number} of the tree has children before it or beyond it")
            if len(node.values) != width or not 0 <= node.label < width:
                raise InvalidName(f"node {number} of the tree has {len(node.values)} values")
            if any((one.below is None) == (one.levels is None) for one in node.splits):
                raise InvalidName(f"node {number} of the tree divides neither numbers nor levels")
        if not 0 < count <= _MOST_NODES:
            raise InvalidName(f"a tree of {count} nodes cannot be used")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it divides by."""
        return tuple(dict.fromkeys(split.column for node in self.nodes for split in node.splits))

    @property
    def depth(self) -> int:
        """How many divisions a row passes at most."""
        depths = [0] * len(self.nodes)
        for number, node in enumerate(self.nodes):
            for child in (node.left, node.right) if node.splits else ():
                depths[child] = depths[number] + 1
        return max(depths)

    def to_json(self) -> dict[str, object]:
        """Return its members as JSON."""
        return {"nodes": [_to_json(node) for node in self.nodes], "classes": list(self.classes)}

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
        """Return what the tree says about rows."""
        found = np.zeros((columns.rows, len(self.classes) or 1))
        labels = np.zeros(columns.rows, dtype=np.int64)
        for node, rows in self._rows_at(columns):
            found[rows], labels[rows] = node.values, node.label
        if not self.classes:
            return Answers(found[:, 0])
        return Answers(np.asarray(list(self.classes))[labels], found)

    def _rows_at(self, columns: Columns) -> Iterator[tuple[Node, Array]]:
        """Yield nodes, and the rows that end at them."""
        rows_at: dict[int, Array] = {0: np.arange(columns.rows)}
        for number, node in enumerate(self.nodes):
            rows = rows_at.pop(number, None)
            if rows is None or not len(rows):
                continue
            sides = np.zeros(len(rows))
            for split in node.splits:
                due = sides == 0.0
                if not due.any():
                    break
                sides[due] = split.sides(columns.arrays[split.column][rows[due]])
            sides[sides == 0.0] = node.otherwise
            yield node, rows[sides == 0.0]
            if node.splits:
                rows_at[node.left], rows_at[node.right] = rows[sides < 0], rows[sides > 0]


def _to_json(node: Node) -> dict[str, object]:
    found: dict[str, object] = {"values": list(node.values), "label": node.label}
    if node.splits:
        found |= {
            "splits": [one.to_json() for one in node.splits],
            "otherwise": node.otherwise,
            "left": node.left,
            "right": node.right,
        }
    return found


def _node(data: Mapping[str, Any]) -> Node:
    return Node(
        tuple(float(one) for one in data["values"]),
        int(data.get("label", 0)),
        tuple(map(_split, data.get("splits", ()))),
        float(data.get("otherwise", 0.0)),
        int(data.get("left", 0)),
        int(data.get("right", 0)),
    )


def _split(data: Mapping[str, Any]) -> Split:
    below, levels = data.get("below"), data.get("levels")
    return Split(
        str(data["column"]),
        None if below is None else float(below),
        bool(data.get("smaller_left", True)),
        None if levels is None else {str(key): bool(value) for key, value in levels.items()},
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
