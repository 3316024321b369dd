"""What the kinds have in common: the columns of a value, and types of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.nodes import Node
from airflow_sfx.components.columns.restore import Source, refused, restore
from airflow_sfx.core.errors import ModelRefused, SchemaMismatch

Primitive: TypeAlias = Array | Sequence[bytes]
"""A column as it is prepared: ``int64``, floats, or texts in UTF-8."""

INTEGERS = np.dtype("<i8")
_TYPE = re.compile(r"\|[b]1|[|<>][iu][1248]|[<>]f[248]|[<>]c(8|16)|[<>][mM]8(\[\w+\])?")
_MOST_DIMENSIONS = 32


@dataclass(frozen=True)
class Part:
    """A column of a value.

    Args:
        name: The column's name in a Parquet file.
        values: Its values.
    """

    name: str
    values: Primitive


class Budget:
    """The memory that a value may take.

    Args:
        limit: The most bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def take(self, size: int) -> None:
        """Count some bytes.

        Raises:
            ModelRefused: They are more than are left.
        """
        if size > self.left:
            raise ModelRefused(
                f"a packed component would take more than limit={self.limit} bytes in memory: it"
                " was not read; pass a greater limit= if you trust who packed it"
            )
        self.left -= size


@dataclass(frozen=True)
class Stored:
    """The columns of a packed value; they are read in their order.

    Args:
        nodes: How they are made.
        source: Where they are.
        budget: The memory that the value may take.
    """

    nodes: Sequence[Node]
    source: Source
    budget: Budget

    def column(self, number: int, count: int, dtype: np.dtype[np.generic] = INTEGERS) -> Array:
        """Return the values of a column.

        Raises:
            ModelRefused: The column is missing, damaged, or larger than the limit.
        """
        self.budget.take(count * max(dtype.itemsize, 8))
        return restore(self._node(number), count, dtype, self.source)

    def texts(self, number: int, count: int) -> list[bytes]:
        """Return the texts of a column.

        Raises:
            ModelRefused: The column is missing, damaged, or larger than the limit.
        """
        self.budget.take(count * 64)
        found = self.source.texts(self._node(number), count, self.budget.left)
        self.budget.take(sum(map(len, found)))
        return found

    def _node(self, number: int) -> Node:
        if number >= len(self.nodes):
            raise refused("has fewer columns than its kind")
        return self.nodes[number]


def checked_type(dtype: np.dtype[np.generic], what: str) -> str:
    """Return the text of a type of numbers.

    Args:
        dtype: The type.
        what: What has it, for the message.

    Raises:
        SchemaMismatch: Values of the type cannot be packed.

    Example:
        >>> checked_type(np.dtype("f4"), "x")
        '<f4'
    """
    if dtype.names is not None or not _TYPE.fullmatch(dtype.str):
        raise SchemaMismatch(
            f"{what} is of type {dtype}, and a component has numbers of at most 8 bytes, booleans,"
            " times, or text: pass each field, or tolist(), as a component of its own"
        )
    return dtype.str


def type_of(text: str) -> np.dtype[np.generic]:
    """Return the type that a header names.

    Raises:
        ModelRefused: It is not a type of numbers.
    """
    if not _TYPE.fullmatch(text):
        raise refused(f"has values of type {text!r:.40}")
    try:
        return np.dtype(text)
    except TypeError as error:
        raise refused(f"has values of type {text!r:.40}") from error


def to_primitive(values: Array) -> Array:
    """Return numbers of any type as ``int64`` or as floats."""
    kind = values.dtype.kind
    if kind in "mM":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).view("<i8")
    if kind == "u" and values.itemsize == 8:  # noqa: PLR2004
        return values.astype("<u8", copy=False).view("<i8")
    if kind in "biu":
        return values.astype("<i8", copy=False)
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return little.view(f"<f{values.itemsize // 2}") if kind == "c" else little


def from_primitive(stored: Stored, number: int, count: int, dtype: np.dtype[np.generic]) -> Array:
    """Return numbers of a type from a column.

    Raises:
        ModelRefused: The column does not hold such numbers.
    """
    little = dtype.newbyteorder("<")
    if dtype.kind == "f":
        found = stored.column(number, count, little)
    elif dtype.kind == "c":
        floats = np.dtype(f"<f{dtype.itemsize // 2}")
        found = stored.column(number, 2 * count, floats).view(little)
    elif dtype.kind in "mM" or dtype.itemsize == 8:  # noqa: PLR2004
        found = stored.column(number, count).view(little)
    else:
        wide = stored.column(number, count)
        found = wide.astype(little)
        if not np.array_equal(found.astype("<i8"), wide):
            raise refused(f"has integers that {dtype} does not hold")
    return found.astype(dtype, copy=False)


def count_of(shape: Sequence[int]) -> int:
    """Return the cells of a shape.

    Raises:
        ModelRefused: A dimension is negative, or there are too many.
    """
    found = 1
    for length in shape:
        if length < 0:
            raise refused("has a shape with a negative length")
        found *= length
    if len(shape) > _MOST_DIMENSIONS:
        raise refused(f"has {len(shape)} dimensions")
    return found


def encoded(text: str, what: str) -> bytes:
    """Return a text in UTF-8.

    Raises:
        SchemaMismatch: It has half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SchemaMismatch(
            f"{what} {text!r:.60} has half of a surrogate pair, which UTF-8 does not have: decode"
            " the text that it came from with the right encoding"
        ) from error


def decoded(data: bytes) -> str:
    """Return a text from UTF-8.

    Raises:
        ModelRefused: It is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refused("has a text that is not UTF-8") from error
