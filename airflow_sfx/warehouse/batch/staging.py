"""Records of staged batches, which find them without reading every partition."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import decoding
from airflow_sfx.storage.concurrency import map_concurrently, put_all
from airflow_sfx.warehouse.log.event_index import stage_event
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import (
    Tombstone,
    list_tombstones,
    refuse_expired_writes,
    refused_by,
)

_TAKEN_BACK = "-taken-back"


@dataclass(frozen=True, slots=True)
class StagedBatches:
    """The staged batches of a table that were not published, one pin for each call.

    Args:
        waiting: Those that wait to be published, oldest first.
        overtaken: Those written before the batch that is current now, oldest first.
        discarded: Those that were discarded, oldest first; the files of some may be deleted.
    """

    waiting: list[BatchPin]
    overtaken: list[BatchPin]
    discarded: list[BatchPin]


def record_staged(table: Table, pin: BatchPin) -> None:
    """Record that a pin's batches are complete and staged.

    Args:
        table: The table.
        pin: The batches.

    Raises:
        BatchNotFound: Writing them took so long that an erasure, which did not see this record,
            has expired one.
    """
    path = f"{table.layout.staged}/{max(pin.batches.values())}-{uuid.uuid4().hex}.json"
    event = stage_event(table, datetime.now(UTC), pin.batches)
    put_all(table.store, [(path, pin.to_json().encode()), event])
    try:
        refuse_expired_writes(table, pin.entries)
    except BatchNotFound:  # the record exists already, and must not be found later
        table.store.put_if_absent(f"{path}{_TAKEN_BACK}", b"{}")
        raise


def staged_batches(
    table: Table,
    log: PartitionLog,
    names: Container[str] | None = None,
    known: Sequence[Tombstone] | None = None,
    pins: Sequence[BatchPin] | None = None,
) -> StagedBatches:
    """Return the staged batches that were not published, without expired ones.

    Args:
        table: The table.
        log: Its log.
        names: The partitions, or None for all.
        known: The tombstones in force, or None to read them.
        pins: All batches that were ever staged, or None to read them.

    Returns:
        The batches.
    """
    pins = recorded_pins(table) if pins is None else pins
    known = (list_tombstones(table) if known is None else known) if pins else ()
    gone = refused_by(known)
    due = [
        (number, name, batch_id)
        for number, pin in enumerate(pins)
        for name, batch_id in pin.entries
        if (names is None or name in names) and (name, batch_id) not in gone
    ]
    kinds = _kinds(table, log, [(name, one) for _, name, one in due])
    found: dict[str, dict[int, dict[str, str]]] = {"waiting": {}, "overtaken": {}, "discarded": {}}
    for number, name, batch_id in due:
        if kind := kinds[name, batch_id]:
            found[kind].setdefault(number, {})[name] = batch_id
    return StagedBatches(
        **{kind: [table.pin(one) for one in some.values()] for kind, some in found.items()}
    )


def _kinds(
    table: Table, log: PartitionLog, items: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return which of the `StagedBatches` has each batch, or an empty text if published."""
    if not items:
        return {}
    state = log.look()
    marks = state.marks({name for name, _ in items})
    current = {name: mark.batch_id for name, mark in marks.items()}
    due = [(name, one) for name, one in items if current.get(name) != one]
    heads = log.heads_at(state, {name for name, _ in due})

    def kind(item: tuple[str, str]) -> str:
        name, batch_id = item
        now, end = current.get(name), ending(log, name, batch_id, heads[name])
        if end is not None:
            return "discarded" if batch_id in end.discarded else ""
        return "overtaken" if now is not None and now > batch_id else "waiting"

    found = dict(zip(due, map_concurrently(kind, due, table.store.concurrency), strict=True))
    return {item: found.get(item, "") for item in items}


def recorded_pins(table: Table) -> list[BatchPin]:
    """Return all batches that were ever staged, and the replacements of erased ones.

    Those of one call are together, the oldest call first.
    """
    there = {info.path for info in table.store.list(table.layout.staged)}
    refused = {path for path in there if path.endswith(_TAKEN_BACK)}
    paths = sorted(there - refused - {path.removesuffix(_TAKEN_BACK) for path in refused})
    texts = map_concurrently(table.store.get, paths, table.store.concurrency)
    pins = [_pin(table, data or b"", path) for path, data in zip(paths, texts, strict=True)]
    erasures = list_tombstones(table) if pins else []
    pins += [
        table.pin({name: new.batch_id})
        for tombstone in erasures
        for (name, _), new in tombstone.instead.items()
        if new.staged
    ]
    return sorted(pins, key=lambda pin: max(pin.batches.values()))


def _pin(table: Table, data: bytes, path: str) -> BatchPin:
    with decoding(path):
        pin = BatchPin.from_json(data.decode())
        for name in pin.batches:
            table.layout.partition(name)
        return pin


def waiting(
    table: Table, log: PartitionLog, batches: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of the batches that are staged and neither published nor discarded."""
    recorded = [item for pin in recorded_pins(table) for item in pin.entries if item in batches]
    kinds = _kinds(table, log, recorded)
    return {item for item, kind in kinds.items() if kind in ("waiting", "overtaken")}


def ending(log: PartitionLog, name: str, batch_id: str, head: Head) -> LogEntry | None:
    """Return the last entry that published or discarded a staged batch, or None.

    Args:
        log: The table's log.
        name: The partition's name.
        batch_id: The batch.
        head: The partition's head. If the batch is newer than all others of the partition, nothing
            else is read.
    """
    for entry in log.newest_first(name, head):
        if entry.batch_id == batch_id or batch_id in entry.discarded:
            return entry
        # IDs may be ahead of the clock, and the entry's time is not reliable.
        if entry.newest < batch_id:
            return None
    return None
