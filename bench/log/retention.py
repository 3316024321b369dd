"""The plan of retention over 100,000 batches, on S3 and Hive."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil

import airflow_sfx as sfx
from airflow_sfx.core.batch_id import batch_id_at
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.metastore_sync import move_pointers
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table
from bench.history import NIGHTS, PARTITIONS, PLAN
from bench.log.entries import append
from bench.log.growth import warehouse_on_stack
from bench.memory import child


def plan(folder: Path, runs: int) -> dict[str, object]:
    """Return the time of a plan in a process of its own, which has read nothing before."""
    with warehouse_on_stack(folder) as warehouse:
        _fill(warehouse)
        plans = [child(PLAN, warehouse.uri) for _ in range(runs)]
    return {
        f"plan of retention, {PARTITIONS:,} partitions × {NIGHTS} batches, S3 + Hive": {
            "batches to retire": plans[0]["batches to retire"],
            "seconds": statistics.median(one["seconds"] for one in plans),
            "peak MB": max(one["peak MB"] for one in plans),
            "runs": runs,
            "load": round(psutil.getloadavg()[0], 1),
        }
    }


def _fill(warehouse: sfx.Warehouse) -> None:
    """Make ten nights of batches: the files and the log of all, the pointers of the last."""
    frame = pd.DataFrame({"day": ["first"], "n": 1})
    warehouse.store_dataframe(frame, "bench", "nightly", partition_by=["day"])
    there = Table.find(TableRef("bench", "nightly"), warehouse.store, warehouse.metastore)
    log, last = PartitionLog(there), list[LogEntry]()
    names = [f"{number:05d}" for number in range(PARTITIONS)]
    for night in range(NIGHTS):
        batch_id = batch_id_at(datetime(2016, 11, 1 + night, tzinfo=UTC))
        files = [f"{there.layout.batch_dir(name, batch_id)}/0.parquet" for name in names]
        warehouse.store.put_all_if_absent([(path, b"-" * 1000) for path in files])
        changes = [Change(name, Operation.PUBLISH, batch_id, rows=1, bytes=1000) for name in names]
        last = append(log, changes, {one.partition: one for one in last})
    move_pointers(there, log, last)
