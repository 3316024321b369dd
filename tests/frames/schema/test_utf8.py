"""Text that is not UTF-8 is rejected before anything is written.

This holds at any depth and for every kind of frame.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.compute import run_end_encode

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.evolution.declared_types import declared_types
from airflow_sfx.frames.inputs import to_source

OFFSETS = {pa.string(): "int32", pa.large_string(): "int64"}


def text(*values: bytes, kind: pa.DataType | None = None) -> pa.Array:
    """Text of such bytes, whatever they are."""
    kind = kind or pa.string()
    ends = np.cumsum([0, *map(len, values)]).astype(OFFSETS[kind])
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(values))]
    )


BAD = text("ä".encode(), b"\xff\xfe")
COLUMNS = {
    "text": BAD,
    "large text": text(b"ok", b"\xff\xfe", kind=pa.large_string()),
    "view": BAD.cast(pa.string_view()),
    "half a character each": text(*(bytes([one]) for one in "ä".encode())),
    "categories": pa.DictionaryArray.from_arrays(pa.array([0, 1]), BAD),
    "list": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), BAD),
    "field": pa.StructArray.from_arrays([BAD], names=["a"]),
    "map": pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), BAD, pa.array([1, 2])),
    "runs": run_end_encode(BAD),
    "JSON": pa.ExtensionArray.from_storage(pa.json_(), BAD),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_text_that_is_not_utf8_is_refused_with_the_column_and_a_remedy(name) -> None:
    table = pa.table({"good": ["a", "b"], "bad": COLUMNS[name]})
    for data in (table, table.to_reader()):
        with pytest.raises(
            SchemaMismatch, match="'bad' has text that is not UTF-8.*store it as binary"
        ):
            list(to_source(data).batches())


def test_a_pandas_column_over_such_text_is_refused_too() -> None:
    frame = pd.DataFrame({"bad": pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([BAD])))})
    with pytest.raises(SchemaMismatch, match="'bad'"):
        to_source(frame)


def test_the_message_shows_the_first_text_that_is_none_and_types_changes_nothing_of_it() -> None:
    values = [b"a"] * 100 + [b"caf\xe9"] + [b"\xff"] * 100
    with pytest.raises(SchemaMismatch, match=r"b'caf\\xe9'"):
        to_source(pa.table({"bad": text(*values)}), declared=declared_types({"bad": "bigint"}))


def test_bytes_that_no_row_has_are_nobodys_text() -> None:
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x01"), *BAD.buffers()[1:]])
    assert to_source(pa.table({"s": hidden})).table.column("s").to_pylist() == ["ä", None]
    assert to_source(pa.table({"s": BAD[:1], "b": [b"\xff"]})).table.num_rows == 1
