"""Rows and answers as streams of Arrow record batches, if pyarrow is installed.

A body is bounded before it is read: compressed batches, which could unpack to any size, are
refused, and a column of a dictionary is never written out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from airflow_sfx.serving.web.openapi import ARROW, JSON
from airflow_sfx.serving.web.refusal import RefusedError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.serving.web.limits import Limits

Columns = dict[str, Any]
_BATCH, _DICTIONARY = "record batch", "dictionary"
_HEADER, _DATA, _COMPRESSION = 2, 1, 3
"""Places of members in the format's tables Message, DictionaryBatch and RecordBatch."""


def available() -> bool:
    """Return whether pyarrow is installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def read_columns(body: bytes, names: Sequence[str], limits: Limits) -> tuple[Columns, int]:
    """Return the columns of a body, and how many rows it has.

    Args:
        body: A stream of Arrow record batches.
        names: The columns that the model takes; others are left out.
        limits: How many rows it may have.

    Raises:
        RefusedError: It is not such a stream, or has too many rows.
    """
    if not available():
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"this server has no pyarrow and reads no {ARROW}: send {JSON}",
        )
    import pyarrow as pa

    try:
        _check_uncompressed(body)
        batches, rows = [], 0
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            schema = reader.schema
            for batch in reader:
                rows += batch.num_rows
                limits.check_rows(rows)
                batches.append(batch)
        table = pa.Table.from_batches(batches, schema)
        table = table.select([name for name in names if schema.get_field_index(name) >= 0])
        table.validate(full=True)
        return {name: _values(table[name]) for name in table.column_names}, rows
    except (pa.ArrowException, ValueError, OSError, struct.error) as error:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "the body is not a stream of Arrow record batches: write it with"
            " pyarrow.ipc.new_stream",
        ) from error


def _check_uncompressed(body: bytes) -> None:
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        header = memoryview(message.metadata)
        batch = _member(header, struct.unpack_from("<I", header)[0], _HEADER)
        if message.type == _DICTIONARY and batch:
            batch = _member(header, batch, _DATA)
        if message.type in (_BATCH, _DICTIONARY) and batch and _member(header, batch, _COMPRESSION):
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "the record batches are compressed, and could unpack to any size: send them"
                " without compression",
            )


def _member(data: memoryview, table: int, number: int) -> int:
    """Return where the table is that a table of a FlatBuffer has as a member; 0 for none."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * number
    if place + 2 > struct.unpack_from("<H", data, fields)[0]:
        return 0
    offset = struct.unpack_from("<H", data, fields + place)[0]
    if not offset:
        return 0
    found: int = table + offset + struct.unpack_from("<I", data, table + offset)[0]
    return found


def _values(column: pa.ChunkedArray[Any]) -> Any:
    """Return a column as an array, whole numbers and booleans with nulls exactly."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        found: list[Any] = []
        chunks = cast("list[pa.DictionaryArray[Any, Any]]", column.chunks)
        for chunk in chunks:
            known = chunk.dictionary.to_pylist()
            places = chunk.indices.to_pylist()
            found += [None if place is None else known[place] for place in places]
        return np.array(found, dtype=object)
    exact = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if pa.types.is_nested(kind) or (exact and column.null_count):
        return column.to_pylist()
    return column


def write_answers(name: str, answers: Answers) -> bytes:
    """Return answers as a stream of Arrow record batches, whose schema names the version.

    Args:
        name: The version.
        answers: The answers.
    """
    import pyarrow as pa

    columns = {
        one: pa.array(array.tolist()) if array.ndim > 1 else pa.array(array)
        for one, array in answers.as_dict().items()
    }
    table = pa.table(columns, metadata={"model": name})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
