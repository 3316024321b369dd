"""A look at one table: whether the events of its night still need attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.ledger import Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import require_commit_id
from airflow_sfx.core.serde import decoding
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import staged_batches
from airflow_sfx.warehouse.log.event_index import STAGE, Event, EventRecord, read_event
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import CommitRecord, PartitionChange, read_commit
from airflow_sfx.warehouse.night.report import Concern, NightItem
from airflow_sfx.warehouse.quality.band import Band
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.words import counted, number

_MANY = 1000
"""From how many partitions on the pointers of the whole table are read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that may need attention.

    Args:
        event: The event.
        band: The usual rows of a publish; None for other events.
    """

    event: Event
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A candidate with what its objects hold."""

    candidate: Candidate
    record: EventRecord
    commit: CommitRecord | None

    @property
    def names(self) -> list[str]:
        """The partitions that it is of."""
        if self.commit is not None:
            return [change.partition for change in self.commit.changes]
        return list(self.record.batches or {})


def look_at(table: Table, candidates: Sequence[Candidate]) -> list[NightItem]:
    """Return those of the candidates that still need attention.

    Args:
        table: The table.
        candidates: Events of the table's night.

    Returns:
        The items. An event whose batches were replaced, published or rolled back since has none.

    Raises:
        InconsistentBatch: A record is damaged.
    """

    def read(candidate: Candidate) -> _Seen:
        record = read_event(table.store, candidate.event)
        with decoding(candidate.event.path):
            for name, batch_id in (record.batches or {}).items():
                table.layout.partition(name)
                check_batch_id(batch_id)
            path = table.layout.commit(require_commit_id(record.commit)) if record.commit else ""
        commit = read_commit(table, record.commit) if record.commit else None
        if commit is not None:
            Ledger(table).changes(commit, path)  # checks the partitions' names
        return _Seen(candidate, record, commit)

    seen = map_concurrently(read, candidates, table.store.concurrency)
    names = {name for one in seen for name in one.names}
    wanted = [table.layout.partition(name) for name in names] if len(names) < _MANY else None
    pointers = table.pointers(wanted)
    items = [item for one in seen for item in _of_commit(table, one, pointers)]
    staged = {(name, batch) for one in seen for name, batch in (one.record.batches or {}).items()}
    return items + (_of_staged(table, staged, pointers) if staged else [])


def _of_commit(table: Table, one: _Seen, pointers: Mapping[str, PartitionInfo]) -> list[NightItem]:
    commit, event = one.commit, one.candidate.event
    if commit is None or event.kind == STAGE:
        return []
    current = [
        change
        for change in commit.changes
        if (pointer := pointers.get(change.partition)) is not None
        and pointer.batch_id == change.batch_id
    ]

    def item(concern: Concern, changes: Sequence[PartitionChange], detail: str) -> list[NightItem]:
        if not changes:
            return []
        first = changes[0] if len(changes) == 1 else None
        return [
            NightItem(
                concern,
                str(table.ref),
                first.partition if first else None,
                len(changes),
                first.batch_id if first else None,
                one.record.commit,
                event.at,
                commit.producer,
                detail,
            )
        ]

    if event.kind == Operation.FOREIGN_CHANGE.value:
        by_others = "another engine changed it; the change is in the history"
        return item(Concern.FOREIGN_CHANGE, current, by_others)
    if event.kind == Operation.ROLLBACK.value:
        return item(Concern.ROLLED_BACK, [one for one in current if _is_back(one)], commit.reason)
    return _of_rows(one, current, item)


def _is_back(change: PartitionChange) -> bool:
    """Return whether a rollback went to an earlier batch, and did not undo a rollback."""
    if change.batch_id is None:
        return True
    return change.previous is not None and change.batch_id < change.previous


def _of_rows(
    one: _Seen,
    current: Sequence[PartitionChange],
    item: Callable[[Concern, Sequence[PartitionChange], str], list[NightItem]],
) -> list[NightItem]:
    """Return items for batches that are smaller or larger than usual."""
    band, event = one.candidate.band, one.candidate.event
    if band is None:
        return []
    alone = event.least if event.partitions == 1 else None
    rows = [(change, alone if change.rows is None else change.rows) for change in current]
    small = [(change, count) for change, count in rows if count is not None and count < band.low]
    large = [(change, count) for change, count in rows if count is not None and count > band.high]
    usual = f"usually {number(max(0, round(band.low)))} to {number(round(band.high))}"
    return [
        found
        for concern, some in ((Concern.SMALL, small), (Concern.LARGE, large))
        for found in item(
            concern,
            [change for change, _ in some],
            f"{_span([count for _, count in some])}, {usual}" if some else "",
        )
    ]


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return counted(low, "row") if low == high else f"{number(low)} to {counted(high, 'row')}"


def _of_staged(
    table: Table, batches: set[tuple[str, str]], pointers: Mapping[str, PartitionInfo]
) -> list[NightItem]:
    """Return one item for each staged batch that waits, with the check that failed."""
    names = {name for name, _ in batches}
    waiting = [
        (name, batch)
        for pin in staged_batches(table, Ledger(table), pointers, names).waiting
        for name, batch in pin.entries
        if (name, batch) in batches
    ]
    return [_staged(table, one) for one in _manifests(table, waiting)]


def _manifests(table: Table, batches: Sequence[tuple[str, str]]) -> list[Manifest]:
    return map_concurrently(lambda item: table.manifest(*item), batches, table.store.concurrency)


def _staged(table: Table, one: Manifest) -> NightItem:
    failed = [check for check in one.checks if check.blocks]
    return NightItem(
        Concern.REFUSED if failed else Concern.STAGED,
        str(table.ref),
        one.partition,
        1,
        one.batch_id,
        "",
        one.created_at,
        one.producer,
        "; ".join(f"{check.name}: {check.detail}" for check in failed)
        or f"{counted(one.rows, 'row')}, not published",
    )
