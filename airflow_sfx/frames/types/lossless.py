"""Which values of a column another type would lose or change."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.types.casts import to_wider
from airflow_sfx.frames.types.hive import is_list

_compute: Any = pc  # the stubs lack some of its functions


def lost(array: AnyArray, kind: AnyType, *, parse: bool = False) -> int | None:  # noqa: PLR0911  a table of types, in order
    """Find the first value that is another one, or none, in another type.

    Args:
        array: The values.
        kind: The other type.
        parse: Whether text may be read as what it says, as ``05`` as the number 5; else it has to
            be the very text that the other type's value gives.

    Returns:
        The row; None if all values stay what they are.

    Example:
        >>> lost(pa.array([1.0, 1.5]), pa.int64()), lost(pa.array(["05"]), pa.int64(), parse=True)
        (1, None)
    """
    source: Any = array.type
    wanted: Any = kind
    if source == kind or types.is_null(source):
        return None
    if isinstance(array, pa.DictionaryArray):
        return lost(array.dictionary.take(array.indices), kind, parse=parse)
    if isinstance(array, pa.ExtensionArray):
        return lost(array.storage, kind, parse=parse)
    if types.is_run_end_encoded(source):
        return lost(_compute.run_end_decode(array), kind, parse=parse)
    if is_list(source) and is_list(kind):
        return _row_of(array, lost(_compute.list_flatten(array), wanted.value_type, parse=parse))
    if types.is_map(source) and types.is_map(kind):
        pairs = pa.list_(pa.struct([("key", wanted.key_type), ("value", wanted.item_type)]))
        return lost(_pairs(array), pairs, parse=parse)
    if types.is_struct(source) and types.is_struct(kind):
        return _lost_of_structs(array, kind, parse)
    return _lost_of_values(array, kind, parse)


def shown(array: AnyArray, row: int) -> str:
    """A value for a message, also where Python has no such year.

    Example:
        >>> shown(pa.array([1.5]), 0)
        '1.5'
    """
    try:
        return f"{array[row]!s:.80}"
    except (ValueError, OverflowError):
        return str(array.slice(row, 1).to_string())[:80]


def is_number(kind: AnyType) -> bool:
    """Whether a type has numbers.

    Example:
        >>> is_number(pa.decimal128(3, 1)), is_number(pa.bool_())
        (True, False)
    """
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def _row_of(lists: Any, place: int | None) -> int | None:
    """The row of a list that has an element, by the element's place among those of all lists."""
    if place is None:
        return None
    ends: Any = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists).cast(pa.int64()), 0))
    return _first(_compute.greater(ends, place))


def _pairs(array: Any) -> Any:
    entries = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
    kind = pa.list_(entries.type)
    return pa.Array.from_buffers(
        kind,
        len(array),
        array.buffers()[:2],
        array.null_count,
        offset=array.offset,
        children=[entries],
    )


def _lost_of_structs(array: Any, kind: Any, parse: bool) -> int | None:
    wanted = {field.name.lower(): field.type for field in kind.fields}
    found = []
    for field, values in zip(array.type.fields, array.flatten(), strict=True):
        there = wanted.get(field.name.lower())
        found.append(
            _first(values.is_valid()) if there is None else lost(values, there, parse=parse)
        )
    return min((row for row in found if row is not None), default=None)


def _lost_of_values(array: AnyArray, kind: AnyType, parse: bool) -> int | None:
    if any(_no_counterparts(one, other) for one, other in ((array.type, kind), (kind, array.type))):
        return _first(array.is_valid())
    try:
        made = to_wider(array, kind)
    except pa.ArrowException:
        return _first_failing(array, kind)
    if parse and _is_text(array.type):
        return _first_misread(array.cast(pa.string()), made)
    return _first_other(array, made)


def _no_counterparts(one: Any, other: Any) -> bool:
    """Whether nobody knows what a value of a type is in another: of which unit, since when, or in which zone."""
    if types.is_temporal(one) and is_number(other):
        return True
    if types.is_duration(one):
        return _is_text(other)
    aware = types.is_timestamp(one) and one.tz is not None
    return aware and (types.is_date(other) or (types.is_timestamp(other) and other.tz is None))


def _first_misread(text: Any, made: AnyArray) -> int | None:
    """The first text that Arrow reads as another number than it says: too fine, too large, or hexadecimal."""
    if types.is_integer(made.type):
        return _first(pc.invert(pc.match_substring_regex(text, r"^[+-]?[0-9]+$")))
    if types.is_floating(made.type):
        doubtful = pc.not_equal(text, made.cast(pa.string()))
        rows = pc.indices_nonzero(doubtful.fill_null(False))
        pairs = zip(
            text.take(rows).to_pylist(), made.take(rows).cast(pa.string()).to_pylist(), strict=True
        )
        place = next(
            (place for place, (one, other) in enumerate(pairs) if not _same_number(one, other)),
            None,
        )
        return None if place is None else rows[place].as_py()
    return None


def _same_number(one: str, other: str) -> bool:
    try:
        first, second = Decimal(one), Decimal(other)
    except InvalidOperation:
        return False
    return first == second or (first.is_nan() and second.is_nan())


def _first_other(array: AnyArray, made: AnyArray) -> int | None:
    """The first value that is another one after a cast, as a cast back tells."""
    try:
        # The digits of a float are those that tell it from others, and not all that its bits amount
        # to.
        digits = types.is_decimal(array.type) and types.is_floating(made.type)
        back = to_wider(made.cast(pa.string()) if digits else made, array.type)
    except pa.ArrowException:
        return _first_failing(made, array.type)
    if types.is_string_view(array.type) or types.is_binary_view(array.type):
        array, back = (
            array.cast(pa.large_binary()),
            back.cast(pa.large_binary()),
        )  # which Arrow can compare
    if types.is_float16(array.type):
        array, back = array.cast(pa.float32()), back.cast(pa.float32())
    differs: Any = pc.not_equal(array, back)
    if types.is_floating(array.type):
        differs = pc.and_(differs, pc.invert(pc.and_(pc.is_nan(array), pc.is_nan(back))))
    return _first(differs)


def _first(flags: Any) -> int | None:
    place: int = _compute.index(flags, True).as_py()
    return None if place < 0 else place


def _first_failing(array: AnyArray, kind: AnyType) -> int:
    start, length = 0, len(array)
    while length > 1:
        half = length // 2
        try:
            to_wider(
                array.take(pa.array(range(start, start + half))), kind
            )  # a slice of lists has all values below it
        except pa.ArrowException:
            length = half
        else:
            start, length = start + half, length - half
    return start


def _is_text(kind: AnyType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
