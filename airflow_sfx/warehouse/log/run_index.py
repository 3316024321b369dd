"""The index of commits by run, backfill and undo, across all tables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
"""The longest table name in a file name of 255 bytes, beside the commit and a suffix."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A DAG run, or all runs of a backfill, whose commits are undone as one.

    Args:
        dag_id: The DAG.
        run_id: The run, or None for a backfill.
        backfill_id: The backfill, or None for a run.
        run_ids: The runs of a backfill, as far as Airflow knows them.

    Raises:
        InvalidName: The DAG, or both the run and the backfill, are missing.

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
                    f"{name}={value!r:.80} is empty or not text",
                    remedy="pass the text that Airflow shows",
                    cli_rule=f"{value!r:.80} is not the name of a DAG, a run or a backfill",
                )

    def __str__(self) -> str:
        if self.run_id is not None:
            return f"the run {self.run_id} of {self.dag_id}"
        return f"the backfill {self.backfill_id} of {self.dag_id}"

    @property
    def directories(self) -> list[str]:
        """The directories of its commits in the index."""
        runs = (self.run_id,) if self.run_id is not None else self.run_ids
        found = [f"_sfx/runs/{path_step(self.dag_id)}/{path_step(run_id)}" for run_id in runs]
        return found or [
            f"_sfx/backfills/{path_step(self.dag_id)}/{path_step(str(self.backfill_id))}"
        ]

    def made(self, producer: Producer) -> bool:
        """Return whether a change of this producer belongs to the run or backfill.

        A backfill may repeat a nightly run: only the repetition counts for it.
        """
        if producer.dag_id != self.dag_id:
            return False
        if self.run_id is not None:
            return producer.run_id == self.run_id
        if self.run_ids:
            return producer.run_id in self.run_ids and producer.run_type == "backfill"
        return producer.backfill_id == self.backfill_id


def run_index_entries(
    table: Table, commit: str, producer: Producer, undo: str = ""
) -> list[tuple[str, bytes]]:
    """Return the entries of a commit in the index of its run, its backfill and its undo.

    Args:
        table: The table.
        commit: The commit.
        producer: Who commits.
        undo: The ID that the commits of one undo share, or empty.

    Returns:
        Paths and contents; none outside of a run and an undo.
    """
    directories = [_of_undo(undo)] if undo else []
    if producer.dag_id is not None and producer.run_id is not None:
        directories += Unit(producer.dag_id, producer.run_id).directories
        if producer.backfill_id is not None:
            directories += Unit(producer.dag_id, backfill_id=producer.backfill_id).directories
    if not directories:
        return []
    entry = encode({"table": str(table.ref), "commit": commit}).encode()
    name = f"{short_label(str(table.ref))}~{commit.replace('/', '~')}.json"
    return [(f"{directory}/{name}", entry) for directory in directories]


def short_label(table: str) -> str:
    """Return a table's name for a file name; a long one cut, with a digest.

    Example:
        >>> short_label("sales.sold_items"), len(short_label("sales." + "x" * 200))
        ('sales.sold_items', 93)
    """
    if len(table) <= _LONGEST_NAME:
        return table
    digest = hashlib.sha256(table.encode()).hexdigest()[:32]
    return f"{table[: _LONGEST_NAME // 2]}~{digest}"


def commits_of(store: ObjectStore, unit: Unit) -> dict[TableRef, list[str]]:
    """Return the commits that a run or a backfill made or tried, by table.

    Args:
        store: The warehouse's object store.
        unit: The run or the backfill.

    Returns:
        The commits of each table, in the order in which they began.
    """
    return _commits_in(store, unit.directories)


def commits_of_undo(store: ObjectStore, undo: str) -> dict[TableRef, list[str]]:
    """Return the commits of one undo by table, as `commits_of`."""
    return _commits_in(store, [_of_undo(undo)])


def _of_undo(undo: str) -> str:
    return f"_sfx/undos/{path_step(undo)}"


def _commits_in(store: ObjectStore, directories: Sequence[str]) -> dict[TableRef, list[str]]:
    listed = map_concurrently(
        store.paths,
        directories,
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
