"""Logical types of columns beyond their Hive types, kept by the table.

With them, all its batches can be read together.
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import ColumnKind
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.frames.builders import category, objects


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def column(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"c": values})


def table_of(kind: pa.DataType, *values: Any) -> pa.Table:
    return pa.table({"c": pa.array(values, kind)})


def kind_of(warehouse: Warehouse) -> str:
    (found,) = warehouse.show("db", "t").columns
    return found.kind.description


def store(warehouse: Warehouse, data: Any, partition: str, **options: Any) -> Any:
    return warehouse.store_dataframe(data, "db", "t", [partition], **options)


def values_in_files(warehouse: Warehouse, pin: Any) -> list[Any]:
    """Return the values in files, as engines read them without manifests."""
    (manifest,) = warehouse.manifests(pin)
    name = f"{manifest.partition}/{manifest.batch_id}/{manifest.files[0].path}"
    place = f"{pin.location}/{name}".removeprefix("file://")
    return pq.read_table(place, partitioning=None).column("c").to_pylist()


MONTHS = column(pd.PeriodIndex(["2020-01", "2020-02"], freq="M"))
DAYS = column(pd.PeriodIndex(["2020-01-01"], freq="D"))
SPANS = column(pd.to_timedelta([5], unit="s"))
NUMBERS = column([5])
NAIVE = column(pd.to_datetime(["2020-01-01 12:00"]))
AWARE = column(pd.to_datetime(["2020-01-01 12:00"], utc=True))
TUPLES, LISTS = column(objects((1, 2))), column(objects([1, 2]))
RIGHT, LEFT = (
    column(pd.arrays.IntervalArray.from_breaks([0, 1, 2], closed=side))
    for side in ("right", "left")
)
UUIDS = column(objects(uuid.UUID(int=5)))
TEXTS = column(["a"])
CLOCK = column(objects(dt.time(5)))

OTHER_KINDS = {
    "months and days": (MONTHS, DAYS, "period[M]", "period[D]"),
    "numbers and months": (NUMBERS, MONTHS, "bigint", "period[M]"),
    "numbers and durations": (NUMBERS, SPANS, "bigint", "duration"),
    "durations and times of day": (SPANS, CLOCK, "duration", "time of day"),
    "naive and aware": (NAIVE, AWARE, "timestamp", "timestamp with time zone"),
    "tuples and lists": (TUPLES, LISTS, "tuple", "array<bigint>"),
    "UUIDs and text": (UUIDS, TEXTS, "UUID", "string"),
    "intervals closed elsewhere": (RIGHT, LEFT, "interval[right]", "interval[left]"),
    "whole numbers and decimals": (
        column(np.array([2**63], dtype="uint64")),
        table_of(pa.decimal128(20, 0), 5),
        "uint64",
        "decimal(20,0)",
    ),
    "extension types": (
        table_of(pa.uuid(), b"0123456789abcdef"),
        table_of(pa.binary(), b"x"),
        "extension<arrow.uuid>",
        "binary",
    ),
    "categories of months and of days": (
        column(category(MONTHS["c"].array, MONTHS["c"].array)),
        DAYS,
        "period[M]",
        "period[D]",
    ),
    "intervals as categories and text": (
        column(pd.cut([1, 2], [0, 1, 2])),
        TEXTS,
        "interval[right] of int64",
        "string",
    ),
    "nested: durations and numbers": (
        table_of(pa.list_(pa.struct([("A", pa.duration("s"))])), [{"A": 1}]),
        table_of(pa.list_(pa.struct([("a", pa.int64())])), [{"a": 1}]),
        "duration at [].a",
        "plain values at [].a",
    ),
    "nested: naive and aware": (
        table_of(pa.map_(pa.string(), pa.timestamp("us")), [("k", 1)]),
        table_of(pa.map_(pa.string(), pa.timestamp("us", "UTC")), [("k", 1)]),
        "plain values at {value}",
        "timestamp with time zone at {value}",
    ),
}


@pytest.mark.parametrize("name", OTHER_KINDS)
@pytest.mark.parametrize("turned", [False, True], ids=["first", "second"])
def test_a_column_of_another_logical_type_is_refused_before_anything_is_written(
    embedded, name, turned
) -> None:
    pair = [
        (OTHER_KINDS[name][0], OTHER_KINDS[name][2]),
        (OTHER_KINDS[name][1], OTHER_KINDS[name][3]),
    ]
    (before, has), (after, comes) = reversed(pair) if turned else pair
    store(embedded, before, "1")
    with pytest.raises(SchemaMismatch) as caught:
        store(embedded, after, "2")
    assert "'c'" in str(caught.value)
    assert has in str(caught.value)
    assert comes in str(caught.value)
    assert [entry.partition for entry in embedded.history("db", "t")] == ["1"]
    assert len(embedded.load_dataframe("db", "t")) == len(before)


TOGETHER = {
    "widths of integers": (
        [column(np.array([1], dtype=kind)) for kind in ("uint8", "int16", "uint32", "int64")],
        "int64",
    ),
    "whole numbers and fractions": (
        [
            column(np.array([value], dtype=kind))
            for value, kind in ((1, "int32"), (1.5, "float64"), (1.5, "float32"))
        ],
        "double",
    ),
    "a category and its values": (
        [column(category(["a"], ["b", "a"])), column(["c"])],
        "large_string",
    ),
    "ordered and not": (
        [column(category(["a"], ["a"], ordered=ordered)) for ordered in (True, False)],
        "dictionary<values=large_string, indices=int32, ordered=0>",
    ),
    "zones": (
        [column(pd.to_datetime(["2020"]).tz_localize(zone)) for zone in ("UTC", "Asia/Tokyo")],
        "timestamp[us, tz=Asia/Tokyo]",
    ),
    "units": (
        [table_of(pa.duration(unit), 1) for unit in ("s", "ms", "us", "ns")][:3],
        "duration[us]",
    ),
    "nested units": (
        [
            table_of(pa.struct([("t", pa.list_(kind))]), {"t": [1000]})
            for kind in (pa.time32("s"), pa.time64("ns"))
        ],
        "struct<t: list<item: time64[us]>>",
    ),
    "bytes": (
        [table_of(pa.binary(2), b"ab"), table_of(pa.binary(3), b"abc"), table_of(pa.binary(), b"")],
        "binary",
    ),
    "lists": (
        [table_of(kind, [1, 2]) for kind in (pa.list_(pa.int8(), 2), pa.large_list(pa.int16()))],
        "list<item: int16>",
    ),
    "kinds of null": ([column(objects("a", null)) for null in (None, np.nan, pd.NA)], "string"),
    "months and their categories": (
        [MONTHS, column(category(MONTHS["c"].array, MONTHS["c"].array))],
        "int64",
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_every_reader_can_follow_is_read_together_with_the_same_values(embedded, name) -> None:
    frames, kind = TOGETHER[name]
    pins = [store(embedded, frame, str(number)) for number, frame in enumerate(frames)]
    whole = embedded.load_dataframe("db", "t", as_="arrow")
    assert str(whole.schema.field("c").type) == kind
    for number, pin in enumerate(pins):
        own = embedded.load_dataframe(pin, as_="arrow").column("c").to_pylist()
        rows = whole.filter(pa.compute.equal(whole.column("partition"), str(number)))
        assert rows.column("c").to_pylist() == own
    assert len(embedded.load_dataframe("db", "t")) == len(whole)
    assert len(embedded.load_dataframe("db", "t", as_="polars")) == len(whole)


def test_pandas_types_are_kept_where_all_batches_have_them_and_plain_values_come_elsewhere(
    embedded,
) -> None:
    store(embedded, column(pd.array([1], dtype="Int8")), "1")
    store(embedded, column(pd.array([2], dtype="Int64")), "2")
    assert str(embedded.load_dataframe("db", "t")["c"].dtype) == "Int64"
    store(embedded, column([3]), "3")
    assert str(embedded.load_dataframe("db", "t")["c"].dtype) == "int64"


def test_intervals_as_categories_are_intervals_whatever_batches_they_come_from(embedded) -> None:
    frames = [column(pd.cut([1.0, 4.0], bins)) for bins in ([0.0, 2.0, 5.0], [0.0, 1.5, 5.0])]
    for number, frame in enumerate(frames):
        store(embedded, frame, str(number))
    assert embedded.load_dataframe("db", "t")["c"].tolist() == [
        value for frame in frames for value in frame["c"]
    ]


def test_an_ordinary_table_remembers_nothing(warehouse) -> None:
    store(
        warehouse,
        pd.DataFrame({"a": [1], "b": ["x"], "t": pd.to_datetime(["2020"]), "l": objects([1.5])}),
        "1",
    )
    assert not any(found.kind for found in warehouse.show("db", "t").columns)


def test_what_a_table_remembers_is_in_its_metastore(warehouse, uri) -> None:
    store(warehouse, MONTHS, "1")
    assert connect(uri).show("db", "t").columns[0].kind == ColumnKind((("", "period[M]"),))
    with pytest.raises(SchemaMismatch, match=r"period\[M\]"):
        store(connect(uri), DAYS, "2")


def test_a_table_that_its_metastore_has_lost_remembers_again_when_it_is_repaired(
    embedded_uri,
) -> None:
    warehouse = connect(embedded_uri)
    store(warehouse, MONTHS.assign(d=np.array([1, 2], dtype="timedelta64[ns]")), "1")
    before = warehouse.show("db", "t").columns
    for path in Path(embedded_uri.removeprefix("embedded://"), "_sfx").glob("metastore.sqlite*"):
        path.unlink()
    again = connect(embedded_uri)
    again.repair("db", "t")
    assert again.show("db", "t").columns == before
    assert [column.kind.description for column in before] == [
        "period[M]",
        "duration in nanoseconds",
    ]


def forget_kinds(warehouse: Warehouse) -> None:
    """Leave a table as an earlier version made it."""
    warehouse.metastore.update_table(
        TableRef("db", "t"),
        lambda info: replace(info, columns=tuple(column.plain for column in info.columns)),
    )


def test_a_table_of_an_earlier_version_learns_from_its_batches_what_its_columns_are(
    warehouse,
) -> None:
    store(warehouse, MONTHS, "1")
    forget_kinds(warehouse)
    assert kind_of(warehouse) == ""
    with pytest.raises(SchemaMismatch, match=r"period\[M\].* and the frame as period\[D\]"):
        store(warehouse, DAYS, "2")
    forget_kinds(warehouse)
    store(warehouse, MONTHS, "2")
    assert kind_of(warehouse) == "period[M]"
    assert len(warehouse.load_dataframe("db", "t")) == 2 * len(MONTHS)


def test_evolve_any_gives_the_table_the_frames_kind_and_reads_no_value_as_another(
    warehouse,
) -> None:
    months = store(warehouse, MONTHS, "1")
    store(warehouse, DAYS, "2", evolve="any")
    assert kind_of(warehouse) == "period[D]"
    with pytest.raises(SchemaMismatch, match=r"period\[D\] in one batch and period\[M\]"):
        warehouse.load_dataframe("db", "t")
    assert warehouse.load_dataframe(months)["c"].tolist() == MONTHS["c"].tolist()
    store(warehouse, NUMBERS, "1", evolve="any")
    assert kind_of(warehouse) == ""
    with pytest.raises(SchemaMismatch):
        store(warehouse, DAYS, "2")


def test_of_two_writers_that_give_a_new_column_another_kind_the_second_is_refused(
    warehouse, uri
) -> None:
    store(warehouse, pd.DataFrame({"n": [1]}), "0")
    outcome: dict[str, object] = {}
    both_looked = threading.Barrier(2)

    def write(name: str, frame: pd.DataFrame) -> None:
        def looked(_: pd.DataFrame) -> None:
            both_looked.wait(60)

        try:
            store(connect(uri), frame.head(1).assign(n=1), name, checks=[looked])
            outcome[name] = None
        except SchemaMismatch as error:
            outcome[name] = error

    threads = [threading.Thread(target=write, args=pair) for pair in (("1", MONTHS), ("2", DAYS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(type, outcome.values()), key=str) == sorted(
        [type(None), SchemaMismatch], key=str
    )
    assert len(warehouse.load_dataframe("db", "t")) == 2


UNITS = ("s", "ms", "us", "ns")


@pytest.mark.parametrize("unit", UNITS)
def test_files_have_durations_in_microseconds_and_the_frame_comes_back_in_its_unit(
    embedded, unit
) -> None:
    frame = column(pd.Series(pd.to_timedelta([1, -2], unit="s")).astype(f"timedelta64[{unit}]"))
    pin = store(embedded, frame, "1")
    assert values_in_files(embedded, pin) == [1_000_000, -2_000_000]
    assert kind_of(embedded) == "duration in microseconds"
    pd.testing.assert_frame_equal(embedded.load_dataframe(pin), frame)
    (manifest,) = embedded.manifests(pin)
    assert (manifest.statistics["c"].minimum, manifest.statistics["c"].maximum) == (
        -2_000_000,
        1_000_000,
    )


@pytest.mark.parametrize(
    "kind", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")], ids=str
)
@pytest.mark.parametrize("nest", ["flat", "list", "struct", "map"])
def test_files_have_times_of_day_in_microseconds(embedded, kind, nest) -> None:
    nested, wrap = NESTS[nest]
    data = table_of(nested(kind), wrap(dt.time(0, 0, 1)))
    pin = store(embedded, data, "1")
    assert values_in_files(embedded, pin) == [wrap(1_000_000)]
    assert embedded.load_dataframe(pin, as_="arrow").equals(data)


NESTS: dict[str, tuple[Any, Any]] = {
    "flat": (lambda kind: kind, lambda value: value),
    "list": (pa.list_, lambda value: [value]),
    "struct": (lambda kind: pa.struct([("x", kind)]), lambda value: {"x": value}),
    "map": (lambda kind: pa.map_(pa.string(), kind), lambda value: [("k", value)]),
}


def test_a_column_that_begins_with_finer_values_is_in_nanoseconds_for_good(warehouse) -> None:
    fine = column(np.array([1, 1001], dtype="timedelta64[ns]"))
    store(warehouse, fine, "1")
    assert kind_of(warehouse) == "duration in nanoseconds"
    pin = store(warehouse, column(np.array([1], dtype="timedelta64[s]")), "2")
    (manifest,) = warehouse.manifests(pin)
    assert manifest.statistics["c"].maximum == 10**9
    assert warehouse.load_dataframe(pin)["c"].dtype == "timedelta64[s]"
    whole = warehouse.load_dataframe("db", "t")["c"]
    assert whole.dtype == "timedelta64[ns]"
    assert whole.astype("int64").tolist() == [1, 1001, 10**9]
    assert (
        warehouse.load_dataframe("db", "t", filters=[("c", ">", dt.timedelta(microseconds=1))])[
            "c"
        ].size
        == 2
    )
    with pytest.raises(SchemaMismatch, match="'c'.*292 years"):
        store(warehouse, column(np.array([10**10], dtype="timedelta64[s]")), "3")


@pytest.mark.parametrize(
    "nest",
    [lambda kind: kind, pa.list_, lambda kind: pa.struct([("x", kind)])],
    ids=["flat", "list", "struct"],
)
@pytest.mark.parametrize("kind", [pa.duration("ns"), pa.time64("ns")], ids=str)
def test_finer_values_are_refused_in_a_column_that_is_in_microseconds(embedded, nest, kind) -> None:
    wrapped = nest(kind)

    def data(value: int) -> pa.Table:
        plain = pa.array([value]).view(kind)
        if wrapped == kind:
            return pa.table({"c": plain})
        if pa.types.is_list(wrapped):
            return pa.table({"c": pa.ListArray.from_arrays([0, 1], plain)})
        return pa.table({"c": pa.StructArray.from_arrays([plain], names=["x"])})

    store(embedded, data(1000), "1")
    with pytest.raises(SchemaMismatch, match=r"'c'.*microseconds.*\.dt\.round"):
        store(embedded, data(1), "2")
    with pytest.raises(SchemaMismatch, match="'c'.*microsecond"):
        store(embedded, iter([data(1000), data(1)]), "2")
    assert [entry.partition for entry in embedded.history("db", "t")] == ["1"]


def test_a_duration_that_no_microseconds_hold_is_refused_by_name(embedded) -> None:
    with pytest.raises(SchemaMismatch, match="'c'.*292,000 years"):
        store(embedded, column(np.array([2**62], dtype="timedelta64[s]")), "1")
    with pytest.raises(SchemaMismatch, match="'c'"):
        store(embedded, column(np.array([2**62], dtype="datetime64[s]")), "1")


def test_coarse_nanoseconds_and_the_year_9999_are_read_together(embedded) -> None:
    far = np.array(["9999-12-31T23:59:59.999999", "0001-01-01"], dtype="datetime64[us]")
    store(embedded, column(np.array(["2020-01-01T00:00:01"], dtype="datetime64[ns]")), "1")
    store(embedded, column(far), "2")
    whole = embedded.load_dataframe("db", "t")["c"]
    assert whole.dtype == "datetime64[us]"
    assert whole.tolist()[1:] == list(pd.Series(far))
    store(embedded, table_of(pa.list_(pa.timestamp("ns")), [1000]), "1", evolve="any")
    store(embedded, table_of(pa.list_(pa.timestamp("s")), [250_000_000_000]), "2")
    assert embedded.load_dataframe("db", "t", as_="arrow").num_rows == 2


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_nanoseconds_and_the_year_9999_in_one_column_are_refused_at_the_store(
    embedded, turned, nested, stream
) -> None:
    wrap = pa.list_ if nested else (lambda kind: kind)
    fine = table_of(wrap(pa.timestamp("ns")), [1] if nested else 1)
    far = table_of(wrap(pa.timestamp("s")), [250_000_000_000] if nested else 250_000_000_000)
    first, then = (far, fine) if turned else (fine, far)
    store(embedded, first, "1")
    with pytest.raises(SchemaMismatch, match="'c'.*finer than a microsecond"):
        store(embedded, iter([then.slice(0, 0), then]) if stream else then, "2")
    assert embedded.load_dataframe("db", "t", as_="arrow").num_rows == 1
    assert [entry.partition for entry in embedded.history("db", "t")] == ["1"]
