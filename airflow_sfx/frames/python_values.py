"""Python values of one column as an Arrow array: each exactly as it is, or refused with its place.

Arrow makes what is asked for of what it gets: a date of a time, 2 of 2.5, text of bytes, UTC of a
time without a zone. Here a value is of its column's kind, or a number that equals one of it.
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
_DOUBLES = 2**1024  # is more than all of them
_INT64, _UINT64 = range(-(2**63), 2**63), range(2**64)


class ValueRefused(Exception):
    """A value that a column cannot keep.

    Args:
        place: Its place among the values.
        value: The value.
        why: What is wrong with it.
    """

    def __init__(self, place: int, value: object, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.value = value
        self.why = why


def infer_type(values: Sequence[Any]) -> AnyType:  # noqa: PLR0911  a table of types, in order
    """The type of a column: that of its first value, wide enough for all numbers if it is one.

    Args:
        values: The values; later ones may turn out not to fit.

    Returns:
        The type; null if there is no value.

    Raises:
        Unkept: The first value is of no type that Arrow has.

    Example:
        >>> infer_type([None, 1]), infer_type([1, 2.5]), infer_type([[], ["a"]])
        (DataType(int64), DataType(double), ListType(list<item: string>))
    """
    place = next((place for place, value in enumerate(values) if value is not None), None)
    if place is None:
        return pa.null()
    first = values[place]
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
            place, first, f"is a {type(first).__name__}, which no file can keep"
        ) from error


def array_of(values: Sequence[Any], kind: AnyType) -> AnyArray:
    """Make a column of values.

    Args:
        values: The values.
        kind: The column's type.

    Returns:
        The array.

    Raises:
        Unkept: A value does not fit; the first that was found.

    Example:
        >>> array_of([1, None, 2.0], pa.int64()).to_pylist()
        [1, None, 2]
    """
    plain = values if _composed(kind) else _plain(values, kind)
    try:
        return _converted(plain, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        place = _first_failing(plain, kind)
        raise ValueRefused(place, values[place], f"does not fit ({error})") from error


def decimals_to_doubles(values: Sequence[Any]) -> list[Any]:
    """The values, decimal ones as the nearest double: only for who asks for doubles.

    Args:
        values: The values.

    Returns:
        The values.

    Example:
        >>> decimals_to_doubles([Decimal("0.1"), None])
        [0.1, None]
    """
    return [float(value) if isinstance(value, Decimal) else value for value in values]


def to_json_texts(values: Sequence[Any]) -> list[str | None]:
    """JSON documents, as a driver gives what they hold, as their text.

    Args:
        values: What they hold; null for a null and for none.

    Returns:
        The texts.

    Raises:
        Unkept: A value is none that JSON has.

    Example:
        >>> to_json_texts([{"a": [1]}, "text", None])
        ['{"a": [1]}', '"text"', None]
    """
    return [
        None if value is None else _document(place, value) for place, value in enumerate(values)
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
    for place, value in enumerate(values):
        if value is not None and not isinstance(value, list | tuple):
            raise ValueRefused(place, value, "is no list")
    items = _members(values, kind.value_type, "in a list")
    missing = [value is None for value in values]
    made = pa.ListArray.from_arrays(
        _offsets(values), items, mask=pa.array(missing) if any(missing) else None
    )
    return made.cast(kind)


def _maps(values: Sequence[Any], kind: Any) -> AnyArray:
    pairs = [None if value is None else _pairs(place, value) for place, value in enumerate(values)]
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


def _pairs(place: int, value: object) -> Sequence[Any]:
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
                raise ValueRefused(place, value, "has a key that is null")
            case [_, _]:
                continue
            case _:
                raise ValueRefused(place, value, "is no map")
    return found


def _members(values: Sequence[Sequence[Any] | None], kind: AnyType, where: str) -> AnyArray:
    """What all values hold, one after another; one that does not fit has the place of its value."""
    try:
        return array_of([member for value in values if value is not None for member in value], kind)
    except ValueRefused as error:
        ends = accumulate(0 if value is None else len(value) for value in values)
        place = next(place for place, end in enumerate(ends) if error.place < end)
        raise ValueRefused(place, error.value, f"({where}) {error.why}") from error


def _offsets(values: Sequence[Sequence[Any] | None]) -> pa.Int32Array:
    return pa.array(
        [0, *accumulate(0 if value is None else len(value) for value in values)], pa.int32()
    )


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    return pa.array([value is not None for value in values], pa.bool_()).buffers()[1]


def _structs(values: Sequence[Any], kind: Any) -> AnyArray:
    names = [field.name for field in kind]
    records = [
        {} if value is None else _record(place, value, names) for place, value in enumerate(values)
    ]
    members = []
    for field in kind:
        try:
            members.append(array_of([record.get(field.name) for record in records], field.type))
        except ValueRefused as error:
            raise ValueRefused(
                error.place, error.value, f"(in {field.name!r}) {error.why}"
            ) from error
    return pa.Array.from_buffers(kind, len(values), [_validity(values)], children=members)


def _record(place: int, value: Any, names: Sequence[str]) -> dict[str, Any]:
    """A value by the names of its members; drivers give a composite type as a tuple."""
    if isinstance(value, tuple) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    if not isinstance(value, dict):
        raise ValueRefused(place, value, f"is no record of {', '.join(names)}")
    lacking = [key for key in value if key not in names]
    if lacking:
        raise ValueRefused(place, value, f"has {lacking[0]!r:.80}, which the struct lacks")
    return value


def _categories(values: Sequence[Any], kind: Any) -> AnyArray:
    found: Any = array_of(values, kind.value_type).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        found.indices.cast(kind.index_type), found.dictionary, ordered=kind.ordered
    )


def _runs(values: Sequence[Any], kind: Any) -> AnyArray:
    options: Any = pc.RunEndEncodeOptions(kind.run_end_type)
    return pc.call_function("run_end_encode", [array_of(values, kind.value_type)], options)


def _composed(kind: AnyType) -> Callable[[Sequence[Any], Any], AnyArray] | None:
    """How to make a type whose values are made of others, each of which is looked at."""
    return next((make for is_kind, make in _COMPOSED if is_kind(kind)), None)


_COMPOSED: Sequence[tuple[Callable[[Any], bool], Callable[[Sequence[Any], Any], AnyArray]]] = (
    (is_list, _lists),
    (types.is_map, _maps),
    (types.is_struct, _structs),
    (types.is_dictionary, _categories),
    (types.is_run_end_encoded, _runs),
)


def _plain(values: Sequence[Any], kind: Any) -> Sequence[Any]:
    """The values as Arrow makes exactly these of them, where some are not of the kind's own class."""
    kinds = set(map(type, values)) - {type(None)}
    own = _own(kind)
    if own is not None and kinds <= own:
        return values
    return [
        None if value is None else _one(place, value, kind) for place, value in enumerate(values)
    ]


def _own(kind: Any) -> set[type] | None:  # noqa: PLR0911  likewise
    """The classes of values that Arrow keeps exactly as a type, whatever the value."""
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


def _one(place: int, value: Any, kind: Any) -> Any:
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if number and (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return _number(place, value, kind)
    if is_text(kind) and isinstance(value, uuid.UUID | dict | list | tuple):
        return str(value) if isinstance(value, uuid.UUID) else _document(place, value)
    if types.is_timestamp(kind) and isinstance(value, dt.datetime):
        if (value.utcoffset() is None) != (kind.tz is None):
            raise ValueRefused(place, value, "has no time zone" if kind.tz else "has a time zone")
        return value
    if types.is_time(kind) and isinstance(value, dt.time):
        if value.tzinfo is not None:
            raise ValueRefused(
                place, value, "has an offset from UTC, which no file can keep with a time of day"
            )
        return value
    own = _own(kind)
    if own is None and not any(is_kind(kind) for is_kind in _CHECKED):
        return value  # of a type that the caller named: Arrow knows
    if (
        own is None
        or not isinstance(value, tuple(own))
        or isinstance(value, dt.datetime | bool) != (bool in own)
    ):
        raise ValueRefused(place, value, f"is a {type(value).__name__}")
    return value


_CHECKED = (types.is_timestamp, types.is_time, types.is_floating, types.is_decimal)


def _number(place: int, value: Any, kind: Any) -> Any:
    """A number as one of the kind that equals it."""
    if types.is_floating(kind):
        if not _is_finite(value):
            return float(value)
        made: Any = float(value) if abs(value) < _DOUBLES else math.inf
    elif not _is_finite(value):
        raise ValueRefused(place, value, "is no number that such a column has")
    else:
        made = int(value) if types.is_integer(kind) else Decimal(value)
    if made != value:
        raise ValueRefused(place, value, "cannot be kept exactly")
    return made


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) or math.isfinite(value)


def _document(place: int, value: object) -> str:
    """A value of a JSON column, or a record of another kind, as JSON text."""
    try:
        return json.dumps(_member(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueRefused(place, value, f"cannot be kept as JSON ({error})") from error


def _member(value: object) -> object:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r:.40} is no text")
        return {key: _member(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_member(member) for member in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _converted(values: Sequence[Any], kind: Any) -> AnyArray:
    """The values by Arrow, which cuts off what a coarse type lacks unless it is a cast."""
    if make := _composed(kind):
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
    if str(made.cast(pa.float32()).cast(pa.float64()).to_pylist()) != str(
        numbers.to_pylist()
    ):  # as text NaN equals NaN
        raise ValueError(f"{kind} has fewer digits")
    return made


def _first_failing(values: Sequence[Any], kind: Any) -> int:
    for place, value in enumerate(values):
        try:
            _converted([value], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return place
    return 0
