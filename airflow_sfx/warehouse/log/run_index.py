"""An index of commits by DAG run or backfill, across all tables of a warehouse.

With it, they can be undone as one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Record, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.table.table import Table

_LONGEST_NAME = 120
"""A file name has 255 bytes; the commit and temporary suffixes need half of them."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is undone as one: a DAG run, or all runs of a backfill.

    Args:
        dag_id: The DAG.
        run_id: The run; None for a backfill.
        backfill_id: The backfill; None for a run.
        run_ids: The runs of a backfill, where Airflow has told them.

    Raises:
        InvalidName: It names no DAG, or neither a run nor a backfill.

    Example:
        >>> unit = Unit("nightly", backfill_id="7")
        >>> str(unit), unit.made(Producer(dag_id="nightly", run_id="r1", backfill_id="7"))
        ('the backfill 7 of nightly', True)
    """

    dag_id: str
    run_id: str | None = None
    backfill_id: str | None = None
    run_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unit = (
            ("run_id", self.run_id)
            if self.backfill_id is None
            else ("backfill_id", self.backfill_id)
        )
        for name, value in (("dag_id", self.dag_id), unit):
            if not isinstance(value, str) or not value:
                raise InvalidName(
                    f"{name}={value!r:.80} names nothing: pass the text that Airflow shows"
                )

    def __str__(self) -> str:
        if self.run_id is not None:
            return f"the run {self.run_id} of {self.dag_id}"
        return f"the backfill {self.backfill_id} of {self.dag_id}"

    @property
    def directories(self) -> list[str]:
        """Where its commits are noted."""
        runs = (self.run_id,) if self.run_id is not None else self.run_ids
        found = [f"_sfx/runs/{path_step(self.dag_id)}/{path_step(run_id)}" for run_id in runs]
        return found or [
            f"_sfx/backfills/{path_step(self.dag_id)}/{path_step(str(self.backfill_id))}"
        ]

    def made(self, producer: Producer) -> bool:
        """Return whether a change of this producer belongs to the unit.

        A backfill may run a nightly run again; only that one counts then.
        """
        if producer.dag_id != self.dag_id:
            return False
        if self.run_id is not None:
            return producer.run_id == self.run_id
        if self.run_ids:
            return producer.run_id in self.run_ids and producer.run_type == "backfill"
        return producer.backfill_id == self.backfill_id


def notes_of_run(table: Table, commit: str, producer: Producer) -> list[tuple[str, bytes]]:
    """Return a commit's index records for its DAG run and backfill, if any.

    Returns:
        Paths and contents.
    """
    if producer.dag_id is None or producer.run_id is None:
        return []
    units = [Unit(producer.dag_id, producer.run_id)]
    if producer.backfill_id is not None:
        units.append(Unit(producer.dag_id, backfill_id=producer.backfill_id))
    note = encode({"table": str(table.ref), "commit": commit}).encode()
    named = str(table.ref)
    if len(named) > _LONGEST_NAME:
        named = f"{named[: _LONGEST_NAME // 2]}~{hashlib.sha256(named.encode()).hexdigest()[:32]}"
    name = f"{named}~{commit.replace('/', '~')}.json"
    return [(f"{directory}/{name}", note) for unit in units for directory in unit.directories]


def commits_of(store: ObjectStore, unit: Unit) -> dict[TableRef, list[str]]:
    """The commits that a run or a backfill made or tried, by table.

    Args:
        store: The warehouse's storage.
        unit: The run or the backfill.

    Returns:
        The commits of each table, in the order in which they were begun.
    """
    listed = map_concurrently(
        lambda directory: [info.path for info in store.list(directory)],
        unit.directories,
        store.concurrency,
    )
    paths = sorted(path for paths in listed for path in paths)
    found: dict[TableRef, list[str]] = {}
    for path, data in zip(paths, map_concurrently(store.get, paths), strict=True):
        record = decode(data, _CommitOfRun, path)
        with decoding(path):
            ref = TableRef.parse(record.table)
        found.setdefault(ref, []).append(record.commit)
    return found


class _CommitOfRun(Record):
    table: str
    commit: str
