"""A frame's schema as text for the manifest, dictionaries included, and back.

The text is a letter for how it is packed (``p`` plain, ``z`` zlib), a colon, and in base64 an Arrow
IPC stream with one batch of no rows: it carries names, types, metadata and every dictionary with
its unused values and its order.
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
from airflow_sfx.core.serde import parse_object
from airflow_sfx.frames._typing import AnyArray, AnyField
from airflow_sfx.frames.pandas.frame import nameless_levels
from airflow_sfx.frames.schema.kinds import assumed_marks, open_parts, table_columns
from airflow_sfx.frames.types.logical import LogicalSchema, dictionaries_of

TIMES = b"airflow_sfx.times"
"""The key of a schema's metadata under which its text has what is known of the columns' times."""


def schema_to_text(logical: LogicalSchema) -> str:
    """Write a schema and its dictionaries as text.

    Args:
        logical: The schema.

    Returns:
        ASCII text; equal schemas give equal text.

    Example:
        >>> text = schema_to_text(LogicalSchema(pa.schema([("n", pa.int64())])))
        >>> text[:2], schema_from_text(text).schema.names
        ('z:', ['n'])
    """
    columns = [_no_rows(field, logical.dictionaries.get(field.name)) for field in logical.schema]
    schema = _with_marks(logical)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    plain = sink.getvalue().to_pybytes()
    packed = zlib.compress(plain, 6)
    worth = len(packed) < len(plain) and is_plausible(len(plain), len(packed))
    kind, content = ("z", packed) if worth else ("p", plain)
    return f"{kind}:{base64.b64encode(content).decode('ascii')}"


def columns_in(text: str) -> tuple[Column, ...]:
    """The columns that a batch gives a table, by its schema as text: all but those of an index without a name.

    Args:
        text: As `schema_to_text` writes it.

    Returns:
        The columns, partition keys among them that the frame had.

    Raises:
        InconsistentBatch: The text is not a schema's.

    Example:
        >>> columns_in(schema_to_text(LogicalSchema(pa.schema([("a", pa.int8())]))))
        (Column(name='a', type='tinyint'),)
    """
    logical = schema_from_text(text)
    nameless = nameless_levels(logical.schema)
    return tuple(column for column in table_columns(logical) if column.name not in nameless)


@lru_cache(maxsize=1024)
def schema_from_text(text: str) -> LogicalSchema:
    """Read back what `schema_to_text` wrote. The same text gives the same object.

    Args:
        text: The text.

    Returns:
        The schema and its dictionaries.

    Raises:
        InconsistentBatch: The text is not a schema's.
    """
    kind, _, content = text.partition(":")
    try:
        raw = base64.b64decode(content, validate=True)
        if kind == "z":
            raw = decompress(raw)
        elif kind != "p":
            raise ValueError(f"{kind!r:.20} is no known packing")
        with pa.ipc.open_stream(raw) as reader:
            table = reader.read_all()
    except MemoryError:  # which pyarrow's is, too
        raise
    except (ValueError, pa.ArrowException, OSError, EOFError) as error:
        if short := resource_error(error, "reading a manifest's schema"):
            raise short from error
        raise InconsistentBatch(
            f"the manifest's Arrow schema cannot be read ({error}): it was truncated or changed"
            " after it was written"
        ) from error
    schema, marks = _without_marks(table.schema)
    if marks is None:  # of an earlier version
        return LogicalSchema(
            schema, dictionaries_of(table), assumed_marks(schema), apart=not _is_open(schema)
        )
    return LogicalSchema(schema, dictionaries_of(table), marks)


def _with_marks(logical: LogicalSchema) -> pa.Schema:
    marks = {name: one.to_json() for name, one in logical.marks.items()}
    if not (marks or (logical.apart and _is_open(logical.schema))):
        return logical.schema
    text = json.dumps(marks, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return logical.schema.with_metadata({**(logical.schema.metadata or {}), TIMES: text.encode()})


def _is_open(schema: pa.Schema) -> bool:
    return any(open_parts(field.type) for field in schema)


def _without_marks(schema: pa.Schema) -> tuple[pa.Schema, dict[str, TimeMarks] | None]:
    metadata: dict[Any, Any] = dict(schema.metadata or {})
    text = metadata.pop(TIMES, None)
    if text is None:
        return schema, None
    marks = {
        name: TimeMarks.from_json(one)
        for name, one in parse_object(text, "the record of times").items()
    }
    return schema.with_metadata(metadata) if metadata else schema.remove_metadata(), marks


def _no_rows(field: AnyField, dictionary: AnyArray | None) -> AnyArray:
    if isinstance(field.type, pa.DictionaryType) and dictionary is not None:
        codes: Any = pa.array([], field.type.index_type)
        return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=field.type.ordered)
    return pa.nulls(0, field.type)
