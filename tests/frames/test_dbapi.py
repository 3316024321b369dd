"""Rows of a database as record batches, in one schema decided by the first chunk."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.core.schema import Column
from airflow_sfx.frames import dbapi
from airflow_sfx.frames.dbapi import mysql_type, postgres_type, record_batches, table_types
from airflow_sfx.frames.schema.kinds import table_columns
from airflow_sfx.frames.types.hive import arrow_type
from airflow_sfx.frames.types.logical import LogicalSchema

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


def batches(names, *chunks, types=None, reported=None, documents=(), table=()) -> pa.Table:
    found = record_batches(
        names,
        iter(chunks),
        types=types or {},
        reported=reported or {},
        documents=documents,
        in_table=lambda: table_types(table),
    )
    return pa.Table.from_batches(list(found))


def test_every_kind_of_value_has_its_type() -> None:
    table = batches(
        list(VALUES), [tuple(value for value, _ in VALUES.values())], [(None,) * len(VALUES)]
    )
    assert {field.name: field.type for field in table.schema} == {
        name: kind for name, (_, kind) in VALUES.items()
    }
    assert table["document"].to_pylist() == ['{"a": [1]}', None]


def test_what_the_first_rows_do_not_tell_the_database_or_the_caller_does() -> None:
    rows = [[(None, None, None)], [(1, "2", Decimal("3.5"))]]
    table = batches(
        ["n", "t", "d"], *rows, reported={"n": pa.int64()}, types={"d": "decimal(38,1)"}
    )
    assert table.schema.types == [pa.int64(), pa.string(), pa.decimal128(38, 1)]
    assert table.to_pylist()[1] == {"n": 1, "t": "2", "d": Decimal("3.5")}


def test_no_rows_are_an_empty_batch_of_the_types_that_are_known() -> None:
    table = batches(["n", "t"], reported={"n": pa.int64()})
    assert (table.num_rows, table.schema.types) == (0, [pa.int64(), pa.null()])


@pytest.mark.parametrize(
    ("names", "chunks", "types", "expected"),
    [
        (["n", "n"], [], {}, "the column 'n' twice"),
        (["n"], [], {"m": "int"}, "the column 'm', and the query returns n"),
        (["n"], [[(1,)], [("x",)]], {}, "a value of the column 'n' does not fit int64"),
        (["n"], [[(Decimal("1.5"),)], [(Decimal("1.555"),)]], {}, r'pass types=\{"n": …\}'),
        (["n"], [[(1,), ("x",)]], {}, "does not fit int64"),
        (["n"], [[(1,)]], {"n": "no type"}, "no type"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_column_s_name(
    names, chunks, types, expected
) -> None:
    with pytest.raises(sfx.SchemaMismatch, match=expected):
        batches(names, *chunks, types=types)


NAIVE, ZONED = datetime(2016, 10, 31, 5), datetime(2016, 10, 31, 5, tzinfo=UTC)
NAN, HUGE = Decimal("NaN"), Decimal("Infinity")
UNFIT = {
    "a time after a date": (date(2016, 10, 31), NAIVE),
    "a date after a time": (NAIVE, date(2016, 10, 31)),
    "a zone after none": (NAIVE, ZONED),
    "none after a zone": (ZONED, NAIVE),
    "a time of day with an offset": (time(5), time(5, tzinfo=UTC)),
    "NaN of a numeric": (Decimal("1.5"), NAN),
    "infinity of a numeric": (Decimal("1.5"), HUGE),
    "a fraction after a whole number": (1, 2.5),
    "a fraction of a numeric after a whole number": (1, Decimal("2.5")),
    "a truth after a number": (1, True),
    "a number after a truth": (True, 1),
    "a number beyond a double": (1.5, 2**53 + 1),
    "a number far beyond one": (1.5, 10**400),
    "a numeric between doubles": (1.5, Decimal("0.1")),
    "text after bytes": (b"a", "a"),
    "bytes after text": ("a", b"a"),
    "text after a number": (1, "1"),
    "a number after a duration": (timedelta(1), 5),
    "a number after a date": (date(2016, 10, 31), 5),
    "a number after a time": (NAIVE, 5),
    "a greater number than 64 bits have": (1, 2**63),
    "more digits than 38": (Decimal("1.5"), Decimal(10) ** 40),
    "a set": ("a", {"a"}),
    "bytes in a document": ({"a": 1}, {"a": b"a"}),
    "a numeric in a document": ({"a": 1}, {"a": Decimal("0.1")}),
    "NaN in a document": ({"a": 1}, {"a": float("nan")}),
    "a key of a document that is no text": ({"a": 1}, {1: 2}),
    "a number after a list": ([1], 1),
    "a time in a list of dates": ([date(2016, 10, 31)], [date(2016, 10, 31), NAIVE]),
    "an offset in a list": ([time(5)], [None, time(5, tzinfo=UTC)]),
    "half a surrogate pair": ("a", "\ud800"),
}


@pytest.mark.parametrize("values", UNFIT.values(), ids=UNFIT.keys())
@pytest.mark.parametrize("together", [True, False], ids=["in one chunk", "in a later one"])
def test_a_value_that_the_first_ones_do_not_fit_is_refused_with_column_and_row(
    values, together
) -> None:
    """Arrow cuts a time to a date, 2.5 to 2, and takes a time without a zone for UTC."""
    first, other = values
    if (together and {type(first), type(other)} in ({int}, {int, Decimal})) or (first, other) == (
        1,
        2.5,
    ):
        return  # they have a type together
    rows_of = [(first, 0), (None, 0)], [(first, 0), (other, 0)]
    chunks = [[*rows_of[0], *rows_of[1]]] if together else rows_of
    with pytest.raises(
        sfx.SchemaMismatch,
        match=r"a value of the column 'x' does not fit .*: row 4 has .* cast it in SQL",
    ):
        batches(["x", "n"], *chunks)


@pytest.mark.parametrize(
    "bad",
    [NAN, HUGE, time(5, tzinfo=UTC), {1}, {"a": b""}, [NAN], object(), 1j, range(3)],
    ids=lambda bad: type(bad).__name__,
)
def test_a_first_value_that_cannot_be_kept_is_refused_with_column_and_row(bad) -> None:
    with pytest.raises(sfx.SchemaMismatch, match="the column 'x' does not fit .*: row 2 has"):
        batches(["x"], [(None,), (bad,)])


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(width=32),
    st.decimals(-1000, 1000, places=2),
    st.booleans(),
)
OTHERS = st.one_of(
    st.none(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.times(timezones=st.just(UTC)),
    st.timedeltas(timedelta(-1000), timedelta(1000)),
    st.text(max_size=2),
    st.binary(max_size=2),
)


@settings(max_examples=400)
@given(
    st.one_of(
        *(
            st.lists(st.lists(some, min_size=1, max_size=3), min_size=1, max_size=3)
            for some in (NUMBERS, OTHERS)
        )
    )
)
def test_what_is_kept_equals_what_came_whatever_is_mixed(values) -> None:
    try:
        found = batches(["x"], *[[(value,) for value in chunk] for chunk in values])["x"]
    except sfx.SchemaMismatch as error:
        assert "the column 'x' does not fit" in str(error)
        return
    came = [value for chunk in values for value in chunk]
    for before, after in zip(came, found.to_pylist(), strict=True):
        assert before == after or before != before, (came, found.type)  # noqa: PLR0124  NaN
        classes = [type(one) for one in (before, after)]
        assert classes[0] is classes[1] or set(classes) <= {int, float, Decimal}
        assert (
            getattr(before, "tzinfo", None) == getattr(after, "tzinfo", None)
            or after.utcoffset() == timedelta()
        )


@pytest.mark.parametrize(
    "kind",
    [
        "timestamp",
        pa.timestamp("s"),
        pa.date32(),
        pa.time32("s"),
        pa.float32(),
        pa.duration("s"),
        pa.int8(),
    ],
    ids=str,
)
def test_a_type_that_is_asked_for_cuts_nothing_off(kind) -> None:
    values = {
        "timestamp": ZONED,
        pa.timestamp("s"): NAIVE.replace(microsecond=1),
        pa.date32(): NAIVE,
        pa.time32("s"): time(5, 0, 0, 1),
        pa.float32(): 0.1,
        pa.duration("s"): timedelta(microseconds=1),
        pa.int8(): 300,
    }
    with pytest.raises(sfx.SchemaMismatch, match="row 2 has"):
        batches(["x"], [(None,), (values[kind],)], types={"x": kind})


NESTED_UNFIT = {
    "a time in a struct's date": ("struct<a:date>", {"a": NAIVE}),
    "a fraction in a struct's whole number": ("struct<a:int>", {"a": 1.5}),
    "a zone in a struct's time": ("struct<a:timestamp>", {"a": ZONED}),
    "more digits than a struct's float has": ("struct<a:float>", {"a": 0.1}),
    "a key that the struct lacks": ("struct<a:int>", {"a": 1, "b": 2}),
    "a key that the empty struct lacks": (pa.struct([]), {"a": 1}),
    "more values than the struct has": ("struct<a:int>", (1, 2)),
    "a number for a struct": ("struct<a:int>", 5),
    "a time in a map's date": ("map<string,date>", {"k": NAIVE}),
    "a time in a map's date, as a pair": (
        "map<string,date>",
        [("k", date(2016, 10, 31)), ("l", NAIVE)],
    ),
    "a fraction as a map's key": ("map<int,int>", {1.5: 1}),
    "null as a map's key": ("map<string,int>", [(None, 1)]),
    "text for a map": ("map<string,int>", "ab"),
    "a list of what are no pairs for a map": ("map<string,int>", ["ab"]),
    "a time in a struct in a list": ("array<struct<a:date>>", [None, {"a": NAIVE}]),
    "a time in a list in a struct in a map": (
        "map<string,struct<a:array<date>>>",
        {"k": {"a": [NAIVE]}},
    ),
    "more members than a list has places": (pa.list_(pa.int64(), 2), [1, 2, 3]),
    "a fraction in categories": (pa.dictionary(pa.int32(), pa.int64()), 2.5),
    "a time in runs": (pa.run_end_encoded(pa.int32(), pa.date32()), NAIVE),
    "bytes for a view of text": (pa.string_view(), b"a"),
}


@pytest.mark.parametrize(("kind", "value"), NESTED_UNFIT.values(), ids=NESTED_UNFIT.keys())
def test_a_type_that_is_asked_for_cuts_off_nothing_that_is_nested(kind, value) -> None:
    with pytest.raises(
        sfx.SchemaMismatch, match=r"a value of the column 'x' does not fit .*: row 3 has"
    ):
        batches(["x"], [(None,)], [(None,), (value,)], types={"x": kind})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("struct<a:int,b:string>", {"b": "x"}, {"a": None, "b": "x"}),
        ("struct<a:int,b:string>", (1, "x"), {"a": 1, "b": "x"}),
        (pa.struct([pa.field("a", pa.int64(), nullable=False)]), {"a": 2.0}, {"a": 2}),
        (pa.struct([]), {}, {}),
        ("map<string,int>", {"k": None, "l": Decimal(2)}, [("k", None), ("l", 2)]),
        ("map<string,int>", [("k", 1), ["k", 2]], [("k", 1), ("k", 2)]),
        ("map<string,int>", {}, []),
        (
            pa.map_(pa.string(), pa.date32(), keys_sorted=True),
            {"k": date(2016, 10, 31)},
            [("k", date(2016, 10, 31))],
        ),
        (
            "map<string,struct<a:array<int>>>",
            {"k": {"a": [1, None]}, "l": None},
            [("k", {"a": [1, None]}), ("l", None)],
        ),
        ("array<struct<a:map<int,string>>>", [{"a": {1: "x"}}, None], [{"a": [(1, "x")]}, None]),
        (
            pa.dictionary(pa.int8(), pa.date32(), ordered=True),
            date(2016, 10, 31),
            date(2016, 10, 31),
        ),
        (pa.run_end_encoded(pa.int16(), pa.int64()), 2.0, 2),
        (pa.string_view(), "a", "a"),
    ],
    ids=str,
)
def test_what_is_nested_is_kept_in_the_type_that_is_asked_for(kind, value, expected) -> None:
    found = batches(["x"], [(value,), (None,), (value,)], types={"x": kind})["x"]
    found.validate(full=True)
    assert found.to_pylist() == [expected, None, expected]
    assert found.type == (arrow_type(kind) if isinstance(kind, str) else kind)


def test_a_numeric_may_become_a_double_where_that_is_asked_for() -> None:
    found = batches(["x"], [(Decimal("0.1"),), (NAN,), (HUGE,)], types={"x": "double"})[
        "x"
    ].to_pylist()
    assert str(found) == "[0.1, nan, inf]"


def test_equal_numbers_are_kept_whatever_class_they_have() -> None:
    assert batches(["x"], [(1,)], [(2.0,), (Decimal("3.00"),)])["x"].to_pylist() == [1, 2, 3]
    assert batches(["x"], [(1,), (2.5,)])["x"].to_pylist() == [1.0, 2.5]
    assert batches(["x"], [(1,), (Decimal("2.50"),)])["x"].to_pylist() == [
        Decimal("1.00"),
        Decimal("2.50"),
    ]
    assert batches(["x"], [(2**63,), (1,)])["x"].to_pylist() == [2**63, 1]
    assert batches(["x"], [(2**65,), (-1,)])["x"].to_pylist() == [2**65, -1]


def test_documents_are_kept_as_json_whatever_they_hold() -> None:
    values = [{"a": 1}, [1, {"b": None}], "text", 5, None, True]
    found = batches(["x"], [(value,) for value in values], documents=["x"])["x"].to_pylist()
    assert [one if one is None else json.loads(one) for one in found] == values
    record = {
        "day": date(2016, 10, 31),
        "at": ZONED,
        "clock": time(5),
        "id": uuid.UUID(int=1),
        "many": ({"a": []},),
    }
    (text,) = batches(["x"], [(record,)])["x"].to_pylist()
    assert json.loads(text) == {
        "day": "2016-10-31",
        "at": "2016-10-31T05:00:00+00:00",
        "clock": "05:00:00",
        "id": str(uuid.UUID(int=1)),
        "many": [{"a": []}],
    }


def test_a_column_without_a_value_is_open_until_one_comes() -> None:
    nothing = [(None, [])] * 3
    kinds = batches(["x", "many"], nothing, nothing, [(Decimal("1.5"), ["a"])]).schema.types
    assert kinds == [pa.decimal128(38, 1), pa.list_(pa.string())]
    assert batches(["x", "many"], nothing, nothing).schema.types == [pa.null(), pa.list_(pa.null())]


def test_a_column_without_a_value_is_what_the_database_or_the_table_says() -> None:
    kinds = pa.schema(
        {
            "took": pa.duration("us"),
            "clock": pa.time64("us"),
            "at": pa.timestamp("us", "UTC"),
            "open": pa.null(),
        }
    )
    told_by_table = table_columns(LogicalSchema(kinds))
    assert table_types(told_by_table) == {
        field.name: field.type for field in kinds if field.name != "open"
    }
    table = [Column("X", "decimal(38,4)"), Column("odd", "uniontype<int>"), *told_by_table]
    for rows_of in ([(None,)], [(Decimal("1.5"),)]):
        assert batches(["x"], rows_of, [(Decimal("1.2345"),)], table=table).schema.types == [
            pa.decimal128(38, 4)
        ]
    assert batches(["x"], [(None,)], reported={"x": pa.int64()}, table=table).schema.types == [
        pa.int64()
    ]
    assert batches(["open"], [(None,)], [(1,)], table=table).schema.types == [pa.int64()]
    assert postgres_type(1007, None) == pa.list_(pa.int64())
    assert (mysql_type(3, None), mysql_type(246, 2)) == (pa.int64(), pa.decimal128(38, 2))


def test_no_more_is_held_back_than_memory_allows(monkeypatch) -> None:
    monkeypatch.setattr(dbapi, "_HELD_BYTES", 1000)
    given = 0

    def chunks():
        nonlocal given
        while given < 100:
            given += 1
            yield [(1, None)] * 10

    found = record_batches(["n", "x"], chunks(), types={}, reported={})
    next(found)
    assert given < 50
    assert next(found).schema.field("x").type == pa.string()


def test_the_row_is_counted_from_the_first_one() -> None:
    chunks = [[(1, [1])]] * 3 + [[(1, [1]), (1, [1, "x"])]]
    with pytest.raises(sfx.SchemaMismatch, match="column 'many' does not fit .*: row 5 has 'x'"):
        batches(["n", "many"], *chunks)
