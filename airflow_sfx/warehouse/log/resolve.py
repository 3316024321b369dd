"""Resolve partitions to batches: current, of a time, or of a batch ID."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.validation import zoned
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.log.metastore_sync import behind, catch_up
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState

_log = logging.getLogger(__name__)


def current_batches(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None, *, to_load: bool
) -> dict[str, str]:
    """Return the current batch of each partition, at one version of the table.

    Args:
        table: The table.
        log: Its log.
        partitions: The partitions, or None for all.
        to_load: Whether their manifests are read next.

    Returns:
        Batch IDs by partition name, sorted.

    Raises:
        PartitionNotFound: A named partition has no batch.
    """
    names = None if partitions is None else [table.layout.name(one) for one in partitions]
    pointers = None if partitions is None else _pointers(table, partitions)
    likely = {name: it.batch_id for name, it in (pointers or {}).items() if it.batch_id}
    if to_load:
        table.expect(list(likely.items()))
    state = log.look_beside((pointers or {}).values())
    marks = state.marks(names)
    found = {name: mark.batch_id for name, mark in marks.items() if mark.batch_id}
    for name in names or ():
        if name not in found:
            raise table.missing(name)
    if to_load and names is not None:
        table.expect([item for item in found.items() if likely.get(item[0]) != item[1]])
    _complete(table, log, state, names, pointers)
    order = sorted(found) if names is None else names
    return {name: found[name] for name in order}


def _pointers(table: Table, partitions: Sequence[Partition]) -> dict[str, PartitionInfo]:
    return table.pointers(partitions) if table.metastore.has_pointers else {}


def _complete(
    table: Table,
    log: PartitionLog,
    state: LogState,
    names: Collection[str] | None,
    pointers: Mapping[str, PartitionInfo] | None = None,
) -> None:
    """Complete what dead writers left undone, if the metastore can be updated.

    The log suffices for reading, and a reader may have no permission to change the metastore.
    """
    late: list[LogEntry] = []
    if names is not None and table.metastore.has_pointers:
        if pointers is None:
            pointers = _pointers(table, [table.layout.partition(name) for name in names])
        late = behind(table, log, pointers, state.marks(names))
        if not late:
            return
    try:
        catch_up(table, log, state, late)
    except (TableNotFound, WarehouseUnavailable) as error:
        _log.warning(
            "Reading from the log; other engines still read the previous batches: %s", error
        )


def pointers_now(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None = None
) -> dict[str, PartitionInfo]:
    """Return the metastore's pointers, after completing commits of dead writers.

    Args:
        table: The table.
        log: Its log.
        partitions: The partitions, or None for all.

    Returns:
        The pointers by partition name.
    """
    names = None if partitions is None else [table.layout.name(one) for one in partitions]
    _complete(table, log, log.look(), names)
    return table.pointers(partitions)


def converged_heads(
    table: Table, log: PartitionLog, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> dict[str, Head]:
    """Return the heads of partitions, after completing commits of dead writers.

    Pointers that other engines have moved stay where they are.

    Args:
        table: The table.
        log: Its log.
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.

    Returns:
        Heads by partition name.

    Raises:
        TableNotFound: The table was dropped or renamed meanwhile.
        WarehouseUnavailable: The metastore could not be updated.
    """
    state = log.look_beside(pointers.values())
    try:
        catch_up(table, log, state, behind(table, log, pointers, state.marks(names)))
    except TableNotFound as error:  # all of them seem to be behind
        raise table.name_error() from error
    return log.heads_at(state, names)


def heads_to_read(table: Table, log: PartitionLog, names: Collection[str]) -> dict[str, Head]:
    """Return heads as `converged_heads`, even if the metastore cannot be updated."""
    state = log.look()
    _complete(table, log, state, names)
    return log.heads_at(state, names)


def batches_as_of(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None, at: datetime
) -> dict[str, str]:
    """Return the batch that was current in each partition at a time.

    Args:
        table: The table.
        log: Its log.
        partitions: The partitions, or None for all that had a batch.
        at: The time, with a time zone.

    Returns:
        Batch IDs by partition name.

    Raises:
        InvalidName: The time has no time zone.
        PartitionNotFound: A named partition had no batch then.
    """
    at = zoned(at, "as_of")
    names = None if partitions is None else [table.layout.name(one) for one in partitions]
    marks = log.marks_at(log.version_at(at), names)
    found = {name: mark.batch_id for name, mark in sorted(marks.items()) if mark.batch_id}
    for name in names or ():
        if name not in found:
            raise table.missing(name, f"had no batch at {at.isoformat()}")
    return found


def named_batch(
    table: Table, partitions: Sequence[Partition] | None, batch_id: str
) -> dict[str, str]:
    """Return a batch ID for each of the named partitions.

    Raises:
        InvalidName: The text is not a batch ID, or no partition is named.
    """
    check_batch_id(batch_id)
    if partitions is None:
        raise InvalidName(
            f"the batch ID {batch_id} came without partitions",
            remedy=f"name the partitions of {table.ref} that have it",
        )
    return {table.layout.name(partition): batch_id for partition in partitions}
