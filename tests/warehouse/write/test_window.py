"""Windows of a stream: rows and positions in one commit, each record once."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import not_null
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

STREAM = "kinesis:clicks"


def clicks(*numbers: int, day: str = "20161101") -> pd.DataFrame:
    return pd.DataFrame({"day": pd.Series(day, range(len(numbers)), str), "n": [*numbers]})


def put(warehouse: Warehouse, after: str, to: str, frame: object = None, **options):
    """Store the numbers of a range of records of one shard."""
    if frame is None:
        frame = clicks(*range(int(after or "0") + 1, int(to) + 1))
    consumed = sfx.Consumed(STREAM, {"0": (after, to)})
    return warehouse.store_window(
        frame, "web", "clicks", consumed=consumed, partition_by=["day"], **options
    )


def numbers(warehouse: Warehouse) -> list[int]:
    return sorted(warehouse.load_dataframe("web", "clicks")["n"])


def test_each_window_has_a_partition_of_its_own_named_by_its_batch(warehouse) -> None:
    assert warehouse.stream_positions("web", "clicks") == {}
    first, second = put(warehouse, "", "2"), put(warehouse, "2", "4")
    assert [*first.batches.items()] == [(f"20161101/{first.batch_id}", first.batch_id)]
    assert first.batch_id < second.batch_id
    assert warehouse.stream_positions("web", "clicks") == {STREAM: {"0": "4"}}
    loaded = warehouse.load_dataframe("web", "clicks")
    assert loaded["n"].tolist() == [1, 2, 3, 4]
    assert loaded["window"].tolist() == [first.batch_id] * 2 + [second.batch_id] * 2
    warehouse.verify(second)


def test_a_range_that_was_delivered_again_is_rejected_and_nothing_is_written(warehouse) -> None:
    put(warehouse, "", "2")
    written = [*warehouse.store.list("")]
    for after, to in (("", "2"), ("1", "3"), ("5", "7")):
        with pytest.raises(
            sfx.PositionConflict, match=r"shard '0' of kinesis:clicks up to 2"
        ) as it:
            put(warehouse, after, to)
        assert it.value.positions == {"0": "2"}
    assert [*warehouse.store.list("")] == written
    assert numbers(warehouse) == [1, 2]


def test_a_window_without_rows_commits_its_positions_alone(warehouse) -> None:
    assert put(warehouse, "", "5", clicks()) is None, "also before the table exists"
    assert warehouse.stream_positions("web", "clicks") == {STREAM: {"0": "5"}}
    with pytest.raises(sfx.PositionConflict):
        put(warehouse, "", "5", clicks())
    put(warehouse, "5", "6")
    assert put(warehouse, "6", "7", clicks()) is None
    put(warehouse, "7", "8")
    assert numbers(warehouse) == [6, 8]
    table = warehouse._open("web", "clicks")
    headers = PartitionLog(table).headers(range(1, 5))
    assert [one.operation for one in headers] == ["consume", "publish"] * 2
    assert [one.consumed for one in headers] == [
        {STREAM: {"0": pair}} for pair in (("", "5"), ("5", "6"), ("6", "7"), ("7", "8"))
    ]
    assert len(warehouse.history("web", "clicks")) == 2
    since = datetime(2016, 1, 1, tzinfo=UTC)
    assert len(warehouse.audit("web", "clicks", since=since).entries) == 2


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
@pytest.mark.parametrize("mask", [list, np.array, pd.Series, pa.array])
def test_late_rows_are_in_a_window_beside(embedded_uri, convert, mask) -> None:
    warehouse = sfx.connect(embedded_uri)
    frame = pd.concat([clicks(1, 3), clicks(2, day="20161031")])
    pin = put(warehouse, "", "3", convert(frame), late=mask([False, True, True]))
    windows = [pin.batch_id, f"late-{pin.batch_id}"]
    assert set(pin.batches) == {
        f"20161101/{windows[0]}",
        f"20161101/{windows[1]}",
        f"20161031/{windows[1]}",
    }
    loaded = warehouse.load_dataframe("web", "clicks").sort_values("n")
    assert loaded["window"].tolist() == [windows[0], windows[1], windows[1]]


def test_shards_advance_apart_and_those_that_are_gone_can_be_forgotten(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)

    def consume(shards: dict[str, tuple[str, str]], stream: str = STREAM, **options) -> None:
        consumed = sfx.Consumed(stream, shards, **options)
        warehouse.store_window(clicks(1), "web", "clicks", consumed=consumed, partition_by=["day"])

    consume({"0": ("", "9"), "1": ("", "10")})
    consume({"1": ("10", "1" + "0" * 55)})
    consume({"0": ("", "3")}, "kafka:clicks")
    with pytest.raises(sfx.PositionConflict, match=r"'0' and 1 more"):
        consume({"0": ("8", "11"), "1": ("10", "11")})
    consume({"2": ("", "0")}, forget=("0", "1"))
    assert warehouse.stream_positions("web", "clicks") == {
        STREAM: {"2": "0"},
        "kafka:clicks": {"0": "3"},
    }


def test_other_changes_carry_the_positions_on_and_an_undo_does_not_move_them(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    put(warehouse, "", "2")
    pin = put(warehouse, "2", "4")
    (entry,) = warehouse.history("web", "clicks", partition=next(iter(pin.batches)).split("/"))
    warehouse.rollback_commit("web", "clicks", entry.commit)
    assert numbers(warehouse) == [1, 2]
    assert warehouse.stream_positions("web", "clicks") == {STREAM: {"0": "4"}}
    warehouse.rename("web", "clicks", "web", "hits")
    assert warehouse.stream_positions("web", "hits") == {STREAM: {"0": "4"}}


def test_a_window_that_fails_a_check_is_neither_staged_nor_consumed(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    put(warehouse, "", "1")
    bad = pd.DataFrame({"day": ["20161101"], "n": pd.Series([None], dtype="Int64")})
    with pytest.raises(sfx.CheckFailed, match="not consumed"):
        put(warehouse, "1", "2", bad, checks=[not_null("n")])
    warehouse.set_checks("web", "clicks", [not_null("n")])
    with pytest.raises(sfx.CheckFailed, match="not consumed"):
        put(warehouse, "1", "2", bad)
    assert [*warehouse.staged("web", "clicks")] == []
    assert warehouse.stream_positions("web", "clicks") == {STREAM: {"0": "1"}}


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (clicks(1).assign(Window="a"), {}, "rename the column"),
        (clicks(1), {"late": [True, False]}, "pass 1 values"),
        (clicks(1), {"late": [None]}, "True or False"),
        (clicks(1), {"late": "yes"}, "True or False"),
        (iter([clicks(1)]), {}, "not a frame in memory"),
        (clicks(1), {"consumed": {"0": ("", "1")}}, "pass an sfx.Consumed"),
    ],
)
def test_what_is_no_window_is_rejected_before_anything_is_written(
    embedded_uri, frame, options, message
) -> None:
    warehouse = sfx.connect(embedded_uri)
    given = {"consumed": sfx.Consumed(STREAM, {"0": ("", "1")}), "partition_by": ["day"], **options}
    with pytest.raises(sfx.SfxError, match=message):
        warehouse.store_window(frame, "web", "clicks", **given)
    assert [*warehouse.store.list("web.db")] == []


def go_on(warehouse: Warehouse) -> None:
    """Store the records up to the fourth that the table does not have."""
    after = warehouse.stream_positions("web", "clicks")[STREAM]["0"]
    if after != "4":
        put(warehouse, after, "4")


def compact(warehouse: Warehouse) -> None:
    warehouse.compact("web", "clicks")


@pytest.mark.parametrize("action", [go_on, compact])
def test_a_process_killed_after_any_call_loses_no_record_and_doubles_none(
    new_embedded_uri, action
) -> None:
    outcomes = set()
    for calls in range(1, 100):
        uri = new_embedded_uri()
        warehouse = sfx.connect(uri)
        put(warehouse, "", "1")
        put(warehouse, "1", "2")
        code = run_until_call(uri, action, calls, after=True)
        there = numbers(warehouse)
        assert there in ([1, 2], [1, 2, 3, 4] if action is go_on else [1, 2])
        outcomes.add((len(there), len(warehouse.show("web", "clicks").partitions)))
        go_on(warehouse)
        compact(warehouse)
        assert numbers(warehouse) == [1, 2, 3, 4]
        assert len(warehouse.show("web", "clicks").partitions) == 1
        if code == 0:
            break
        assert code == KILLED
    assert outcomes == ({(2, 2), (4, 3)} if action is go_on else {(2, 2), (2, 1)})
