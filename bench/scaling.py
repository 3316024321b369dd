"""Cost of a commit, a load, a rollback and a read of the history as a table grows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.paths import TableLayout, commit_id
from airflow_sfx.core.stored.log_entry import EntryHeader, Mark, entry_to_bytes
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table
from bench.timing import interleaved, summary

MANY = 10_000
YOUNG, OLD = "1", f"{MANY:,}"
_SMALL = pd.DataFrame({"n": range(500), "text": [f"item {number}" for number in range(500)]})


def log_length(folder: Path, runs: int) -> dict[str, object]:
    return log_length_of(sfx.connect(f"embedded://{folder}/log"), runs)


def log_length_of(warehouse: sfx.Warehouse, runs: int) -> dict[str, object]:
    for table in ("young", "old"):
        warehouse.store_dataframe(_SMALL, "bench", table, ["p"])
    _lengthen(warehouse, "old", "p")
    return _costs(warehouse, {YOUNG: "young", OLD: "old"}, runs, "log entries")


def partition_count(folder: Path, runs: int) -> dict[str, object]:
    return partition_count_of(sfx.connect(f"embedded://{folder}/partitions"), runs)


def partition_count_of(warehouse: sfx.Warehouse, runs: int) -> dict[str, object]:
    for table in ("narrow", "wide"):
        warehouse.store_dataframe(_SMALL, "bench", table, ["p"])
    _widen(warehouse, "wide")
    return _costs(warehouse, {YOUNG: "narrow", OLD: "wide"}, runs, "partitions")


def roll_back_many(folder: Path, runs: int) -> dict[str, object]:
    warehouse = sfx.connect(f"embedded://{folder}/rollback")
    names = [f"{number:05d}" for number in range(1000)]
    frame = pd.DataFrame({"day": names, "n": 1})
    for _ in range(runs + 3):
        warehouse.store_dataframe(frame, "bench", "wide", partition_by=["day"])
    seconds = interleaved({"rollback": lambda: warehouse.rollback("bench", "wide", names)}, runs)
    return {"roll back 1,000 partitions": summary(seconds, "rollback")}


def _costs(
    warehouse: sfx.Warehouse, tables: dict[str, str], runs: int, what: str
) -> dict[str, object]:
    repeats = 10

    def commit(table: str) -> object:
        return [warehouse.store_dataframe(_SMALL, "bench", table, ["p"]) for _ in range(repeats)]

    def head(table: str) -> object:
        return [warehouse.history("bench", table, ["p"], limit=1) for _ in range(repeats)]

    def rollback(table: str) -> object:
        return [warehouse.rollback("bench", table, ["p"]) for _ in range(repeats)]

    def load(table: str) -> object:
        return [warehouse.load_dataframe("bench", table, ["p"]) for _ in range(repeats)]

    found = {}
    actions = {"commit": commit, "history head": head, "load": load, "rollback": rollback}
    for name, action in actions.items():
        seconds = interleaved(
            {label: (lambda t=table, a=action: a(t)) for label, table in tables.items()}, runs
        )
        found[f"{repeats} × {name}, {OLD} against 1 {what}"] = summary(seconds, OLD)
    return found


def _lengthen(warehouse: sfx.Warehouse, table: str, name: str) -> None:
    """Write thousands of log entries as commits do, but without data."""
    layout = TableLayout(TableLayout.default_root(TableRef("bench", table)), ("partition",))
    (first,) = warehouse.history("bench", table, [name])
    objects = []
    for version in range(2, MANY + 1):
        at = first.at + timedelta(microseconds=version)
        header = EntryHeader(
            version,
            first.operation,
            at,
            first.producer,
            first.reason,
            commit_id(at, version, f"{version:08x}"),
            partitions=1,
            recent=(Mark(name, version - 1, first.batch_id),),
            applied=version - 1,
        )
        entry = replace(
            first,
            version=version,
            origin=version,
            previous=first.batch_id,
            parent=version - 1,
            previous_origin=version - 1,
        )
        objects.append((layout.log_entry(version), entry_to_bytes(header, [entry])))
    warehouse.store.put_all_if_absent(objects)
    warehouse.repair("bench", table)


def _widen(warehouse: sfx.Warehouse, table: str) -> None:
    """Commit thousands of partitions, but without data."""
    there = Table.find(TableRef("bench", table), warehouse.store, warehouse.metastore)
    log = PartitionLog(there)
    changes = [
        Change(f"{number:05d}", Operation.PUBLISH, "20161101002256", rows=1, bytes=1)
        for number in range(MANY)
    ]
    heads = log.heads([change.partition for change in changes])
    commit(there, log, heads, lambda _: changes, Author(sfx.Producer()))
