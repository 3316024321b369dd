"""A look at one table: whether the events of its night still need attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import require_commit_id
from airflow_sfx.core.serde import decoding
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import staged_batches
from airflow_sfx.warehouse.log.event_index import STAGE, EventRecord, read_event
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.night.candidates import Candidate
from airflow_sfx.warehouse.night.figures import Judgement, in_one_sentence, judged
from airflow_sfx.warehouse.night.report import Concern, NightItem
from airflow_sfx.warehouse.quality.series import Batch
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.words import counted, number

_MANY = 1000
"""From how many partitions on the pointers of the whole table are read."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A candidate with what its objects hold."""

    candidate: Candidate
    record: EventRecord
    header: EntryHeader | None
    changes: Sequence[LogEntry]

    @property
    def names(self) -> list[str]:
        """The partitions that it is of."""
        return [change.partition for change in self.changes] or list(self.record.batches or {})


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
    log = PartitionLog(table)

    def read(candidate: Candidate) -> _Seen:
        record = read_event(table.store, candidate.event)
        with decoding(candidate.event.path):
            for name, batch_id in (record.batches or {}).items():
                table.layout.partition(name)
                check_batch_id(batch_id)
            commit = require_commit_id(record.commit) if record.commit else None
        header = log.header_of_commit(commit) if commit else None
        changes = log.changes(header.version) if header else ()
        return _Seen(candidate, record, header, changes)

    seen = map_concurrently(read, candidates, table.store.concurrency)
    names = {name for one in seen for name in one.names}
    wanted = [table.layout.partition(name) for name in names] if len(names) < _MANY else None
    pointers = table.pointers(wanted)
    due = {
        change.partition
        for one in seen
        if one.candidate.judged
        for change in _current(one, pointers)
    }
    judgements = judged(table, due)
    items = [item for one in seen for item in _of_commit(table, one, pointers, judgements)]
    staged = [one for one in seen if one.record.batches]
    return items + (_of_staged(table, staged, pointers) if staged else [])


def _current(one: _Seen, pointers: Mapping[str, PartitionInfo]) -> list[LogEntry]:
    """Return the changes of a candidate's commit that are still so."""
    return [
        change
        for change in one.changes
        if (pointer := pointers.get(change.partition)) is not None
        and pointer.batch_id == change.batch_id
    ]


def _of_commit(
    table: Table,
    one: _Seen,
    pointers: Mapping[str, PartitionInfo],
    judgements: Mapping[Batch, Judgement],
) -> list[NightItem]:
    commit, event = one.header, one.candidate.event
    if commit is None or event.kind == STAGE:
        return []
    current = _current(one, pointers)

    def item(concern: Concern, changes: Sequence[LogEntry], detail: str) -> list[NightItem]:
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
                undo=commit.undo,
            )
        ]

    if event.kind == Operation.FOREIGN_CHANGE.value:
        by_others = "another engine changed it; the change is in the history"
        return item(Concern.FOREIGN_CHANGE, current, by_others)
    if event.kind == Operation.ROLLBACK.value:
        return item(Concern.ROLLED_BACK, [one for one in current if _is_back(one)], commit.reason)
    return _of_publish(one.candidate, current, judgements, item)


def _is_back(change: LogEntry) -> bool:
    """Return whether a rollback went to an earlier batch, and did not undo a rollback."""
    if change.batch_id is None:
        return True
    return change.previous is not None and change.batch_id < change.previous


_ItemOf = Callable[[Concern, Sequence[LogEntry], str], list[NightItem]]


def _of_publish(
    candidate: Candidate,
    current: Sequence[LogEntry],
    judgements: Mapping[Batch, Judgement],
    item: _ItemOf,
) -> list[NightItem]:
    """Return items for batches with unusual rows, unusual values or failed checks."""
    none = Judgement()
    found = [
        (change, judgements.get((change.partition, change.batch_id or ""), none))
        for change in current
    ]
    rows = {
        change.partition: unusual
        for change, one in found
        if (unusual := _unusual_rows(candidate, change, one)) is not None
    }

    def of(concern: Concern, texts: Mapping[str, str]) -> list[NightItem]:
        changes = [change for change in current if change.partition in texts]
        return item(concern, changes, in_one_sentence(list(texts.items())))

    columns = {
        change.partition: "; ".join(anomaly.text for anomaly in one.columns)
        for change, one in found
        if one.columns and change.partition not in rows  # whose figures follow from its rows
    }
    warned = {
        change.partition: "; ".join(f"{check.name}: {check.detail}" for check in one.warned)
        for change, one in found
        if one.warned
    }
    return [
        *of(Concern.UNUSUAL, columns),
        *_of_rows(Concern.SMALL, current, rows, item),
        *_of_rows(Concern.LARGE, current, rows, item),
        *of(Concern.WARNED, warned),
    ]


_Unusual = tuple[Concern, int, float, float]
"""Whether rows are too few or too many, the rows, and the least and the most usual ones."""


def _unusual_rows(candidate: Candidate, change: LogEntry, judgement: Judgement) -> _Unusual | None:
    """Return whether a batch's rows are outside of their band: by the day of its partition, if any.

    Other partitions, and the first ones, are compared with the table's commits before.
    """
    band = None if judgement.decides else candidate.band
    rows = change.rows
    if band is not None and not band.holds(rows):
        return Concern.SMALL if rows < band.low else Concern.LARGE, rows, band.low, band.high
    one = judgement.rows
    if one is None:
        return None
    concern = Concern.SMALL if one.value < one.low else Concern.LARGE
    return concern, round(one.value), one.low, one.high


def _of_rows(
    concern: Concern,
    current: Sequence[LogEntry],
    rows: Mapping[str, _Unusual],
    item: _ItemOf,
) -> list[NightItem]:
    """Return the item for the batches of a commit that are smaller, or larger, than usual."""
    changes = [one for one in current if rows.get(one.partition, ("",))[0] is concern]
    if not changes:
        return []
    some = [rows[one.partition] for one in changes]
    low, high = min(one[2] for one in some), max(one[3] for one in some)
    usual = f"usually {number(max(0, round(low)))} to {number(round(high))}"
    return item(concern, changes, f"{_span([one[1] for one in some])}, {usual}")


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return counted(low, "row") if low == high else f"{number(low)} to {counted(high, 'row')}"


def _of_staged(
    table: Table, seen: Sequence[_Seen], pointers: Mapping[str, PartitionInfo]
) -> list[NightItem]:
    """Return an item for the batches of a call that wait, and one for those with failed checks."""
    names = {name for one in seen for name in one.record.batches or {}}
    waiting = {
        entry
        for pin in staged_batches(table, PartitionLog(table), names).waiting
        for entry in pin.entries
    }
    due = [
        (one, entry)
        for one in seen
        for entry in sorted((one.record.batches or {}).items())
        if entry in waiting
    ]
    manifests = map_concurrently(
        lambda item: table.manifest(*item[1]), due, table.store.concurrency
    )
    calls: dict[tuple[str, Concern], list[Manifest]] = {}
    for (one, _), manifest in zip(due, manifests, strict=True):
        concern = Concern.REFUSED if _blocking(manifest) else Concern.STAGED
        calls.setdefault((one.candidate.event.path, concern), []).append(manifest)
    return [_staged(table, concern, some) for (_, concern), some in calls.items()]


def _blocking(one: Manifest) -> str:
    """Return what the failed checks say that keep a batch from being published."""
    return "; ".join(f"{check.name}: {check.detail}" for check in one.checks if check.blocks)


def _staged(table: Table, concern: Concern, some: Sequence[Manifest]) -> NightItem:
    first = some[0]
    if concern is Concern.REFUSED:
        detail = in_one_sentence([(one.partition, _blocking(one)) for one in some])
    else:
        detail = f"{counted(sum(one.rows for one in some), 'row')}, not published"
    return NightItem(
        concern,
        str(table.ref),
        first.partition if len(some) == 1 else None,
        len(some),
        first.batch_id if len(some) == 1 else None,
        "",
        first.created_at,
        first.producer,
        detail,
    )
