"""A frame's logical schema as text for the manifest, and back.

The text is a letter for the compression (``p`` plain, ``z`` zlib), a colon, and an Arrow IPC stream
in base64. The stream has one batch without rows: it holds names, types, metadata, and every
dictionary with its order and unused values.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.io.decompression import decompress, is_plausible
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.core.schema import Column, TimeMarks
from airflow_sfx.core.serde import decode
from airflow_sfx.frames._typing import AnyArray, AnyField
from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
from airflow_sfx.frames.schema.kinds import table_columns
from airflow_sfx.frames.schema.time_marks import assumed_marks
from airflow_sfx.frames.types.logical import LogicalSchema, dictionaries_of
from airflow_sfx.frames.types.open_types import open_paths

TIMES = b"airflow_sfx.times"
"""The key of the time marks in the metadata of a schema's text."""


def schema_to_text(logical: LogicalSchema) -> str:
    """Encode a logical schema as text.

    Args:
        logical: The schema.

    Returns:
        ASCII text; equal schemas give equal text.

    Example:
        >>> text = schema_to_text(LogicalSchema(pa.schema([("n", pa.int64())])))
        >>> text[:2], schema_from_text(text).schema.names
        ('z:', ['n'])
    """
    columns = [
        _empty_array(field, logical.dictionaries.get(field.name)) for field in logical.schema
    ]
    schema = _with_marks(logical)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    plain = sink.getvalue().to_pybytes()
    compressed = zlib.compress(plain, 6)
    is_smaller = len(compressed) < len(plain) and is_plausible(len(plain), len(compressed))
    kind, content = ("z", compressed) if is_smaller else ("p", plain)
    return f"{kind}:{base64.b64encode(content).decode('ascii')}"


def columns_in(text: str) -> tuple[Column, ...]:
    """Return the table columns of a batch: all but those of unnamed index levels.

    Args:
        text: The batch's schema, as `schema_to_text` writes it.

    Returns:
        The columns, including partition keys that are columns of the frame.

    Raises:
        InconsistentBatch: The text is not an encoded schema.

    Example:
        >>> columns_in(schema_to_text(LogicalSchema(pa.schema([("a", pa.int8())]))))
        (Column(name='a', type='tinyint'),)
    """
    logical = schema_from_text(text)
    nameless = unnamed_index_columns(logical.schema)
    return tuple(column for column in table_columns(logical) if column.name not in nameless)


@lru_cache(maxsize=1024)
def schema_from_text(text: str) -> LogicalSchema:
    """Decode what `schema_to_text` wrote. Equal texts give the same object.

    Args:
        text: The text.

    Returns:
        The logical schema.

    Raises:
        InconsistentBatch: The text is not an encoded schema.
    """
    kind, _, content = text.partition(":")
    try:
        raw = base64.b64decode(content, validate=True)
        if kind == "z":
            raw = decompress(raw)
        elif kind != "p":
            raise ValueError(f"{kind!r:.20} is not a known compression")
        with pa.ipc.open_stream(raw) as reader:
            table = reader.read_all()
    except MemoryError:  # also pyarrow's
        raise
    except (ValueError, pa.ArrowException, OSError, EOFError) as error:
        if short := resource_error(error, "reading a manifest's schema"):
            raise short from error
        raise InconsistentBatch(
            f"the manifest's Arrow schema cannot be read ({error}): it was truncated or changed"
            " after it was written"
        ) from error
    schema, marks = _without_marks(table.schema)
    if marks is None:  # written by an earlier version
        return LogicalSchema(
            schema,
            dictionaries_of(table),
            assumed_marks(schema),
            open_names=not _has_open_columns(schema),
        )
    return LogicalSchema(schema, dictionaries_of(table), marks)


def _with_marks(logical: LogicalSchema) -> pa.Schema:
    marks = {name: one.to_json() for name, one in logical.marks.items()}
    if not (marks or (logical.open_names and _has_open_columns(logical.schema))):
        return logical.schema
    text = json.dumps(marks, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return logical.schema.with_metadata({**(logical.schema.metadata or {}), TIMES: text.encode()})


def _has_open_columns(schema: pa.Schema) -> bool:
    return any(open_paths(field.type) for field in schema)


def _without_marks(schema: pa.Schema) -> tuple[pa.Schema, dict[str, TimeMarks] | None]:
    metadata: dict[Any, Any] = dict(schema.metadata or {})
    text = metadata.pop(TIMES, None)
    if text is None:
        return schema, None
    marks = decode(text, dict[str, TimeMarks], "the record of times in the schema")
    return schema.with_metadata(metadata) if metadata else schema.remove_metadata(), marks


def _empty_array(field: AnyField, dictionary: AnyArray | None) -> AnyArray:
    if isinstance(field.type, pa.DictionaryType) and dictionary is not None:
        codes: Any = pa.array([], field.type.index_type)
        return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=field.type.ordered)
    return pa.nulls(0, field.type)
