"""Whole DataFrames to Arrow tables and back, with their indexes.

What Arrow's types do not express is kept in the pandas metadata of the schema. The default index
takes no space.
"""

from __future__ import annotations

import contextlib
import json
import reprlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.validation import storable_text
from airflow_sfx.frames._typing import AnyColumn, AnyField
from airflow_sfx.frames.column_names import check_names, is_storable_name, unnamed_level_name
from airflow_sfx.frames.pandas.columns import (
    decode_values,
    encode_values,
    masked_values,
    pandas_dtype,
)
from airflow_sfx.frames.pandas.metadata import (
    MADE_FROM,
    Spec,
    pandas_metadata_of,
    with_pandas_metadata,
)
from airflow_sfx.frames.types.logical import schema_of

if TYPE_CHECKING:
    import pandas as pd


_PLAIN_NAMES = (str, int, float, bool, type(None))
_DEFAULT_STRING = "str"
_INTEGERS_64 = (pa.int64(), pa.uint64())  # pandas may round them if there are nulls
# Types with a wider range than Python's own objects.
_BEYOND_PYTHON = (pa.date32(), pa.date64(), pa.time64("ns"))


def pandas_to_arrow(
    frame: pd.DataFrame, *, keep_range: bool = True, range_as_column: bool = False
) -> pa.Table:
    """Convert a DataFrame to an Arrow table.

    Args:
        frame: The DataFrame.
        keep_range: Whether to keep a non-default RangeIndex, and ``attrs``; they have no meaning
            for a chunk of a stream.
        range_as_column: Whether to store a non-default RangeIndex as a column, for frames whose
            rows will be divided.

    Returns:
        The table, with pandas metadata.

    Raises:
        InvalidName: A column's name is invalid.
        SchemaMismatch: A column or the index cannot be stored without loss.

    Example:
        >>> import pandas as pd
        >>> pandas_to_arrow(pd.DataFrame({"n": [1]}, index=["a"])).column_names
        ['n', '__index_level_0__']
    """
    import pandas as pd

    names = _column_names(frame)
    attrs = _stored_attrs(frame.attrs) if frame.attrs and keep_range else None
    fields: list[AnyField] = []
    arrays: list[Any] = []
    pandas_metadata: dict[str, Any] = {}
    specs: dict[str, Spec] = {}

    def add(values: Any, name: str, shown: str) -> None:
        array, spec = encode_values(values, shown)
        fields.append(pa.field(name, array.type))
        arrays.append(array)
        if spec is not None:
            specs[name] = {**spec, "type": str(array.type)}

    for position, name in enumerate(names):
        add(frame.iloc[:, position], name, name)
    index = frame.index
    if isinstance(index, pd.RangeIndex) and not range_as_column:
        entry = _range_entry(index)
        if entry and keep_range:
            pandas_metadata["index"] = entry
    elif not (isinstance(index, pd.RangeIndex) and not _range_entry(index)):
        pandas_metadata["index"] = _add_levels(index, names, add)
    if specs:
        pandas_metadata["columns"] = specs
    pandas_metadata.update(_axis(frame.columns))
    if attrs:
        pandas_metadata["attrs"] = attrs
    schema = with_pandas_metadata(schema_of(fields, None), pandas_metadata)
    return pa.Table.from_arrays(arrays, schema=schema)


def arrow_to_pandas(table: pa.Table) -> pd.DataFrame:
    """Convert an Arrow table back to a DataFrame.

    Args:
        table: The table; columns may have been removed or added since it was a DataFrame.

    Returns:
        The DataFrame. A table without pandas metadata is converted as pyarrow does.

    Example:
        >>> arrow_to_pandas(pa.table({"n": [1, 2]})).shape
        (2, 1)
    """
    import pandas as pd

    pandas_metadata = pandas_metadata_of(table.schema)
    if pandas_metadata is None and b"pandas" in (table.schema.metadata or {}):
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            return table.to_pandas()
        table = table.replace_schema_metadata(None)  # written by another program, and invalid
    pandas_metadata = pandas_metadata or {}
    specs: Mapping[str, Spec] = pandas_metadata.get("columns", {})
    levels = _levels(pandas_metadata, table)
    hidden = {level["column"] for level in levels}
    names = [name for name in table.column_names if name not in hidden]
    special = {name for name in names if not _is_ordinary(table.column(name), specs.get(name))}
    ordinary = [name for name in names if name not in special]
    if ordinary:
        frame = table.select(ordinary).to_pandas(ignore_metadata=True, types_mapper=pandas_dtype)
    else:
        frame = pd.DataFrame(index=range(len(table)))
    # Columns that are inserted one by one fragment the frame; consolidating them costs more here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        for position, name in enumerate(names):
            if name in special:
                frame.insert(
                    position, name, _column(decode_values(table.column(name), specs.get(name)))
                )
    frame.index = _index(pandas_metadata, levels, table)
    frame.columns = _columns(names, pandas_metadata)
    frame.attrs = pandas_metadata.get("attrs", {})
    return frame


def _column_names(frame: pd.DataFrame) -> list[str]:
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        raise InvalidName(
            f"the frame's column names have {frame.columns.nlevels} levels, and a table's have one:"
            ' join them, as in df.columns = ["_".join(map(str, name)) for name in df.columns]'
        )
    names = list(frame.columns)
    check_names(names)
    return names


def _range_entry(index: pd.RangeIndex) -> dict[str, Any] | None:
    """Return the metadata of a RangeIndex, or None for the default one."""
    if index.name is None and index.start == 0 and index.step == 1:
        return None
    return {"range": [index.start, index.stop, index.step], "name": _axis_name(index.name)}


def _add_levels(index: pd.Index[Any], names: Sequence[str], add: Any) -> list[dict[str, Any]]:
    import pandas as pd

    taken = {name.lower() for name in names}
    entries = []
    for number in range(index.nlevels):
        level = index.get_level_values(number) if isinstance(index, pd.MultiIndex) else index
        column = level.name
        if not is_storable_name(column) or str(column).lower() in taken:
            column = unnamed_level_name(number)
            while column in taken:
                column += "_"
        column = str(column)
        taken.add(column.lower())
        entry: dict[str, Any] = {"column": column, "name": _axis_name(level.name)}
        _add_index_shape(index, entry)
        if isinstance(index, pd.MultiIndex) and _changes_dtype(
            level.dtype, index.levels[number].dtype
        ):
            entry["level"], level = str(index.levels[number].dtype), _nullable(index, number)
        add(level, column, column)
        entries.append(entry)
    return entries


def _changes_dtype(shown: Any, kind: Any) -> bool:
    """Return whether nulls change the dtype of an integer or boolean level."""
    import pandas as pd

    return shown != kind and bool(
        pd.api.types.is_bool_dtype(kind) or pd.api.types.is_integer_dtype(kind)
    )


def _nullable(index: pd.MultiIndex, number: int) -> Any:
    """Return an integer or boolean level with nulls as a nullable index."""
    import pandas as pd

    codes = index.codes[number]
    values = pa.array(index.levels[number]).take(pa.array(codes, mask=codes < 0))
    return pd.Index(masked_values(pa.chunked_array([values])))


def _add_index_shape(index: pd.Index[Any], entry: dict[str, Any]) -> None:
    """Add the frequency, step or kind of an index to a level's metadata."""
    import pandas as pd

    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) and index.freq is not None:
        entry["freq"] = index.freqstr
    if isinstance(index, pd.RangeIndex):
        entry["step"] = index.step
    if isinstance(index, pd.MultiIndex):
        entry["multi"] = True


def _axis_name(name: object) -> object:
    for part in name if isinstance(name, tuple) else (name,):
        if isinstance(part, str):
            storable_text(part, "the name of an index, ")
    if isinstance(name, tuple) and all(type(part) in _PLAIN_NAMES for part in name):
        return {"tuple": list(name)}
    if type(name) in _PLAIN_NAMES:
        return name
    raise SchemaMismatch(
        f"the index name {name!r} is a {type(name).__name__}, which cannot be stored: use text, as"
        ' in df.rename_axis("name")'
    )


def _axis_name_from(entry: object) -> Any:
    return tuple(entry["tuple"]) if isinstance(entry, dict) else entry


def _stored_attrs(attrs: Mapping[Any, Any]) -> Any:
    attrs = {name: value for name, value in attrs.items() if name != MADE_FROM}
    try:
        kept = json.loads(json.dumps(attrs))
        json.dumps(kept, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        kept = None
    if kept != attrs:
        raise SchemaMismatch(
            f"the frame's attrs {reprlib.repr(attrs)} cannot be stored as JSON without loss: use"
            " only text, numbers, lists and dictionaries with text as keys, or remove them with"
            " df.attrs = {}"
        )
    return kept


def _axis(columns: pd.Index[Any]) -> dict[str, Any]:
    import pandas as pd

    found: dict[str, Any] = {}
    if columns.name is not None:
        found["axis"] = _axis_name(columns.name)
    if isinstance(columns, pd.CategoricalIndex):
        raise SchemaMismatch(
            "the column names are categories: convert them to text, as in df.columns ="
            " df.columns.astype(str)"
        )
    if str(columns.dtype) != _DEFAULT_STRING:
        found["axis_dtype"] = str(columns.dtype)
    return found


def _columns(names: list[str], pandas_metadata: Mapping[str, Any]) -> Any:
    import pandas as pd

    return pd.Index(
        names,
        dtype=pandas_metadata.get("axis_dtype", _DEFAULT_STRING),
        name=_axis_name_from(pandas_metadata.get("axis")),
    )


def _levels(pandas_metadata: Mapping[str, Any], table: pa.Table) -> list[dict[str, Any]]:
    """Return the metadata of the index levels, if the table has all their columns."""
    levels = pandas_metadata.get("index")
    if not isinstance(levels, list) or not {level["column"] for level in levels} <= set(
        table.column_names
    ):
        return []
    return levels


def _is_ordinary(column: AnyColumn, spec: Spec | None) -> bool:
    """Return whether pyarrow's conversion of the whole table restores the column."""
    if spec is not None and spec["kind"] != "plain":
        return False
    if column.type in _INTEGERS_64:
        return not column.null_count
    return not types.is_nested(column.type) and column.type not in _BEYOND_PYTHON


def _column(values: Any) -> Any:
    """Wrap values so that `DataFrame.insert` does not convert objects to text."""
    import pandas as pd

    if str(getattr(values, "dtype", "")) == "object":
        return pd.Series(values, dtype=object, copy=False)
    return getattr(values, "array", values)


def _index(
    pandas_metadata: Mapping[str, Any], levels: list[dict[str, Any]], table: pa.Table
) -> Any:
    import pandas as pd

    if not levels:
        entry = pandas_metadata.get("index")
        if isinstance(entry, dict):
            start, stop, step = entry["range"]
            whole = pd.RangeIndex(start, stop, step, name=_axis_name_from(entry["name"]))
            return (
                whole
                if len(whole) == len(table)
                else pd.RangeIndex(len(table), name=_axis_name_from(entry["name"]))
            )
        return pd.RangeIndex(len(table))
    specs: Mapping[str, Spec] = pandas_metadata.get("columns", {})
    made: list[Any] = []
    for level in levels:
        spec = specs.get(level["column"])
        # Without a dtype, pandas would convert objects to text.
        dtype = object if spec is not None and spec["kind"] == "object" else None
        index = pd.Index(decode_values(table.column(level["column"]), spec), dtype=dtype)
        made.append(index.rename(_axis_name_from(level["name"])))
    if levels[0].get("multi"):
        index = pd.MultiIndex.from_arrays(made, names=[one.name for one in made])
        for number, level in enumerate(levels):
            if "level" in level:
                index = index.set_levels(index.levels[number].astype(level["level"]), level=number)
        return index
    return _with_index_shape(made[0], levels[0])


def _with_index_shape(index: Any, level: Mapping[str, Any]) -> Any:
    import pandas as pd

    if "freq" in level:
        with contextlib.suppress(ValueError):  # a selection of rows may not be regular
            index.freq = level["freq"]
    elif level.get("step") and len(index):
        made = pd.RangeIndex(index[0], index[-1] + level["step"], level["step"], name=index.name)
        if len(made) == len(index) and (made == index).all():
            return made
    return index
