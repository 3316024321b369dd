"""Audit: a table's changes in a period, and changes made by other engines.

Only the commits of the days in question are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice

from airflow_sfx.core.ledger import LedgerEntry, Operation
from airflow_sfx.core.paths import new_commit_id
from airflow_sfx.core.serde import check_time, decode, decoding
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.concurrency import MANY, map_concurrently
from airflow_sfx.warehouse.batch.file_listing import COMPARED_AT_MOST, changed_files
from airflow_sfx.warehouse.history.audit_filter import AuditFilter
from airflow_sfx.warehouse.history.commits import PlannedCommit, TableCommit, chunks
from airflow_sfx.warehouse.integrity.remedies import DROP_OR_RENAME, of_files, of_moved
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, suspects
from airflow_sfx.warehouse.log.records import CommitRecord, Head, made_at
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table

_DECISION = ".decision.json"
_ENDING = ".json"

_COMMITS_AT_ONCE, _MOST_COMMITS_AT_ONCE = 4, 64
"""How many commits are read at once, first and at most.

Few may be enough, and a commit of 10,000 partitions is half a megabyte.
"""

_Record = tuple[str, int, str]
"""A change that a commit planned: partition name, entry number and commit ID."""


def audit_table(
    table: Table,
    ledger: Ledger,
    wanted: AuditFilter,
    *,
    foreign: bool = True,
    files: bool | None = False,
    by_commit: bool = False,
) -> AuditReport:
    """List a table's changes, and changes by other engines that are not in its log.

    Args:
        table: The table.
        ledger: The table's log.
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
        return _report(table, ledger, wanted, by_commit=by_commit)
    # The metastore is read in parallel with the object store.
    with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
        others = pool.submit(changes_by_others, table, ledger, files)
        report = _report(table, ledger, wanted, by_commit=by_commit)
        found, compared = others.result()
        return replace(report, foreign=tuple(found), files=compared)


def _report(table: Table, ledger: Ledger, wanted: AuditFilter, *, by_commit: bool) -> AuditReport:
    if by_commit:
        commits = tuple(_list_commits(table, ledger, wanted))
        return AuditReport(str(table.ref), (), (), commits=commits)
    return AuditReport(str(table.ref), tuple(_changes(table, ledger, wanted)), ())


def _list_commits(table: Table, ledger: Ledger, wanted: AuditFilter) -> list[TableCommit]:
    """Return the selected commits that took effect, newest first."""
    selected = (one for one in _commits(table, ledger, wanted) if wanted.selects(one))
    found: list[TableCommit] = []
    at_once = _MOST_COMMITS_AT_ONCE if wanted.limit is None else _COMMITS_AT_ONCE
    for some in chunks(selected, at_once, _MOST_COMMITS_AT_ONCE):
        found += _in_effect_by_commit(table, ledger, some)
        if wanted.limit is not None and len(found) >= wanted.limit:
            break
    return found[: wanted.limit]


def _in_effect_by_commit(
    table: Table, ledger: Ledger, some: Sequence[PlannedCommit]
) -> list[TableCommit]:
    # The record of a commit lacks which batches a discard ended.
    read = [one for one in some if len(one.changes) == 1 or _discards(one)]
    entries_of: dict[str, list[LedgerEntry]] = {}
    for entry in _in_effect(table, ledger, [change for one in read for change in one.changes]):
        entries_of.setdefault(entry.commit, []).append(entry)

    def took_effect(one: PlannedCommit) -> bool:
        if len(one.changes) == 1:
            return one.commit in entries_of
        return bool(ledger.took_effect(one.commit))

    effects = map_concurrently(took_effect, some, table.store.concurrency)
    listed = [_described(table, one) for one, effect in zip(some, effects, strict=True) if effect]
    return [one.with_entries(entries_of.get(one.commit, ())) for one in listed]


def _discards(one: PlannedCommit) -> bool:
    return one.record.operation == Operation.DISCARD


def _described(table: Table, one: PlannedCommit) -> TableCommit:
    with decoding(table.layout.commit(one.commit)):
        return TableCommit.of(str(table.ref), one.commit, one.at, one.record)


def audit_commit(table: Table, commit: str) -> AuditReport:
    """List the entries of one commit.

    Args:
        table: The table.
        commit: The commit.

    Returns:
        The entries that took effect, by partition.
    """
    entries = entries_of(table, Ledger(table), [commit])
    return AuditReport(
        str(table.ref), tuple(sorted(entries, key=lambda entry: entry.partition)), ()
    )


def changes_by_others(
    table: Table, ledger: Ledger, files: bool | None
) -> tuple[list[Foreign], bool]:
    """Return the changes by other engines that are not in a table's log.

    Args:
        table: The table.
        ledger: The table's log.
        files: Whether to compare files too, as for `audit_table`.

    Returns:
        The changes, and whether files were compared.
    """
    pointers = table.pointers(None if table.info.keys else table.wanted(None))
    suspected = suspects(table, pointers)
    heads = ledger.heads({name: info.sequence for name, info in suspected.items()})
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
        found += _changed(table, ledger, pointers, current)
    return found + _refused(table), compared


def _changed(
    table: Table,
    ledger: Ledger,
    pointers: Mapping[str, PartitionInfo],
    batches: Iterable[tuple[str, str]],
) -> list[Foreign]:
    """Return the batches whose files differ from their manifests."""
    changed = changed_files(table, batches)
    heads = ledger.heads({name: pointers[name].sequence for name in changed})
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


def entries_of(table: Table, ledger: Ledger, commits: Sequence[str]) -> list[LedgerEntry]:
    """Return the entries of commits that took effect, newest first."""
    members = map_concurrently(ledger.members, commits, table.store.concurrency)
    records = [
        (*change, commit)
        for commit, changes in zip(commits, members, strict=True)
        for change in changes.items()
    ]
    return _in_effect(table, ledger, records)


def _changes(table: Table, ledger: Ledger, wanted: AuditFilter) -> list[LedgerEntry]:
    commits = (one.changes for one in _commits(table, ledger, wanted) if wanted.selects(one))
    if wanted.limit is not None:
        return _newest(table, ledger, commits, wanted.limit)
    return _in_effect(table, ledger, [record for records in commits for record in records])


def _newest(
    table: Table, ledger: Ledger, commits: Iterable[Sequence[_Record]], limit: int
) -> list[LedgerEntry]:
    """Return the newest entries that took effect, reading no more than needed."""

    def ordered() -> Iterator[_Record]:
        for records in commits:
            if len(records) < MANY or ledger.took_effect(records[0][2]):
                yield from sorted(records, reverse=True)

    found: list[LedgerEntry] = []
    records = ordered()
    while len(found) < limit and (
        some := list(islice(records, min(limit, sys.maxsize) - len(found)))
    ):
        found += _in_effect(table, ledger, some)
    return found


def _in_effect(table: Table, ledger: Ledger, records: Sequence[_Record]) -> list[LedgerEntry]:
    """Return the planned entries that took effect, newest first."""
    threads = table.store.concurrency
    names: dict[str, set[str]] = {}
    for name, _, commit in records:
        names.setdefault(commit, set()).add(name)
    large = [commit for commit, some in names.items() if len(some) >= MANY]
    groups = dict(
        zip(
            large,
            map_concurrently(lambda commit: ledger.group(commit, names[commit]), large, threads),
            strict=True,
        )
    )

    def entry_of(record: _Record) -> LedgerEntry | None:
        name, sequence, commit = record
        return groups.get(commit, {}).get((name, sequence)) or ledger.read(name, sequence)

    alone = len(records) - sum(map(len, groups.values()))
    read = zip(
        records, map_concurrently(entry_of, records, threads if alone > 0 else 1), strict=True
    )
    entries = {record: entry for record, entry in read if entry is not None}
    entries |= _written_since(
        table, ledger, [record for record in records if record not in entries]
    )
    found = [
        entry
        for (_, _, commit), entry in entries.items()
        if entry.commit == commit and ledger.in_effect(entry)
    ]
    return sorted(found, key=lambda entry: (entry.commit, entry.partition), reverse=True)


def _written_since(
    table: Table, ledger: Ledger, absent: Sequence[_Record]
) -> dict[_Record, LedgerEntry]:
    """Return entries that were absent and must exist now, as their numbers are taken.

    A commit's record is written before its log entries, so a writer that died in between leaves a
    record of entries that never existed. But all entries of a decided commit of several partitions
    had been written; numbers have no gaps; and the metastore follows the log. So an entry exists if
    its commit took effect, if the metastore has its number, or if a later entry follows. They are
    read again after that was checked, as their writers may just have finished.

    Raises:
        InconsistentBatch: An entry was removed.
    """
    if not absent:
        return {}
    decided = {commit: ledger.took_effect(commit) for commit in {commit for _, _, commit in absent}}
    alone = [record for record in absent if decided[record[2]] is None]
    known = (
        table.pointers([table.layout.partition(name) for name in {name for name, _, _ in alone}])
        if alone
        else {}
    )

    def was_written(record: _Record) -> bool:
        name, sequence, commit = record
        if (effect := decided[commit]) is not None:
            return effect
        return (name in known and known[name].sequence >= sequence) or bool(
            ledger.continued({name: sequence})
        )

    taken = map_concurrently(was_written, absent, table.store.concurrency)
    due = [record for record, is_taken in zip(absent, taken, strict=True) if is_taken]
    return {record: ledger.named(*record[:2]) for record in due}


def _is_day(name: str) -> bool:
    """Return whether a directory's name is a day."""
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _is_commit(path: str) -> bool:
    return path.endswith(_ENDING) and not path.endswith(_DECISION)


def _commits(table: Table, ledger: Ledger, wanted: AuditFilter) -> Iterator[PlannedCommit]:
    """Yield the commits of the selected days, newest first."""
    store, now = table.store, datetime.now(UTC)
    infos = _records(table, wanted, now)
    at_once = len(infos) if wanted.limit is None else _COMMITS_AT_ONCE
    while infos:
        some, infos = infos[:at_once], infos[at_once:]
        at_once = min(4 * at_once, _MOST_COMMITS_AT_ONCE)
        for info, data in zip(
            some,
            map_concurrently(lambda one: store.get(one.path), some, store.concurrency),
            strict=True,
        ):
            path = info.path
            record = decode(data, CommitRecord, path)
            commit = path.removeprefix(f"{table.layout.commits}/").removesuffix(_ENDING)
            with decoding(path):
                at = check_time(record.at, "at")
            changes = [(*one, commit) for one in ledger.changes(record, path)]
            yield PlannedCommit(commit, made_at(at, info, now), record, changes)


def _records(table: Table, wanted: AuditFilter, now: datetime) -> list[ObjectInfo]:
    """List the records of the commits of the selected days, newest first.

    A writer whose clock is ahead records its commit in the future; it may be of any day until now.
    """
    store, directory = table.store, table.layout.commits
    there = filter(_is_day, store.list_directories(directory))
    days = {day: wanted.covers(date.fromisoformat(day)) for day in there}
    due = [day for day, covered in days.items() if covered or date.fromisoformat(day) >= now.date()]
    listed = map_concurrently(
        lambda day: list(store.list(f"{directory}/{day}")), due, store.concurrency
    )
    to_come = table.layout.commit(new_commit_id(now, ""))
    found = [
        info
        for day, infos in zip(due, listed, strict=True)
        for info in infos
        if _is_commit(info.path) and (days[day] or info.path > to_come)
    ]
    return sorted(found, key=lambda info: info.path, reverse=True)


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
    entries: tuple[LedgerEntry, ...]
    foreign: tuple[Foreign, ...]
    files: bool = False
    unreadable: str = ""
    commits: tuple[TableCommit, ...] = ()

    def table_rows(self) -> Sequence[object]:
        """Return the changes, or the commits."""
        return self.entries or self.commits
