"""Compaction: the windows of a stream become one batch, with each row once."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.metastore.hive import requests
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.warehouse import Warehouse
from airflow_sfx.warehouse.write import compact as compact_module
from airflow_sfx.warehouse.write.row_sums import RowSums

DAYS = ("20161101", "20161102")


def add(warehouse: Warehouse, number: int, **more: object) -> sfx.BatchPin:
    """Add a window of two rows, of an hour of each of two days."""
    frame = pd.DataFrame({"day": DAYS, "hour": ["13", "13"], "n": [number, -number], **more})
    consumed = sfx.Consumed(
        "kinesis:clicks", {"0": (str(number - 1) if number > 1 else "", str(number))}
    )
    pin = warehouse.store_window(
        frame,
        "web",
        "clicks",
        consumed=consumed,
        partition_by=["day", "hour"],
        late=[number == 2, False],
    )
    assert pin is not None
    return pin


def rows(warehouse: Warehouse, *partition: str) -> list[int]:
    wanted = [partition] if partition else None
    return sorted(warehouse.load_dataframe("web", "clicks", wanted)["n"])


def engines(warehouse: Warehouse) -> dict[str, str]:
    """Return what another engine reads: the locations of the metastore that have files."""
    found = warehouse._open("web", "clicks").pointers(None)
    return {name: one.location for name, one in found.items() if "_sfx/empty" not in one.location}


def test_windows_become_one_batch_and_an_undo_brings_them_back(warehouse, monkeypatch) -> None:
    windows = [name for number in (1, 2, 3) for name in add(warehouse, number).batches]
    wanted = rows(warehouse)
    positions = warehouse.stream_positions("web", "clicks")
    planned = warehouse.compact("web", "clicks", DAYS[0], dry_run=True)
    assert set(planned.batches) == {name for name in windows if name.startswith(DAYS[0])}
    shown: list[set[str]] = []
    drop = requests.drop_partitions

    def dropped(*given: object) -> object:
        shown.append(set(engines(warehouse)))
        return drop(*given)

    monkeypatch.setattr(requests, "drop_partitions", dropped)
    pin = warehouse.compact("web", "clicks", [DAYS[0]], reason="an hour is over")
    assert list(pin.batches) == [f"{DAYS[0]}/13/compacted"]
    assert rows(warehouse) == wanted
    assert sorted(warehouse.load_dataframe(pin)["n"]) == [1, 2, 3]
    others = [name for name in windows if name.startswith(DAYS[1])]
    assert set(engines(warehouse)) == {*pin.batches, *others}
    for moment in shown:  # on Hive, which drops the ended partitions in a second request
        assert moment == {*pin.batches, *others}
    assert warehouse.stream_positions("web", "clicks") == positions
    (entry,) = warehouse.history("web", "clicks", partition=[DAYS[0], "13", "compacted"])
    assert (entry.operation, entry.reason, entry.rows) == ("compact", "an hour is over", 3)
    warehouse.rollback_commit("web", "clicks", entry.commit)
    assert rows(warehouse) == wanted
    assert set(engines(warehouse)) == set(windows)


def test_later_windows_are_added_to_the_compacted_batch(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    add(warehouse, 1)
    first = warehouse.compact("web", "clicks")
    assert set(first.batches) == {f"{day}/13/compacted" for day in DAYS}
    assert not warehouse.compact("web", "clicks").batches, "there is no window any more"
    add(warehouse, 2, note="a column that came later")
    second = warehouse.compact("web", "clicks", "20161101/13")
    frame = warehouse.load_dataframe(second)
    assert frame["n"].tolist() == [1, 2]
    assert frame["note"].tolist()[1] == "a column that came later"
    assert sorted(warehouse.load_dataframe(first)["n"]) == [-1, 1], "its pin reads as ever"
    assert rows(warehouse) == [-2, -1, 1, 2]


def test_what_changes_meanwhile_stops_the_compaction(embedded_uri, monkeypatch) -> None:
    warehouse = sfx.connect(embedded_uri)
    pins = [add(warehouse, number) for number in (1, 2)]
    table = warehouse._open("web", "clicks")

    def undo(*given: object) -> None:
        commit = PartitionLog(table).header(1).commit
        warehouse.rollback_commit("web", "clicks", commit)

    monkeypatch.setattr(compact_module, "record_merged", undo)
    with pytest.raises(sfx.CommitConflict, match="another writer has changed it"):
        warehouse.compact("web", "clicks", DAYS[0])
    assert rows(warehouse) == [-2, 2]
    assert set(engines(warehouse)) == set(pins[1].batches)


def test_rows_that_are_not_written_as_they_were_read_stop_the_compaction(
    embedded_uri, monkeypatch
) -> None:
    warehouse = sfx.connect(embedded_uri)
    add(warehouse, 1)
    add(warehouse, 2)
    whole = compact_module._relabelled

    def lossy(pieces, sums):
        yield from (piece.slice(1) for piece in whole(pieces, sums))

    monkeypatch.setattr(compact_module, "_relabelled", lossy)
    with pytest.raises(sfx.InconsistentBatch, match="was not compacted"):
        warehouse.compact("web", "clicks")
    assert rows(warehouse) == [-2, -1, 1, 2]


def test_what_is_not_compacted_is_named(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    add(warehouse, 1)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "web", "plain", ["a"])
    with pytest.raises(sfx.InvalidName, match="whose last key is 'window'"):
        warehouse.compact("web", "plain")
    with pytest.raises(sfx.InvalidName, match="at most 2"):
        warehouse.compact("web", "clicks", "20161101/13/20161101000000")
    with pytest.raises(sfx.PartitionNotFound, match="begins with 2017"):
        warehouse.compact("web", "clicks", "2017")


def test_all_kinds_of_values_are_the_same_after_compaction(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    times = pd.to_datetime(["2016-11-01T13:00:00.000001", None])
    frame = pd.DataFrame(
        {
            "n": pd.array([2**62 + 1, None], dtype="Int64"),
            "x": [np.nan, 0.1],
            "text": ["ü\n", None],
            "at": times,
            "zoned": times.tz_localize("Europe/Berlin"),
            "kind": pd.Categorical(["b", None], categories=["a", "b"]),
            "tags": [["a", None], []],
            "data": [b"\0\xff", None],
        }
    )
    for after, to in (("", "1"), ("1", "2"), ("2", "3")):
        consumed = sfx.Consumed("kinesis:all", {"0": (after, to)})
        warehouse.store_window(frame, "web", "all", consumed=consumed)
    before = warehouse.load_dataframe("web", "all", columns=list(frame))
    warehouse.compact("web", "all")
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("web", "all", columns=list(frame)), before
    )


def test_sums_of_rows_differ_where_rows_do() -> None:
    import pyarrow as pa

    def total(**columns: list[object]) -> tuple[int, int]:
        sums = RowSums()
        sums.add(pa.table(columns))
        return sums.rows, sums.total

    same = total(a=[1, 2], b=["x", "y"])
    assert same == total(a=[2, 1], b=["y", "x"])
    for other in (
        total(a=[1, 2], b=["y", "x"]),
        total(a=[1, 1], b=["x", "x"]),
        total(a=[1, 2], b=["x", None]),
        total(a=[1], b=["x"]),
        total(b=[1, 2], a=["x", "y"]),
    ):
        assert other != same


def undo(warehouse: Warehouse, place: list[str]) -> str:
    """Return the commit that last compacted a partition."""
    return warehouse.history("web", "clicks", partition=place, limit=None)[0].commit


def test_a_compaction_is_undone_as_a_whole(warehouse) -> None:
    """Windows beside their compacted batch would double rows, and neither would lose them."""
    merged = [DAYS[0], "13", "compacted"]
    pin = add(warehouse, 1)
    window, *_ = pin.batches
    add(warehouse, 2)
    warehouse.compact("web", "clicks", DAYS[0])
    first = undo(warehouse, merged)
    with pytest.raises(sfx.BatchNotFound, match=f"roll back its compaction, .*{first}"):
        warehouse.rollback("web", "clicks", merged)
    add(warehouse, 3)
    warehouse.compact("web", "clicks", DAYS[0])
    last, wanted = undo(warehouse, merged), rows(warehouse)
    old = sfx.BatchPin("web", "clicks", pin.location, ((window, pin.batches[window]),))
    for half in (
        lambda: warehouse.rollback("web", "clicks", window.split("/")),
        lambda: warehouse.plan_rollback("web", "clicks", window.split("/")),
        lambda: warehouse.publish(old),
        lambda: warehouse.rollback_commit("web", "clicks", first),
    ):
        with pytest.raises(sfx.CommitConflict, match="both would be current") as refused:
            half()
        assert last in str(refused.value)
    (plan,) = warehouse.rollback_commit("web", "clicks", first, dry_run=True)
    assert "both would be current" in plan.blocked[0]
    with pytest.raises(sfx.CommitConflict, match="neither would be current"):
        warehouse.rollback("web", "clicks", merged)
    assert rows(warehouse) == wanted
    for commit in (last, first):
        warehouse.rollback_commit("web", "clicks", commit)
        assert rows(warehouse) == wanted


def test_a_table_goes_back_to_a_version_before_its_compaction(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    for number in (1, 2):
        add(warehouse, number)
    warehouse.compact("web", "clicks")
    warehouse.rollback("web", "clicks", to_version=1)
    assert rows(warehouse) == [-1, 1]
    warehouse.rollback("web", "clicks", to_version=3)
    assert rows(warehouse) == [-2, -1, 1, 2]


def test_a_window_comes_back_after_what_it_was_compacted_into_was_dropped(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    window = next(iter(add(warehouse, 1).batches)).split("/")
    merged = [*window[:2], "compacted"]
    warehouse.compact("web", "clicks")
    warehouse.drop("web", "clicks", merged)
    warehouse.rollback("web", "clicks", merged)
    assert rows(warehouse) == [-1, 1]
    warehouse.drop("web", "clicks", merged)
    warehouse.rollback("web", "clicks", window)
    assert rows(warehouse) == [-1, 1]
    with pytest.raises(sfx.CommitConflict, match="both would be current"):
        warehouse.rollback("web", "clicks", merged)


def test_windows_that_expired_after_their_compaction_do_not_come_back(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    add(warehouse, 1)
    warehouse.compact("web", "clicks")
    now = timedelta(0)
    warehouse.retain("web", "clicks", keep_last=1, older_than=now, grace=now, dry_run=False)
    commit = undo(warehouse, [DAYS[0], "13", "compacted"])
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.rollback_commit("web", "clicks", commit)
    assert rows(warehouse) == [-1, 1]
