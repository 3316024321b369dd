"""The staged batches of a table, with the checks that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.producer import Producer
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import recorded_pins, staged_batches
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table


class StagedState(StrEnum):
    """What became of a staged batch that was not published."""

    WAITING = "waiting"
    OVERTAKEN = "overtaken"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """A staged batch of a partition that was not published.

    Args:
        partition: The partition's name.
        batch_id: The batch.
        state: Whether it waits, was overtaken by a batch that was written later and is current, or
            was discarded.
        current: The current batch, or None.
        at: When it was written, in UTC.
        rows: Its number of rows, or None if its manifest cannot be read.
        bytes: Its size, or None if its manifest cannot be read.
        failed: The checks that failed, each with its message.
        problem: Why its manifest cannot be read, or empty text.
        producer: Who wrote it.
    """

    partition: str
    batch_id: str
    state: StagedState
    current: str | None
    at: datetime
    rows: int | None
    bytes: int | None
    failed: tuple[CheckResult, ...]
    problem: str
    producer: Producer


def list_staged(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None = None
) -> list[StagedBatch]:
    """List the staged batches that were not published, newest first.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions, or None for all.

    Returns:
        The batches, without discarded ones whose files are deleted.
    """
    pins = recorded_pins(table)
    names = {name for pin in pins for name in pin.batches}
    if partitions is not None:
        names &= {table.layout.name(one) for one in partitions}
    if not names:
        return []
    pointers = table.pointers([table.layout.partition(name) for name in sorted(names)])
    found = staged_batches(table, log, names, pins=pins)
    items = [
        (state, item)
        for state, pins in (
            (StagedState.WAITING, found.waiting),
            (StagedState.OVERTAKEN, found.overtaken),
            (StagedState.DISCARDED, found.discarded),
        )
        for pin in pins
        for item in pin.entries
    ]
    read = map_concurrently(lambda one: _manifest(table, *one[1]), items, table.store.concurrency)
    listed = [
        _staged(state, item, pointers[item[0]].batch_id if item[0] in pointers else None, manifest)
        for (state, item), manifest in zip(items, read, strict=True)
        if not (state is StagedState.DISCARDED and isinstance(manifest, BatchNotFound))
    ]
    return sorted(listed, key=lambda one: (one.batch_id, one.partition), reverse=True)


def _manifest(
    table: Table, name: str, batch_id: str
) -> Manifest | BatchNotFound | InconsistentBatch:
    try:
        return table.manifest(name, batch_id)
    except (BatchNotFound, InconsistentBatch) as error:
        return error


def _staged(
    state: StagedState,
    item: tuple[str, str],
    current: str | None,
    read: Manifest | BatchNotFound | InconsistentBatch,
) -> StagedBatch:
    name, batch_id = item
    if not isinstance(read, Manifest):
        at = moment_of(batch_id)
        return StagedBatch(
            name, batch_id, state, current, at, None, None, (), str(read), Producer()
        )
    failed = tuple(one for one in read.checks if one.blocks)
    return StagedBatch(
        name,
        batch_id,
        state,
        current,
        read.created_at,
        read.rows,
        read.bytes,
        failed,
        "",
        read.producer,
    )
