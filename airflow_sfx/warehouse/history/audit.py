"""Audit: a table's changes in a period, and changes made by other engines.

Only the log entries of the period are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.file_listing import COMPARED_AT_MOST, changed_files
from airflow_sfx.warehouse.history.audit_filter import AuditFilter
from airflow_sfx.warehouse.history.commits import TableCommit
from airflow_sfx.warehouse.history.history import first
from airflow_sfx.warehouse.integrity.remedies import DROP_OR_RENAME, of_files, of_moved
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, suspects
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table

_AT_ONCE, _MOST_AT_ONCE = 4, 64
"""How many entries are read at once, first and at most, if few may be enough."""


def audit_table(
    table: Table,
    log: PartitionLog,
    wanted: AuditFilter,
    *,
    foreign: bool = True,
    files: bool | None = False,
    by_commit: bool = False,
) -> AuditReport:
    """List a table's changes, and changes by other engines that are not in its log.

    Args:
        table: The table.
        log: The table's log.
        wanted: The selection.
        foreign: Whether to look for changes by other engines too.
        files: Whether to compare the files of current batches too, with two requests for each
            partition, or None to do so for tables of up to `COMPARED_AT_MOST` partitions.
        by_commit: Whether to list the commits instead of their entries.

    Returns:
        The entries that took effect, and the changes by other engines that are not in the log.

    Raises:
        InconsistentBatch: A log entry is damaged or missing.
    """
    if not foreign:
        return _report(table, log, wanted, by_commit=by_commit)
    # The metastore is read in parallel with the object store.
    with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
        others = pool.submit(changes_by_others, table, log, files)
        report = _report(table, log, wanted, by_commit=by_commit)
        found, compared = others.result()
        return replace(report, foreign=tuple(found), files=compared)


def _report(
    table: Table, log: PartitionLog, wanted: AuditFilter, *, by_commit: bool
) -> AuditReport:
    if by_commit:
        commits = tuple(_list_commits(table, log, wanted))
        return AuditReport(str(table.ref), (), (), commits=commits)
    found = (entry for _, _, entries in _selected(log, wanted) for entry in entries)
    return AuditReport(str(table.ref), tuple(first(found, wanted.limit)), ())


def _list_commits(table: Table, log: PartitionLog, wanted: AuditFilter) -> list[TableCommit]:
    """Return the selected commits, newest first."""
    return [
        TableCommit.of(str(table.ref), at, header, changes)
        for at, header, changes in first(_selected(log, wanted), wanted.limit)
    ]


def _selected(
    log: PartitionLog, wanted: AuditFilter
) -> Iterator[tuple[datetime, EntryHeader, list[LogEntry]]]:
    """Yield the selected commits with their times and changes, newest first."""
    for at, header in _headers(log, wanted):
        if wanted.selects(header, at) and header.partitions:
            yield at, header, log.changes(header.version)[::-1]


def _headers(log: PartitionLog, wanted: AuditFilter) -> Iterator[tuple[datetime, EntryHeader]]:
    """Yield the entries of the selected time with their times, newest first."""
    now = datetime.now(UTC)
    last = log.look().version
    if wanted.until is not None:
        last = log.version_at(wanted.until - timedelta(microseconds=1))
    at_once = _MOST_AT_ONCE if wanted.limit is None else _AT_ONCE
    while last > 0:
        for header in log.headers(range(last, max(0, last - at_once), -1)):
            at = log.made_at(header, now)
            if wanted.since is not None and at < wanted.since:
                return
            yield at, header
        last, at_once = last - at_once, min(4 * at_once, _MOST_AT_ONCE)


def audit_commit(table: Table, commit: str) -> AuditReport:
    """List the entries of one commit.

    Args:
        table: The table.
        commit: The commit.

    Returns:
        The entries that took effect, by partition.
    """
    return AuditReport(str(table.ref), tuple(PartitionLog(table).of_commit(commit)), ())


def changes_by_others(
    table: Table, log: PartitionLog, files: bool | None
) -> tuple[list[Foreign], bool]:
    """Return the changes by other engines that are not in a table's log.

    Args:
        table: The table.
        log: The table's log.
        files: Whether to compare files too, as for `audit_table`.

    Returns:
        The changes, and whether files were compared.
    """
    pointers = table.pointers(None if table.info.keys else table.wanted(None))
    suspected = suspects(table, pointers)
    heads = log.heads_at(log.look_beside(pointers.values()), suspected)
    moved = foreign_changes(table, suspected, heads)
    found = [
        Foreign(name, info.location, heads[name].batch_id, remedy=of_moved(table.ref, name))
        for name, info in moved.items()
    ]
    compared = files if files is not None else len(pointers) <= COMPARED_AT_MOST
    if compared:
        current = [
            (name, info.batch_id)
            for name, info in pointers.items()
            if info.batch_id and name not in moved
        ]
        found += _changed(table, log, pointers, current)
    return found + _refused(table), compared


def _changed(
    table: Table,
    log: PartitionLog,
    pointers: Mapping[str, PartitionInfo],
    batches: Iterable[tuple[str, str]],
) -> list[Foreign]:
    """Return the batches whose files differ from their manifests."""
    changed = changed_files(table, batches)
    heads = log.heads(changed)
    return [
        Foreign(
            name,
            pointers[name].location,
            pointers[name].batch_id,
            tuple(map(str, problems)),
            remedy=of_files(table.ref, name, problems, _before(heads[name])),
        )
        for name, problems in changed.items()
    ]


def _before(head: Head) -> str | None:
    return head.entry.previous if head.entry else None


def _refused(table: Table) -> list[Foreign]:
    return [
        Foreign(
            one.name,
            one.location,
            None,
            refused=f"{one.rule}; {DROP_OR_RENAME}",
            remedy=DROP_OR_RENAME,
        )
        for one in table.metastore.unsupported_partitions(table.ref)
    ]


def entries_of(log: PartitionLog, commits: Sequence[str]) -> list[LogEntry]:
    """Return the entries of commits that took effect, newest first."""
    found = log.of_commits(commits)
    return sorted(found, key=lambda entry: (entry.version, entry.partition), reverse=True)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A partition that another engine created, moved or wrote, not in the history.

    Args:
        partition: The partition's name, as Hive writes it (``day=__HIVE_DEFAULT_PARTITION__``) if
            its values are not supported.
        location: The URI that the metastore points at.
        batch_id: The batch that is current in the history, or None.
        files: What is wrong with this batch's files, one sentence each; empty if the partition was
            created or moved.
        refused: Why loads leave the partition out: the value, the rule that it breaks, and the
            remedy. Empty if its values are supported.
        remedy: What to do, with the commands that do it.
    """

    partition: str
    location: str
    batch_id: str | None
    files: tuple[str, ...] = ()
    refused: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport(Tabular):
    """The changes of a table.

    Args:
        table: The table as ``database.table``.
        entries: The selected changes, newest first.
        foreign: The changes by other engines that are not in the history.
        files: Whether the files of current batches were compared with their manifests.
        commits: The selected commits instead of the entries, if those were asked for.
        unreadable: Why the changes cannot be listed: the table no longer exists, or its history is
            damaged. Only if several tables were read; otherwise empty.
    """

    table: str
    entries: tuple[LogEntry, ...]
    foreign: tuple[Foreign, ...]
    files: bool = False
    unreadable: str = ""
    commits: tuple[TableCommit, ...] = ()

    def table_rows(self) -> Sequence[object]:
        """Return the changes, or the commits."""
        return self.entries or self.commits
