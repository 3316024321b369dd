"""What an undo covers: a DAG run, a backfill, its last attempt, or a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from airflow_sfx.core.errors import (
    BatchNotFound,
    InconsistentBatch,
    InvalidName,
)
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.paths import require_commit_id
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.run_index import Unit, commits_of, commits_of_undo
from airflow_sfx.warehouse.table.not_found import table_not_found
from airflow_sfx.warehouse.table.renamed import tables_named
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.undo.attempts import attempts_of

Attempt = Literal["all", "last"]
"""Which attempts of a run an undo covers."""

_NOT_UNDONE = {
    Operation.FOREIGN_CHANGE,
    Operation.RETIRE,
    Operation.ERASE,
    Operation.DISCARD,
}
"""Changes that bring no batch of their author's, or that must not be reversed."""


@dataclass(frozen=True, slots=True)
class TableCommits:
    """The commits of an undo in one table.

    Args:
        ref: The table, by its present name.
        table: The open table, or None if it no longer exists.
        gone: Why it cannot be opened; empty otherwise.
        records: What the changes of each commit have in common, by its ID; without commits that
            did not take effect.
        damage: Why the log cannot be read, or None.
    """

    ref: TableRef
    table: Table | None = None
    gone: str = ""
    records: Mapping[str, EntryHeader] = field(default_factory=dict)
    damage: InconsistentBatch | None = None

    @classmethod
    def of(cls, table: Table, commits: Sequence[str]) -> TableCommits:
        """Read the log entries of commits."""
        many, log = table.store.concurrency, PartitionLog(table)
        try:
            read = map_concurrently(log.header_of_commit, commits, many)
        except InconsistentBatch as error:
            return cls(table.ref, table, damage=error)
        records = {one: found for one, found in zip(commits, read, strict=True) if found}
        return cls(table.ref, table, records=records)

    @property
    def has_some(self) -> bool:
        """Whether the table has some of the commits, or may have."""
        return bool(self.records) or self.damage is not None

    def and_of(self, other: TableCommits | None) -> TableCommits:
        """Add the commits that the table made under another name."""
        if other is None:
            return self
        records = {**other.records, **self.records}
        return replace(self, records=records, damage=self.damage or other.damage)

    def names(self, commits: Sequence[str] | None = None) -> list[str]:
        """Return the partitions that the commits changed, sorted."""
        assert self.table is not None
        wanted = [one for one in self.records if commits is None or one in commits]
        return sorted({entry.partition for entry in PartitionLog(self.table).of_commits(wanted)})


@dataclass(frozen=True, slots=True)
class Scope:
    """The changes that an undo covers.

    Args:
        name: What they are, for messages: ``the run r1 of nightly``.
        tables: The commits in each table.
        unit: The run or the backfill, or None for a commit.
        only: The commits, or None for all of the unit.
        attempts: How many attempts the unit has made.
    """

    name: str
    tables: Sequence[TableCommits]
    unit: Unit | None = None
    only: frozenset[str] | None = None
    attempts: int = 1

    def __str__(self) -> str:
        return self.name

    def made(self, entry: LogEntry) -> bool:
        """Return whether an entry is one of the changes, and can be undone."""
        return (
            entry.operation not in _NOT_UNDONE
            and (self.unit is None or self.unit.made(entry.producer))
            and (self.only is None or entry.commit in self.only)
        )

    def names(self, one: TableCommits) -> list[str]:
        """Return the partitions of a table that the changes are of."""
        return one.names(None if self.only is None else sorted(self.only))


def scope_of_unit(
    store: ObjectStore, metastore: Metastore, unit: Unit, attempt: Attempt = "all"
) -> Scope:
    """Find the changes of a DAG run or a backfill.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        unit: The run or the backfill.
        attempt: Whether to cover all attempts, or the last one alone.

    Returns:
        The changes.

    Raises:
        BatchNotFound: The unit changed nothing in this warehouse.
        InvalidName: The attempt is neither ``all`` nor ``last``.
        InconsistentBatch: The last attempt cannot be found, as a record is damaged.
    """
    if not isinstance(attempt, str) or attempt not in ("all", "last"):
        raise InvalidName(
            f"attempt={attempt!r:.80} is neither 'all' nor 'last': pass 'last' to undo only what"
            " the last attempt of a run changed"
        )
    commits = commits_of(store, unit)
    if not commits:
        raise BatchNotFound(
            f"{unit} has changed nothing in {store.uri}: check both names; `sfx history` shows"
            " which run wrote a batch"
        )
    tables = _tables_of(commits, store, metastore)
    attempts = _attempts(tables)
    if attempt == "all":
        return Scope(str(unit), tables, unit, attempts=max(1, len(attempts)))
    for one in tables:
        if one.damage is not None:
            raise one.damage
    last = frozenset(attempts[0]) if attempts else frozenset()
    return Scope(
        f"the last attempt of {unit}",
        [one for one in tables if last & one.records.keys()],
        unit,
        last,
        len(attempts),
    )


def _tables_of(
    commits: Mapping[TableRef, Sequence[str]], store: ObjectStore, metastore: Metastore
) -> list[TableCommits]:
    """Open the tables that made commits, which may have other names now, each once."""
    found: dict[str, TableCommits] = {}
    for ref, ids in commits.items():
        try:
            tables, missing = tables_named(ref, store, metastore)
        except InconsistentBatch as error:  # a record of the name is damaged
            found[str(ref)] = TableCommits(ref, damage=error)
            continue
        parts = [TableCommits.of(table, ids) for table in tables]
        holding = [one for one in parts if one.has_some]
        if not holding:  # the records were removed
            holding = parts[:1] or [TableCommits(ref, gone=str(missing))]
        for one in holding:
            place = one.table.location if one.table else str(ref)
            found[place] = one.and_of(found.get(place))
    return [_unless_dropped(one, store, metastore) for one in found.values()]


def _unless_dropped(one: TableCommits, store: ObjectStore, metastore: Metastore) -> TableCommits:
    if one.table is None or not one.table.is_dropped:
        return one
    return TableCommits(one.ref, gone=str(table_not_found(one.ref, store, metastore)))


def _attempts(tables: Sequence[TableCommits]) -> list[list[str]]:
    """Return the commits of each attempt, newest attempt first."""
    return attempts_of(
        (commit, header.producer) for one in tables for commit, header in one.records.items()
    )


def scope_of_commit(store: ObjectStore, metastore: Metastore, ref: TableRef, commit: str) -> Scope:
    """Find the changes of one commit; of an undo, those in all of its tables.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        ref: The table.
        commit: The commit.

    Returns:
        The changes.

    Raises:
        TableNotFound: The table does not exist.
        BatchNotFound: The table has no such commit.
        InvalidName: It is not the ID of a commit, or its changes cannot be undone.
    """
    require_commit_id(commit)
    table = Table.find(ref, store, metastore)
    record = PartitionLog(table).header_of_commit(commit)
    if record is None:
        raise BatchNotFound(
            f"{ref} has no commit {commit}: `sfx audit {ref}` lists its commits", table=str(ref)
        )
    if record.operation in _NOT_UNDONE:
        raise InvalidName(
            f"the commit {commit} of {ref} is of the kind {record.operation.value!r}, which cannot"
            " be undone: roll back to a batch that still exists with `sfx rollback DB.TABLE"
            " PARTITION --to BATCH`"
        )
    if not record.undo:
        tables = [TableCommits(ref, table, records={commit: record})]
        return Scope(f"the commit {commit} of {ref}", tables, only=frozenset([commit]))
    commits = commits_of_undo(store, record.undo)
    tables = _tables_of(commits, store, metastore)
    only = frozenset(one for ids in commits.values() for one in ids)
    return Scope(f"the undo of {record.at:%Y-%m-%d %H:%M:%S}", tables, only=only)
