"""Lossless casts of Arrow arrays: to the type in files, back, and to a wider one.

Arrow's own casts do most of the work. They lack some conversions (time of day to integer, anything
to null, list to list view), treat a time without a zone as local time, and match struct fields by
exact name. This module does those, at any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyType
from airflow_sfx.frames.column_names import open_name, without_open_prefix
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.open_types import is_open

_compute: Any = pc  # the type stubs lack some of its functions


def to_physical_array(  # noqa: PLR0911
    array: AnyArray, target: AnyType, unit: str = "us"
) -> AnyArray:
    """Convert an array of a frame to the type in the file.

    Args:
        array: The array.
        target: A type that `physical_type` returns, or a wider one as `widen` returns it.
        unit: The unit of durations and times of day in the file; empty for the array's own.

    Returns:
        The same values in the target type; the same array if it has that type.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit the target type.

    Example:
        >>> to_physical_array(pa.array([1, None], pa.time32("s")), pa.int64()).to_pylist()
        [1000000, None]
    """
    source: Any = array.type
    if source == target:
        return array
    if types.is_null(source):
        return pa.nulls(len(array), target)
    if isinstance(array, pa.DictionaryArray):
        return to_physical_array(array.dictionary, target, unit).take(array.indices)
    if isinstance(array, pa.ExtensionArray):
        return to_physical_array(array.storage, target, unit)
    if types.is_run_end_encoded(source):
        return to_physical_array(_compute.run_end_decode(array), target, unit)
    if types.is_time(source) or types.is_duration(source):
        return _numbers(array, unit or source.unit).cast(target)
    convert = partial(to_physical_array, unit=unit)
    if is_list(source):
        return _list(_plain_list(array), target, convert)
    if types.is_map(source):
        return _map(array, target, convert)
    if types.is_struct(source):
        return _struct(array, target, convert)
    return array.cast(target)


def from_physical_array(  # noqa: PLR0911
    array: AnyArray, target: AnyType, unit: str = "us"
) -> AnyArray:
    """Convert an array read from a file to the type that it had in the frame.

    Args:
        array: The array as pyarrow reads it from Parquet.
        target: The type in the frame; not a dictionary.
        unit: The unit of durations and times of day in the file; empty for the target's own.

    Returns:
        The same values in the target type; the same array if it has that type.

    Raises:
        pyarrow.ArrowException: The file's type or a value does not fit the target type, so the file
            is not one that was written for the frame.

    Example:
        >>> from_physical_array(pa.array([1_000_000, None]), pa.duration("s")).to_pylist()
        [datetime.timedelta(seconds=1), None]
    """
    source: Any = array.type
    wanted: Any = target
    # Equal nested types may name their items differently.
    if source == target and not types.is_nested(target):
        return array
    if types.is_null(target) or types.is_null(source):
        return pa.nulls(len(array), target)
    if isinstance(array, pa.DictionaryArray):
        return from_physical_array(array.dictionary, target, unit).take(array.indices)
    if isinstance(wanted, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(
            wanted, from_physical_array(array, wanted.storage_type, unit)
        )
    if types.is_run_end_encoded(target):
        values = from_physical_array(array, wanted.value_type, unit)
        return _compute.run_end_encode(values, run_end_type=wanted.run_end_type)
    if types.is_time(target) or types.is_duration(target):
        return _times(array, wanted, unit or wanted.unit)
    if types.is_timestamp(target) and types.is_timestamp(source):
        if wanted.tz is not None and source.tz is None:  # INT96 has no zone; files are in UTC
            array = array.view(pa.timestamp(source.unit, "UTC"))
        return array.cast(target)
    convert = partial(from_physical_array, unit=unit)
    if is_list(target):
        return _to_list(array, wanted, convert)
    if types.is_map(target):
        return _map(array, target, convert)
    if types.is_struct(target):
        return _struct(array, target, convert)
    return array.cast(target)


def widen_array(array: AnyArray, target: AnyType) -> AnyArray:  # noqa: PLR0911
    """Convert an array of one batch to the wider type of a frame of several batches.

    Args:
        array: The array, with the type of its batch.
        target: A type that holds its values.

    Returns:
        The same values in the target type; null in struct fields that the array does not have.

    Raises:
        pyarrow.ArrowException: A value does not fit the target type.

    Example:
        >>> seconds = pa.array([[5]], pa.list_(pa.duration("s")))
        >>> widen_array(seconds, pa.list_(pa.duration("us"))).type
        ListType(list<item: duration[us]>)
    """
    source: Any = array.type
    wanted: Any = target
    if source == target:
        return array
    if types.is_null(source):
        return pa.nulls(len(array), target)
    if isinstance(array, pa.DictionaryArray):
        # Only values that occur in rows: unused ones may not fit the target type.
        return widen_array(array.dictionary.take(array.indices), target)
    if types.is_run_end_encoded(source):
        return widen_array(_compute.run_end_decode(array), target)
    if isinstance(array, pa.ExtensionArray):
        return widen_array(array.storage, target)
    if is_list(source) and is_list(target):
        return _to_list(_plain_list(array), wanted, widen_array)
    if types.is_map(source) and types.is_map(target):
        return _map(array, wanted, widen_array)
    if types.is_struct(source) and types.is_struct(target):
        return _struct(array, wanted, widen_array)
    if types.is_integer(source) and types.is_decimal(target):
        # Arrow requires 19 digits of the target for any integer.
        return array.cast(pa.decimal128(20, 0)).cast(target)
    if types.is_decimal(source) and types.is_floating(target):
        return array.cast(pa.string()).cast(target)  # Arrow's own cast may be off by the last bit
    return array.cast(target)


def convert_chunks(
    column: AnyColumn, target: AnyType, convert: Callable[[AnyArray, AnyType], AnyArray]
) -> AnyColumn:
    """Convert a column chunk by chunk.

    Args:
        column: The column.
        target: The type to convert to.
        convert: Converts one array, such as `widen_array`.

    Returns:
        The converted column.

    Example:
        >>> convert_chunks(pa.chunked_array([[1], [2]]), pa.float64(), widen_array).to_pylist()
        [1.0, 2.0]
    """
    return pa.chunked_array([convert(chunk, target) for chunk in column.chunks], type=target)


def _numbers(array: Any, unit: Any) -> Any:
    """Convert durations or times of day to integers in a unit."""
    kind: Any = array.type
    if types.is_duration(kind):
        return array.cast(pa.duration(unit)).view(pa.int64())
    if unit in ("s", "ms"):
        return array.cast(pa.time32(unit)).view(pa.int32())
    return array.cast(pa.time64(unit)).view(pa.int64())


def _times(array: Any, target: Any, unit: Any) -> Any:
    """Convert integers in a unit to durations or times of day."""
    if types.is_duration(target):
        return array.cast(pa.int64()).view(pa.duration(unit)).cast(target)
    if unit in ("s", "ms"):
        return array.cast(pa.int32()).view(pa.time32(unit)).cast(target)
    return array.cast(pa.int64()).view(pa.time64(unit)).cast(target)


def _plain_list(array: Any) -> Any:
    """Convert any list array to a plain list array.

    The offsets are computed here, as Arrow's cast from a list view can return wrong ones.
    """
    if types.is_list(array.type):
        return array
    offsets = _offsets(array, pa.int32())
    return pa.ListArray.from_arrays(
        offsets, array.flatten(), mask=array.is_null() if array.null_count else None
    )


def _to_list(array: Any, target: Any, convert: Any) -> AnyArray:
    if types.is_list(target):
        return _list(array, target, convert)
    plain = _list(array, pa.list_(target.value_type), convert)
    if types.is_list_view(target):
        return _list_view(plain, target, pa.ListViewArray, pa.int32())
    if types.is_large_list_view(target):
        return _list_view(plain, target, pa.LargeListViewArray, pa.int64())
    return plain.cast(target)


def _list_view(array: Any, target: Any, kind: Any, width: AnyType) -> AnyArray:
    offsets = _offsets(array, width)
    sizes = pc.subtract(offsets[1:], offsets[:-1])
    mask = array.is_null() if array.null_count else None
    return kind.from_arrays(offsets[:-1], sizes, array.flatten(), type=target, mask=mask)


def _offsets(array: Any, width: AnyType) -> Any:
    lengths = pc.fill_null(pc.list_value_length(array).cast(width), 0)
    return pa.concat_arrays([pa.array([0], width), pc.cumulative_sum_checked(lengths)])


def _list(array: Any, target: Any, convert: Any) -> Any:
    values = convert(array.values, target.value_type)
    return pa.Array.from_buffers(
        target,
        len(array),
        array.buffers()[:2],
        array.null_count,
        offset=array.offset,
        children=[values],
    )


def _map(array: Any, target: Any, convert: Any) -> AnyArray:
    entries = pa.StructArray.from_arrays(
        [convert(array.keys, target.key_type), convert(array.items, target.item_type)],
        fields=[target.key_field, target.item_field],
    )
    return pa.Array.from_buffers(
        target,
        len(array),
        array.buffers()[:2],
        array.null_count,
        offset=array.offset,
        children=[entries],
    )


def _struct(array: Any, target: Any, convert: Any) -> AnyArray:
    there = {array.type.field(i).name.lower(): i for i in range(array.type.num_fields)}
    fields = [target.field(i) for i in range(target.num_fields)]
    children = []
    for field in fields:
        name = field.name.lower()
        names = (
            (open_name(name), name) if is_open(field.type) else (name, without_open_prefix(name))
        )
        i = next((there[one] for one in names if one in there), None)
        children.append(
            pa.nulls(len(array), field.type) if i is None else convert(array.field(i), field.type)
        )
    return pa.StructArray.from_arrays(
        children, fields=fields, mask=array.is_null() if array.null_count else None
    )
