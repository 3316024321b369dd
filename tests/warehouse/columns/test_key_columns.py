"""Columns that are partition keys: reads return the values of the keys."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NO_KEY = pd.DataFrame({"n": [0]})
DAY = dt.date(2016, 10, 31)


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def keyed(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"k": values, "n": range(len(values))})


def periods(ordinal: int, freq: str) -> pd.PeriodIndex:
    return pd.PeriodIndex.from_ordinals([ordinal], freq=freq)


def whole(warehouse: Warehouse) -> list[object]:
    found: list[object] = warehouse.load_dataframe("db", "t")["k"].tolist()
    return found


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2], "bigint"), ([DAY], "date"), ([True], "boolean"), (np.array([1], "int8"), "tinyint")],
)
@pytest.mark.parametrize("text", ["01", "all"])
def test_a_column_of_another_type_than_the_tables_key_is_refused(
    embedded, text, values, kind
) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", [text], partition_keys=["k"])
    with pytest.raises(
        sfx.SchemaMismatch, match=rf"'k' is {kind}.*key of db\.t is string.*astype"
    ) as caught:
        embedded.store_dataframe(keyed(values), "db", "t", partition_by=["k"])
    assert caught.value.table == "db.t"
    assert whole(embedded) == [text]
    embedded.store_dataframe(keyed(values).astype({"k": str}), "db", "t", partition_by=["k"])
    assert set(whole(embedded)) == {text, *map(str, values)}


@pytest.mark.parametrize("declared", [{"types": {"K": "date"}}, {"partition_keys": {"k": "date"}}])
def test_a_column_of_text_goes_into_a_key_of_another_type_only_as_what_it_is_declared_to_be(
    embedded, declared
) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", ["2016-10-31"], partition_keys={"k": "date"})
    with pytest.raises(
        sfx.SchemaMismatch, match=r"'k' is string.*key of db\.t is date.*types=\{\"k\": \"date\"\}"
    ):
        embedded.store_dataframe(keyed(["2016-11-01"]), "db", "t", partition_by=["k"])
    pin = embedded.store_dataframe(keyed(["2016-11-01"]), "db", "t", partition_by=["k"], **declared)
    assert embedded.load_dataframe(pin)["k"].tolist() == [dt.date(2016, 11, 1)]
    embedded.store_dataframe(keyed([dt.date(2016, 11, 2)]), "db", "t", partition_by=["k"])
    assert whole(embedded) == [DAY, dt.date(2016, 11, 1), dt.date(2016, 11, 2)]
    with pytest.raises(sfx.SchemaMismatch, match="'k'.*20161101"):
        embedded.store_dataframe(keyed(["20161101"]), "db", "t", partition_by=["k"], **declared)


@pytest.mark.parametrize("kinds", [("int64", "int8"), ("int8", "int64"), ("uint8", "int32")])
def test_integers_of_other_widths_are_one_key(embedded, kinds) -> None:
    for number, kind in enumerate(kinds):
        embedded.store_dataframe(keyed(np.array([number], kind)), "db", "t", partition_by=["k"])
    assert whole(embedded) == [0, 1]


def test_a_partition_without_the_column_may_have_a_greater_number_than_a_narrow_column_holds(
    embedded,
) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", [1000], partition_keys={"k": "bigint"})
    embedded.store_dataframe(keyed(np.array([1], "int8")), "db", "t", partition_by=["k"])
    assert sorted(whole(embedded)) == [1, 1000]
    assert embedded.load_dataframe("db", "t", filters=[("k", ">", 500)], columns=["k"])[
        "k"
    ].tolist() == [1000]


def test_numbers_in_a_key_that_is_declared_a_text_are_texts(embedded) -> None:
    for _ in range(2):
        pin = embedded.store_dataframe(
            keyed([1]), "db", "t", partition_by=["k"], partition_keys={"k": "string"}
        )
    assert whole(embedded) == embedded.load_dataframe(pin)["k"].tolist() == ["1"]
    embedded.store_dataframe(NO_KEY, "db", "t", ["ab"])
    assert whole(embedded) == ["1", "ab"]
    assert [piece["k"].tolist() for piece in embedded.load_dataframe("db", "t", batches=True)] == [
        ["1"],
        ["ab"],
    ]
    assert embedded.load_dataframe("db", "t", filters=[("k", "=", "ab")])["k"].tolist() == ["ab"]


KINDS = {
    "period[M]": periods(1, "M"),
    "period[D]": periods(2, "D"),
    "a category of period[M]": pd.Categorical(periods(3, "M")),
    "bigint": [4],
    "UUID": [uuid.UUID(int=5)],
    "interval[right] of int64 as text": pd.cut([6.5], [6, 7]),
    "interval[left] of int64 as text": pd.cut([7.5], [7, 8], right=False),
    "string": ["8"],
}


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_a_key_column_of_another_kind_than_the_tables_key_is_refused(
    embedded, first, second
) -> None:
    one, other = first.removeprefix("a category of "), second.removeprefix("a category of ")
    frames = {name: keyed(KINDS[name]) for name in (first, second)}
    before = embedded.store_dataframe(frames[first], "db", "t", partition_by=["k"])
    if one == other:
        pin = embedded.store_dataframe(frames[second], "db", "t", partition_by=["k"])
        pd.testing.assert_frame_equal(embedded.load_dataframe(pin), frames[second])
        assert whole(embedded) == [pd.Period("1970-02", "M"), pd.Period("1970-04", "M")]
        return
    with pytest.raises(sfx.SchemaMismatch) as caught:
        embedded.store_dataframe(frames[second], "db", "t", partition_by=["k"])
    assert f"the column 'k' is {other} and the partition key of db.t is {one}: " in str(
        caught.value
    )
    assert caught.value.table == "db.t"
    assert embedded.pin("db", "t") == before
    pd.testing.assert_frame_equal(embedded.load_dataframe("db", "t"), frames[first])


@pytest.mark.parametrize("kind", ["period[M]", "UUID", "interval[right] of int64 as text"])
def test_a_bare_value_is_refused_where_the_tables_key_is_more_than_its_hive_type(
    embedded, kind, tmp_path
) -> None:
    before = embedded.store_dataframe(keyed(KINDS[kind]), "db", "t", partition_by=["k"])
    (value,) = before.batches
    with pytest.raises(sfx.InvalidName, match=r"'k' of db\.t holds .*partition_by=") as caught:
        embedded.store_dataframe(NO_KEY, "db", "t", [value])
    assert kind in str(caught.value)
    with pytest.raises(sfx.InvalidName, match=r"'k' of db\.t holds"):
        embedded.open_batch("db", "t", [value])
    (tmp_path / "old/k=2").mkdir(parents=True)
    NO_KEY.to_parquet(tmp_path / "old/k=2/one.parquet")
    with pytest.raises(sfx.InvalidName, match=r"'k' of db\.t holds"):
        embedded.adopt("db", "t", str(tmp_path / "old"))
    assert embedded.pin("db", "t") == before


def test_a_period_is_refused_where_a_bare_value_was_a_number(embedded) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", [1], partition_keys={"k": "bigint"})
    with pytest.raises(
        sfx.SchemaMismatch, match=r"'k' is period\[M\] and the partition key of db\.t is bigint"
    ):
        embedded.store_dataframe(keyed(periods(2, "M")), "db", "t", partition_by=["k"])


def test_one_of_several_keys_may_be_periods(warehouse) -> None:
    frame = pd.DataFrame({"Month": periods(1, "M"), "shop": ["a"], "n": [1]})
    pin = warehouse.store_dataframe(frame, "db", "t", partition_by=["shop", "month"])
    pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), frame)
    days = frame.assign(Month=periods(1, "D"))
    with pytest.raises(sfx.SchemaMismatch, match="'month' is period"):
        warehouse.store_dataframe(days, "db", "t", partition_by=["shop", "month"])
    shown = warehouse.show("db", "t").keys
    assert [one.kind.description for one in shown] == ["", "period[M]"]


def test_a_repaired_table_knows_what_its_keys_are(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    warehouse.store_dataframe(keyed(periods(1, "M")), "db", "t", partition_by=["k"])
    before = warehouse.show("db", "t")
    for path in Path(embedded_uri.removeprefix("embedded://"), "_sfx").glob("metastore.sqlite*"):
        path.unlink()
    warehouse = connect(embedded_uri)
    warehouse.repair("db", "t")
    assert warehouse.show("db", "t") == before
    with pytest.raises(sfx.SchemaMismatch, match=r"the partition key of db\.t is period\[M\]"):
        warehouse.store_dataframe(keyed([2]), "db", "t", partition_by=["k"])
    warehouse.store_dataframe(keyed(periods(2, "M")), "db", "t", partition_by=["k"])
    assert warehouse.load_dataframe("db", "t")["k"].dtype == "period[M]"


def forget_key_kinds(warehouse: Warehouse) -> None:
    """Leave the table as an earlier version made it."""

    def forget(info: TableInfo) -> TableInfo:
        kept = {
            name: text for name, text in info.parameters.items() if not name.startswith("sfx.key.")
        }
        return replace(info, parameters=kept)

    warehouse.metastore.update_table(TableRef("db", "t"), forget)


def test_a_table_of_a_version_that_did_not_note_its_keys_learns_what_they_are(embedded) -> None:
    embedded.store_dataframe(keyed(periods(1, "M")), "db", "t", partition_by=["k"])
    forget_key_kinds(embedded)
    with pytest.raises(
        sfx.SchemaMismatch, match=r"is period\[D\] and the partition key of db\.t is period\[M\]"
    ):
        embedded.store_dataframe(keyed(periods(2, "D")), "db", "t", partition_by=["k"])
    embedded.store_dataframe(keyed(periods(2, "M")), "db", "t", partition_by=["k"])
    with pytest.raises(sfx.SchemaMismatch, match=r"the partition key of db\.t is period\[M\]"):
        embedded.store_dataframe(keyed([2]), "db", "t", partition_by=["k"])


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("s", "UTC"), pa.duration("s"), pa.time32("s")],
    ids=["zone", "duration", "time of day"],
)
def test_a_run_end_encoded_column_is_a_key_only_where_its_values_are(embedded, kind) -> None:
    column = pa.RunEndEncodedArray.from_arrays([1], pa.array([5], kind))
    with pytest.raises(sfx.SchemaMismatch, match="'k' cannot be a partition key"):
        embedded.store_dataframe(pa.table({"k": column, "n": [1]}), "db", "t", partition_by=["k"])


def test_keys_that_all_partitions_have_alike_keep_their_dtype(embedded) -> None:
    for number in (1, 2):
        embedded.store_dataframe(keyed(periods(number, "M")), "db", "t", partition_by=["k"])
    assert embedded.load_dataframe("db", "t")["k"].dtype == "period[M]"


def test_a_run_end_encoded_column_divides_a_frame(embedded) -> None:
    column = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["a", "b"]))
    frame = pa.table({"k": column, "n": [1, 2, 3]})
    for data in (frame, iter([frame])):
        pin = embedded.store_dataframe(data, "db", "t", partition_by=["k"])
        assert embedded.load_dataframe(pin)["k"].tolist() == ["a", "a", "b"]


EMPTY: dict[str, Any] = {
    "pandas": pd.DataFrame(columns=["k", "n"]),
    "floats": pd.DataFrame({"k": [], "n": []}),
    "polars": pl.DataFrame({"k": [], "n": []}),
    "arrow": pa.table({"k": pa.nulls(0), "n": pa.nulls(0)}),
}


STREAMED: dict[str, Callable[[], Any]] = {
    "one frame of objects": lambda: iter([EMPTY["pandas"]]),
    "one frame of floats": lambda: iter([EMPTY["floats"]]),
    "two frames": lambda: iter([EMPTY["polars"], EMPTY["polars"]]),
    "a reader of no batch": lambda: pa.RecordBatchReader.from_batches(EMPTY["arrow"].schema, []),
    "a reader of a batch": lambda: pa.RecordBatchReader.from_batches(
        EMPTY["arrow"].schema, [pa.record_batch([pa.nulls(0)] * 2, ["k", "n"])]
    ),
}


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_without_rows_needs_no_type_for_its_key(embedded, name) -> None:
    stream = STREAMED[name]
    assert embedded.store_dataframe(stream(), "db", "t", partition_by=["K"]).batches == {}
    assert embedded.tables() == []
    before = embedded.store_dataframe(keyed([1]), "db", "t", partition_by=["k"])
    assert embedded.store_dataframe(stream(), "db", "t", partition_by=["k"]).batches == {}
    assert embedded.pin("db", "t") == before
    with pytest.raises(sfx.InvalidName, match="partitioned by"):
        embedded.store_dataframe(stream(), "db", "t", partition_by=["n"])
    with pytest.raises(sfx.SchemaMismatch, match="'x'"):
        embedded.store_dataframe(stream(), "db", "t", partition_by=["x"])


def test_a_stream_gets_its_keys_type_from_the_first_frame_with_rows(embedded) -> None:
    pin = embedded.store_dataframe(
        iter([EMPTY["pandas"]] * 2 + [keyed(["a"])]), "db", "t", partition_by=["k"]
    )
    assert list(pin.batches) == ["a"]


def test_a_stream_whose_key_has_only_nulls_is_refused(embedded) -> None:
    nulls = pa.table({"k": pa.nulls(1), "n": [1]})
    with pytest.raises(sfx.SchemaMismatch, match="'k' cannot be a partition key"):
        embedded.store_dataframe(iter([nulls]), "db", "t", partition_by=["k"])


@pytest.mark.parametrize("name", EMPTY)
def test_a_frame_without_rows_needs_no_type_for_its_key(embedded, name) -> None:
    assert embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["K"]).batches == {}
    assert embedded.tables() == []
    before = embedded.store_dataframe(keyed([1]), "db", "t", partition_by=["k"])
    pin = embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["k"])
    assert pin.batches == {}
    assert embedded.load_dataframe(pin).columns.tolist() == ["n", "k"]
    assert embedded.pin("db", "t") == before
    with pytest.raises(sfx.InvalidName, match="partitioned by"):
        embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["n"])
    with pytest.raises(sfx.SchemaMismatch, match="'x'"):
        embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["x"])
