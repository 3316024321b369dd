"""The night lists what needs attention across tables, and nothing that was put right since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.warehouse.log.event_index import commit_event, events_of
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.night.report import Concern
from airflow_sfx.warehouse.table.table import Table

from ..quality import shop


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
    commit = "2016-11-02/234252.000005-9-9f3a01bc"
    path, content = commit_event(opened, "publish", at, [rows], commit)
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
    many = pd.DataFrame({"day": ["j"] * 400 + ["k"] * 100, "n": [*range(400), *range(100)]})
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
        dying.setattr(PartitionLog, "create", die)
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


def shop_nights(warehouse: sfx.Warehouse, count: int, table: str = "orders") -> None:
    for number in range(count):
        warehouse.store_dataframe(shop.night(number), "shop", table, [shop.day(number)])


@pytest.mark.parametrize("full", [True, False])
def test_a_hundredth_of_the_revenue_is_listed_with_its_figures(warehouse, full: bool) -> None:
    shop_nights(warehouse, 12)
    assert not warehouse.night(full=full).needs_attention
    bad = warehouse.store_dataframe(shop.night(12, 0.01), "shop", "orders", [shop.day(12)])
    (item,) = warehouse.night(full=full).items
    assert (item.concern, item.partition, item.batch_id) == (
        Concern.UNUSUAL,
        shop.day(12),
        bad.batch_id,
    )
    (anomaly,) = warehouse.metrics("shop", "orders").newest_anomalies
    assert item.detail == anomaly.text
    assert item.detail.startswith("the mean of 'revenue' is 0.5")
    warehouse.store_dataframe(shop.night(12), "shop", "orders", [shop.day(12)])
    assert not warehouse.night(full=full).needs_attention


def test_nulls_are_seen_by_the_index_and_history_of_one_commit_in_full(warehouse) -> None:
    shop.nights(warehouse, 30)
    frame = shop.night(30)
    half = frame.assign(revenue=frame.revenue.where(frame.id % 2 == 0))
    warehouse.store_dataframe(half, "shop", "orders", [shop.day(30)])
    assert found(warehouse, full=False) == [], "the index has one commit before"
    assert found(warehouse, full=True) == [("unusual values", "shop.orders", shop.day(30))]
    shop_nights(warehouse, 9, "visits")
    warehouse.store_dataframe(half.head(60), "shop", "visits", [shop.day(9)])
    assert found(warehouse, full=False) == [("unusual values", "shop.visits", shop.day(9))]


@pytest.mark.parametrize("full", [True, False])
def test_a_failed_check_that_only_warns_is_listed(warehouse, full: bool) -> None:
    put(warehouse, 100)
    warehouse.set_checks("s", "orders", [], warn=[rows_between(50, 200)])
    pin = put(warehouse, 3, "b")
    (item,) = warehouse.night(full=full).items
    assert (item.concern, item.batch_id, item.detail) == (
        Concern.WARNED,
        pin.batch_id,
        "rows_between(50, 200): 3 rows, not between 50 and 200",
    )


def test_columns_written_again_and_adopted_files_are_no_night(warehouse, tmp_path) -> None:
    shop_nights(warehouse, 9)
    many = pd.concat([shop.night(9)] * 50)
    warehouse.store_dataframe(many, "shop", "orders", [shop.day(9)])
    before = found(warehouse)
    assert before == [("unusually large", "shop.orders", shop.day(9))]
    warehouse.rename_column("shop", "orders", "kind", "sort")
    warehouse.drop_column("shop", "orders", "sort")
    assert found(warehouse) == [], "it is another batch now"
    warehouse.repair("shop", "orders")
    for day in "abcdefgh":
        put(warehouse, 100, day)
    directory = tmp_path / "old" / "day=x"
    directory.mkdir(parents=True)
    pd.DataFrame({"n": [1]}).to_parquet(directory / "part-0.parquet")
    warehouse.adopt("s", "old", directory.parent.as_uri())
    assert found(warehouse) == []
    assert warehouse.night().changed == 2


def test_the_undo_of_a_run_in_many_tables_is_one_line(warehouse) -> None:
    producer = sfx.Producer(dag_id="nightly", run_id="r", task_id="t")
    for table in ("a", "b", "c"):
        put(warehouse, 2, table=table)
        for day in ("a", "b")[: 1 + (table == "b")]:
            put(warehouse, 1, day, table=table, producer=producer)
    warehouse.rollback_run(dag_id="nightly", run_id="r", reason="zeros")
    (item,) = warehouse.night().items
    assert (item.concern, item.table, item.tables, item.partitions) == (
        Concern.ROLLED_BACK,
        "s.a",
        3,
        4,
    )
    assert (item.partition, item.batch_id, item.detail) == (None, None, "zeros")
    put(warehouse, 3, table="a")
    (item,) = warehouse.night().items
    assert (item.table, item.tables, item.partitions) == ("s.b", 2, 3)


def test_the_staged_partitions_of_one_call_are_one_line(warehouse) -> None:
    days = pd.DataFrame({"day": list("abc"), "n": 1})
    warehouse.store_dataframe(days, "s", "orders", partition_by=["day"], publish=False)
    (item,) = warehouse.night().items
    assert (item.partition, item.partitions, item.detail) == (None, 3, "3 rows, not published")


def test_an_undo_names_the_batches_that_it_ended(warehouse) -> None:
    put(warehouse, 100)
    bad = put(warehouse, 1000)
    warehouse.rollback("s", "orders", ["a"])
    *_, undo = events_of(warehouse.store, [datetime.now(UTC).date()])
    assert (undo.kind, undo.facts.batches) == ("rollback", (bad.batch_id,))


def test_a_name_without_room_has_fewer_columns(warehouse) -> None:
    wide = pd.DataFrame({f"c{number}": [1.0, None] for number in range(60)})
    pin = warehouse.store_dataframe(wide, "s", "t" * 110, ["a"])
    (event,) = events_of(warehouse.store, [datetime.now(UTC).date()])
    assert len(event.path.rpartition("/")[2]) <= 255
    assert event.facts.batches == (pin.batch_id,)
    assert 0 < len(event.facts.figures) < 60
    assert {(one.least, one.nulls) for one in event.facts.figures.values()} == {(1.0, 0.5)}


def test_a_damaged_log_of_an_input_hides_no_other_stale_batch(warehouse) -> None:
    for table in ("damaged", "orders"):
        put(warehouse, 1, table=table)
        bad = put(warehouse, 2, table=table)
        put(warehouse, 1, table=f"{table}_sums", inputs=[bad])
        warehouse.rollback("s", table, ["a"])
    path = "s.db/damaged/_sfx/log/00000000/0000000003.json"
    assert warehouse.store.get(path) is not None
    _remove(warehouse, path)
    warehouse.store.put_if_absent(path, b"{")
    report = warehouse.night(full=True)
    assert ("stale", "s.orders_sums") in [(one.concern.value, one.table) for one in report.items]
    assert "s.damaged" in [one.table for one in report.unreadable]
