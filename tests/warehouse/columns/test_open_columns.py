"""Columns without a value yet fit every type, on each metastore, for each reader."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import has_columns
from airflow_sfx.frames.schema.codec import schema_to_text
from airflow_sfx.frames.types.logical import LogicalSchema
from airflow_sfx.metastore.glue import GlueMetastore
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.frames.builders import objects
from tests.metastore.glue_server import drop_glue_databases, glue_client
from tests.warehouse.forging import forge_manifest


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


@pytest.fixture
def on_stack(stack_uri) -> Warehouse:
    return connect(stack_uri)


@pytest.fixture
def glue(glue_endpoint, embedded_uri) -> Warehouse:
    drop_glue_databases(glue_endpoint)
    found = connect(embedded_uri)
    metastore = GlueMetastore(lambda _: glue_client(glue_endpoint), found.store.uri)
    return Warehouse(replace(found.connection, metastore=metastore))


@pytest.fixture(params=["embedded", "on_stack", "glue"])
def warehouse(request) -> Warehouse:
    found: Warehouse = request.getfixturevalue(request.param)
    return found


def nothing(kind: pa.DataType | None = None, value: Any = None) -> pa.Table:
    return pa.table({"c": pa.array([value, None], kind or pa.null()), "n": [1, 2]})


def something(value: Any, kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"c": pa.array([value, None], kind), "n": [3, 4]})


LATER: dict[str, tuple[pa.Table, str]] = {
    "numbers": (something(5), "bigint"),
    "fractions": (something(1.5), "double"),
    "text": (something("x"), "string"),
    "truth": (something(True), "boolean"),
    "days": (something(dt.date(2016, 10, 31)), "date"),
    "times": (something(dt.datetime(2016, 10, 31, 5)), "timestamp"),
    "durations": (something(dt.timedelta(seconds=5)), "bigint"),
    "bytes": (something(b"x"), "binary"),
    "decimals": (something(5, pa.decimal128(10, 2)), "decimal(10,2)"),
    "lists": (something([1, 2]), "array<bigint>"),
    "structs": (something({"a": 1, "b": ["x"]}), "struct<a:bigint,b:array<string>>"),
    "maps": (something([("k", 1.5)], pa.map_(pa.string(), pa.float64())), "map<string,double>"),
}


def types_of(warehouse: Warehouse, table: str = "t") -> dict[str, str]:
    return {column.name: column.type for column in warehouse.show("db", table).columns}


def test_a_column_without_values_takes_the_type_of_the_first_value_on_each_metastore(
    warehouse,
) -> None:
    for number, (later, hive) in enumerate(LATER.values()):
        table = f"t{number}"
        warehouse.store_dataframe(nothing(), "db", table, ["1"])
        assert warehouse.show("db", table).columns[0].kind.description == "open"
        pin = warehouse.store_dataframe(later, "db", table, ["2"])
        assert types_of(warehouse, table) == {"c": hive, "n": "bigint"}
        assert warehouse.load_dataframe(pin, as_="arrow").equals(later)
        both = warehouse.load_dataframe("db", table, as_="arrow")
        assert both.column("c").to_pylist() == [None, None, *later.column("c").to_pylist()]
        warehouse.store_dataframe(nothing(), "db", table, ["3"])
        assert types_of(warehouse, table) == {"c": hive, "n": "bigint"}
        assert warehouse.load_dataframe("db", table).shape == (6, 3)


def blank() -> pd.DataFrame:
    """A column of a CSV that is blank in every row, as pandas reads it."""
    return pd.DataFrame({"c": [float("nan")] * 2, "n": [1, 2]})


def test_a_column_that_pandas_read_as_blank_takes_the_type_of_the_first_value_on_each_metastore(
    warehouse,
) -> None:
    for name in ("text", "numbers", "fractions", "days"):
        later, hive = LATER[name]
        pins = [warehouse.store_dataframe(blank(), "db", name, [str(n)]) for n in range(2)]
        assert warehouse.show("db", name).columns[0].kind.description == "open"
        assert warehouse.load_dataframe("db", name)["c"].dtype == "float64"
        warehouse.store_dataframe(later, "db", name, ["2"])
        assert types_of(warehouse, name) == {"c": hive, "n": "bigint"}
        warehouse.store_dataframe(blank(), "db", name, ["3"])
        for pin in pins:
            pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), blank())
        both = warehouse.load_dataframe("db", name, as_="arrow").column("c").to_pylist()
        assert both == [*[None] * 4, *later.column("c").to_pylist(), None, None]


def test_a_blank_column_keeps_a_type_that_is_declared_or_known(embedded) -> None:
    embedded.store_dataframe(blank(), "db", "declared", types={"c": "double"})
    embedded.store_dataframe(blank().assign(c=1.5), "db", "known", ["1"])
    pin = embedded.store_dataframe(blank(), "db", "known", ["2"])
    for table in ("declared", "known"):
        assert types_of(embedded, table)["c"] == "double"
    assert embedded.load_dataframe(pin, as_="arrow").schema.field("c").type == pa.float64()
    rows = embedded.store_dataframe(blank().head(0), "db", "no_rows")
    assert embedded.load_dataframe(rows, as_="arrow").schema.field("c").type == pa.float64()


def test_a_blank_column_is_one_of_floats_for_checks_streams_and_after_a_rename(embedded) -> None:
    columns = {"c": "double", "n": "int64"}
    embedded.store_dataframe(blank(), "db", "t", checks=[has_columns(columns)])
    embedded.set_checks("db", "t", [has_columns(columns)])
    embedded.store_dataframe(blank(), "db", "t")
    embedded.rename_column("db", "t", "c", "note")
    assert embedded.load_dataframe("db", "t")["note"].dtype == "float64"
    text = blank().assign(c=["a", None])
    embedded.store_dataframe(iter([blank(), text, blank()]), "db", "stream")
    found = embedded.load_dataframe("db", "stream", as_="arrow").column("c").to_pylist()
    assert found == [None, None, "a", None, None, None]


def test_spark_sql_reads_old_and_new_partitions_of_a_column_that_was_open(on_stack, spark) -> None:
    for name, (later, _) in LATER.items():
        first = blank() if name in ("text", "days") else nothing()
        on_stack.store_dataframe(first, "open", name, ["1"])
        assert {row["c"] for row in spark.sql(f"select * from open.{name}").collect()} == {None}
        on_stack.store_dataframe(later, "open", name, ["2"])
        on_stack.store_dataframe(nothing(), "open", name, ["3"])
        spark.catalog.refreshTable(f"open.{name}")
        rows = spark.sql(
            f"select c, n, `partition` from open.{name} order by `partition`, n"
        ).collect()
        assert [row["n"] for row in rows] == [1, 2, 3, 4, 1, 2]
        found = [row["c"] for row in rows]
        assert [value is None for value in found] == [True, True, False, True, True, True], name
        if name in ("numbers", "text", "truth", "fractions", "lists", "days"):
            assert found[2] == later.column("c")[0].as_py()


def test_categories_that_have_had_none_take_the_type_of_the_first_on_each_metastore(
    warehouse,
) -> None:
    for table, labels, hive in (("numbers", [5, 7], "bigint"), ("text", ["a", "b"], "string")):
        frames = [
            pd.DataFrame({"c": pd.Categorical(values)})
            for values in ([None, None], labels, [None, None])
        ]
        pins = [
            warehouse.store_dataframe(frame, "db", table, [str(night)])
            for night, frame in enumerate(frames)
        ]
        assert types_of(warehouse, table) == {"c": hive}
        for pin, frame in zip(pins, frames, strict=True):
            pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), frame)
        assert warehouse.load_dataframe("db", table)["c"].dtype == frames[1]["c"].dtype


def test_spark_sql_reads_categories_from_before_they_had_a_type(on_stack, spark) -> None:
    for night, values in enumerate(([None, None], [5, 7], [None])):
        pin = on_stack.store_dataframe(
            pd.DataFrame({"c": pd.Categorical(values)}), "open", "coded", [str(night)]
        )
        assert [row["c"] for row in on_stack.load_dataframe(pin, as_="spark").collect()] == values
    spark.catalog.refreshTable("open.coded")
    rows = spark.sql("select c from open.coded order by `partition`, c").collect()
    assert [row["c"] for row in rows] == [None, None, 5, 7, None]


NESTED: dict[str, tuple[pa.Table, pa.Table, str]] = {
    "empty lists": (nothing(pa.list_(pa.null()), []), something([5]), "array<bigint>"),
    "lists of lists": (
        nothing(pa.list_(pa.list_(pa.null())), [[]]),
        something([[dt.date(2016, 10, 31)]]),
        "array<array<date>>",
    ),
    "a field": (
        nothing(pa.struct([("a", pa.int64()), ("b", pa.null())]), {"a": 1}),
        something({"a": 2, "b": 1.5}),
        "struct<a:bigint,b:double>",
    ),
    "empty lists in a field": (
        nothing(pa.struct([("a", pa.int64()), ("B", pa.list_(pa.null()))]), {"a": 1, "B": []}),
        something({"a": 2, "b": [True]}),
        "struct<a:bigint,B:array<boolean>>",
    ),
    "a struct of nothing": (
        nothing(pa.struct([("a", pa.null())]), {"a": None}),
        something({"a": [1]}),
        "struct<a:array<bigint>>",
    ),
    "structs in lists": (
        nothing(pa.list_(pa.struct([("a", pa.int64()), ("b", pa.null())])), [{"a": 1}]),
        something([{"a": 1, "b": "x"}]),
        "array<struct<a:bigint,b:string>>",
    ),
    "maps to nothing": (
        nothing(pa.map_(pa.string(), pa.null()), [("k", None)]),
        something([("k", 5)], pa.map_(pa.string(), pa.int64())),
        "map<string,bigint>",
    ),
}


@pytest.mark.parametrize("where", ["embedded", "on_stack"])
def test_nested_types_are_open_where_they_have_had_no_value(where, request) -> None:
    warehouse = request.getfixturevalue(where)
    for number, (first, later, hive) in enumerate(NESTED.values()):
        table = f"t{number}"
        pins = [
            warehouse.store_dataframe(one, "db", table, [str(i)])
            for i, one in enumerate((first, later, first))
        ]
        assert types_of(warehouse, table) == {"c": hive, "n": "bigint"}
        for pin, stored in zip(pins, (first, later, first), strict=True):
            assert warehouse.load_dataframe(pin, as_="arrow").equals(stored)
        whole = warehouse.load_dataframe("db", table, as_="arrow")
        assert len(whole) == 6
        assert whole.column("c")[2].as_py() is not None
        assert (
            len(warehouse.load_dataframe("db", table))
            == len(warehouse.load_dataframe("db", table, as_="polars"))
            == 6
        )


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("turned", [False, True])
def test_nulls_and_nested_types_that_are_open_are_read_together(embedded, name, turned) -> None:
    frames = [nothing(), NESTED[name][0]]
    for number, frame in enumerate(reversed(frames) if turned else frames):
        embedded.store_dataframe(frame, "db", "t", [str(number)])
    found = embedded.load_dataframe("db", "t", as_="arrow").column("c").to_pylist()
    assert found[0 if turned else 2] == NESTED[name][0].column("c")[0].as_py()
    assert found.count(None) == 3
    assert len(embedded.load_dataframe("db", "t")) == 4


def test_spark_sql_reads_nested_types_that_were_open(on_stack, spark) -> None:
    for number, (first, later, _) in enumerate(NESTED.values()):
        for i, one in enumerate((first, later, first)):
            on_stack.store_dataframe(one, "nested", f"t{number}", [str(i)])
        rows = spark.sql(
            f"select c, n, `partition` from nested.t{number} order by `partition`, n"
        ).collect()
        assert [row["n"] for row in rows] == [1, 2, 3, 4, 1, 2]
        assert rows[2]["c"] is not None


def test_a_pinned_table_has_the_types_that_came_later(on_stack, spark) -> None:
    first, later, _ = NESTED["a field"]
    for i, one in enumerate((later, first)):
        on_stack.store_dataframe(one, "nested", "pinned", [str(i)])
    for statement in on_stack.pinned_table_sql(
        on_stack.pin("nested", "pinned"), "nested.copy", s3_scheme="s3"
    ):
        spark.sql(statement)
    found = spark.sql("select c.b as b from nested.copy where c.b is not null").collect()
    assert [row["b"] for row in found] == [1.5]


def test_a_type_that_is_known_though_there_are_no_rows_is_no_open_one(embedded) -> None:
    empty = pd.DataFrame(
        {"n": pd.Series(dtype="int64"), "s": pd.Series(dtype="str"), "o": pd.Series(dtype=object)}
    )
    embedded.store_dataframe(empty, "db", "t", ["1"])
    assert [column.kind.description for column in embedded.show("db", "t").columns] == [
        "",
        "",
        "open",
    ]
    with pytest.raises(sfx.SchemaMismatch, match="'n'"):
        embedded.store_dataframe(empty.assign(n=["x"], s="y", o="z"), "db", "t", ["2"])
    embedded.store_dataframe(
        pd.DataFrame({"n": [1], "s": ["y"], "o": [dt.date(2016, 10, 31)]}), "db", "t", ["2"]
    )
    assert embedded.load_dataframe("db", "t")["o"].tolist() == [dt.date(2016, 10, 31)]


def test_evolve_none_lets_an_open_column_have_its_type_and_nothing_else(embedded) -> None:
    embedded.store_dataframe(nothing(), "db", "t", ["1"])
    embedded.store_dataframe(something(5), "db", "t", ["2"], evolve="none")
    assert types_of(embedded)["c"] == "bigint"
    with pytest.raises(sfx.SchemaMismatch):
        embedded.store_dataframe(something(1.5), "db", "t", ["2"], evolve="none")


@pytest.mark.parametrize(
    "later",
    [
        [5, None],
        [dt.date(2016, 10, 31)] * 2,
        [[1], []],
        ["x", None],
        pd.array([1, None], dtype="Int64"),
    ],
    ids=str,
)
def test_a_stream_has_the_types_of_the_first_piece_that_has_values(embedded, later) -> None:
    pieces = [
        pd.DataFrame({"c": objects(None, None), "n": 1}),
        pd.DataFrame({"c": objects(None, None), "n": 2}),
        pd.DataFrame({"c": later if hasattr(later, "dtype") else objects(*later), "n": 3}),
        pd.DataFrame({"c": objects(None), "n": 4}),
    ]
    pin = embedded.store_dataframe(iter(pieces), "db", "t", ["1"])
    found = embedded.load_dataframe(pin)
    whole = embedded.store_dataframe(pieces[2], "db", "other", ["1"])
    assert found["c"].dtype == embedded.load_dataframe(whole)["c"].dtype
    assert found["c"].iloc[4:6].tolist() == embedded.load_dataframe(whole)["c"].tolist()
    assert found["c"].isna().sum() == len(found) - sum(
        value is not None and value is not pd.NA for value in later
    )


def test_a_streams_lists_take_the_type_of_later_ones_and_empty_ones_stay(embedded) -> None:
    kinds = (pa.null(), pa.int64(), pa.null())
    pieces = [pa.table({"c": pa.array([[], None], pa.list_(kind)), "n": [1, 2]}) for kind in kinds]
    pin = embedded.store_dataframe(iter(pieces), "db", "t", ["1"])
    found = embedded.load_dataframe(pin, as_="arrow").column("c")
    assert found.type == pa.list_(pa.int64())
    assert found.to_pylist() == [[], None] * 3


def test_a_frame_without_rows_that_is_to_be_divided_is_nothing_to_do(warehouse) -> None:
    frame = pd.DataFrame(
        {"day": ["a"], "n": pd.array([1], dtype="Int32"), "d": pd.to_timedelta([1], unit="s")}
    )
    for data in (frame.head(0), iter([frame.head(0)])):
        pin = warehouse.store_dataframe(data, "db", "t", partition_by=["day"])
        assert pin.batches == {}
        assert sfx.BatchPin.from_json(pin.to_json()) == pin
        assert warehouse.tables() == []
    with pytest.raises(sfx.TableNotFound):
        warehouse.load_dataframe(pin)
    first = warehouse.store_dataframe(frame, "db", "t", partition_by=["day"])
    pin = warehouse.store_dataframe(pl.from_pandas(frame.head(0)), "db", "t", partition_by=["day"])
    assert pin.batches == {}
    assert warehouse.pin("db", "t") == first
    assert warehouse.load_dataframe(pin).columns.tolist() == ["n", "d", "day"]
    assert [len(piece) for piece in warehouse.load_dataframe(pin, batches=True)] == [0]
    assert warehouse.load_dataframe(
        pin, columns=["n"], filters=[("day", "=", "a")], as_="polars"
    ).shape == (0, 1)
    assert warehouse.publish(pin) == pin
    assert warehouse.manifests(pin) == []
    assert warehouse.verify(pin).files == 0
    assert not warehouse.diff(pin, first).identical
    assert warehouse.diff(pin, pin).identical
    total = warehouse.store_dataframe(pd.DataFrame({"total": [0]}), "db", "totals", inputs=[pin])
    assert warehouse.manifests(total)[0].inputs == (pin,)
    assert "db.t" in str(pin)
    (statement,) = warehouse.pinned_table_sql(pin, "db.pinned")
    assert "(`n` int, `d` bigint) PARTITIONED BY (`day` string)" in statement


def test_a_check_of_a_frame_without_rows_is_made_all_the_same(embedded) -> None:
    def some(frame: pd.DataFrame) -> bool:
        return len(frame) > 0

    empty = pd.DataFrame({"day": pd.Series(dtype=str), "n": pd.Series(dtype=int)})
    with pytest.raises(sfx.CheckFailed, match="no rows"):
        embedded.store_dataframe(empty, "db", "t", partition_by=["day"], checks=[some])


@pytest.mark.parametrize("first", [pa.null(), pa.list_(pa.null()), pa.struct([("a", pa.null())])])
@pytest.mark.parametrize("second", [pa.null(), pa.list_(pa.null()), pa.struct([("a", pa.null())])])
def test_batches_that_leave_a_column_open_are_read_together(
    embedded, first: pa.DataType, second: pa.DataType
) -> None:
    values = {pa.null(): None, pa.list_(pa.null()): [], pa.struct([("a", pa.null())]): {"a": None}}
    stored: list[Any] = []
    for night, kind in enumerate((first, second)):
        try:
            embedded.store_dataframe(nothing(kind, values[kind]), "nights", "open", [str(night)])
        except sfx.SchemaMismatch:  # of a list and a struct
            continue
        stored += [values[kind], None]
    assert embedded.load_dataframe("nights", "open", as_="arrow").column("c").to_pylist() == stored


def left_by_an_earlier_version(
    warehouse: Warehouse, partition: str, kind: pa.DataType, text: pa.DataType
) -> None:
    """A batch whose column never had a value: text in the files and in the table."""
    data = pa.table({"c": pa.nulls(2, text)})
    pin = warehouse.store_dataframe(data, "db", "t", [partition])
    forge_manifest(
        warehouse,
        pin,
        schema=schema_to_text(LogicalSchema(pa.schema([("c", kind)]), open_names=False)),
    )


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(pa.null(), pa.string(), 5), (pa.list_(pa.null()), pa.list_(pa.string()), [5])],
    ids=["nulls", "empty lists"],
)
def test_a_column_that_an_earlier_version_made_text_without_a_value_takes_the_type_of_the_first(
    embedded, kind, text, value
) -> None:
    for partition in ("1", "2"):
        left_by_an_earlier_version(embedded, partition, kind, text)
    embedded.store_dataframe(pa.table({"c": pa.array([None], kind)}), "db", "t", ["3"])
    embedded.store_dataframe(pa.table({"c": [value]}), "db", "t", ["4"])
    assert embedded.load_dataframe("db", "t", as_="arrow").column("c").to_pylist() == [None] * 5 + [
        value
    ]
    with pytest.raises(sfx.SchemaMismatch):
        embedded.store_dataframe(pa.table({"c": [1.5]}), "db", "t", ["5"])


def test_text_that_an_earlier_version_stored_stays_text(embedded) -> None:
    left_by_an_earlier_version(embedded, "1", pa.null(), pa.string())
    embedded.store_dataframe(pa.table({"c": ["x"]}), "db", "t", ["2"])
    with pytest.raises(sfx.SchemaMismatch, match="as string"):
        embedded.store_dataframe(pa.table({"c": [5]}), "db", "t", ["3"])


def test_text_that_no_current_batch_has_gives_way_to_another_type(embedded) -> None:
    text = embedded.store_dataframe(pa.table({"c": ["x"]}), "db", "t", ["1"])
    embedded.store_dataframe(pa.table({"c": pa.nulls(1)}), "db", "t", ["1"])
    embedded.store_dataframe(pa.table({"c": [5]}), "db", "t", ["2"])
    whole = embedded.load_dataframe("db", "t", as_="arrow")
    assert sorted(whole.column("c").to_pylist(), key=str) == [5, None]
    assert embedded.load_dataframe(text, as_="arrow").column("c").to_pylist() == ["x"]


def test_where_engines_read_files_that_have_it_as_text_only_evolve_any_gives_another_type(
    glue,
) -> None:
    left_by_an_earlier_version(glue, "1", pa.null(), pa.string())
    with pytest.raises(sfx.SchemaMismatch, match='evolve="any"'):
        glue.store_dataframe(pa.table({"c": [5]}), "db", "t", ["2"])
    glue.store_dataframe(pa.table({"c": [5]}), "db", "t", ["2"], evolve="any")
    assert glue.load_dataframe("db", "t", as_="arrow").column("c").to_pylist() == [None, None, 5]


def test_a_column_whose_kind_no_parameter_can_be_named_for_is_refused_with_the_limit(glue) -> None:
    for name, fits in (("n" * 244, True), ("n" * 245, False), ("ä" * 123, False)):
        data = pa.table({name: pa.array([dt.timedelta(seconds=5)])})
        if fits:
            pin = glue.store_dataframe(data, "db", "t", ["1"])
            assert glue.load_dataframe(pin, as_="arrow").equals(data)
        else:
            with pytest.raises(sfx.SchemaMismatch, match="244 bytes"):
                glue.store_dataframe(data, "db", f"u{len(name)}", ["1"])
            assert [str(ref) for ref in glue.tables()] == ["db.t"]
    glue.store_dataframe(pa.table({"n" * 250: [1]}), "db", "plain", ["1"])
