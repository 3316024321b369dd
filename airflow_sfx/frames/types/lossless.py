"""Checks which values of a column a cast to another type would lose or change."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.types.casts import widen_array
from airflow_sfx.frames.types.families import is_list, is_number, is_text

_compute: Any = pc  # the type stubs lack some of its functions


def first_lossy_row(  # noqa: PLR0911
    array: AnyArray, kind: AnyType, *, parse: bool = False
) -> int | None:
    """Find the first row whose value a cast would lose or change.

    Args:
        array: The values.
        kind: The type to cast to.
        parse: Whether text may be parsed, such as ``05`` to the number 5; otherwise text must equal
            the text of the value that it is cast to.

    Returns:
        The row, or None if the cast changes no value.

    Example:
        >>> first_lossy_row(pa.array([1.0, 1.5]), pa.int64())
        1
        >>> first_lossy_row(pa.array(["05"]), pa.int64(), parse=True) is None
        True
    """
    source: Any = array.type
    wanted: Any = kind
    if source == kind or types.is_null(source):
        return None
    if isinstance(array, pa.DictionaryArray):
        return first_lossy_row(array.dictionary.take(array.indices), kind, parse=parse)
    if isinstance(array, pa.ExtensionArray):
        return first_lossy_row(array.storage, kind, parse=parse)
    if types.is_run_end_encoded(source):
        return first_lossy_row(_compute.run_end_decode(array), kind, parse=parse)
    if is_list(source) and is_list(kind):
        return _row_of(
            array, first_lossy_row(_compute.list_flatten(array), wanted.value_type, parse=parse)
        )
    if types.is_map(source) and types.is_map(kind):
        pairs = pa.list_(pa.struct([("key", wanted.key_type), ("value", wanted.item_type)]))
        return first_lossy_row(_pairs(array), pairs, parse=parse)
    if types.is_struct(source) and types.is_struct(kind):
        return _first_lossy_struct(array, kind, parse)
    return _first_lossy_value(array, kind, parse)


def value_text(array: AnyArray, row: int) -> str:
    """Format a value for a message, including times that Python cannot represent.

    Example:
        >>> value_text(pa.array([1.5]), 0)
        '1.5'
    """
    try:
        return f"{array[row]!s:.80}"
    except (ValueError, OverflowError):
        return str(array.slice(row, 1).to_string())[:80]


def _row_of(lists: Any, position: int | None) -> int | None:
    """Return the row of the list that has a position of the flattened lists."""
    if position is None:
        return None
    ends: Any = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists).cast(pa.int64()), 0))
    return _first(_compute.greater(ends, position))


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


def _first_lossy_struct(array: Any, kind: Any, parse: bool) -> int | None:
    wanted = {field.name.lower(): field.type for field in kind.fields}
    found = []
    for field, values in zip(array.type.fields, array.flatten(), strict=True):
        there = wanted.get(field.name.lower())
        found.append(
            _first(values.is_valid())
            if there is None
            else first_lossy_row(values, there, parse=parse)
        )
    return min((row for row in found if row is not None), default=None)


def _first_lossy_value(array: AnyArray, kind: AnyType, parse: bool) -> int | None:
    if any(_is_ambiguous(one, other) for one, other in ((array.type, kind), (kind, array.type))):
        return _first(array.is_valid())
    try:
        made = widen_array(array, kind)
    except pa.ArrowException:
        return _first_failing(array, kind)
    if parse and is_text(array.type):
        return _first_misread(array.cast(pa.string()), made)
    return _first_changed(array, made)


def _is_ambiguous(one: Any, other: Any) -> bool:
    """Return whether a cast would have to guess: a unit, an epoch or a time zone."""
    if types.is_temporal(one) and is_number(other):
        return True
    if types.is_duration(one):
        return is_text(other)
    aware = types.is_timestamp(one) and one.tz is not None
    return aware and (types.is_date(other) or (types.is_timestamp(other) and other.tz is None))


def _first_misread(text: Any, made: AnyArray) -> int | None:
    """Return the first row whose text Arrow parses to another number than it denotes."""
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


def _first_changed(array: AnyArray, made: AnyArray) -> int | None:
    """Return the first row whose value differs after a cast and a cast back."""
    try:
        # Compare the shortest digits that identify a float, not its exact binary value.
        digits = types.is_decimal(array.type) and types.is_floating(made.type)
        back = widen_array(made.cast(pa.string()) if digits else made, array.type)
    except pa.ArrowException:
        return _first_failing(made, array.type)
    if types.is_string_view(array.type) or types.is_binary_view(array.type):
        # Arrow cannot compare views.
        array, back = array.cast(pa.large_binary()), back.cast(pa.large_binary())
    if types.is_float16(array.type):
        array, back = array.cast(pa.float32()), back.cast(pa.float32())
    differs: Any = pc.not_equal(array, back)
    if types.is_floating(array.type):
        differs = pc.and_(differs, pc.invert(pc.and_(pc.is_nan(array), pc.is_nan(back))))
    return _first(differs)


def _first(flags: Any) -> int | None:
    """Return the first row whose flag is True, or None."""
    row: int = _compute.index(flags, True).as_py()
    return None if row < 0 else row


def _first_failing(array: AnyArray, kind: AnyType) -> int:
    """Return the first row that cannot be cast, by bisection."""
    start, length = 0, len(array)
    while length > 1:
        half = length // 2
        try:
            # Rows are taken, since a slice of lists still refers to all of their items.
            widen_array(array.take(pa.array(range(start, start + half))), kind)
        except pa.ArrowException:
            length = half
        else:
            start, length = start + half, length - half
    return start
