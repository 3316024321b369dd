"""Checks that live with a table: declared once, run for every writer, kept with each batch."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import (
    fresh,
    has_columns,
    like_before,
    not_null,
    rows_between,
    rows_like_before,
    unique,
)
from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.warehouse.quality.declared import DeclaredCheck, checks_of_file, declare
from airflow_sfx.warehouse.warehouse import Warehouse

from .shop import day, night, nights

GOOD = pd.DataFrame({"id": [1, 2, 3], "price": [1.0, 2.0, 3.0]})
BAD = pd.DataFrame({"id": [1, 1, 3], "price": [1.0, None, 3.0]})
CHECKS = [not_null("price"), unique("id")]


@pytest.fixture
def table(warehouse: Warehouse) -> Warehouse:
    warehouse.store_dataframe(GOOD, "shop", "items", ["a"])
    warehouse.set_checks("shop", "items", CHECKS, reason="prices went missing")
    return warehouse


def checks_of(warehouse: Warehouse, pin: sfx.BatchPin) -> list[list[tuple[str, bool]]]:
    return [[(c.name, c.passed) for c in one.checks] for one in warehouse.manifests(pin)]


def streamed(frame: pd.DataFrame) -> pa.RecordBatchReader:
    return pa.Table.from_pandas(frame, preserve_index=False).to_reader()


@pytest.mark.parametrize(
    "as_frame",
    [
        lambda frame: frame,
        pl.from_pandas,
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
        streamed,
        lambda frame: iter([frame.head(1), frame.tail(2)]),
    ],
    ids=["pandas", "polars", "arrow", "reader", "iterator"],
)
def test_each_kind_of_frame_is_checked(table: Warehouse, as_frame) -> None:
    pin = table.store_dataframe(as_frame(GOOD), "shop", "items", ["a"])
    assert checks_of(table, pin) == [[("not_null('price')", True), ("unique('id')", True)]]
    with pytest.raises(
        sfx.CheckFailed,
        match=r"not_null\('price'\): column 'price' has 1 null; unique\('id'\): 1 row repeats id",
    ):
        table.store_dataframe(as_frame(BAD), "shop", "items", ["a"])
    assert table.pin("shop", "items", ["a"]) == pin
    (staged,) = table.show("shop", "items").staged
    assert checks_of(table, staged) == [[("not_null('price')", False), ("unique('id')", False)]]


def test_each_partition_is_checked_by_itself(table: Warehouse) -> None:
    table.set_checks("shop", "items", [rows_between(1, 3), unique("id")])
    frame = pd.concat([GOOD.assign(partition=name) for name in "bcd"])
    pin = table.store_dataframe(frame, "shop", "items", partition_by=["partition"])
    assert checks_of(table, pin) == [[("rows_between(1, 3)", True), ("unique('id')", True)]] * 3
    worse = pd.concat([frame, GOOD.assign(partition="d")])
    with pytest.raises(sfx.CheckFailed, match=r"not published: d: rows_between\(1, 3\): 6 rows"):
        table.store_dataframe(worse, "shop", "items", partition_by=["partition"])
    assert table.pin("shop", "items", ["b"]).batch_id == pin.batches["b"]


def test_a_partition_key_can_be_checked(table: Warehouse) -> None:
    table.set_checks("shop", "items", [unique("partition", "id"), not_null("partition")])
    assert table.store_dataframe(GOOD, "shop", "items", ["a"]).batches.keys() == {"a"}
    with pytest.raises(sfx.CheckFailed, match="1 row repeats partition, id"):
        table.store_dataframe(BAD, "shop", "items", ["a"])


def test_files_of_another_program_are_checked(table: Warehouse) -> None:
    for frame in (GOOD, BAD):
        batch = table.open_batch("shop", "items", ["a"])
        sink = pa.BufferOutputStream()
        frame.to_parquet(sink, index=False)
        path = batch.location.removeprefix(f"{table.store.uri}/")
        if local := table.store.local_path(path):
            Path(local).mkdir()
        table.store.put(f"{path}/part-0.parquet", memoryview(sink.getvalue()).cast("B"))
        if frame is GOOD:
            assert checks_of(table, batch.close())[0][0] == ("not_null('price')", True)
            continue
        for _ in range(2):  # a close that is tried again must not publish
            with pytest.raises(sfx.CheckFailed, match="column 'price' has 1 null"):
                batch.close()
    assert len(table.show("shop", "items").staged) == 1
    assert table.load_dataframe("shop", "items", ["a"])["price"].notna().all()


def test_a_warning_rejects_nothing_and_is_kept(
    table: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    table.set_checks("shop", "items", [unique("price")], warn=CHECKS)
    pin = table.store_dataframe(BAD, "shop", "items", ["a"])
    (manifest,) = table.manifests(pin)
    assert [(c.passed, c.severity, c.blocks) for c in manifest.checks] == [
        (True, "fail", False),
        (False, "warn", False),
        (False, "warn", False),
    ]
    assert "not_null('price'): column 'price' has 1 null" in caplog.text
    assert table.overview("shop", "items").partitions(["a"])[0].state == "current"


def test_checks_of_the_call_come_first_and_run_once(table: Warehouse) -> None:
    pin = table.store_dataframe(GOOD, "shop", "items", ["a"], checks=[unique("id"), len_is_3])
    assert [[name for name, _ in one] for one in checks_of(table, pin)] == [
        ["unique('id')", "len_is_3", "not_null('price')"]
    ]


def len_is_3(frame: pd.DataFrame) -> bool:
    return len(frame) == 3


def test_a_column_that_a_batch_lacks_fails_its_check(table: Warehouse) -> None:
    with pytest.raises(sfx.CheckFailed, match="names the column 'price', but the frame has id"):
        table.store_dataframe(GOOD[["id"]], "shop", "items", ["a"], evolve="any")


@pytest.mark.parametrize(
    "check",
    [
        rows_between(1, 5),
        rows_between(1),
        not_null("price", "id"),
        unique("id"),
        has_columns({"id": "int64", "price": None}, more=True),
        has_columns({"id": "int64", "price": "double"}),
        fresh("at", timedelta(hours=36)),
        rows_like_before(0.5, 2),
        rows_like_before(0.5),
        like_before("price"),
        like_before("price", ["rows", "sum"], width=5),
    ],
    ids=lambda check: check.name,
)
def test_each_check_survives_being_stored(table: Warehouse, check: object) -> None:
    if isinstance(check, fresh):
        timed = GOOD.assign(at=pd.Timestamp.now("UTC"))
        table.store_dataframe(timed, "shop", "items", ["a"], evolve="safe")
    declared = table.set_checks("shop", "items", [check])
    assert [DeclaredCheck.of(one).check.name for one in declared.checks] == [check.name]  # type: ignore[attr-defined]
    (newest, first) = table.declared_checks("shop", "items")
    assert (newest.in_force, first.in_force) == (True, False)
    assert newest == declared
    if not isinstance(check, fresh):
        table.store_dataframe(GOOD, "shop", "items", ["a"])


def test_a_fresh_column_is_read_from_files(table: Warehouse) -> None:
    table.store_dataframe(GOOD.assign(at=pd.Timestamp.now("UTC")), "shop", "times", ["a"])
    table.set_checks("shop", "times", [fresh("at", timedelta(hours=1))])
    old = GOOD.assign(at=pd.Timestamp("2016-10-31", tz="UTC"))
    with pytest.raises(sfx.CheckFailed, match="may be at most 1:00:00 old"):
        table.store_dataframe(streamed(old), "shop", "times", ["a"])


def test_rows_and_figures_are_compared_with_what_is_current(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    warehouse.set_checks(
        "shop", "orders", [rows_like_before(0.5, 2)], warn=[like_before("revenue")]
    )
    pin = warehouse.store_dataframe(night(30, 0.01), "shop", "orders", [day(30)])
    (manifest,) = warehouse.manifests(pin)
    assert [c.passed for c in manifest.checks] == [True, False]
    with pytest.raises(sfx.CheckFailed, match="1 row, and"):
        warehouse.store_dataframe(night(30).head(1), "shop", "orders", [day(30)])


def test_the_checks_run_on_what_is_current(table: Warehouse) -> None:
    table.set_checks("shop", "items", [])
    table.store_dataframe(BAD, "shop", "items", ["b"])
    table.set_checks("shop", "items", CHECKS)
    found = table.check("shop", "items")
    assert [(one.partition, one.failed) for one in found] == [("a", False), ("b", True)]
    assert [c.detail for c in found[1].results] == ["column 'price' has 1 null", "1 row repeats id"]
    (only,) = table.check("shop", "items", ["b"], checks=[rows_between(1, 3)])
    assert not only.failed
    with pytest.raises(sfx.PartitionNotFound):
        table.check("shop", "items", ["c"])
    table.set_checks("shop", "items", [])
    with pytest.raises(sfx.InvalidName, match="has no checks: declare them"):
        table.check("shop", "items")


def test_anomalies_of_current_batches_are_found(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    warehouse.store_dataframe(night(30, 0.01), "shop", "orders", [day(30)])
    found = warehouse.check("shop", "orders", checks=[like_before("revenue")])
    assert [one.partition for one in found if one.failed] == [day(30)]


def test_the_same_checks_again_change_nothing(table: Warehouse) -> None:
    first = table.declared_checks("shop", "items")
    assert table.set_checks("shop", "items", CHECKS) == first[0]
    assert table.declared_checks("shop", "items") == first
    assert first[0].reason == "prices went missing"
    assert first[0].producer.user


def test_a_store_of_new_columns_keeps_the_checks(table: Warehouse) -> None:
    table.store_dataframe(GOOD.assign(extra=1), "shop", "items", ["a"])
    assert [one.in_force for one in table.declared_checks("shop", "items")] == [True]
    with pytest.raises(sfx.CheckFailed):
        table.store_dataframe(BAD.assign(extra=1), "shop", "items", ["a"])


def test_a_store_that_began_before_a_declaration_does_not_undo_it(table: Warehouse) -> None:
    def frames():
        yield GOOD.assign(extra=1)
        table.set_checks("shop", "items", [unique("id")])
        yield GOOD.assign(extra=2, id=[4, 5, 6])

    table.store_dataframe(frames(), "shop", "items", ["a"])
    newest = table.declared_checks("shop", "items")[0]
    assert newest.in_force
    assert [one["check"] for one in newest.checks] == ["unique"]
    found = table.check("shop", "items")[0]
    assert [one.name for one in found.results] == ["unique('id')"]


def test_two_declarations_at_once_are_both_in_the_history(table: Warehouse) -> None:
    threads = [
        threading.Thread(target=table.set_checks, args=("shop", "items", [rows_between(1, n)]))
        for n in range(10, 14)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    found = table.declared_checks("shop", "items")
    assert [one.number for one in found] == [5, 4, 3, 2, 1]
    assert [one.in_force for one in found] == [True, False, False, False, False]


def test_a_declaration_whose_writer_died_is_put_in_force(
    table: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("airflow_sfx.warehouse.quality.set_checks.put_in_force", lambda *_: False)
        table.set_checks("shop", "items", [rows_between(5, 9)])
    assert [one.in_force for one in table.declared_checks("shop", "items")] == [False, True]
    table.store_dataframe(GOOD, "shop", "items", ["a"])  # the earlier checks are in force
    (repaired,) = table.repair("shop", "items")
    assert repaired.found == "the newest declaration of its checks was not in force"
    with pytest.raises(sfx.CheckFailed, match=r"rows_between\(5, 9\)"):
        table.store_dataframe(GOOD, "shop", "items", ["a"])


def test_a_table_that_the_metastore_lost_gets_its_checks_back(tmp_path) -> None:
    lost = sfx.connect(f"embedded://{tmp_path}")
    lost.store_dataframe(GOOD, "shop", "items", ["a"])
    first = lost.set_checks("shop", "items", CHECKS)
    with closing(sqlite3.connect(tmp_path / "_sfx" / "metastore.sqlite")) as db, db:
        db.execute("DELETE FROM partitions")
        db.execute("DELETE FROM tables")
    lost.repair("shop", "items")
    assert lost.declared_checks("shop", "items") == [first]
    with pytest.raises(sfx.CheckFailed):
        lost.store_dataframe(BAD, "shop", "items", ["a"])


def test_what_cannot_be_stored_is_refused_with_the_remedy(table: Warehouse) -> None:
    for check in (len_is_3, lambda frame: True, sfx.checks, "not_null"):
        with pytest.raises(sfx.InvalidName, match="or pass it as checks= in each store"):
            table.set_checks("shop", "items", [check])
    with pytest.raises(sfx.InvalidName, match="is declared twice"):
        table.set_checks("shop", "items", [unique("id")], warn=[unique("id")])
    with pytest.raises(sfx.InvalidName, match="longer than 3900 characters"):
        table.set_checks("shop", "items", [not_null(*(f"column{n}" for n in range(500)))])
    with pytest.raises(sfx.InvalidName, match="101 checks"):
        declare([rows_between(1, n) for n in range(1, 102)], ())
    with pytest.raises(sfx.TableNotFound):
        table.set_checks("shop", "nothing", CHECKS)
    assert len(table.declared_checks("shop", "items")) == 1


class Sub(not_null):
    """A user's own check, whose code a table would not have."""


def test_a_subclass_is_code_and_refused(table: Warehouse) -> None:
    with pytest.raises(sfx.InvalidName, match="keeps names and parameters and no code"):
        table.set_checks("shop", "items", [Sub("id")])


def test_checks_of_a_later_version_are_named(table: Warehouse) -> None:
    def later(now):
        from dataclasses import replace

        return replace(
            now, parameters={**now.parameters, "sfx.check.000": '{"check":"outliers","p":1}'}
        )

    table.metastore.update_table(sfx.TableRef("shop", "items"), later)
    with pytest.raises(InconsistentBatch, match="'outliers' is not a check.*install a later"):
        table.store_dataframe(GOOD, "shop", "items", ["a"])


def test_checks_are_read_from_a_file() -> None:
    text = """
    [[check]]
    name = "not_null"
    columns = ["price"]

    [[check]]
    name = "like_before"
    column = "price"
    severity = "warn"

    [[check]]
    name = "fresh"
    column = "at"
    within_hours = 36
    """
    found = checks_of_file(text, "checks.toml")
    assert [(one.check.name, one.severity) for one in found] == [
        ("not_null('price')", "fail"),
        ("like_before('price')", "warn"),
        ("fresh('at', 1 day, 12:00:00)", "fail"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("check = 1", "write a table"),
        ("[checks]", "f.toml has checks: write a table"),
        ("[[check]]\nname = 'not_nul'", "check 1 in f.toml: check = 'not_nul' is not a check"),
        ("[[check]]\nname = 'not_null'\ncolumn = 'a'", "its parameter is columns, a list"),
        ("[[check]]\nname = 'unique'\ncolumns = []", "the check names no column"),
        ("[[check]]\nname = 'rows_between'\nlow = 'a'", "'a' is not a number of rows"),
        ("[[check]]\nname = 'rows_between'\nmin = 1", "its parameters are low, high"),
        ("[[check]]\nname = 'fresh'\ncolumn = 'a'\nwithin_hours = '3'", "within_hours, a number"),
        ("[[check]]\nname = 'unique'\ncolumns = ['a']\nseverity = 'bad'", "neither fail nor warn"),
        ("[[check", "f.toml is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str, message: str) -> None:
    with pytest.raises(sfx.InvalidName, match=message):
        checks_of_file(text, "f.toml")


def test_a_check_of_a_column_that_the_table_does_not_have_is_refused(warehouse: Warehouse) -> None:
    warehouse.store_dataframe(night(1), "shop", "orders", [day(1)], partition_keys=["day"])
    for check in (not_null("revenu"), fresh("revenu", timedelta(1)), like_before("revenu")):
        with pytest.raises(sfx.SchemaMismatch, match="shop.orders.*did you mean 'revenue'"):
            warehouse.set_checks("shop", "orders", [], warn=[check])
    assert not warehouse.declared_checks("shop", "orders")
    warehouse.set_checks("shop", "orders", [unique("Day", "ID"), has_columns({"new": None})])


def test_checks_of_rows_are_named_and_stored_alike() -> None:
    for kind in (rows_between, rows_like_before):
        assert kind(1, 2).name == f"{kind.__name__}(1, 2)"
        assert (kind(1, 2).parameters, kind(1).parameters) == ({"low": 1, "high": 2}, {"low": 1})
        assert kind.of(kind(1, 2).parameters).name == kind(1, 2).name
        with pytest.raises(sfx.InvalidName, match="lower bound first"):
            kind(2, 1)
