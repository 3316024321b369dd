"""Storing and loading: a load returns exactly the frame of the pinned batch."""

from __future__ import annotations

import gc
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect

DAY = "20161031"


def test_a_frame_comes_back_equal_from_a_pin_a_batch_id_a_time_and_the_present(
    warehouse, frame
) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    then = datetime.now(UTC)
    warehouse.store_dataframe(frame.assign(price=0.0), "sales", "items", [DAY])
    pd.testing.assert_frame_equal(warehouse.load_dataframe(first), frame)
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items", [DAY], batch_id=first.batch_id), frame
    )
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items", [DAY], as_of=then), frame
    )
    assert warehouse.load_dataframe("sales", "items", [DAY])["price"].eq(0).all()


def test_as_of_a_time_before_the_first_batch_is_not_found(warehouse, frame) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.PartitionNotFound, match="had no batch at"):
        warehouse.load_dataframe("sales", "items", [DAY], as_of=before)
    with pytest.raises(sfx.InvalidName, match="no time zone"):
        warehouse.load_dataframe("sales", "items", [DAY], as_of=datetime(2016, 1, 1))


def test_a_version_is_the_table_after_that_change_in_all_partitions(warehouse, frame) -> None:
    other = frame.assign(price=0.0)
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])  # 1
    warehouse.store_dataframe(other, "sales", "items", ["20161101"])  # 2
    warehouse.store_dataframe(other, "sales", "items", [DAY])  # 3
    warehouse.drop("sales", "items", ["20161101"])  # 4
    assert [one.version for one in warehouse.history("sales", "items")] == [4, 3, 2, 1]
    pins = [warehouse.pin("sales", "items", version=number) for number in (1, 2, 3, 4)]
    assert pins[0] == first
    assert [sorted(pin.batches) for pin in pins] == [
        [DAY],
        [DAY, "20161101"],
        [DAY, "20161101"],
        [DAY],
    ]
    assert [pin.batches[DAY] == first.batch_id for pin in pins] == [True, True, False, False]
    assert pins[3] == warehouse.pin("sales", "items")
    both = warehouse.load_dataframe("sales", "items", version=2)
    assert both["price"].eq(0).sum() == len(frame)
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items", [DAY], version=2), frame
    )
    held = warehouse.pin_and_hold("sales", "items", name="report", version=2)
    assert held.pin == pins[1]
    with pytest.raises(sfx.PartitionNotFound, match="20161101 had no batch at version 1"):
        warehouse.load_dataframe("sales", "items", ["20161101"], version=1)
    with pytest.raises(sfx.BatchNotFound, match="no version 5: its last one is 4"):
        warehouse.pin("sales", "items", version=5)
    warehouse.discard(warehouse.store_dataframe(frame, "sales", "new", publish=False))
    with pytest.raises(sfx.PartitionNotFound, match="sales.new had no batch at version 1"):
        warehouse.load_dataframe("sales", "new", version=1)


def test_many_partitions_in_one_call_have_one_batch_id_and_come_back_as_one_frame(
    warehouse,
) -> None:
    frame = pd.DataFrame({"n": range(6), "day": ["b", "a"] * 3, "x": 0.5})
    pin = warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])
    assert len(set(pin.batches.values())) == 1
    assert sorted(pin.batches) == ["a", "b"]
    back = warehouse.load_dataframe("sales", "items")
    pd.testing.assert_frame_equal(back.sort_values("n", ignore_index=True), frame)
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("values", "hive"),
    [
        ([7, 8], "bigint"),
        ([date(2016, 10, 31), date(2016, 11, 1)], "date"),
        (["01", "1"], "string"),
        ([True, False], "boolean"),
    ],
)
def test_partition_columns_come_back_with_the_type_of_the_key(warehouse, values, hive) -> None:
    frame = pd.DataFrame({"key": values, "n": [1, 2]})
    warehouse.store_dataframe(frame, "sales", "items", partition_by=["key"])
    assert [(key.name, key.type) for key in warehouse.show("sales", "items").keys] == [
        ("key", hive)
    ]
    back = warehouse.load_dataframe("sales", "items").sort_values("n", ignore_index=True)
    pd.testing.assert_frame_equal(back, frame)


def test_a_text_partition_value_stays_text_and_numbers_are_written_as_hive_does(
    warehouse, frame
) -> None:
    for value in ("01", "1", 1):
        warehouse.store_dataframe(frame, "sales", "items", [value])
    assert sorted(warehouse.pin("sales", "items").batches) == ["01", "1"]
    warehouse.store_dataframe(frame, "sales", "days", [date(2016, 10, 31)])
    assert list(warehouse.pin("sales", "days").batches) == ["2016-10-31"]


def test_a_whole_table_has_the_partition_key_as_a_column_and_one_partition_is_exactly_the_frame(
    warehouse, frame
) -> None:
    warehouse.store_dataframe(frame, "sales", "items", ["a"])
    warehouse.store_dataframe(frame, "sales", "items", ["b"])
    whole = warehouse.load_dataframe("sales", "items")
    assert whole["partition"].tolist() == ["a"] * 3 + ["b"] * 3
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "items", ["b"]), frame)


def test_two_keys_make_one_partition_of_their_values(warehouse, frame) -> None:
    pin = warehouse.store_dataframe(
        frame, "sales", "items", [2016, "US/East"], partition_keys=["year", "area"]
    )
    assert list(pin.batches) == ["2016/US%2FEast"]
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items", ["2016", "US/East"]), frame
    )
    with pytest.raises(sfx.InvalidName, match="2 partition keys"):
        warehouse.store_dataframe(frame, "sales", "items", ["2016"])


def test_a_table_without_partitions_is_stored_loaded_and_rolled_back(warehouse, frame) -> None:
    first = warehouse.store_dataframe(frame, "sales", "stores")
    warehouse.store_dataframe(frame.head(1), "sales", "stores")
    assert len(warehouse.load_dataframe("sales", "stores")) == 1
    assert warehouse.rollback("sales", "stores") == first
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "stores"), frame)
    assert [entry.operation for entry in warehouse.history("sales", "stores")] == [
        "rollback",
        "publish",
        "publish",
    ]


def test_hive_layout_names_directories_key_equals_value(tmp_path, frame) -> None:
    warehouse = connect(f"embedded://{tmp_path}/w?layout=hive")
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY], partition_keys=["date"])
    assert list(pin.batches) == [f"date={DAY}"]
    assert (
        tmp_path / "w/sales.db/items" / f"date={DAY}" / pin.batch_id / "part-00000.parquet"
    ).exists()
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe(sfx.BatchPin.from_json(pin.to_json())), frame
    )
    assert warehouse.history("sales", "items", [DAY])[0].batch_id == pin.batch_id


def test_polars_arrow_and_streams_are_stored_and_loaded(warehouse) -> None:
    table = pa.table({"n": [1, 2, 3], "price": pa.array([Decimal("1.50"), None, Decimal("2.25")])})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1))
    for data in (table, pl.from_arrow(table), reader, iter([table.slice(0, 1), table.slice(1)])):
        pin = warehouse.store_dataframe(data, "sales", "items", [DAY])
        assert warehouse.load_dataframe(pin, as_="arrow").equals(table)
    assert warehouse.load_dataframe(pin, as_="polars").equals(pl.from_arrow(table))
    pieces = list(warehouse.load_dataframe(pin, batches=True, as_="arrow"))
    assert pa.concat_tables(pieces).equals(table)


@pytest.mark.parametrize("as_", ["pandas", "polars", "arrow"])
def test_a_stream_of_no_rows_has_the_columns_and_can_be_stored_again(warehouse, frame, as_) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    for quiet in (warehouse.store_dataframe(frame.head(0), "sales", "none", [DAY]), pin):
        pieces = warehouse.load_dataframe(
            quiet, batches=True, as_=as_, filters=[("sold", ">", 100)]
        )
        again = warehouse.store_dataframe(pieces, "sales", "again", [DAY])
        assert warehouse.load_dataframe(again).columns.tolist() == ["item", "price", "sold"]
        assert len(warehouse.load_dataframe(again)) == 0


def test_the_later_of_two_batches_of_one_second_leads(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    old = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "items", ["a"])
    new = warehouse.store_dataframe(
        pd.DataFrame({"n": ["x"]}), "sales", "items", ["b"], evolve="any"
    )
    assert old.batch_id < new.batch_id
    assert warehouse.load_dataframe("sales", "items")["n"].tolist() == ["1", "x"]


def test_a_stream_is_divided_by_its_partition_column_under_one_batch_id(warehouse) -> None:
    parts = [pd.DataFrame({"day": [day] * 4, "n": range(4)}) for day in "abcab"]
    pin = warehouse.store_dataframe(iter(parts), "sales", "items", partition_by=["day"])
    assert len(set(pin.batches.values())) == 1
    assert {day: len(warehouse.load_dataframe("sales", "items", [day])) for day in "abc"} == {
        "a": 8,
        "b": 8,
        "c": 4,
    }


def test_columns_and_filters_choose_what_is_read(warehouse) -> None:
    frame = pd.DataFrame({"day": ["a", "a", "b"], "n": [1, 2, 3], "x": [0.1, 0.2, 0.3]})
    warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])
    found = warehouse.load_dataframe(
        "sales", "items", columns=["x", "day"], filters=[("n", ">", 1)]
    )
    assert found.to_dict("list") == {"x": [0.2, 0.3], "day": ["a", "b"]}
    assert warehouse.load_dataframe("sales", "items", filters=[("day", "=", "b")])[
        "n"
    ].tolist() == [3]
    with pytest.raises(sfx.SchemaMismatch, match="price"):
        warehouse.load_dataframe("sales", "items", columns=["price"])


def test_columns_are_added_and_widened_and_old_batches_read_as_they_were(warehouse) -> None:
    old = pd.DataFrame({"n": pd.array([1, 2], dtype="int32")})
    new = pd.DataFrame({"n": [1 << 40], "note": ["big"]})
    warehouse.store_dataframe(old, "sales", "items", ["a"])
    warehouse.store_dataframe(new, "sales", "items", ["b"])
    assert [(c.name, c.type) for c in warehouse.show("sales", "items").columns] == [
        ("n", "bigint"),
        ("note", "string"),
    ]
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "items", ["a"]), old)
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "items", ["b"]), new)
    whole = warehouse.load_dataframe("sales", "items")
    assert whole["n"].tolist() == [1, 2, 1 << 40]
    assert whole["note"].isna().tolist() == [True, True, False]


def test_a_frame_that_does_not_fit_is_refused_before_anything_is_written(
    warehouse, frame, tmp_path
) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    before = sorted(str(path) for path in (tmp_path / "warehouse").rglob("*"))
    with pytest.raises(sfx.SchemaMismatch, match="price.*double.*string"):
        warehouse.store_dataframe(frame.assign(price="much"), "sales", "items", [DAY])
    with pytest.raises(sfx.SchemaMismatch, match="'sold'"):
        warehouse.store_dataframe(frame.drop(columns="sold"), "sales", "items", [DAY])
    for hostile in ("", "..", "../../etc", "a\nb", "x" * 1000, "__HIVE_DEFAULT_PARTITION__"):
        with pytest.raises(sfx.InvalidName):
            warehouse.store_dataframe(frame, "sales", "items", [hostile])
    for name in ("", "a/b", "..", "Ünicode", "x;drop", "a" * 200):
        with pytest.raises(sfx.InvalidName):
            warehouse.store_dataframe(frame, "sales", name, [DAY])
    with pytest.raises(sfx.InvalidName, match="partition key"):
        warehouse.store_dataframe(frame.assign(partition="x"), "sales", "items", [DAY])
    assert sorted(str(path) for path in (tmp_path / "warehouse").rglob("*")) == before
    assert warehouse.pin("sales", "items", [DAY]) == pin


def test_nothing_stored_yet_says_what_there_is(warehouse, frame) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.TableNotFound, match="sales.items"):
        warehouse.load_dataframe("sales", "itmes")
    with pytest.raises(sfx.PartitionNotFound, match="20991231"):
        warehouse.load_dataframe("sales", "items", ["20991231"])


def test_the_manifest_says_who_what_and_from_what(warehouse, frame) -> None:
    source = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    producer = sfx.Producer(dag_id="nightly", run_id="r1", task_id="total", try_number=1)
    pin = warehouse.store_dataframe(
        frame.head(2), "sales", "totals", [DAY], inputs=[source], producer=producer, reason="first"
    )
    (manifest,) = warehouse.manifests(pin)
    assert (manifest.inputs, manifest.producer, manifest.rows) == ((source,), producer, 2)
    assert manifest.statistics["price"].minimum == 19.5
    (entry,) = warehouse.history("sales", "totals", [DAY])
    assert (entry.reason, entry.producer.dag_id, entry.rows) == ("first", "nightly", 2)


def test_a_pin_of_another_place_or_table_is_refused(warehouse, frame, tmp_path) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    forged = sfx.BatchPin.from_json(pin.to_json().replace("sales.db/items", "sales.db/secret"))
    with pytest.raises(sfx.InvalidName, match="points at"):
        warehouse.load_dataframe(forged)
    other = connect(f"embedded://{tmp_path}/other")
    other.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="points at"):
        other.load_dataframe(pin)


def test_a_second_process_with_its_own_connection_sees_what_the_first_stored(
    warehouse, frame
) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    assert connect(warehouse.uri).pin("sales", "items") == pin


def test_a_warehouse_on_glue_stores_loads_and_rolls_back(stack, glue_endpoint) -> None:
    place = f"s3://warehouse/glue/{uuid.uuid4().hex}"
    warehouse = connect(f"glue://us-east-1?location={place}&glue_endpoint_url={glue_endpoint}")
    assert warehouse.uri == f"glue://us-east-1?location={place}&glue_endpoint_url={glue_endpoint}"
    frame = pd.DataFrame({"day": [f"d{number:03d}" for number in range(150)], "n": range(150)})
    first = warehouse.store_dataframe(frame, "on_glue", "items", partition_by=["day"])
    warehouse.store_dataframe(frame.assign(n=0), "on_glue", "items", partition_by=["day"])
    assert warehouse.load_dataframe("on_glue", "items")["n"].sum() == 0
    assert warehouse.rollback("on_glue", "items", list(frame["day"])) == first
    assert warehouse.load_dataframe("on_glue", "items")["n"].sum() == frame["n"].sum()
    assert warehouse.repair("on_glue", "items") == []


def test_a_run_notes_its_commits_of_tables_with_the_longest_names(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}/long")
    night = sfx.Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=1)
    names = "d" * 120, "t" * 120
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), *names, producer=night)
    (report,) = warehouse.audit_run(dag_id="nightly", run_id="r1")
    assert report.table == ".".join(names)


def test_files_are_freed_once_they_are_written_without_a_garbage_collection(warehouse) -> None:
    frame = pa.table({"x": np.random.default_rng(0).random(2_000_000)})
    warehouse.store_dataframe(frame.slice(0, 10), "sales", "items", [DAY])
    gc.collect()
    gc.disable()
    try:
        before = pa.total_allocated_bytes()
        warehouse.store_dataframe(frame, "sales", "items", [DAY])
        kept = pa.total_allocated_bytes() - before
    finally:
        gc.enable()
    assert kept < 1 << 20, f"{kept:,} bytes of {frame.nbytes:,} are still there"
