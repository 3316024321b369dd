"""Python values of one column as an Arrow array, without loss.

Arrow converts silently: a time to a date, 2.5 to 2, bytes to text, a time without a zone to UTC.
Here a value must be of its column's type, or a number that equals a value of it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.types.families import is_list, is_text
from airflow_sfx.frames.types.hive import MAX_DECIMAL_DIGITS

_NUMBERS = (int, float, Decimal)
_DOUBLES = 2**1024  # greater than every double
_INT64, _UINT64 = range(-(2**63), 2**63), range(2**64)


class ValueRefused(Exception):
    """A value that a column cannot store.

    Args:
        position: Its position among the values.
        value: The value.
        why: The reason.
    """

    def __init__(self, position: int, value: object, why: str) -> None:
        super().__init__(why)
        self.position = position
        self.value = value
        self.why = why


def infer_type(values: Sequence[Any]) -> AnyType:  # noqa: PLR0911  a table of types, in order
    """Infer the type of a column: that of its first value, or one for all numbers.

    Args:
        values: The values; later ones may not fit.

    Returns:
        The type; null if there is no value.

    Raises:
        ValueRefused: Arrow has no type for the first value.

    Example:
        >>> infer_type([None, 1]), infer_type([1, 2.5]), infer_type([[], ["a"]])
        (DataType(int64), DataType(double), ListType(list<item: string>))
    """
    position = next((position for position, value in enumerate(values) if value is not None), None)
    if position is None:
        return pa.null()
    first = values[position]
    if isinstance(first, _NUMBERS) and not isinstance(first, bool):
        return _number_type(
            [
                value
                for value in values
                if isinstance(value, _NUMBERS) and not isinstance(value, bool)
            ]
        )
    if isinstance(first, list | tuple):
        lists = [value for value in values if isinstance(value, list | tuple)]
        return pa.list_(infer_type([item for items in lists for item in items]))
    if isinstance(first, uuid.UUID | dict):
        return pa.string()
    if isinstance(first, memoryview):
        return pa.binary()
    if isinstance(first, dt.datetime):
        return pa.timestamp("us", None if first.tzinfo is None else "UTC")
    try:
        return pa.scalar(first).type
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise ValueRefused(
            position, first, f"is a {type(first).__name__}, which files cannot store"
        ) from error


def array_of(values: Sequence[Any], kind: AnyType) -> AnyArray:
    """Convert the values of a column to an array.

    Args:
        values: The values.
        kind: The column's type.

    Returns:
        The array.

    Raises:
        ValueRefused: A value does not fit the type.

    Example:
        >>> array_of([1, None, 2.0], pa.int64()).to_pylist()
        [1, None, 2]
    """
    plain = values if _nested_converter(kind) else _checked_values(values, kind)
    try:
        return _converted(plain, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        position = _first_failing(plain, kind)
        raise ValueRefused(position, values[position], f"does not fit ({error})") from error


def decimals_to_doubles(values: Sequence[Any]) -> list[Any]:
    """Round decimals to the nearest double, for columns that are declared as doubles.

    Args:
        values: The values.

    Returns:
        The values, without decimals.

    Example:
        >>> decimals_to_doubles([Decimal("0.1"), None])
        [0.1, None]
    """
    return [float(value) if isinstance(value, Decimal) else value for value in values]


def to_json_texts(values: Sequence[Any]) -> list[str | None]:
    """Encode JSON documents, which a driver returned as Python objects, as text.

    Args:
        values: The objects; None for null, both of JSON and of the database.

    Returns:
        The texts.

    Raises:
        ValueRefused: JSON cannot represent a value.

    Example:
        >>> to_json_texts([{"a": [1]}, "text", None])
        ['{"a": [1]}', '"text"', None]
    """
    return [
        None if value is None else _document(position, value)
        for position, value in enumerate(values)
    ]


def _number_type(numbers: Sequence[Any]) -> AnyType:
    kinds = set(map(type, numbers))
    if any(issubclass(kind, float) for kind in kinds):
        return pa.float64()
    if any(issubclass(kind, Decimal) for kind in kinds):
        digits = [
            -int(one.as_tuple().exponent)
            for one in numbers
            if isinstance(one, Decimal) and one.is_finite()
        ]
        return pa.decimal128(MAX_DECIMAL_DIGITS, min(max(0, 0, *digits), MAX_DECIMAL_DIGITS))
    if min(numbers) in _INT64 and max(numbers) in _INT64:
        return pa.int64()
    return (
        pa.uint64()
        if min(numbers) >= 0 and max(numbers) in _UINT64
        else pa.decimal128(MAX_DECIMAL_DIGITS, 0)
    )


def _lists(values: Sequence[Any], kind: Any) -> AnyArray:
    for position, value in enumerate(values):
        if value is not None and not isinstance(value, list | tuple):
            raise ValueRefused(position, value, "is not a list")
    items = _members(values, kind.value_type, "in a list")
    missing = [value is None for value in values]
    made = pa.ListArray.from_arrays(
        _offsets(values), items, mask=pa.array(missing) if any(missing) else None
    )
    return made.cast(kind)


def _maps(values: Sequence[Any], kind: Any) -> AnyArray:
    pairs = [
        None if value is None else _pairs(position, value) for position, value in enumerate(values)
    ]
    keys = _members(
        [some and [key for key, _ in some] for some in pairs], kind.key_type, "as a key"
    )
    items = _members(
        [some and [item for _, item in some] for some in pairs], kind.item_type, "in a map"
    )
    entries = pa.Array.from_buffers(
        pa.struct([kind.key_field, kind.item_field]), len(keys), [None], children=[keys, items]
    )
    buffers = [_validity(pairs), _offsets(pairs).buffers()[1]]
    return pa.Array.from_buffers(kind, len(values), buffers, children=[entries])


def _pairs(position: int, value: object) -> Sequence[Any]:
    found: Sequence[Any] = (
        list(value.items())
        if isinstance(value, dict)
        else value
        if isinstance(value, list | tuple)
        else [()]
    )
    for pair in found:
        match pair:
            case [None, _]:
                raise ValueRefused(position, value, "has a key that is null")
            case [_, _]:
                continue
            case _:
                raise ValueRefused(position, value, "is not a map")
    return found


def _members(values: Sequence[Sequence[Any] | None], kind: AnyType, where: str) -> AnyArray:
    """Convert the members of all values to one array."""
    try:
        return array_of([member for value in values if value is not None for member in value], kind)
    except ValueRefused as error:
        ends = accumulate(0 if value is None else len(value) for value in values)
        position = next(position for position, end in enumerate(ends) if error.position < end)
        raise ValueRefused(position, error.value, f"({where}) {error.why}") from error


def _offsets(values: Sequence[Sequence[Any] | None]) -> pa.Int32Array:
    return pa.array(
        [0, *accumulate(0 if value is None else len(value) for value in values)], pa.int32()
    )


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    return pa.array([value is not None for value in values], pa.bool_()).buffers()[1]


def _structs(values: Sequence[Any], kind: Any) -> AnyArray:
    names = [field.name for field in kind]
    records = [
        {} if value is None else _record(position, value, names)
        for position, value in enumerate(values)
    ]
    members = []
    for field in kind:
        try:
            members.append(array_of([record.get(field.name) for record in records], field.type))
        except ValueRefused as error:
            raise ValueRefused(
                error.position, error.value, f"(in {field.name!r}) {error.why}"
            ) from error
    return pa.Array.from_buffers(kind, len(values), [_validity(values)], children=members)


def _record(position: int, value: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a record by the names of its members; drivers may return a tuple."""
    if isinstance(value, tuple) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    if not isinstance(value, dict):
        raise ValueRefused(position, value, f"is not a record of {', '.join(names)}")
    lacking = [key for key in value if key not in names]
    if lacking:
        raise ValueRefused(position, value, f"has {lacking[0]!r:.80}, which the struct lacks")
    return value


def _categories(values: Sequence[Any], kind: Any) -> AnyArray:
    found: Any = array_of(values, kind.value_type).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        found.indices.cast(kind.index_type), found.dictionary, ordered=kind.ordered
    )


def _runs(values: Sequence[Any], kind: Any) -> AnyArray:
    options: Any = pc.RunEndEncodeOptions(kind.run_end_type)
    return pc.call_function("run_end_encode", [array_of(values, kind.value_type)], options)


def _nested_converter(kind: AnyType) -> Callable[[Sequence[Any], Any], AnyArray] | None:
    """Return the converter of a nested type, which checks each member; or None."""
    return next((make for is_kind, make in _NESTED_CONVERTERS if is_kind(kind)), None)


_NESTED_CONVERTERS: Sequence[
    tuple[Callable[[Any], bool], Callable[[Sequence[Any], Any], AnyArray]]
] = (
    (is_list, _lists),
    (types.is_map, _maps),
    (types.is_struct, _structs),
    (types.is_dictionary, _categories),
    (types.is_run_end_encoded, _runs),
)


def _checked_values(values: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Check values, and convert them to ones that Arrow stores without loss."""
    kinds = set(map(type, values)) - {type(None)}
    lossless = _lossless_classes(kind)
    if lossless is not None and kinds <= lossless:
        return values
    return [
        None if value is None else _checked_value(position, value, kind)
        for position, value in enumerate(values)
    ]


def _lossless_classes(kind: Any) -> set[type] | None:  # noqa: PLR0911  a table of types, in order
    """Return the classes whose values Arrow always stores in a type without loss."""
    if types.is_integer(kind):
        return {int}
    if types.is_float64(kind):
        return {float}
    if types.is_boolean(kind):
        return {bool}
    if is_text(kind):
        return {str}
    if types.is_binary(kind) or types.is_large_binary(kind):
        return {bytes, bytearray, memoryview}
    if types.is_date(kind):
        return {dt.date}
    return {dt.timedelta} if types.is_duration(kind) else None


def _checked_value(position: int, value: Any, kind: Any) -> Any:
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if number and (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return _number(position, value, kind)
    if is_text(kind) and isinstance(value, uuid.UUID | dict | list | tuple):
        return str(value) if isinstance(value, uuid.UUID) else _document(position, value)
    if types.is_timestamp(kind) and isinstance(value, dt.datetime):
        if (value.utcoffset() is None) != (kind.tz is None):
            raise ValueRefused(
                position, value, "has no time zone" if kind.tz else "has a time zone"
            )
        return value
    if types.is_time(kind) and isinstance(value, dt.time):
        if value.tzinfo is not None:
            raise ValueRefused(
                position,
                value,
                "has an offset from UTC, which files cannot store with a time of day",
            )
        return value
    lossless = _lossless_classes(kind)
    if lossless is None and not any(is_kind(kind) for is_kind in _CHECKED):
        return value  # a type that the caller declared: Arrow checks it
    if (
        lossless is None
        or not isinstance(value, tuple(lossless))
        or isinstance(value, dt.datetime | bool) != (bool in lossless)
    ):
        raise ValueRefused(position, value, f"is a {type(value).__name__}")
    return value


_CHECKED = (types.is_timestamp, types.is_time, types.is_floating, types.is_decimal)


def _number(position: int, value: Any, kind: Any) -> Any:
    """Convert a number to an equal one of the type."""
    if types.is_floating(kind):
        if not _is_finite(value):
            return float(value)
        made: Any = float(value) if abs(value) < _DOUBLES else math.inf
    elif not _is_finite(value):
        raise ValueRefused(position, value, "is not a number that such a column can have")
    else:
        made = int(value) if types.is_integer(kind) else Decimal(value)
    if made != value:
        raise ValueRefused(position, value, "cannot be stored exactly")
    return made


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) or math.isfinite(value)


def _document(position: int, value: object) -> str:
    """Encode a value of a JSON column, or a nested value of a text column, as JSON."""
    try:
        return json.dumps(_member(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueRefused(position, value, f"cannot be stored as JSON ({error})") from error


def _member(value: object) -> object:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r:.40} is not text")
        return {key: _member(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_member(member) for member in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _converted(values: Sequence[Any], kind: Any) -> AnyArray:
    """Convert values by Arrow, with a checked cast, since it truncates otherwise."""
    if make := _nested_converter(kind):
        return make(values, kind)
    finer: Any = None
    if types.is_timestamp(kind):
        finer = pa.timestamp("us", kind.tz)
    elif types.is_time(kind):
        finer = pa.time64("us")
    elif types.is_duration(kind):
        finer = pa.duration("us")
    elif types.is_float32(kind) or types.is_float16(kind):
        return _exactly(pa.array(values, pa.float64()), kind)
    return pa.array(values, kind) if finer is None else pa.array(values, finer).cast(kind)


def _exactly(numbers: AnyArray, kind: Any) -> AnyArray:
    made = numbers.cast(pa.float32(), safe=False).cast(kind, safe=False)
    back = made.cast(pa.float32()).cast(pa.float64())
    if str(back.to_pylist()) != str(numbers.to_pylist()):  # as text, NaN equals NaN
        raise ValueError(f"{kind} has fewer digits")
    return made


def _first_failing(values: Sequence[Any], kind: Any) -> int:
    for position, value in enumerate(values):
        try:
            _converted([value], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return position
    return 0
