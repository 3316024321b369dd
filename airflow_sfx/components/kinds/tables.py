"""Tables of Arrow and data frames of pandas, column by column."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.parts import Part, Stored, from_primitive, to_primitive
from airflow_sfx.core.errors import SchemaMismatch

if TYPE_CHECKING:
    import pyarrow as pa


class TableSpec(msgspec.Struct, tag="t", array_like=True, frozen=True):
    """What a table is.

    Args:
        rows: Its rows.
        columns: For each column that is packed on its own whether it has nulls, and the length of
            its dictionary, or -1.
        pandas: Whether it is a data frame of pandas.
    """

    rows: Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
    columns: list[tuple[bool, Annotated[int, msgspec.Meta(ge=-1, le=1 << 40)]]]
    pandas: bool

    @property
    def kind(self) -> Literal["table"]:
        """The kind of component."""
        return "table"


def is_table(value: object) -> bool:
    """Return whether a value is a table or a data frame, without importing their libraries."""
    pyarrow, pandas = sys.modules.get("pyarrow"), sys.modules.get("pandas")
    return bool(
        (pyarrow is not None and isinstance(value, pyarrow.Table))
        or (pandas is not None and isinstance(value, pandas.DataFrame))
    )


def to_arrow(value: Any) -> pa.Table:
    """Return a table or a data frame as a table that comes back as it was.

    Raises:
        SchemaMismatch: A column of the data frame would not come back as it is.
    """
    import pyarrow as pa

    if isinstance(value, pa.Table):
        return value.combine_chunks()
    try:
        table = pa.Table.from_pandas(value)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatch(f"the data frame cannot be packed: {error}") from error
    for number, dtype in enumerate(value.dtypes):
        if isinstance(dtype, np.dtype) and dtype.kind == "f":  # NaN stays NaN, with its payload
            column = pa.array(value.iloc[:, number].to_numpy(), from_pandas=False)
            table = table.set_column(number, table.schema.field(number), column)
    _check_frame(value, table)
    return table.combine_chunks()


def _check_frame(value: Any, table: pa.Table) -> None:
    import pandas as pd

    back = table.to_pandas()
    try:
        pd.testing.assert_frame_equal(value, back, check_exact=True, check_column_type=True)
        same = True
        for number, dtype in enumerate(value.dtypes):
            if isinstance(dtype, np.dtype) and dtype.kind == "f":
                one, other = (frame.iloc[:, number].to_numpy() for frame in (value, back))
                same = same and one.tobytes() == other.tobytes()
    except AssertionError as error:
        raise SchemaMismatch(
            f"the data frame would not come back as it is: {' '.join(str(error).split())}; convert"
            " that column, or pass a table of pyarrow"
        ) from error
    if not same:
        raise SchemaMismatch("a column of the data frame would not come back as it is")


def split_table(table: pa.Table, *, pandas: bool) -> tuple[TableSpec, list[Part]] | None:
    """Return what a table is, and its columns; None if a column has parts or a dictionary."""
    import pyarrow as pa

    if not all(map(_is_packed, table.schema.types)):
        return None
    parts = [Part("schema", [table.schema.serialize().to_pybytes()])]
    described = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        array, distinct = one_array(column), -1
        if array.null_count:
            valid = array.is_valid().to_numpy(zero_copy_only=False).astype("<i8")
            parts.append(Part(f"{name}_is_valid", valid))
        has_nulls = bool(array.null_count)
        if pa.types.is_dictionary(array.type):
            if array.dictionary.null_count:
                return None
            distinct = len(array.dictionary)
            parts.append(Part(f"{name}_dictionary", _primitive(array.dictionary)))
            array = array.indices
        described.append((has_nulls, distinct))
        parts.append(Part(name, _primitive(array)))
    return TableSpec(table.num_rows, described, pandas), parts


def one_array(column: Any) -> Any:
    """Return a column as one array."""
    import pyarrow as pa

    found = column
    if pa.types.is_dictionary(column.type):
        found = column.unify_dictionaries()
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found


def _is_packed(kind: Any) -> bool:
    import pyarrow as pa

    return _is_flat(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _is_flat(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or kind in (pa.string(), pa.large_string())
        or (pa.types.is_temporal(kind) and kind.bit_width in (32, 64))
    )


def _numbers(kind: pa.DataType) -> np.dtype[np.generic]:
    """Return the type of the numbers that a column of Arrow has in memory."""
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return np.dtype("|b1")
    if pa.types.is_temporal(kind):
        return np.dtype(f"<i{kind.bit_width // 8}")
    return np.dtype(kind.to_pandas_dtype()).newbyteorder("<")


def _primitive(array: Any) -> Any:
    """Return the values of a column, those that are null as zero."""
    import pyarrow as pa

    kind = array.type
    if kind in (pa.string(), pa.large_string()):
        return [(text or "").encode() for text in array.to_pylist()]
    if pa.types.is_boolean(kind):
        return array.fill_null(False).to_numpy(zero_copy_only=False).astype("<i8")
    dtype = _numbers(kind)
    start = array.offset * dtype.itemsize
    data = array.buffers()[1]
    raw = memoryview(data)[start : start + len(array) * dtype.itemsize] if data else b""
    values = np.frombuffer(raw, dtype=dtype).copy()
    if array.null_count:
        values[array.is_null().to_numpy(zero_copy_only=False)] = 0
    return to_primitive(values)


def join_table(spec: TableSpec, stored: Stored) -> Any:
    """Return the table or data frame again.

    Raises:
        ModelRefused: The columns are not those of its schema.
    """
    import pyarrow as pa

    (data,) = stored.texts(0, 1)
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowException, OSError) as error:
        raise refused(f"has a schema that is not one ({error})") from error
    if len(schema) != len(spec.columns) or not all(map(_is_packed, schema.types)):
        raise refused("has a schema of other columns than declared")
    columns, place = [], 1
    for kind, (nulls, distinct) in zip(schema.types, spec.columns, strict=True):
        valid = None
        if nulls:
            valid = stored.column(place, spec.rows).astype(bool)
            place += 1
        if pa.types.is_dictionary(kind):
            values = _column(kind.value_type, None, stored, place, max(distinct, 0))
            index = _column(kind.index_type, valid, stored, place + 1, spec.rows)
            columns.append(pa.DictionaryArray.from_arrays(index, values, ordered=kind.ordered))
            place += 2
            continue
        columns.append(_column(kind, valid, stored, place, spec.rows))
        place += 1
    try:
        table = pa.Table.from_arrays(columns, schema=schema)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise refused(f"has columns that are not those of its schema ({error})") from error
    return finished(table, pandas=spec.pandas)


def finished(table: pa.Table, *, pandas: bool) -> Any:
    """Return a table, as a data frame if it was one.

    Raises:
        ModelRefused: The table is not valid, or is not that of a data frame.
    """
    import pyarrow as pa

    try:
        table.validate(full=True)
        return table.to_pandas() if pandas else table
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise refused(f"has a table that is not valid ({error})") from error


def _column(kind: Any, valid: Array | None, stored: Stored, place: int, rows: int) -> Any:
    import pyarrow as pa

    if kind in (pa.string(), pa.large_string()):
        texts = stored.texts(place, rows)
        offsets = np.zeros(rows + 1, dtype="<i4" if kind == pa.string() else "<i8")
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        buffers = [_buffer(offsets), pa.py_buffer(b"".join(texts))]
    else:
        values = from_primitive(stored, place, rows, _numbers(kind))
        if pa.types.is_boolean(kind):
            values = np.packbits(values, bitorder="little")
        buffers = [_buffer(values)]
    mask = None if valid is None else _buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, rows, [mask, *buffers])


def _buffer(values: Array) -> pa.Buffer:
    import pyarrow as pa

    return pa.py_buffer(values.tobytes())
