"""Frames of R to Arrow tables.

What R has beyond Arrow's types is kept in the metadata of a column's field: the unit of a difftime,
a time zone that is not set, whether a Date is an integer. Other programs read the plain values.
Row names are an unnamed index of pandas.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray
from airflow_sfx.frames.column_names import unnamed_level_name
from airflow_sfx.frames.pandas.metadata import with_pandas_metadata
from airflow_sfx.frames.rds.lists import list_to_arrow
from airflow_sfx.frames.rds.times import date_to_arrow, difftime_to_arrow, time_to_arrow
from airflow_sfx.frames.rds.values import (
    CHARACTER,
    DOUBLE,
    INTEGER,
    LIST,
    LOGICAL,
    NA_INTEGER,
    NA_INTEGER64,
    NAMES,
    RAW,
    SPEC,
    Vector,
    is_na,
)

Spec = dict[str, Any]

_FRAME = "data.frame"
_TIBBLE = ("tbl_df", "tbl", _FRAME)
_CLASSES = ((_FRAME,), _TIBBLE, ("data.table", _FRAME))
"""The classes of frames that are kept."""
_ATTRIBUTES = {"names", "row.names", "class"}


def frame_to_arrow(frame: Vector) -> pa.Table:
    """Convert a frame of R to an Arrow table.

    Args:
        frame: The frame, as `read_rds` returns it.

    Returns:
        The table, with what R has beyond Arrow in its metadata.

    Raises:
        SchemaMismatch: It is not a frame, or a column cannot be stored without loss.

    Example:
        >>> from airflow_sfx.frames.rds.values import characters, integers
        >>> attributes = {"names": characters("n"), "class": characters("data.frame")}
        >>> frame_to_arrow(Vector(LIST, [integers(1, 2)], attributes)).to_pydict()
        {'n': [1, 2]}
    """
    if frame.kind != LIST or _FRAME not in frame.classes:
        raise SchemaMismatch(
            f"a {_shown(frame)} is not a data frame: convert it with as.data.frame()"
        )
    names = frame.texts("names")
    if len(names) != len(frame) or None in names:
        raise SchemaMismatch("the data frame has columns without names: name them with names()")
    if frame.classes not in _CLASSES:
        raise SchemaMismatch(
            f"a data frame of the class {_listed(frame.classes)} cannot be stored without loss:"
            " convert it with as.data.frame(), or dplyr::ungroup() if it is grouped"
        )
    if other := sorted(set(frame.attributes) - _ATTRIBUTES):
        raise SchemaMismatch(
            f"the data frame has the attribute {other[0]!r:.60}, which cannot be stored: remove it"
            f' with attr(x, "{other[0]:.60}") <- NULL'
        )
    fields, arrays = [], []
    for name, column in zip(names, frame.values, strict=True):
        array, spec = _column(str(name), column)
        fields.append(pa.field(str(name), array.type, metadata=_metadata(spec)))
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        raise SchemaMismatch("the data frame has columns of different lengths: create it again")
    spec = {} if frame.classes == (_FRAME,) else {"class": list(frame.classes)}
    schema = pa.schema(fields).with_metadata(_metadata(spec) or {})
    rows = _row_names(frame, len(arrays[0]) if arrays else 0)
    if rows is not None:
        index = unnamed_level_name(0)
        schema = with_pandas_metadata(
            schema.append(pa.field(index, rows.type)),
            {"index": [{"column": index, "name": None}]},
        )
        arrays.append(rows)
    return pa.Table.from_arrays(arrays, schema=schema)


def _metadata(spec: Spec) -> dict[bytes, bytes] | None:
    return {SPEC: json.dumps(spec, sort_keys=True).encode()} if spec else None


def _row_names(frame: Vector, rows: int) -> AnyArray | None:
    """Return the row names, or None if they are the numbers of the rows."""
    found = frame.attributes.get("row.names")
    if found is None:
        return None
    if found.kind == CHARACTER and len(found) == rows:
        return found.values
    if found.kind != INTEGER:
        raise SchemaMismatch("the data frame has invalid row names: remove them with row.names<-")
    compact = len(found) == 2 and found.values[0] == NA_INTEGER  # noqa: PLR2004
    if compact or np.array_equal(found.values, np.arange(1, rows + 1)):
        return None
    if len(found) != rows:
        raise SchemaMismatch("the data frame has invalid row names: remove them with row.names<-")
    return pa.array(found.values)


def _column(name: str, column: Vector) -> tuple[AnyArray, Spec]:
    try:
        return _converted(column)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"column {name!r:.80} {error}") from error


def _converted(column: Vector) -> tuple[AnyArray, Spec]:
    classes = column.classes
    convert, allowed = _BY_CLASS.get(classes, (None, set()))
    if convert is None and not classes:
        convert = _BY_KIND.get(column.kind)
    if convert is None:
        raise SchemaMismatch(
            f"is of the class {_listed(classes)}, which cannot be stored without loss:"
            f" {_remedy(column)}"
            if classes
            else f"holds {_shown(column)}, which cannot be stored: convert or drop it"
        )
    if other := sorted(set(column.attributes) - {"class"} - allowed):
        raise SchemaMismatch(_attribute_message(other[0]))
    return convert(column)


def _remedy(column: Vector) -> str:
    if "POSIXlt" in column.classes:
        return "convert it with as.POSIXct()"
    if column.kind == LIST:
        return "convert it with unclass(), or drop it"
    return "convert it with as.vector(), or drop it"


def _attribute_message(attribute: str) -> str:
    if attribute == "dim":
        return "is a matrix: store its columns one by one, or convert it with as.vector()"
    if attribute == "names":
        return "has names, which cannot be stored: remove them with unname()"
    return (
        f"has the attribute {attribute!r:.60}, which cannot be stored: remove it with"
        f' attr(x, "{attribute:.60}") <- NULL'
    )


def _listed(classes: tuple[str | None, ...]) -> str:
    return "/".join(str(one) for one in classes)[:80]


def _shown(vector: Vector) -> str:
    return NAMES.get(vector.kind, "value")


def _numbers(values: Any, missing: Any) -> AnyArray:
    return pa.array(values, mask=missing if missing.any() else None, from_pandas=False)


def _logical(column: Vector) -> tuple[AnyArray, Spec]:
    values, missing = column.values, column.values == NA_INTEGER
    if len(values) and missing.all():
        return pa.nulls(len(values)), {}  # R's vector that can become any other
    return _numbers(values != 0, missing), {}


def _integer(column: Vector) -> tuple[AnyArray, Spec]:
    return _numbers(column.values, column.values == NA_INTEGER), {}


def _double(column: Vector) -> tuple[AnyArray, Spec]:
    return _numbers(column.values, is_na(column.values)), {}


def _integer64(column: Vector) -> tuple[AnyArray, Spec]:
    if column.kind != DOUBLE:
        raise SchemaMismatch("is a damaged integer64: create it with bit64::as.integer64()")
    values = np.ascontiguousarray(column.values).view(np.int64)
    return _numbers(values, values == NA_INTEGER64), {}


def _character(column: Vector) -> tuple[AnyArray, Spec]:
    return column.values, {}


def _raw(column: Vector) -> tuple[AnyArray, Spec]:
    return pa.array(column.values), {"kind": "raw"}


def _factor(column: Vector) -> tuple[AnyArray, Spec]:
    levels = column.attributes.get("levels")
    if column.kind != INTEGER or levels is None or levels.kind != CHARACTER or levels.attributes:
        raise SchemaMismatch("is a damaged factor: create it with factor()")
    if levels.values.null_count:
        raise SchemaMismatch(
            "has NA among its levels, which cannot be stored: use factor(as.character(x))"
        )
    missing = column.values == NA_INTEGER
    codes = column.values - 1
    if ((codes < 0) | (codes >= len(levels)))[~missing].any():
        raise SchemaMismatch("is a factor with codes without a level: create it with factor()")
    if len(levels.values.unique()) != len(levels):
        raise SchemaMismatch("is a factor with a level twice: create it with factor()")
    array = pa.DictionaryArray.from_arrays(
        _numbers(np.where(missing, 0, codes).astype(np.int32), missing),
        levels.values,
        ordered="ordered" in column.classes,
    )
    return array, {}


def _list(column: Vector) -> tuple[AnyArray, Spec]:
    return list_to_arrow(column)


Convert = Callable[[Vector], tuple[AnyArray, Spec]]

_BY_KIND: dict[int, Convert] = {
    LOGICAL: _logical,
    INTEGER: _integer,
    DOUBLE: _double,
    CHARACTER: _character,
    RAW: _raw,
    LIST: _list,
}
_BY_CLASS: dict[tuple[str | None, ...], tuple[Convert, set[str]]] = {
    ("factor",): (_factor, {"levels"}),
    ("ordered", "factor"): (_factor, {"levels"}),
    ("Date",): (date_to_arrow, set()),
    ("POSIXct", "POSIXt"): (time_to_arrow, {"tzone"}),
    ("difftime",): (difftime_to_arrow, {"units"}),
    ("hms", "difftime"): (difftime_to_arrow, {"units"}),
    ("integer64",): (_integer64, set()),
    ("AsIs",): (_list, set()),
}
"""How a class is converted, and which attributes it has."""
