"""Arrow tables to frames of R, with what `to_arrow` kept in their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyField, AnyType
from airflow_sfx.frames.pandas.metadata import pandas_metadata_of, unnamed_index_columns
from airflow_sfx.frames.rds.times import UNITS, doubles_of
from airflow_sfx.frames.rds.values import (
    CHARACTER,
    DOUBLE,
    INTEGER,
    LIST,
    LOGICAL,
    NA_INTEGER,
    NA_INTEGER64,
    NA_REAL,
    NULL,
    RAW,
    SPEC,
    Vector,
    characters,
    integers,
)
from airflow_sfx.frames.types.families import is_list

Int64 = Literal["integer64", "double"]
Spec = Mapping[str, Any]

_EXACT = 2**53
_DIGITS = 15
"""Decimals with so many digits are doubles, and back, without a change."""
_REMEDY = "leave it out with columns ="


def arrow_to_frame(table: pa.Table, *, int64: Int64 = "integer64") -> Vector:
    """Convert an Arrow table to a frame of R.

    Args:
        table: The table, as the warehouse reads it.
        int64: What integers of 64 bits become: ``integer64`` of the package bit64, or ``double``.

    Returns:
        The frame.

    Raises:
        SchemaMismatch: R has no type for a column, or not for one of its values.

    Example:
        >>> frame = arrow_to_frame(pa.table({"n": pa.array([1, 2], pa.int32())}))
        >>> frame.texts("names"), frame.values[0].values.tolist()
        (['n'], [1, 2])
    """
    rows = _row_names(table)
    hidden = unnamed_index_columns(table.schema)
    names = [name for name in table.column_names if name not in hidden]
    columns = [_column(table.column(name), table.schema.field(name), int64) for name in names]
    classes = _spec(table.schema.metadata).get("class", ["data.frame"])
    attributes = {
        "names": characters(*names),
        "class": characters(*classes),
        "row.names": rows or integers(NA_INTEGER, -table.num_rows),
    }
    return Vector(LIST, columns, attributes)


def _spec(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    try:
        found = json.loads((metadata or {}).get(SPEC, b"{}"))
    except ValueError:  # written by another program
        return {}
    return found if isinstance(found, dict) else {}


def _row_names(table: pa.Table) -> Vector | None:
    """Return the row names that an unnamed index of pandas is, or None."""
    levels = (pandas_metadata_of(table.schema) or {}).get("index")
    hidden = unnamed_index_columns(table.schema)
    if not isinstance(levels, list) or len(levels) != 1 or levels[0]["column"] not in hidden:
        return None
    column = table.column(levels[0]["column"])
    if column.null_count or pc.count_distinct(column).as_py() != len(column):
        return None  # row names are unique
    if types.is_string(column.type) or types.is_large_string(column.type):
        return Vector(CHARACTER, _whole(column))
    if types.is_signed_integer(column.type):
        values = column.to_numpy()
        if not len(values) or (values.max() < -NA_INTEGER and values.min() > NA_INTEGER):
            return Vector(INTEGER, values.astype(np.int32))
    return None


def _column(column: AnyColumn, field: AnyField, int64: Int64) -> Vector:
    try:
        return _converted(_whole(column), _spec(field.metadata), int64)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"column {field.name!r:.80} {error}") from error


def _whole(column: AnyColumn) -> AnyArray:
    if types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    if column.num_chunks == 1:
        return column.chunk(0)
    made = column.combine_chunks()
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _converted(array: AnyArray, spec: Spec, int64: Int64) -> Vector:
    kind: AnyType = array.type
    if isinstance(kind, pa.BaseExtensionType):
        array, kind = array.storage, array.type.storage_type
    if kind in (pa.int64(), pa.uint64()):
        return _integer64(array, int64)
    for fits, convert in _BY_TYPE:
        if fits(kind):
            return convert(array, spec)
    raise SchemaMismatch(f"is {kind}, for which R has no type: {_REMEDY}")


def _missing(array: AnyArray) -> Any:
    return array.is_null().to_numpy(zero_copy_only=False)


def _filled(array: AnyArray, value: object) -> Any:
    return (array.fill_null(value) if array.null_count else array).to_numpy(zero_copy_only=False)


def _null(array: AnyArray, spec: Spec) -> Vector:
    if spec.get("kind") == "list":
        return _listed([Vector(NULL)] * len(array), spec)
    return Vector(LOGICAL, np.full(len(array), NA_INTEGER, np.int32))


def _logical(array: AnyArray, _: Spec) -> Vector:
    values = _filled(array, False).astype(np.int32)
    values[_missing(array)] = NA_INTEGER
    return Vector(LOGICAL, values)


def _integer(array: AnyArray, spec: Spec) -> Vector:
    if spec.get("kind") == "raw" and array.type == pa.uint8() and not array.null_count:
        return Vector(RAW, array.to_numpy())
    values = _filled(array, 0).astype(np.int32)
    if (values == NA_INTEGER).any():
        raise SchemaMismatch(f"has the value {NA_INTEGER}, which is NA in R: {_REMEDY}")
    if array.null_count:
        values[_missing(array)] = NA_INTEGER
    return Vector(INTEGER, values)


def _integer64(array: AnyArray, int64: Int64) -> Vector:
    if array.type == pa.uint64():
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid:
            raise SchemaMismatch(f"has a value above {2**63 - 1:,}: {_REMEDY}") from None
    values = _filled(array, 0)
    if int64 == "double":
        if ((values > _EXACT) | (values < -_EXACT)).any():
            raise SchemaMismatch(
                f'has a value beyond {_EXACT:,}, which a double rounds: use int64 = "integer64"'
            )
        return _as_double(array, values.astype(np.float64))
    if (values == NA_INTEGER64).any():
        raise SchemaMismatch(f"has the value {NA_INTEGER64}, which is NA in R: {_REMEDY}")
    if array.null_count:
        values = np.where(_missing(array), NA_INTEGER64, values)
    return Vector(DOUBLE, values, {"class": characters("integer64")})


def _as_double(array: AnyArray, values: Any) -> Vector:
    if array.null_count:
        values = values.copy()
        values[_missing(array)] = NA_REAL
    return Vector(DOUBLE, values)


def _double(array: AnyArray, _: Spec) -> Vector:
    wide = array if array.type == pa.float64() else array.cast(pa.float64())
    values = _filled(wide, 0.0)
    nans = np.isnan(values)
    if nans.any():  # the one NaN that R's NA is not
        values = np.where(nans, np.nan, values)
    return _as_double(wide, values)


def _decimal(array: AnyArray, _: Spec) -> Vector:
    doubles = array.cast(pa.float64(), safe=False)
    if array.type.precision > _DIGITS:
        longest = pa.decimal128(_DIGITS, min(array.type.scale, _DIGITS))
        try:
            array.cast(longest)
        except pa.ArrowInvalid:
            raise SchemaMismatch(
                f"is {array.type} and has a value of more than {_DIGITS} digits, which a double"
                f" rounds: {_REMEDY}"
            ) from None
    return _double(doubles, {})


def _character(array: AnyArray, _: Spec) -> Vector:
    texts = array.cast(pa.large_string())
    _, _, content = texts.buffers()
    # the buffer may also have texts of other rows
    is_suspect = content is not None and 0 in np.frombuffer(content, np.uint8)
    if is_suspect and pc.any(pc.match_substring(texts, "\0")).as_py():
        raise SchemaMismatch(f"has a text with a NUL character, which R cannot hold: {_REMEDY}")
    return Vector(CHARACTER, texts)


def _factor(array: AnyArray, _: Spec) -> Vector:
    levels = array.dictionary
    if levels.null_count or len(levels.unique()) != len(levels):
        return _converted(array.dictionary_decode(), {}, "integer64")
    try:
        texts = levels.cast(pa.large_string())
    except pa.ArrowException:
        raise SchemaMismatch(
            f"has categories that are {levels.type}, and levels are texts: {_REMEDY}"
        ) from None
    codes = _filled(array.indices, -1).astype(np.int32) + 1
    codes[codes == 0] = NA_INTEGER
    classes = ("ordered", "factor") if array.type.ordered else ("factor",)
    attributes = {"levels": _character(texts, {}), "class": characters(*classes)}
    return Vector(INTEGER, codes, attributes)


def _date(array: AnyArray, spec: Spec) -> Vector:
    days = array.cast(pa.date32()).cast(pa.int32())
    classes = {"class": characters("Date")}
    if spec.get("storage") == "integer":
        return Vector(INTEGER, _integer(days, {}).values, classes)
    return Vector(DOUBLE, _double(days, {}).values, classes)


def _stored(doubles: Any, spec: Spec, attributes: Mapping[str, Vector]) -> Vector:
    """Return times as the integers that they were, if all still are."""
    if spec.get("storage") == "integer":
        missing = np.isnan(doubles)
        whole = np.where(missing, 0, doubles)
        if (whole == np.rint(whole)).all() and (np.abs(whole) < -NA_INTEGER).all():
            kept = np.where(missing, NA_INTEGER, whole).astype(np.int32)
            return Vector(INTEGER, kept, attributes)
    return Vector(DOUBLE, doubles, attributes)


def _time(array: AnyArray, spec: Spec) -> Vector:
    attributes = {"class": characters("POSIXct", "POSIXt")}
    zones = spec.get("tzone", [array.type.tz or "UTC"])
    if zones is not None:
        attributes["tzone"] = characters(*zones)
    return _stored(doubles_of(array), spec, attributes)


def _difftime(array: AnyArray, spec: Spec) -> Vector:
    unit = spec.get("units", "secs")
    attributes = {
        "class": characters(*spec.get("class", ["difftime"])),
        "units": characters(unit),
    }
    return _stored(doubles_of(array, UNITS.get(unit, 1)), spec, attributes)


def _listed(members: list[Vector], spec: Spec) -> Vector:
    return Vector(LIST, members, {"class": characters(*spec["class"])} if "class" in spec else {})


def _binary(array: AnyArray, spec: Spec) -> Vector:
    members = [
        Vector(NULL) if one is None else Vector(RAW, np.frombuffer(one, np.uint8))
        for one in array.to_pylist()
    ]
    return _listed(members, spec)


def _list(array: AnyArray, spec: Spec) -> Vector:
    plain = array.cast(pa.large_list(array.type.value_type))
    inner = _converted(plain.values, {}, "integer64")
    if inner.kind == LIST:
        raise SchemaMismatch(f"is {array.type}, and R's lists hold plain values: {_REMEDY}")
    starts = plain.offsets.to_numpy()
    missing = _missing(array)
    members = [
        Vector(NULL)
        if missing[place]
        else Vector(inner.kind, inner.values[starts[place] : starts[place + 1]], inner.attributes)
        for place in range(len(array))
    ]
    return _listed(members, spec)


def _small(kind: AnyType) -> bool:
    return bool(types.is_integer(kind)) and kind not in (pa.int64(), pa.uint64(), pa.uint32())


_BY_TYPE: tuple[tuple[Callable[[AnyType], bool], Callable[[AnyArray, Spec], Vector]], ...] = (
    (types.is_null, _null),
    (types.is_boolean, _logical),
    (_small, _integer),
    (types.is_integer, _double),  # integers without a sign, of 32 bits
    (types.is_floating, _double),
    (types.is_decimal, _decimal),
    (lambda kind: types.is_string(kind) or types.is_large_string(kind), _character),
    (types.is_string_view, _character),
    (types.is_dictionary, _factor),
    (types.is_date, _date),
    (types.is_timestamp, _time),
    (lambda kind: types.is_duration(kind) or types.is_time(kind), _difftime),
    (lambda kind: types.is_binary(kind) or types.is_large_binary(kind), _binary),
    (types.is_fixed_size_binary, _binary),
    (is_list, _list),
)
"""What converts which types; the first that fits."""
