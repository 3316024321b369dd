"""The night lists what needs attention across tables, and nothing that was put right since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.warehouse.log import commit
from airflow_sfx.warehouse.log.event_index import commit_event, events_of
from airflow_sfx.warehouse.night.report import Concern
from airflow_sfx.warehouse.table.table import Table


def put(
    warehouse: sfx.Warehouse, rows: int, day: str = "a", table: str = "orders", **more: object
) -> sfx.BatchPin:
    frame = pd.DataFrame({"n": range(rows)})
    keys = ["day"]
    return warehouse.store_dataframe(frame, "s", table, [day], partition_keys=keys, **more)


def found(warehouse: sfx.Warehouse, **more: object) -> list[tuple[str, str, str | None]]:
    report = warehouse.night(**more)
    return [(one.concern.value, one.table, one.partition) for one in report.items]


def earlier(warehouse: sfx.Warehouse, table: str, at: datetime, rows: int = 100) -> None:
    """Note a publish of an earlier night, as the index would have it."""
    opened = Table.find(sfx.TableRef("s", table), warehouse.store, warehouse.metastore)
    path, content = commit_event(opened, "publish", at, [rows], "2016-11-02/234252.000005-9f")
    warehouse.store.put_if_absent(path, content)


def test_a_quiet_night_needs_no_attention(warehouse) -> None:
    assert not warehouse.night().needs_attention
    put(warehouse, 3)
    report = warehouse.night()
    assert (report.tables, report.changed, report.items, report.unreadable) == (1, 1, (), ())
    assert report.full
    assert not report.needs_attention


def test_refused_and_staged_batches_are_listed_until_they_are_published(warehouse) -> None:
    put(warehouse, 100)
    with pytest.raises(sfx.CheckFailed):
        put(warehouse, 3, "b", checks=[rows_between(50, 200)])
    staged = put(warehouse, 7, "c", publish=False)
    refused, waits = warehouse.night().items
    assert (refused.concern, refused.partition, refused.detail) == (
        Concern.REFUSED,
        "b",
        "rows_between(50, 200): 3 rows, not between 50 and 200",
    )
    assert (waits.concern, waits.batch_id) == (Concern.STAGED, staged.batch_id)
    warehouse.publish(staged)
    put(warehouse, 60, "b", checks=[rows_between(50, 200)])
    assert ("staged", "s.orders", "c") not in found(warehouse)


def test_a_check_that_only_warns_refuses_nothing(warehouse) -> None:
    put(warehouse, 100)
    warehouse.set_checks("s", "orders", [], warn=[rows_between(50, 200)])
    put(warehouse, 3, "b", publish=False)
    assert found(warehouse) == [("staged", "s.orders", "b")]


def test_rollbacks_are_listed_once_a_commit_until_the_partition_is_made_again(warehouse) -> None:
    days = pd.DataFrame({"day": list("abc"), "n": 1})
    for number in (1, 2):
        warehouse.store_dataframe(
            days.assign(n=number), "s", "orders", partition_by=["day"], reason="nightly"
        )
    warehouse.rollback("s", "orders", [["a"], ["b"], ["c"]], reason="zeros")
    (item,) = warehouse.night().items
    assert (item.concern, item.partition, item.partitions, item.detail) == (
        Concern.ROLLED_BACK,
        None,
        3,
        "zeros",
    )
    assert item.commit == warehouse.history("s", "orders", ["a"])[0].commit
    put(warehouse, 1, "a")
    put(warehouse, 1, "b")
    assert found(warehouse) == [("rolled back", "s.orders", "c")]
    warehouse.rollback_commit("s", "orders", item.commit)
    assert found(warehouse) == [], "the rollback was undone"


def test_unusual_rows_are_listed_while_the_batch_is_current(warehouse) -> None:
    for day in "abcdefgh":
        put(warehouse, 100, day)
    small = put(warehouse, 4, "i")
    many = pd.DataFrame({"day": ["j"] * 400 + ["k"] * 100, "n": 1})
    warehouse.store_dataframe(many, "s", "orders", partition_by=["day"])
    assert found(warehouse) == [
        ("unusually small", "s.orders", "i"),
        ("unusually large", "s.orders", "j"),
    ]
    (item, _) = warehouse.night().items
    assert (item.batch_id, item.detail) == (small.batch_id, "4 rows, usually 90 to 110")
    put(warehouse, 99, "i")
    assert found(warehouse) == [("unusually large", "s.orders", "j")]


def test_what_a_writer_that_died_had_begun_is_not_listed(warehouse, monkeypatch) -> None:
    for day in "abcdefgh":
        put(warehouse, 100, day)
    put(warehouse, 99, "a")

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(commit, "_place", die)
        for action in (
            lambda: put(warehouse, 4, "i"),
            lambda: warehouse.rollback("s", "orders", ["a"]),
        ):
            with pytest.raises(KeyboardInterrupt):
                action()
    assert found(warehouse) == []


def test_a_table_that_did_not_come_is_late(warehouse) -> None:
    now = datetime.now(UTC)
    for table in ("late", "orders", "new"):
        put(warehouse, 100, table=table)
    usual = now - timedelta(hours=3)
    for days in range(1, 20):
        earlier(warehouse, "late", usual - timedelta(days=days))
        earlier(warehouse, "orders", usual - timedelta(days=days))
    for event in events_of(warehouse.store, [now.date()]):
        if event.table == "s.late" and event.at > now - timedelta(minutes=10):
            path = warehouse.store.uri, event.path
            _remove(warehouse, path[1])
    (item,) = warehouse.night().items
    assert (item.concern, item.table, item.partition) == (Concern.LATE, "s.late", None)
    assert item.detail.startswith(f"usually published by {usual:%Y-%m-%d %H:%M}")
    assert found(warehouse, since=now - timedelta(minutes=30)) == [], "it was late before"


def _remove(warehouse: sfx.Warehouse, path: str) -> None:
    warehouse.store.delete([path])


def test_stale_batches_and_changes_by_other_engines_are_found_in_full(warehouse) -> None:
    source = put(warehouse, 1)
    bad = put(warehouse, 2)
    put(warehouse, 1, table="sums", inputs=[bad])
    warehouse.rollback("s", "orders", ["a"])
    assert found(warehouse, full=True) == [
        ("stale", "s.sums", "a"),
        ("rolled back", "s.orders", "a"),
    ]
    assert found(warehouse, full=False) == [("rolled back", "s.orders", "a")]
    assert not warehouse.night(full=False).full
    assert source.batch_id


def test_a_damaged_table_hides_no_other(warehouse) -> None:
    for table in ("damaged", "orders"):
        put(warehouse, 1, table=table)
        put(warehouse, 2, table=table)
        warehouse.rollback("s", table, ["a"])
    (event, *_) = [
        one
        for one in events_of(warehouse.store, [datetime.now(UTC).date()])
        if (one.table, one.kind) == ("s.damaged", "rollback")
    ]
    _remove(warehouse, event.path)
    warehouse.store.put_if_absent(event.path, b"{")
    report = warehouse.night(full=False)
    assert [one.table for one in report.items] == ["s.orders"]
    assert [one.table for one in report.unreadable] == ["s.damaged"]
    assert report.needs_attention


def test_a_long_name_of_a_table_is_found_whole(warehouse) -> None:
    name = "t" * 120
    for rows in (1, 2):
        put(warehouse, rows, table=name)
    warehouse.rollback("s", name, ["a"])
    assert found(warehouse) == [("rolled back", f"s.{name}", "a")]


def test_a_time_without_a_zone_is_refused(warehouse) -> None:
    with pytest.raises(sfx.InvalidName):
        warehouse.night(since=datetime(2016, 11, 1))
