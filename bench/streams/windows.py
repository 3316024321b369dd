"""Commits of 500 records with their positions, beside appends of delta-rs, as the log grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa

import airflow_sfx as sfx
from airflow_sfx.core.batch_id import batch_id_at, moment_of
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.metastore_sync import move_pointers
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table
from bench.log.entries import append
from bench.log.growth import warehouse_on_stack
from bench.scaling import MANY, YOUNG
from bench.timing import interleaved, summary

OURS, DELTA = "airflow_sfx", "delta-rs"
RECORDS = 500
DAY = "20161101"
_APPENDS = 1000
_STREAM = "kinesis:n"


def of_500(folder: Path, runs: int) -> dict[str, object]:
    """Return the time of a commit into an empty table, and after a thousand."""
    ours = window_writer(sfx.connect(f"embedded://{folder}/ours"), "scores")
    contestants = {OURS: ours, DELTA: delta_appender(folder / "delta")}
    found: dict[str, object] = {
        "stream: commit of 500 records": summary(interleaved(contestants, runs), OURS)
    }
    for _ in range(_APPENDS):
        for commit in contestants.values():
            commit()
    found[f"stream: commit of 500 records after {_APPENDS:,} windows"] = summary(
        interleaved(contestants, runs), OURS
    )
    return found


def after_many(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Yield the time of commits after 10,000 windows beside that in a new table.

    As many commits are timed as there are from one checkpoint of the log to the next.
    """
    yield _after_many(sfx.connect(f"embedded://{folder}/many"), "embedded", 10 * runs)
    with warehouse_on_stack(folder) as warehouse:
        yield _after_many(warehouse, "S3 + Hive", 10 * runs)


def _after_many(warehouse: sfx.Warehouse, backend: str, runs: int) -> dict[str, object]:
    old = f"after {MANY:,}"
    writers = {
        YOUNG: window_writer(warehouse, "young"),
        old: window_writer(warehouse, "old", MANY),
    }
    for writer in writers.values():
        writer()
    _add_windows(warehouse, "old")
    seconds = interleaved(writers, runs)
    slowest = {f"slowest, {name}": round(max(values), 4) for name, values in seconds.items()}
    return {f"{backend}: commit of {RECORDS} records": summary(seconds, old) | slowest}


def window_writer(
    warehouse: sfx.Warehouse, table: str, jump: int = 0
) -> Callable[[], sfx.BatchPin | None]:
    """Return a function that stores the next window of a stream.

    Args:
        warehouse: The warehouse.
        table: The table.
        jump: The number of windows that others store after the first one.
    """
    numbers, frame = count(), window_frame()

    def commit() -> sfx.BatchPin | None:
        number = next(numbers)
        return warehouse.store_window(
            frame, "web", table, consumed=_consumed(number + (jump if number else 0)),
            partition_by=["day"],
        )  # fmt: skip

    return commit


def window_frame() -> pd.DataFrame:
    numbers = range(RECORDS)
    late = [number / 3 for number in numbers]
    return pd.DataFrame({"n": numbers, "late": late, "day": DAY})


def _consumed(number: int) -> sfx.Consumed:
    after = str(number * RECORDS) if number else ""
    return sfx.Consumed(_STREAM, {"0": (after, str((number + 1) * RECORDS))})


def _add_windows(warehouse: sfx.Warehouse, table: str) -> None:
    """Write the log of thousands of windows after the first one, and their pointers.

    They have no data.
    """
    there = Table.find(TableRef("web", table), warehouse.store, warehouse.metastore)
    log, entries = PartitionLog(there), list[LogEntry]()
    first = moment_of(log.look().marks().popitem()[1].batch_id or "")
    for number in range(1, MANY + 1):
        batch_id = batch_id_at(first + timedelta(seconds=number))
        change = Change(
            f"{DAY}/{batch_id}", Operation.PUBLISH, batch_id, rows=RECORDS, bytes=10_000
        )
        entries += append(log, [change], {}, _consumed(number))
    move_pointers(there, log, entries)


def delta_appender(place: Path) -> Callable[[], object]:
    from deltalake import CommitProperties, Transaction, write_deltalake

    numbers, table = count(1), pa.Table.from_pandas(window_frame(), preserve_index=False)

    def commit() -> None:
        at = Transaction(_STREAM, next(numbers))
        write_deltalake(
            str(place),
            table,
            mode="append",
            partition_by=["day"],
            commit_properties=CommitProperties(app_transactions=[at]),
        )

    return commit
