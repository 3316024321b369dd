"""Bits, vectors, dense matrices and scalars of NumPy, lists of numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.parts import (
    Part,
    Stored,
    checked_type,
    count_of,
    decoded,
    encoded,
    from_primitive,
    to_primitive,
    type_of,
)
from airflow_sfx.core.errors import SchemaMismatch

_TEXT = re.compile(r"([<>])U(\d{1,9})")
_GREATEST_FLOAT = 1 << 53
Form = Literal["C", "F", "s", "l", "m", "n"]
Length = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]


class ArraySpec(msgspec.Struct, tag="a", array_like=True, frozen=True):
    """What an array is.

    Args:
        dtype: The type of its values, as NumPy writes it; of a list, that of an array of them.
        shape: The lengths of its dimensions.
        form: ``C`` for an array whose last dimension varies fastest, ``F`` for one whose first
            does, ``s`` for a scalar, ``l`` for a list, ``n`` for a list of fractions as floats and
            whole numbers as integers, ``m`` for another list of floats and integers.
    """

    dtype: str
    shape: list[Length]
    form: Form

    @property
    def kind(self) -> Literal["bits", "vector", "matrix"]:
        """The kind of component."""
        if len(self.shape) > 1 or (not self.shape and self.form != "s"):
            return "matrix"
        return "bits" if self.dtype == "|b1" else "vector"


def split_array(value: Array) -> tuple[ArraySpec, list[Part]]:
    """Return what an array is, and its column.

    Raises:
        SchemaMismatch: Its values cannot be packed.
    """
    if type(value) not in (np.ndarray, np.memmap):
        raise SchemaMismatch(
            f"a {type(value).__name__} is not a plain array: pass np.asarray(value), and a mask"
            " as a component of its own"
        )
    order: Literal["C", "F"] = (
        "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    )
    flat = np.ravel(value, order=order)
    shape = list(value.shape)
    if value.dtype.kind == "U":
        texts = [encoded(text, "the text") for text in flat.tolist()]
        return ArraySpec(value.dtype.str, shape, order), [Part("value", texts)]
    spec = ArraySpec(checked_type(value.dtype, "an array"), shape, order)
    return spec, [Part("value", to_primitive(flat))]


def split_scalar(value: np.generic) -> tuple[ArraySpec, list[Part]]:
    """Return what a scalar of NumPy is, and its column of one value.

    Raises:
        SchemaMismatch: It cannot be packed.
    """
    spec, parts = split_array(np.asarray(value))
    return ArraySpec(spec.dtype, [], "s"), parts


def split_list(value: list[object]) -> tuple[ArraySpec, list[Part]] | None:  # noqa: PLR0911
    """Return what a list of numbers, or of rows of numbers, is; None for another list."""
    if not value:
        return None
    flat, shape = value, [len(value)]
    if type(value[0]) is list:
        rows = [row for row in value if type(row) is list and len(row) == len(value[0])]
        if len(rows) != len(value):
            return None
        flat, shape = [cell for row in rows for cell in row], [len(rows), len(rows[0])]
    types = set(map(type, flat))
    if types == {float}:
        return ArraySpec("<f8", shape, "l"), [Part("value", np.array(flat, "<f8"))]
    if types == {bool}:
        return ArraySpec("|b1", shape, "l"), [Part("value", np.array(flat, "<i8"))]
    integers = [one for one in flat if type(one) is int]
    if types == {int} and min(integers) >= -(1 << 63) and max(integers) < 1 << 63:
        return ArraySpec("<i8", shape, "l"), [Part("value", np.array(flat, "<i8"))]
    if types == {int, float} and max(map(abs, integers)) <= _GREATEST_FLOAT:
        which = np.array([type(one) is float for one in flat], "<i8")
        values = np.array(flat, "<f8")
        if not any(one.is_integer() for one in flat if type(one) is float):
            return ArraySpec("<f8", shape, "n"), [Part("value", values)]
        return ArraySpec("<f8", shape, "m"), [Part("is_float", which), Part("value", values)]
    return None


def join_array(spec: ArraySpec, stored: Stored) -> object:
    """Return the array, scalar or list again.

    Raises:
        ModelRefused: The columns do not fit what it is.
    """
    count = count_of(spec.shape)
    if spec.form in ("l", "m", "n"):
        stored.budget.take(count * 32)
        return _list(spec, stored, count)
    if _TEXT.fullmatch(spec.dtype):
        return _texts(spec, stored, count)
    found = from_primitive(stored, 0, count, type_of(spec.dtype))
    if spec.form == "s":
        if count != 1:
            raise refused(f"has {count} values where it is one")
        return found[0]
    return found.reshape(spec.shape, order=_order(spec))


def _order(spec: ArraySpec) -> Literal["C", "F"]:
    return "F" if spec.form == "F" else "C"


def _texts(spec: ArraySpec, stored: Stored, count: int) -> object:
    dtype = np.dtype(spec.dtype)
    stored.budget.take(count * dtype.itemsize)
    texts = [decoded(text) for text in stored.texts(0, count)]
    if any(len(text) * 4 > dtype.itemsize for text in texts):
        raise refused("has texts that are longer than its type")
    if spec.form == "s":
        return np.array(texts, dtype=dtype)[0]
    return np.array(texts, dtype=dtype).reshape(spec.shape, order=_order(spec))


def _list(spec: ArraySpec, stored: Stored, count: int) -> list[object]:
    """Return a list of numbers, or of rows of numbers."""
    mixed = spec.form == "m"
    is_float = stored.column(0, count).tolist() if mixed else []
    flat: list[Any] = from_primitive(stored, int(mixed), count, type_of(spec.dtype)).tolist()
    if mixed:
        flat = [one if kept else _whole(one) for one, kept in zip(flat, is_float, strict=True)]
    if spec.form == "n":
        flat = [int(one) if one.is_integer() else one for one in flat]
    if len(spec.shape) == 1:
        return flat
    if len(spec.shape) != 2:  # noqa: PLR2004
        raise refused(f"has lists within lists of {len(spec.shape)} levels")
    rows, width = spec.shape
    return [flat[row * width : (row + 1) * width] for row in range(rows)]


def _whole(number: float) -> int:
    if not number.is_integer():
        raise refused("has a fraction where an integer must be")
    return int(number)
