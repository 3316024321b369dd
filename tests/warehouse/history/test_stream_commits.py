"""The last commit of each stream is found from the log's end, in a few reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.history.stream_commits import StreamCommit, stream_commits
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import TableLog
from airflow_sfx.warehouse.warehouse import Warehouse

LONG = 60


class Fed:
    """A table that streams feed, window by window."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def window(self, stream: str, to: int, rows: int) -> sfx.BatchPin | None:
        have = self.warehouse.stream_positions("web", "clicks").get(stream, {})
        return self.warehouse.store_window(
            pd.DataFrame({"day": ["20161101"] * rows, "n": range(rows)}),
            "web",
            "clicks",
            consumed=sfx.Consumed(stream, {"0": (have.get("0", ""), str(to))}),
            partition_by=["day"],
        )

    def commits(self) -> dict[str, StreamCommit]:
        store, metastore = self.warehouse.store, self.warehouse.metastore
        log = PartitionLog(Table.find(TableRef("web", "clicks"), store, metastore))
        return {one.stream: one for one in stream_commits(log)}


@pytest.fixture
def fed(tmp_path: Path) -> Fed:
    return Fed(connect(f"embedded://{tmp_path}/w"))


def test_each_stream_has_its_last_commit_whatever_came_after_it(fed: Fed) -> None:
    made = {}
    for number in range(1, 12):
        stream = f"kinesis:{'abc'[number % 3]}" if number < 7 else "kinesis:a"
        made[stream] = (number, fed.window(stream, number, number))
    fed.warehouse.rollback_commit("web", "clicks", fed.commits()["kinesis:a"].commit)
    fed.warehouse.compact("web", "clicks", "20161101")
    found = fed.commits()
    assert list(found) == ["kinesis:a", "kinesis:b", "kinesis:c"]
    for stream, (number, pin) in made.items():
        one = found[stream]
        assert (one.positions, one.rows, one.batches) == ({"0": str(number)}, number, pin.batches)
        window = next(iter(pin.batches)).split("/")
        first = fed.warehouse.history("web", "clicks", window, limit=None)[-1]
        assert (one.at, one.commit) == (first.at, first.commit)


def test_records_without_rows_are_a_commit_without_batches(fed: Fed) -> None:
    fed.window("kafka:a", 3, 2)
    fed.window("kafka:a", 4, 0)
    (one,) = fed.commits().values()
    assert (one.positions, one.rows, one.batches) == ({"0": "4"}, 0, {})


def test_a_stream_that_is_silent_for_long_takes_a_few_reads(fed: Fed, monkeypatch) -> None:
    fed.window("kafka:quiet", 1, 7)
    for number in range(1, LONG):
        fed.window("kafka:busy", number, 1)
    read: set[int] = set()
    find = TableLog.find

    def counted(log: TableLog, version: int) -> object:
        read.add(version)
        return find(log, version)

    monkeypatch.setattr(TableLog, "find", counted)
    found = fed.commits()
    assert (found["kafka:quiet"].rows, found["kafka:busy"].positions) == (7, {"0": str(LONG - 1)})
    assert len(read) <= 2 * LONG.bit_length()
