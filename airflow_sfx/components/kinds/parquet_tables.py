"""Tables as Parquet files that pyarrow writes, and reads within a limit."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.containers import parquet
from airflow_sfx.components.containers.parquet_source import (
    WITHIN,
    Footer,
    ParquetSource,
    read_footer,
)
from airflow_sfx.components.kinds.parts import Budget
from airflow_sfx.components.kinds.tables import one_array
from airflow_sfx.core.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_DICTIONARIES = "sfx.dictionaries"
_SCHEMA = "ARROW:schema"
_ROWS_OF_GROUP = 1 << 20
_SMALL = 1 << 18
_OF_TEXTS = (parquet.PLAIN, parquet.RLE_DICTIONARY, 2)  # 2: plain indices, of a dictionary's page
_ENCODING_GAIN = 0.95


def write_table(table: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """Return a table as a Parquet file.

    The values of dictionary columns are written themselves, so that every engine reads them; the
    dictionaries are in the footer.

    Raises:
        SchemaMismatch: A column would not come back as it is.
    """
    import pyarrow as pa

    plain, dictionaries = _without_dictionaries(table)
    encodings = {
        field.name: encoding
        for number, field in enumerate(plain.schema)
        if (encoding := _encoding(plain.select([number]))) is not None
    }
    flat = [
        field.name
        for field in plain.schema
        if not pa.types.is_nested(field.type) and field.name not in encodings
    ]
    return _written(plain, flat, encodings, {**metadata, **dictionaries})


def _encoding(column: pa.Table) -> str | None:
    """Return the encoding by which a column of numbers is far smaller than by a dictionary."""
    import pyarrow as pa

    (field,) = column.schema
    kind = field.type
    if pa.types.is_floating(kind):
        encoding = "BYTE_STREAM_SPLIT"
    elif pa.types.is_integer(kind) or (pa.types.is_temporal(kind) and kind.bit_width in (32, 64)):
        encoding = "DELTA_BINARY_PACKED"
    else:
        return None
    usual = _written(column, [field.name], {}, {})
    other = _written(column, [], {field.name: encoding}, {})
    return encoding if len(other) < _ENCODING_GAIN * len(usual) else None


def _written(
    table: pa.Table, dictionary: list[str], encodings: dict[str, str], metadata: dict[str, str]
) -> bytes:
    """Return a table as a Parquet file, with some columns by dictionary or in an encoding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = io.BytesIO()
    try:
        with pq.ParquetWriter(
            target,
            table.schema,
            compression="zstd",
            compression_level=19 if table.nbytes <= _SMALL else 9,
            use_dictionary=dictionary,  # type: ignore[arg-type]
            column_encoding=encodings or None,
            use_compliant_nested_type=False,
            write_statistics=False,
        ) as writer:
            writer.write_table(table, row_group_size=_ROWS_OF_GROUP)
            writer.add_key_value_metadata(metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SchemaMismatch(f"the table cannot be packed: {error}") from error
    return target.getvalue()


def read_table(data: bytes, footer: Footer, budget: Budget) -> pa.Table:
    """Return the table of a Parquet file.

    Raises:
        ModelRefused: It is damaged, or would take more memory than is left.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = _check_pages(data, footer, budget)
    try:
        found = pq.ParquetFile(io.BytesIO(data), read_dictionary=texts).read(use_threads=False)
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(footer.metadata[_SCHEMA])))
        columns = [
            _expanded(column, field.type, budget)
            for column, field in zip(found.columns, schema, strict=True)
        ]
        table = pa.Table.from_arrays(columns, schema=schema)
        return _with_dictionaries(table, footer, budget).combine_chunks()
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise refused(f"has a table that pyarrow cannot read ({error})") from error


def _check_pages(data: bytes, footer: Footer, budget: Budget) -> list[str]:
    """Count the memory of the pages; return the columns of texts."""
    source = ParquetSource(data, footer)
    texts = []
    for name, described in footer.columns.items():
        counts = sizes = 0
        dictionary = False
        binary = described[0].get(1) == parquet.BINARY
        for page in source.pages(name):
            if binary and page.encoding not in _OF_TEXTS:
                raise refused(f"has a column {name!r} in an encoding that is not used")
            counts += page.count
            sizes += page.size
            dictionary = dictionary or page.dictionary
        nested = WITHIN in name
        if dictionary and nested:
            raise refused(f"has a column {name!r} with a dictionary where none is used")
        if binary and not nested:
            texts.append(name)
        budget.take(counts * 16 + sizes)
    return texts


def _expanded(column: Any, kind: Any, budget: Budget) -> Any:
    """Return a column as it was: texts that were read as a dictionary, times in seconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return column if column.type == kind else column.cast(kind)
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).to_numpy(zero_copy_only=False)
        index = chunk.indices.fill_null(0).to_numpy(zero_copy_only=False)
        if len(lengths):
            budget.take(int(lengths.astype("i8")[index].sum()))
    return column.cast(kind)


def _without_dictionaries(table: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """Return a table with the values of its dictionary columns, and the dictionaries as text."""
    import pyarrow as pa

    found: dict[str, str] = {}
    for number, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        column = one_array(table.column(number))
        if column.dictionary.null_count:
            raise SchemaMismatch(
                f"the column {field.name!r} has a null in its dictionary: decode the column"
            )
        schema = pa.schema([pa.field("0", field.type)])
        values = pa.Table.from_arrays([column.dictionary], names=["0"])
        parts = (schema.serialize().to_pybytes(), write_table(values, {}))
        found[f"{_DICTIONARIES}.{number}"] = " ".join(
            base64.b64encode(part).decode() for part in parts
        )
        table = table.set_column(
            number, field.with_type(field.type.value_type), column.dictionary_decode()
        )
    return table, found


def _with_dictionaries(table: pa.Table, footer: Footer, budget: Budget) -> pa.Table:
    """Return a table with its dictionary columns as they were."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for key, text in footer.metadata.items():
        if not key.startswith(f"{_DICTIONARIES}."):
            continue
        number = int(key.rpartition(".")[2])
        kind_data, _, values_data = text.partition(b" ")
        kind: Any = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kind_data))).types[0]
        file = base64.b64decode(values_data)
        values = read_table(file, read_footer(file), budget).column(0).combine_chunks()
        column = table.column(number).combine_chunks()
        index = pc.index_in(column, values).cast(kind.index_type)
        if index.null_count != column.null_count:
            raise refused("has a value that is not in its dictionary")
        coded = pa.DictionaryArray.from_arrays(index, values, ordered=kind.ordered)
        field = table.schema.field(number).with_type(kind)
        table = table.set_column(number, field, coded)
    return table


def same_tables(one: pa.Table, other: pa.Table) -> str | None:
    """Return the name of the first column that differs in any bit, or None."""
    if one.num_rows != other.num_rows or one.schema.names != other.schema.names:
        return "the number of rows or columns"
    for field, back, left, right in zip(
        one.schema, other.schema, one.columns, other.columns, strict=True
    ):
        if not field.equals(back, check_metadata=True) or not _same(left, right):
            return field.name
    if (one.schema.metadata or {}) != (other.schema.metadata or {}):
        return "the metadata of the schema"
    return None


def _same(one: Any, other: Any) -> bool:
    import pyarrow as pa

    left, right = one_array(one), one_array(other)
    if len(left) == 0:
        return len(right) == 0
    kind = left.type
    if pa.types.is_floating(kind):
        bits = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[kind.bit_width]
        return bool(left.view(bits).equals(right.view(bits)))
    if pa.types.is_struct(kind):
        return bool(left.is_null().equals(right.is_null())) and all(
            _same(*pair) for pair in zip(left.flatten(), right.flatten(), strict=True)
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        import pyarrow.compute as pc

        return bool(pc.list_value_length(left).equals(pc.list_value_length(right))) and _same(
            left.flatten(), right.flatten()
        )
    if pa.types.is_dictionary(kind):
        return _same(left.dictionary, right.dictionary) and bool(left.indices.equals(right.indices))
    return bool(left.equals(right)) or np.array_equal(left.to_pylist(), right.to_pylist())
