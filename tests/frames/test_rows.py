"""Rows of a database as record batches: one schema, decided by the first chunk, whatever comes later."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.frames.rows import record_batches

VALUES = {
    "n": (1, pa.int64()),
    "x": (1.5, pa.float64()),
    "ok": (True, pa.bool_()),
    "text": ("a", pa.string()),
    "raw": (memoryview(b"a"), pa.binary()),
    "day": (date(2016, 10, 31), pa.date32()),
    "at": (datetime(2016, 10, 31, 12), pa.timestamp("us")),
    "zoned": (datetime(2016, 10, 31, 12, tzinfo=UTC), pa.timestamp("us", tz="UTC")),
    "clock": (time(12), pa.time64("us")),
    "took": (timedelta(seconds=3), pa.duration("us")),
    "price": (Decimal("1.25"), pa.decimal128(38, 2)),
    "id": (uuid.UUID(int=1), pa.string()),
    "document": ({"a": [1]}, pa.string()),
    "many": ([1, 2], pa.list_(pa.int64())),
}


def batches(names, *chunks, types=None, told=None) -> pa.Table:
    return pa.Table.from_batches(list(record_batches(names, iter(chunks), types=types or {}, told=told or {})))


def test_every_kind_of_value_has_its_type() -> None:
    table = batches(list(VALUES), [tuple(value for value, _ in VALUES.values())], [(None,) * len(VALUES)])
    assert {field.name: field.type for field in table.schema} == {name: kind for name, (_, kind) in VALUES.items()}
    assert table["document"].to_pylist() == ['{"a": [1]}', None]


def test_what_the_first_rows_do_not_tell_the_database_or_the_caller_does() -> None:
    rows = [[(None, None, None)], [(1, "2", Decimal("3.5"))]]
    table = batches(["n", "t", "d"], *rows, told={"n": pa.int64()}, types={"d": "decimal(38,1)"})
    assert table.schema.types == [pa.int64(), pa.string(), pa.decimal128(38, 1)]
    assert table.to_pylist()[1] == {"n": 1, "t": "2", "d": Decimal("3.5")}


def test_no_rows_are_an_empty_batch_of_the_types_that_are_known() -> None:
    table = batches(["n", "t"], told={"n": pa.int64()})
    assert (table.num_rows, table.schema.types) == (0, [pa.int64(), pa.null()])


@pytest.mark.parametrize(
    ("names", "chunks", "types", "expected"),
    [
        (["n", "n"], [], {}, "the column 'n' twice"),
        (["n"], [], {"m": "int"}, "the column 'm', and the query gives n"),
        (["n"], [[(1,)], [("x",)]], {}, "a value of the column 'n' does not fit int64"),
        (["n"], [[(Decimal("1.5"),)], [(Decimal("1.555"),)]], {}, r'pass types=\{"n": …\}'),
        (["n"], [[(1,), ("x",)]], {}, "does not fit int64"),
        (["n"], [[(1,)]], {"n": "no type"}, "no type"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_column_s_name(names, chunks, types, expected) -> None:
    with pytest.raises(sfx.SchemaMismatch, match=expected):
        batches(names, *chunks, types=types)
