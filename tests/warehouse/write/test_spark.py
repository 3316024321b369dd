"""Spark on the real metastore and S3.

Its DataFrames are stored and loaded on the executors, and its SQL reads the tables.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def warehouse(uri, spark) -> Warehouse:
    return connect(uri)


@pytest.fixture
def on_stack(stack_uri, spark) -> Warehouse:
    return connect(stack_uri)


@pytest.fixture
def items(spark):
    return spark.range(0, 1000, 1, 4).selectExpr(
        "id",
        "concat('item ', id % 7) as item",
        "cast(id * 1.5 as double) as price",
        "cast(id as decimal(12, 2)) as exact",
        "timestamp_seconds(id) as at",
        "date_add(date'2016-10-31', cast(id % 3 as int)) as day",
        "array(id, id + 1) as pair",
        "if(id % 5 = 0, null, id) as sometimes",
    )


def test_a_spark_frame_is_written_by_the_executors_and_read_by_pandas(warehouse, items) -> None:
    pin = warehouse.store_dataframe(
        items, "spark", "items", [DAY], partition_keys=["night"], reason="from Spark"
    )
    found = warehouse.load_dataframe(pin).sort_values("id", ignore_index=True)
    assert len(found) == 1000
    last = found.iloc[999]
    assert (last["item"], last["price"], last["exact"]) == ("item 5", 1498.5, Decimal("999.00"))
    assert last["at"] == pd.Timestamp(999, unit="s", tz="UTC")
    assert (last["day"], list(last["pair"])) == (date(2016, 10, 31), [999, 1000])
    assert found["sometimes"].isna().sum() == 200
    (manifest,) = warehouse.manifests(pin)
    assert len(manifest.files) == 4
    assert (
        manifest.rows,
        manifest.statistics["id"].minimum,
        manifest.statistics["id"].maximum,
    ) == (1000, 0, 999)
    warehouse.verify(pin)
    (entry,) = warehouse.history("spark", "items", [DAY])
    assert entry.reason == "from Spark"


def test_many_partitions_of_a_spark_frame_are_one_batch_id(warehouse, items) -> None:
    pin = warehouse.store_dataframe(items, "spark", "by_day", partition_by=["day"])
    assert set(pin.batches) == {"2016-10-31", "2016-11-01", "2016-11-02"}
    assert len(set(pin.batches.values())) == 1
    assert len(warehouse.load_dataframe("spark", "by_day", ["2016-10-31"])) == 334


def test_batches_are_loaded_as_a_spark_frame_however_they_were_stored(warehouse, spark) -> None:
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b", "a"]),
            "at": pd.to_datetime(["2016-10-31 01:00", "2016-10-31 02:00", None]).tz_localize(
                "Europe/Berlin"
            ),
            "sold": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    first = warehouse.store_dataframe(frame, "spark", "mixed", [DAY], partition_keys=["night"])
    warehouse.store_dataframe(frame.assign(more=1.5), "spark", "mixed", ["20161101"])
    found = warehouse.load_dataframe("spark", "mixed", as_="spark")
    assert dict(found.dtypes) == {
        "kind": "string",
        "at": "timestamp",
        "sold": "bigint",
        "more": "double",
        "night": "string",
    }
    assert found.count() == 6
    assert [row["kind"] for row in found.where("night = '20161031'").orderBy("kind").collect()] == [
        "a",
        "a",
        "b",
    ]
    assert found.where("more is null").count() == 3
    rows = warehouse.load_dataframe(
        first, as_="spark", columns=["sold"], filters=[("kind", "==", "a")]
    ).collect()
    assert sorted(row["sold"] for row in rows) == [1, 3]


def test_the_session_of_another_thread_loads_batches(embedded_uri, spark) -> None:
    warehouse = connect(embedded_uri)
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [1, 2]}), "spark", "threads", [DAY])
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: warehouse.load_dataframe(pin, as_="spark").count())
        assert found.result() == 2


def test_an_index_without_a_name_is_no_column_of_a_spark_frame(warehouse, spark) -> None:
    night = pd.DataFrame({"n": [5, 0, 7, 8]})
    pin = warehouse.store_dataframe(night[night["n"] > 0], "spark", "nameless", [DAY])
    found = warehouse.load_dataframe(pin, as_="spark")
    assert found.columns == ["n"]
    assert sorted(row.n for row in found.collect()) == [5, 7, 8]


def test_filters_of_a_spark_frame_compare_as_everywhere(warehouse, spark) -> None:
    berlin = pd.to_datetime(["2016-10-31 01:00", "2016-10-31 02:00"]).tz_localize("Europe/Berlin")
    frame = pd.DataFrame({"n": [1, 2], "at": berlin, "took": pd.to_timedelta([1, 2], unit="s")})
    pin = warehouse.store_dataframe(frame, "spark", "filtered", [DAY])

    def numbers(*filters) -> list[int]:
        return [
            row.n
            for row in warehouse.load_dataframe(
                pin, as_="spark", columns=["n"], filters=filters
            ).collect()
        ]

    assert numbers(("n", ">", 1.5), ("n", "<", 2**63)) == [2]
    assert numbers(("at", "<=", datetime(2016, 10, 31, 0, 30, tzinfo=UTC))) == [1]
    assert numbers(("took", ">", timedelta(milliseconds=1500))) == [2]
    assert (numbers(("n", "in", [])), numbers()) == ([], [1, 2])
    with pytest.raises(sfx.SchemaMismatch, match="column 'at', which is timestamp"):
        numbers(("at", ">", datetime(2016, 10, 31)))


def test_a_spark_frame_reads_its_batches_even_when_they_are_replaced_before_it_runs(
    warehouse, items
) -> None:
    warehouse.store_dataframe(items.limit(10), "spark", "late", [DAY])
    lazy = warehouse.load_dataframe("spark", "late", [DAY], as_="spark")
    warehouse.store_dataframe(items.limit(20), "spark", "late", [DAY])
    assert lazy.count() == 10
    changed = lazy.selectExpr(
        "id + 1000 as id", "item", "price", "exact", "at", "day", "pair", "sometimes"
    )
    warehouse.store_dataframe(changed, "spark", "late", [DAY])
    assert warehouse.load_dataframe("spark", "late", [DAY])["id"].min() >= 1000


def test_what_a_failed_attempt_of_a_task_left_is_in_no_batch(on_stack, spark) -> None:
    """The first attempt writes a file and dies; engines see only the second's files."""

    def dying(batches):
        import numpy as np
        import pyarrow as pa
        from pyspark import TaskContext

        for _ in batches:
            for number in range(3):
                if number == 2 and TaskContext.get().attemptNumber() == 0:
                    raise RuntimeError("the first attempt dies")
                noise = np.random.default_rng(number).integers(0, 1 << 60, 5_000_000)
                yield pa.RecordBatch.from_pydict(
                    {"number": pa.array(np.full(5_000_000, number)), "noise": noise}
                )

    frame = spark.range(0, 1, 1, 1).mapInArrow(dying, "number bigint, noise bigint")
    pin = on_stack.store_dataframe(frame, "spark", "tried", [DAY], partition_keys=["night"])
    (manifest,) = on_stack.manifests(pin)
    assert manifest.rows == 15_000_000
    listed = on_stack.store.list(f"spark.db/tried/{DAY}/{pin.batch_id}")
    data = [info.path.rpartition("/")[2] for info in listed if info.path.endswith(".parquet")]
    assert sorted(data) == sorted(file.path for file in manifest.files)
    assert len(on_stack.store.list_directories(f"spark.db/tried/{DAY}")) == 2, (
        "the first directory had a file too many"
    )


def test_refusals_come_before_anything_is_written(on_stack, items, spark) -> None:
    on_stack.store_dataframe(items, "spark", "strict", [DAY], partition_keys=["night"])
    with pytest.raises(sfx.SchemaMismatch, match="price"):
        on_stack.store_dataframe(items.withColumn("price", items["item"]), "spark", "strict", [DAY])
    assert (
        on_stack.store_dataframe(
            items.where("false"), "spark", "none", partition_by=["day"]
        ).batches
        == {}
    )
    assert [ref.table for ref in on_stack.tables()] == ["strict"]
    with pytest.raises(sfx.SfxError, match="check"):
        on_stack.store_dataframe(items, "spark", "strict", [DAY], checks=[lambda frame: True])
    with pytest.raises(sfx.InvalidName, match="cannot be combined"):
        on_stack.load_dataframe("spark", "strict", [DAY], as_="spark", batches=True)
    assert len(on_stack.history("spark", "strict", [DAY])) == 1


def test_spark_sql_reads_the_same_values_before_and_after_a_change_and_a_rollback(
    on_stack, spark
) -> None:
    first = pd.DataFrame(
        {"item": ["hat", "shoe"], "price": [19.5, 80.0], "at": [datetime(2016, 10, 31, 5), None]}
    )
    on_stack.store_dataframe(first, "sql", "items", [DAY], partition_keys=["night"])
    query = "select item, price, at, night from sql.items order by item"
    assert [tuple(row) for row in spark.sql(query).collect()] == [
        ("hat", 19.5, datetime(2016, 10, 31, 5), DAY),
        ("shoe", 80.0, None, DAY),
    ]
    on_stack.store_dataframe(first.assign(price=1.0, sold=7), "sql", "items", [DAY])
    spark.catalog.refreshTable("sql.items")
    assert [tuple(row) for row in spark.sql("select price, sold from sql.items").collect()] == [
        (1.0, 7),
        (1.0, 7),
    ]
    on_stack.rollback("sql", "items", [DAY])
    assert [row["price"] for row in spark.sql(query).collect()] == [19.5, 80.0]


ODD_VALUES = (
    "a b",
    "50%",
    "%25",
    "x=y",
    "a/b",
    "a:b",
    "_hidden",
    ".dot",
    "a'b",
    '"q"',
    "a\\b",
    "#[{^~*$",
    "é",
    "日本",
)
OF_EACH_TYPE = pa.table(
    {
        "i8": pa.array([1], pa.int8()),
        "u32": pa.array([2**32 - 1], pa.uint32()),
        "u64": pa.array([2**64 - 1], pa.uint64()),
        "f16": pa.array([1.5], pa.float32()).cast(pa.float16()),
        "flag": [True],
        "text": pa.array(["x"], pa.large_string()),
        "raw": pa.array([b"xy"], pa.binary(2)),
        "exact": pa.array([Decimal("1.23")], pa.decimal128(12, 2)),
        "day": [date(2016, 10, 31)],
        "ns": pa.array([datetime(2016, 10, 31, 1, 2, 3, 456789)], pa.timestamp("ns")),
        "zoned": pa.array(
            [datetime(2016, 10, 31, 1, 2, 3)], pa.timestamp("us", tz="Europe/Berlin")
        ),
        "clock": pa.array([3_723_000_000], pa.time64("us")),
        "kind": pa.array(["a"]).dictionary_encode(),
        "many": [[{"a": [1]}]],
        "pairs": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(1),
    }
)
IN_SPARK = {
    "i8": ("tinyint", 1),
    "u32": ("bigint", 2**32 - 1),
    "u64": ("decimal(20,0)", Decimal(2**64 - 1)),
    "f16": ("float", 1.5),
    "flag": ("boolean", True),
    "text": ("string", "x"),
    "raw": ("binary", b"xy"),
    "exact": ("decimal(12,2)", Decimal("1.23")),
    "day": ("date", date(2016, 10, 31)),
    "ns": ("timestamp", datetime(2016, 10, 31, 1, 2, 3, 456789)),
    "zoned": ("timestamp", datetime(2016, 10, 31, 1, 2, 3)),
    "clock": ("bigint", 3_723_000_000),
    "kind": ("string", "a"),
    "many": ("array<struct<a:array<bigint>>>", [([1],)]),
    "pairs": ("map<string,bigint>", {"k": 1}),
    "nothing": ("string", None),
}


def test_spark_sql_knows_every_type_and_every_partition_value(on_stack, spark) -> None:
    rows = pa.concat_tables([OF_EACH_TYPE] * len(ODD_VALUES)).append_column(
        "city", pa.array(ODD_VALUES)
    )
    on_stack.store_dataframe(rows, "sql", "odd", partition_by=["city"])
    found = spark.sql("select * from sql.odd")
    assert dict(found.dtypes) == {
        **{name: kind for name, (kind, _) in IN_SPARK.items()},
        "city": "string",
    }
    read = {row["city"]: row.asDict() for row in found.collect()}
    expected = {name: value for name, (_, value) in IN_SPARK.items()}
    assert read == {city: {**expected, "city": city} for city in ODD_VALUES}
    assert spark.sql("select city from sql.odd where city in ('50%', 'x=y')").count() == 2


def test_spark_sql_sees_named_columns_only_though_files_have_an_index_without_a_name(
    on_stack, spark
) -> None:
    night = pd.DataFrame(
        {"item": ["hat", "shoe", "belt", "scarf"], "price": [19.5, 0.0, 80.0, 5.0]}
    )
    for day, frame in (("1", night), ("2", night[night.price > 0])):
        pin = on_stack.store_dataframe(frame, "sql", "nightly", [day], partition_keys=["night"])
    found = spark.sql("select * from sql.nightly order by night, item")
    assert found.columns == ["item", "price", "night"]
    assert [row["item"] for row in found.collect()] == [
        "belt",
        "hat",
        "scarf",
        "shoe",
        "belt",
        "hat",
        "scarf",
    ]
    assert on_stack.load_dataframe(pin).index.tolist() == [0, 2, 3]
    assert on_stack.load_dataframe("sql", "nightly", as_="spark").columns == [
        "item",
        "price",
        "night",
    ]


def test_a_column_that_only_the_table_has_is_null_in_spark(warehouse, spark) -> None:
    frame = pd.DataFrame({"n": [1, 2], "note": ["a", "b"]})
    warehouse.store_dataframe(frame, "spark", "less", [DAY])
    pin = warehouse.store_dataframe(frame[["n"]], "spark", "less", [DAY], evolve="any")
    found = warehouse.load_dataframe(pin, columns=["note", "n"], as_="spark")
    assert [tuple(row) for row in found.orderBy("n").collect()] == [(None, 1), (None, 2)]
    assert dict(found.dtypes)["note"] == "string"
    assert warehouse.load_dataframe(pin, filters=[("note", "=", "a")], as_="spark").columns == ["n"]


def test_spark_sql_never_sees_a_torn_partition_while_it_is_replaced(on_stack, spark) -> None:
    def frame(mark: int) -> pd.DataFrame:
        days = [DAY, "20161101"]
        return pd.DataFrame({"night": [day for day in days for _ in range(500)], "mark": mark})

    on_stack.store_dataframe(frame(0), "sql", "busy", partition_by=["night"])
    stop = threading.Event()

    def write() -> None:
        mark = 0
        while not stop.is_set():
            mark += 1
            on_stack.store_dataframe(frame(mark), "sql", "busy", partition_by=["night"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = set()
        until = time.monotonic() + 12
        while time.monotonic() < until:
            rows = spark.sql(
                "select mark, night, count(*) as n from sql.busy group by mark, night"
            ).collect()
            assert {(row["night"], row["n"]) for row in rows} == {(DAY, 500), ("20161101", 500)}
            assert len({row["mark"] for row in rows}) == 1, (
                "two partitions of one change were seen at different times"
            )
            seen.add(rows[0]["mark"])
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 3


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("interval '1-2' year to month", "bad"),
        ("make_interval(1, 2, 3)", "bad"),
        ("parse_json('{}')", "bad"),
        ("named_struct('a.b', 1)", "bad"),
        ("array(interval '1-2' year to month)", "bad"),
        ("id", "a,b"),
        ("id", "a`b"),
        ("id", " "),
    ],
)
def test_a_column_of_spark_that_no_file_keeps_is_refused_by_name(
    warehouse, spark, expression, name
) -> None:
    frame = spark.range(2).selectExpr("id", f"{expression} as bad").withColumnRenamed("bad", name)
    for options in ({"partitions": [DAY]}, {"partition_by": ["id"]}):
        with pytest.raises(sfx.SfxError) as refused:
            warehouse.store_dataframe(frame, "spark", "bad", **options)
        assert repr(name) in str(refused.value)
    assert warehouse.tables() == []


def test_a_dot_in_a_column_s_name_is_kept(warehouse, spark) -> None:
    frame = spark.range(2).withColumnRenamed("id", "a.b")
    frame = frame.selectExpr("`a.b`", "`a.b` as n", "named_struct('variant', `a.b`) as variant")
    pin = warehouse.store_dataframe(frame, "spark", "dotted", [DAY])
    assert sorted(warehouse.load_dataframe(pin)["a.b"]) == [0, 1]
    assert warehouse.load_dataframe(pin, as_="spark").columns == ["a.b", "n", "variant"]
    with pytest.raises(sfx.InvalidName, match=r"'a\.b'"):  # as which Hive keeps no partition key
        warehouse.store_dataframe(frame, "spark", "by_dot", partition_by=["a.b"])


def test_times_that_spark_cannot_hold_are_refused_when_they_are_loaded(warehouse, spark) -> None:
    """Not when Spark runs the query, hours later."""
    fine = pa.array([1_000_000_001], pa.timestamp("ns"))
    for at in (fine, pa.array([[1_000_000_001]], pa.list_(pa.timestamp("ns")))):
        name = "nested" if pa.types.is_list(at.type) else "plain"
        pin = warehouse.store_dataframe(
            pa.table({"at": at, "n": [1]}), "spark", f"fine_{name}", [DAY]
        )
        with pytest.raises(sfx.SchemaMismatch, match="column 'at'"):
            warehouse.load_dataframe(pin, as_="spark")
        assert warehouse.load_dataframe(pin, as_="spark", columns=["n"]).count() == 1
    whole = warehouse.store_dataframe(
        pa.table({"at": pa.array([1000], pa.timestamp("ns"))}), "spark", "whole", [DAY]
    )
    assert warehouse.load_dataframe(whole, as_="spark").count() == 1
