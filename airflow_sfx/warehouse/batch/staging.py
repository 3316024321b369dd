"""Records of staged batches, which find them without reading every partition."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Container, Mapping, Sequence

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import decoding
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import (
    Tombstone,
    list_tombstones,
    refuse_expired_writes,
    refused_by,
)

_TAKEN_BACK = "-taken-back"


def record_staged(table: Table, pin: BatchPin, *, by: str = "") -> None:
    """Record that a pin's batches are complete and staged.

    Args:
        table: The table.
        pin: The batches.
        by: A name of the caller that makes repeated records the same one, or empty text.

    Raises:
        BatchNotFound: Writing them took so long that an erasure, which did not see this record,
            has expired one.
    """
    path = f"{table.layout.staged}/{max(pin.batches.values())}-{by or uuid.uuid4().hex}.json"
    table.store.put_if_absent(path, pin.to_json().encode())
    try:
        refuse_expired_writes(table, pin.entries)
    except BatchNotFound:  # the record exists already, and must not be found later
        table.store.put_if_absent(f"{path}{_TAKEN_BACK}", b"{}")
        raise


def staged_pins(
    table: Table,
    ledger: Ledger,
    pointers: Mapping[str, PartitionInfo],
    names: Container[str] | None = None,
    known: Sequence[Tombstone] | None = None,
) -> list[BatchPin]:
    """Return the staged batches that have not been published since, oldest first.

    Args:
        table: The table.
        ledger: Its ledgers.
        pointers: The metastore's pointers by partition name.
        names: The partitions, or None for all.
        known: The tombstones in force, or None to read them.

    Returns:
        One pin for each call that staged batches, of those that are still staged.
    """
    pins = recorded_pins(table)
    known = (list_tombstones(table) if known is None else known) if pins else ()
    gone = refused_by(known)
    waiting = [
        {
            name: batch
            for name, batch in pin.batches.items()
            if (names is None or name in names)
            and (name, batch) not in gone
            and not _published(ledger, name, batch, pointers)
        }
        for pin in pins
    ]
    return [table.pin(batches) for batches in waiting if batches]


def recorded_pins(table: Table) -> list[BatchPin]:
    """Return all batches that were ever staged, oldest first."""
    there = {info.path for info in table.store.list(table.layout.staged)}
    refused = {path for path in there if path.endswith(_TAKEN_BACK)}
    paths = sorted(there - refused - {path.removesuffix(_TAKEN_BACK) for path in refused})
    texts = map_concurrently(table.store.get, paths, table.store.concurrency)
    return [_pin(table, data or b"", path) for path, data in zip(paths, texts, strict=True)]


def _pin(table: Table, data: bytes, path: str) -> BatchPin:
    with decoding(path):
        pin = BatchPin.from_json(data.decode())
        for name in pin.batches:
            table.layout.partition(name)
        return pin


def waiting(
    table: Table, ledger: Ledger, batches: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those of the batches that are staged and have not been published."""
    recorded = {item for pin in recorded_pins(table) for item in pin.entries if item in batches}
    pointers = (
        table.pointers([table.layout.partition(name) for name in {name for name, _ in recorded}])
        if recorded
        else {}
    )
    return {(name, one) for name, one in recorded if not _published(ledger, name, one, pointers)}


def _published(
    ledger: Ledger, name: str, batch_id: str, pointers: Mapping[str, PartitionInfo]
) -> bool:
    pointer = pointers.get(name)
    if pointer is not None and pointer.batch_id == batch_id:
        return True  # the usual case, without reading the ledger
    for entry in ledger.newest_first(name, ledger.head(name, pointer.sequence if pointer else 0)):
        if entry.batch_id == batch_id:
            return True
        # IDs may be ahead of the clock, and the entry's time is not reliable.
        if entry.newest < batch_id:
            return False
    return False
