"""What needs attention after a night, from the events of all tables.

Only the index of events is read for tables in which all is as usual: some 20 requests for 1,000
tables. Tables with an event that may need attention are opened to see whether it still does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from airflow_sfx.core.errors import ForeignChange, InconsistentBatch, TableNotFound
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.history.audit import changes_by_others
from airflow_sfx.warehouse.log.event_index import Event, events_of
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.night.candidates import PUBLISH, Candidate, candidates
from airflow_sfx.warehouse.night.looks import look_at
from airflow_sfx.warehouse.night.report import Concern, NightItem, NightReport, UnreadableTable
from airflow_sfx.warehouse.night.rules import days_to_read, late
from airflow_sfx.warehouse.pins.stale import StaleBatch, stale_batches
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.words import counted, moment

NIGHT = timedelta(days=1)
"""How long a night is, if it is not said when it began."""

FULL_TABLES = 100
"""Up to how many tables a night is full by default."""

_CALLS = 16
"""How many tables are looked at at once."""

_Found = tuple[list[NightItem], UnreadableTable | None]


def night_of(
    store: ObjectStore,
    metastore: Metastore,
    tables: Sequence[TableRef],
    since: datetime,
    now: datetime,
    *,
    full: bool | None = None,
) -> NightReport:
    """Report what needs attention in all tables.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        tables: The tables of the warehouse.
        since: The beginning of the night, in UTC.
        now: The time now, in UTC.
        full: Whether to look for stale batches and foreign changes too, and at the figures of all
            that was published; or None to do so in warehouses of up to `FULL_TABLES` tables.

    Returns:
        The report.
    """
    refs = {str(ref): ref for ref in tables}
    full = len(refs) <= FULL_TABLES if full is None else full
    events: dict[str, list[Event]] = defaultdict(list)
    for event in events_of(store, days_to_read(since, now)):
        if event.table in refs:
            events[event.table].append(event)
    items: list[NightItem] = []
    due: dict[str, list[Candidate]] = {}
    for table, some in events.items():
        items += _late(table, some, since, now)
        if found := candidates(some, since, full=full):
            due[table] = found
    looked = _at_each([refs[table] for table in due], store, metastore, due)
    if full:
        looked += _foreign(tables, store, metastore)
        damaged: dict[str, str] = {}
        items += _stale(stale_batches(store, metastore, damaged))
        looked += [([], UnreadableTable(*one)) for one in damaged.items()]
    items += [item for some, _ in looked for item in some]
    published = {
        table
        for table, some in events.items()
        if any(one.kind == PUBLISH and one.at >= since for one in some)
    }
    unreadable = {one.table: one for _, one in looked if one is not None}
    return NightReport(
        since,
        now,
        len(refs),
        len(published),
        tuple(sorted(_undos_as_one(_once(items)), key=_order)),
        tuple(unreadable[table] for table in sorted(unreadable)),
        full,
    )


def _late(table: str, events: Sequence[Event], since: datetime, now: datetime) -> list[NightItem]:
    missing = late([one.at for one in events if one.kind == PUBLISH], since, now)
    if missing is None:
        return []
    detail = f"usually published by {moment(missing.usual)} UTC, last at {moment(missing.last)} UTC"
    return [NightItem(Concern.LATE, table, None, 0, None, "", missing.deadline, None, detail)]


def _at_each(
    refs: Sequence[TableRef],
    store: ObjectStore,
    metastore: Metastore,
    due: Mapping[str, Sequence[Candidate]],
) -> list[_Found]:
    def look(ref: TableRef) -> _Found:
        try:
            return look_at(Table.find(ref, store, metastore), due[str(ref)]), None
        except (TableNotFound, ForeignChange):  # dropped meanwhile, or of another engine
            return [], None
        except InconsistentBatch as error:
            return [], UnreadableTable(str(ref), str(error))

    return map_concurrently(look, refs, _CALLS)


def _foreign(tables: Sequence[TableRef], store: ObjectStore, metastore: Metastore) -> list[_Found]:
    def look(ref: TableRef) -> _Found:
        try:
            table = Table.find(ref, store, metastore)
            found, _ = changes_by_others(table, PartitionLog(table), files=False)
        except (TableNotFound, ForeignChange):
            return [], None
        except InconsistentBatch as error:
            return [], UnreadableTable(str(ref), str(error))
        if not found:
            return [], None
        one = found[0] if len(found) == 1 else None
        detail = (
            (one.refused or f"another engine moved it to {one.location}")
            if one
            else f"another engine added or moved {counted(len(found), 'partition')}"
        )
        item = NightItem(
            Concern.FOREIGN_CHANGE,
            str(ref),
            one.partition if one else None,
            len(found),
            one.batch_id if one else None,
            "",
            None,
            None,
            detail,
        )
        return [item], None

    return map_concurrently(look, tables, _CALLS)


def _stale(batches: Iterable[StaleBatch]) -> list[NightItem]:
    """Return one item for the stale batches of a table that have the same ended input."""
    groups: dict[tuple[str, str, str], list[StaleBatch]] = defaultdict(list)
    for batch in batches:
        groups[batch.table, str(batch.input.ref), batch.cause.value].append(batch)
    return [
        NightItem(
            Concern.STALE,
            table,
            some[0].partition if len(some) == 1 else None,
            len(some),
            some[0].batch_id if len(some) == 1 else None,
            "",
            max((one.since for one in some if one.since), default=None),
            some[0].producer,
            f"made from {source}, which was {cause}",
        )
        for (table, source, cause), some in groups.items()
    ]


def _once(items: Iterable[NightItem]) -> Iterable[NightItem]:
    """Return the items without repetitions, such as of a commit that was tried twice."""
    return {
        (one.concern, one.table, one.partition, one.partitions, one.batch_id): one for one in items
    }.values()


def _undos_as_one(items: Iterable[NightItem]) -> Iterator[NightItem]:
    """Yield the items, those of one undo in several tables as one."""
    undos: dict[tuple[Concern, str], list[NightItem]] = defaultdict(list)
    for item in items:
        if item.undo:
            undos[item.concern, item.undo].append(item)
        else:
            yield item
    for some in undos.values():
        first = min(some, key=_order)
        yield (
            first
            if len(some) == 1
            else replace(
                first,
                partition=None,
                partitions=sum(one.partitions for one in some),
                batch_id=None,
                tables=len({one.table for one in some}),
            )
        )


def _order(item: NightItem) -> tuple[int, str, str]:
    return list(Concern).index(item.concern), item.table, item.partition or ""
