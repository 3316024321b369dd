"""Resolve partitions to batches: those of now, of a time, a version or an ID."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import (
    BatchNotFound,
    InvalidName,
    TableNotFound,
    WarehouseUnavailable,
)
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.validation import whole, zoned
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.log.metastore_sync import behind, catch_up
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState

_log = logging.getLogger(__name__)

At = datetime | int
"""A moment of a table: a time with a time zone, or a version."""

_OPTIONS = {
    "batch_id": "--batch",
    "as_of": "--as-of",
    "version": "--version",
    "to": "--to",
    "to_version": "--to-version",
}


def refuse_two(given: Mapping[str, object]) -> None:
    """Raise an error if several arguments were given of which one may be.

    Args:
        given: The arguments by name.

    Raises:
        InvalidName: Several are not None.

    Example:
        >>> refuse_two({"batch_id": None, "version": 42})
    """
    first, *more = [name for name, value in given.items() if value is not None] or [""]
    if more:
        raise InvalidName(
            f"{first}= and {more[0]}= were both given",
            remedy="pass one of them",
            cli_rule=f"{_OPTIONS[first]} and {_OPTIONS[more[0]]} were both given",
        )


def one_moment(as_of: datetime | None, version: int | None) -> At | None:
    """Return the moment that ``as_of=`` or ``version=`` names, or None for now.

    Raises:
        InvalidName: Both were given, or the one that was given breaks a rule.

    Example:
        >>> one_moment(None, 42)
        42
    """
    refuse_two({"as_of": as_of, "version": version})
    if version is not None:
        return version_number(version, "version")
    return None if as_of is None else zoned(as_of, "as_of")


def version_number(number: int, argument: str) -> int:
    """Check that an argument may be a version of a table.

    Args:
        number: The argument.
        argument: Its name, for the message.

    Returns:
        The number.

    Raises:
        InvalidName: It is not a whole number, or is below 1.

    Example:
        >>> version_number(0, "version")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: version 0: the first version of a table is 1
    """
    if whole(number, argument) < 1:
        raise InvalidName(f"version {number}: the first version of a table is 1")
    return number


def state_at(table: Table, log: PartitionLog, version: int) -> LogState:
    """Return the state of a table at a version.

    Raises:
        BatchNotFound: The table has not reached that version.
        InconsistentBatch: The log entry was removed.
    """
    state = log.state_at(version)
    if state is None:
        last = log.state.version
        raise BatchNotFound(
            f"{table.ref} has no version {version:,}: its last one is {last:,}; `sfx history"
            f" {table.ref}` lists them",
            table=str(table.ref),
        )
    return state


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


def batches_at(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None, at: At
) -> dict[str, str]:
    """Return the batch that was current in each partition at a time or a version.

    Args:
        table: The table.
        log: Its log.
        partitions: The partitions, or None for all that had a batch.
        at: The time or the version.

    Returns:
        Batch IDs by partition name.

    Raises:
        BatchNotFound: The table has not reached that version.
        PartitionNotFound: A named partition had no batch then, or no partition had one.
    """
    names = None if partitions is None else [table.layout.name(one) for one in partitions]
    if isinstance(at, datetime):
        version, when = log.version_at(at), f"at {at.isoformat()}"
    else:
        version, when = at, f"at version {at:,}"
    marks = state_at(table, log, version).marks(names)
    found = {name: mark.batch_id for name, mark in sorted(marks.items()) if mark.batch_id}
    for name in names or ():
        if name not in found:
            raise table.missing(name, f"had no batch {when}")
    if not found:
        raise table.missing("", f"has no partition that had a batch {when}")
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
