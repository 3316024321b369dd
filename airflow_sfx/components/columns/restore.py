"""Make columns again from what was stored of them, within what was declared."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from airflow_sfx.components.columns import nodes
from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.decimals import scaled
from airflow_sfx.components.columns.prepare import multiples
from airflow_sfx.core.errors import ModelRefused

DEEPEST = 14
"""The most steps within each other."""
_INTEGERS = np.dtype("<i8")


class Source(Protocol):
    """What a container has stored."""

    def integers(self, node: nodes.Node, count: int) -> Array:
        """Return so many integers of a leaf as ``int64``."""

    def items(self, node: nodes.Node, count: int, dtype: np.dtype[np.generic]) -> Array:
        """Return so many floats of a leaf."""

    def texts(self, node: nodes.Node, count: int, most: int) -> list[bytes]:
        """Return so many texts, of at most so many bytes together."""


def restore(  # noqa: PLR0911
    node: nodes.Node, count: int, dtype: np.dtype[np.generic], source: Source, depth: int = 0
) -> Array:
    """Return the values of a column.

    Args:
        node: How it is made.
        count: How many values it has, which the caller has checked.
        dtype: The type of the values: floats, or ``int64``.
        source: Where they are stored.
        depth: How many nodes are above this one.

    Raises:
        ModelRefused: The steps do not fit each other or what is stored.
    """
    if depth > DEEPEST:
        raise refused("has steps within steps to no end")

    def child(one: nodes.Node, number: int, kind: np.dtype[np.generic] = _INTEGERS) -> Array:
        return restore(one, number, kind, source, depth + 1)

    floats = dtype.kind == "f"
    match node:
        case nodes.Decimal(places, below) if floats:
            return scaled(child(below, count), places, np.dtype(dtype.str))
        case nodes.Step(step, below) if floats:
            return multiples(child(below, count), step, np.dtype(dtype.str))
        case nodes.Narrow(width, below) if floats and width < dtype.itemsize:
            return child(below, count, np.dtype(f"<f{width}")).astype(dtype)
        case nodes.Patched(positions, items, below):
            return _patched(child(below, count, dtype), positions, items)
        case nodes.Gaps(start, below) if not floats:
            with np.errstate(over="ignore"):
                found: Array = np.cumsum(child(below, count), dtype="i8") + np.int64(start)
            return found
        case nodes.Distinct(number, values, index) if number <= count:
            return _chosen(child(values, number, dtype), child(index, count))
        case nodes.Sparse(number, positions, values) if number <= count:
            found = np.zeros(count, dtype=dtype)
            where = child(positions, number)
            found[_inside(where, count)] = child(values, number, dtype)
            return found
        case nodes.Pieces(number, first, second) if number <= count:
            return np.concatenate(
                [child(first, number, dtype), child(second, count - number, dtype)]
            )
        case (
            nodes.Ints()
            | nodes.Raw()
            | nodes.Planes()
            | nodes.Column()
            | nodes.Pco()
            | nodes.Digits()
        ):
            return source.items(node, count, dtype) if floats else source.integers(node, count)
    raise refused(f"has a step {type(node).__name__} where it cannot be")


def refused(what: str) -> ModelRefused:
    """Return the error for a packed component that is damaged or hostile."""
    return ModelRefused(
        f"a packed component {what}: it is damaged, or was not made by `components.pack`; get it"
        " again from where it was packed"
    )


def _patched(values: Array, positions: list[int], items: list[int]) -> Array:
    if len(positions) != len(items):
        raise refused("has exceptions that do not fit their column")
    where = _inside(np.array(positions, dtype="i8"), len(values))
    values.view(f"i{values.itemsize}")[where] = np.array(items, dtype=f"i{values.itemsize}")
    return values


def _chosen(values: Array, index: Array) -> Array:
    found: Array = values[_inside(index, len(values))]
    return found


def _inside(index: Array, count: int) -> Array:
    if len(index) and (int(index.min()) < 0 or int(index.max()) >= count):
        raise refused("has a position outside of its column")
    return index
