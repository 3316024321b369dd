"""Commits of 500 records with their positions, beside appends of delta-rs, as the log grows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa

import airflow_sfx as sfx
from bench.timing import interleaved, summary

OURS, DELTA = "airflow_sfx", "delta-rs"
_RECORDS, _BEFORE = 500, 1000


def of_500(folder: Path, runs: int) -> dict[str, object]:
    """Return the time of a commit into an empty table, and after a thousand."""
    contestants = {OURS: _ours(folder / "ours"), DELTA: _delta(folder / "delta")}
    found: dict[str, object] = {
        "stream: commit of 500 records": summary(interleaved(contestants, runs), OURS)
    }
    for _ in range(_BEFORE):
        for commit in contestants.values():
            commit()
    found[f"stream: commit of 500 records after {_BEFORE:,} windows"] = summary(
        interleaved(contestants, runs), OURS
    )
    return found


def _frame() -> pd.DataFrame:
    numbers = range(_RECORDS)
    late = [number / 3 for number in numbers]
    return pd.DataFrame({"n": numbers, "late": late, "day": "20161101"})


def _ours(place: Path) -> Callable[[], object]:
    warehouse, numbers, frame = sfx.connect(f"embedded://{place}"), count(), _frame()

    def commit() -> object:
        number = next(numbers)
        after = str(number * _RECORDS) if number else ""
        consumed = sfx.Consumed("kinesis:n", {"0": (after, str((number + 1) * _RECORDS))})
        return warehouse.store_window(
            frame, "web", "scores", consumed=consumed, partition_by=["day"]
        )

    return commit


def _delta(place: Path) -> Callable[[], object]:
    from deltalake import CommitProperties, Transaction, write_deltalake

    numbers, table = count(1), pa.Table.from_pandas(_frame(), preserve_index=False)

    def commit() -> None:
        at = Transaction("kinesis:n", next(numbers))
        write_deltalake(
            str(place),
            table,
            mode="append",
            partition_by=["day"],
            commit_properties=CommitProperties(app_transactions=[at]),
        )

    return commit
