"""Audit: what changed in a table during a time, and what something else did to it. Reads the days in question only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

from airflow_sfx.core.errors import ForeignChange, InconsistentBatch, InvalidName, TableNotFound
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.paths import new_commit_id
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import check_time, decode, decoding
from airflow_sfx.core.validation import named, whole, zoned
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from airflow_sfx.storage.concurrency import MANY, map_concurrently
from airflow_sfx.warehouse.batch.file_listing import COMPARED_AT_MOST, altered
from airflow_sfx.warehouse.integrity.repair import DROP_OR_RENAME
from airflow_sfx.warehouse.log.ledger import CommitRecord, Ledger, made_at
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, suspects
from airflow_sfx.warehouse.log.run_index import Unit, commits_of
from airflow_sfx.warehouse.table.table import Table

_DECISION = ".decision.json"


_ENDING = ".json"


_COMMITS_AT_ONCE, _MOST_COMMITS_AT_ONCE = 4, 64
"""How many commits are read at once first, where few may be enough (one of 10,000 partitions is half a megabyte), and how many
at the most later on."""


_Record = tuple[str, int, str]
"""A change that a commit set out to make: the partition, the entry's number, the commit."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes are asked for; what is None is not asked about.

    Args:
        since: From this time on, with a time zone; kept in UTC.
        until: Before this time, with a time zone; kept in UTC.
        actor: The user.
        dag_id: The DAG.
        run_id: The DAG run.
        limit: How many changes of a table, the newest; None for all.

    Raises:
        InvalidName: A time has no time zone, a name is none, or no number is a limit.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and whole(self.limit, "limit") < 1:
            raise InvalidName(
                f"limit={self.limit} asks for no change: give a number from 1 on, or leave it out"
            )
        for name, text in (("actor", self.actor), ("dag_id", self.dag_id), ("run_id", self.run_id)):
            if text is not None:
                named(text, name)
        for name, value in (("since", self.since), ("until", self.until)):
            if value is not None:
                object.__setattr__(self, name, zoned(value, name))

    def covers(self, day: date) -> bool:
        """Whether changes of a day in UTC can be among those asked for."""
        first = self.since.date() if self.since else date.min
        last = self.until.date() if self.until else date.max
        return first <= day <= last

    def takes(self, at: datetime, producer: Producer) -> bool:
        """Whether a change is among those asked for."""
        asked = (
            (self.actor, producer.user),
            (self.dag_id, producer.dag_id),
            (self.run_id, producer.run_id),
        )
        in_time = (self.since is None or at >= self.since) and (
            self.until is None or at < self.until
        )
        return in_time and all(wanted is None or wanted == found for wanted, found in asked)


def audit_table(
    table: Table,
    ledger: Ledger,
    wanted: AuditFilter,
    *,
    foreign: bool = True,
    files: bool | None = False,
) -> AuditReport:
    """What changed, newest first, and what something else has moved or written and nobody has adopted.

    Args:
        table: The table.
        ledger: Its ledgers.
        wanted: Which changes.
        foreign: Whether to look for what others did, too.
        files: Whether to compare the files of the current batches, too, at two requests a
            partition; None for tables of up to `COMPARED_AT_MOST` partitions.

    Returns:
        The entries that took effect, and what others did that is in no ledger yet.

    Raises:
        InconsistentBatch: An entry is damaged, or was removed.
    """
    if not foreign:
        return AuditReport(str(table.ref), tuple(_changes(table, ledger, wanted)), ())
    with ThreadPoolExecutor(
        1, thread_name_prefix="sfx"
    ) as pool:  # the metastore is asked while storage is read
        others = pool.submit(_foreign, table, ledger, files)
        changes = _changes(table, ledger, wanted)
        found, compared = others.result()
        return AuditReport(str(table.ref), tuple(changes), tuple(found), compared)


def _foreign(table: Table, ledger: Ledger, files: bool | None) -> tuple[list[Foreign], bool]:
    pointers = table.pointers(None if table.info.keys else table.wanted(None))
    suspected = suspects(table, pointers)
    heads = ledger.heads({name: info.sequence for name, info in suspected.items()})
    moved = foreign_changes(table, suspected, heads)
    found = [Foreign(name, info.location, heads[name].batch_id) for name, info in moved.items()]
    compared = files if files is not None else len(pointers) <= COMPARED_AT_MOST
    if compared:
        current = [
            (name, info.batch_id)
            for name, info in pointers.items()
            if info.batch_id and name not in moved
        ]
        found += [
            Foreign(name, pointers[name].location, pointers[name].batch_id, told)
            for name, told in altered(table, current).items()
        ]
    return found + _refused(table), compared


def _refused(table: Table) -> list[Foreign]:
    return [
        Foreign(one.name, one.location, None, refused=f"{one.rule}; {DROP_OR_RENAME}")
        for one in table.metastore.unsupported_partitions(table.ref)
    ]


def audit_unit(store: ObjectStore, metastore: Metastore, unit: Unit) -> list[AuditReport]:
    """What one DAG run, or one backfill, changed, a table at a time; nothing where it changed nothing.

    Args:
        store: The warehouse's storage.
        metastore: Its metastore.
        unit: The run or the backfill.

    Returns:
        The entries that took effect, newest first, of each table; of one that cannot be read, why.
    """
    found = []
    for ref, commits in commits_of(store, unit).items():
        try:
            table = Table.find(ref, store, metastore)
            found.append(
                AuditReport(str(ref), tuple(_of_commits(table, Ledger(table), commits)), ())
            )
        except (TableNotFound, ForeignChange, InconsistentBatch) as error:
            found.append(AuditReport(str(ref), (), (), untold=str(error)))
    return [report for report in found if report.entries or report.untold]


def _of_commits(table: Table, ledger: Ledger, commits: Sequence[str]) -> list[LedgerEntry]:
    members = map_concurrently(ledger.members, commits, table.store.concurrency)
    records = [
        (*change, commit)
        for commit, changes in zip(commits, members, strict=True)
        for change in changes.items()
    ]
    return _in_effect(table, ledger, records)


def _changes(table: Table, ledger: Ledger, wanted: AuditFilter) -> list[LedgerEntry]:
    commits = (
        records
        for at, producer, records in _commits(table, ledger, wanted)
        if wanted.takes(at, producer)
    )
    if wanted.limit is not None:
        return _newest(table, ledger, commits, wanted.limit)
    return _in_effect(table, ledger, [record for records in commits for record in records])


def _newest(
    table: Table, ledger: Ledger, commits: Iterable[list[_Record]], limit: int
) -> list[LedgerEntry]:
    """The newest entries that took effect, of commits from the newest on; no more is read than that takes."""

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
    """The entries that commits set out to make and that took effect, newest first: in each partition as in its ledger."""
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
    """Entries that were not there, and must be now: something shows that their numbers were taken.

    A commit is noted before its entries are written, so that a writer who died in between has left
    a note of entries that never were. But where a commit of several partitions was decided for, all
    of its entries had been written; and numbers have no gaps, and the metastore is told after the
    ledger: what it knows, or what a later entry follows, was written, too. They are looked for
    after that was found out, since their writers may just have come so far.

    Raises:
        InconsistentBatch: One was removed.
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
    """Whether a directory is of a day's commits; another one is nobody's."""
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _is_commit(path: str) -> bool:
    return path.endswith(_ENDING) and not path.endswith(_DECISION)


def _commits(
    table: Table, ledger: Ledger, wanted: AuditFilter
) -> Iterator[tuple[datetime, Producer, list[_Record]]]:
    """What each commit on the days in question set out to change, when and by whom, newest first."""
    store, now = table.store, datetime.now(UTC)
    infos = _noted(table, wanted, now)
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
            yield (
                made_at(at, info, now),
                record.producer,
                [(*one, commit) for one in ledger.changes(record, path)],
            )


def _noted(table: Table, wanted: AuditFilter, now: datetime) -> list[ObjectInfo]:
    """The notes of the commits of the days in question, newest first.

    A writer whose clock is ahead notes its commit at a time, or on a day, that is yet to come: it
    may be of any day until now.
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
    """A partition that something else than this package has made, moved or written, and that is not in the history.

    Args:
        partition: Its name; as Hive writes it (``day=__HIVE_DEFAULT_PARTITION__``) where no batch
            can be there.
        location: Where the metastore has it now, as a URI.
        batch_id: The batch that the history has; None where it has none.
        files: What is amiss with this batch's files, a sentence each; none where the partition was
            made or moved.
        refused: Why no batch can be there, so that loads leave it out: the value, the rule that it
            breaks, and the remedy; empty where one can.
    """

    partition: str
    location: str
    batch_id: str | None
    files: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What changed in a table.

    Args:
        table: The table as ``database.table``.
        entries: The changes that were asked for, newest first.
        foreign: What something else has done that is not in the history, as the metastore has it
            now.
        files: Whether the files of the current batches were compared with what was written.
        untold: Why its changes cannot be told, where several tables were asked about: it is gone,
            or its history is damaged.
    """

    table: str
    entries: tuple[LedgerEntry, ...]
    foreign: tuple[Foreign, ...]
    files: bool = False
    untold: str = ""
