"""Which batches are current, were current at a time, or were asked for by name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.metastore.metastore import PartitionInfo
from airflow_sfx.storage.parallel import each
from airflow_sfx.warehouse.commit import move_pointers
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.pointers import hints, lags, moved_by_others

_READERS = 16
CONVERGE_AT_MOST = 64
"""For up to so many named partitions, the ledger is asked whether the metastore is behind it."""

_log = logging.getLogger(__name__)


def current_batches(table: OpenTable, ledger: Ledger, partitions: Sequence[Partition] | None) -> dict[str, str]:
    """The current batch of each partition.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: Which; None for all that have one, as the metastore had them at one moment.

    Returns:
        Batch IDs by partition name.

    Raises:
        PartitionNotFound: A named partition has no batch.
    """
    pointers = table.pointers(partitions)
    if partitions is None or len(partitions) > CONVERGE_AT_MOST:
        found = {name: info.batch_id for name, info in pointers.items()}
    else:
        names = [table.layout.name(partition) for partition in partitions]
        heads = _at_one_moment(ledger, heads_to_read(table, ledger, names, pointers))
        found = {name: head.batch_id for name, head in heads.items()}
    if partitions is not None:
        for partition in partitions:
            name = table.layout.name(partition)
            if found.get(name) is None:
                raise table.missing(name)
    return {name: batch_id for name, batch_id in found.items() if batch_id is not None}


def converged_heads(
    table: OpenTable, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> dict[str, Head]:
    """The heads of partitions, after the metastore has been moved to wherever a writer died before telling it.

    A pointer that something else has moved stays where it is.

    Args:
        table: The table.
        ledger: Its ledgers.
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.

    Returns:
        Heads by partition name.

    Raises:
        WarehouseUnavailable: The metastore could not be told.
    """
    heads, behind = _heads_and_behind(table, ledger, names, pointers)
    if behind:
        move_pointers(table, ledger, _with_mates(table, ledger, behind))
    return heads


def heads_to_read(
    table: OpenTable, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> dict[str, Head]:
    """As `converged_heads`, for who only reads: the ledger has the answer, even where the metastore cannot be told.

    Somebody who may read the metastore and not change it meets that, too.
    """
    heads, behind = _heads_and_behind(table, ledger, names, pointers)
    if behind:
        try:
            move_pointers(table, ledger, _with_mates(table, ledger, behind))
        except WarehouseUnavailable as error:
            _log.warning("Read from the ledger, while other engines read what was there before: %s", error)
    return heads


def _heads_and_behind(
    table: OpenTable, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> tuple[dict[str, Head], list[LedgerEntry]]:
    """Heads, and the entries in effect that the metastore has not been told of."""
    heads = ledger.heads(hints(names, pointers))
    behind = [head.entry for name, head in heads.items() if head.entry and lags(head.entry, pointers.get(name))]
    if behind:
        foreign = moved_by_others(table, {name: pointers[name] for name in names if name in pointers}, heads)
        behind = [entry for entry in behind if entry.partition not in foreign]
    return heads, behind


def _at_one_moment(ledger: Ledger, heads: dict[str, Head]) -> dict[str, Head]:
    """Heads, none of them from before a change of several partitions that another of them has seen.

    Heads are read one after another, and a change may take effect in between. Each round moves heads forward only.
    """
    checked: set[str] = set()
    while len(heads) > 1:
        commits = {head.entry.commit for head in heads.values() if head.entry and head.entry.group} - checked
        if not commits:
            break
        members = each(ledger.members, sorted(commits), _READERS)
        late = {
            name: sequence
            for changed in members
            for name, sequence in changed.items()
            if name in heads and _sequence(heads[name]) < sequence
        }
        checked |= commits
        heads = {**heads, **ledger.heads(late)}
    return heads


def _sequence(head: Head) -> int:
    return head.entry.sequence if head.entry else 0


def _with_mates(table: OpenTable, ledger: Ledger, behind: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Entries, and those that took effect by the same commits, so that what is one change is seen as one."""
    found = {entry.partition: entry for entry in behind}
    for commit_id in {entry.commit for entry in behind if entry.group}:
        mates = {name: sequence for name, sequence in ledger.members(commit_id).items() if name not in found}
        heads = ledger.heads(mates)
        found.update({name: head.entry for name, head in heads.items() if head.entry})
    return list(found.values())


def batches_as_of(
    table: OpenTable, ledger: Ledger, partitions: Sequence[Partition] | None, at: datetime
) -> dict[str, str]:
    """The batch that each partition had at a time.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: Which; None for all that had one.
        at: The time, with a time zone.

    Returns:
        Batch IDs by partition name.

    Raises:
        InvalidName: The time has no time zone.
        PartitionNotFound: A named partition had no batch then.
    """
    if not isinstance(at, datetime):
        raise InvalidName(f"as_of={at!r} is not a time: pass one, such as datetime(2016, 11, 1, tzinfo=UTC)")
    if at.tzinfo is None:
        raise InvalidName(f"as_of={at!r} has no time zone: pass one, such as datetime(2016, 11, 1, tzinfo=UTC)")
    pointers = table.pointers(partitions)
    names = list(pointers) if partitions is None else [table.layout.name(partition) for partition in partitions]

    def then(name: str) -> str | None:
        head = ledger.head(name, pointers[name].sequence if name in pointers else 0)
        entry = ledger.as_of(name, head, at)
        return entry.batch_id if entry else None

    found = dict(zip(names, each(then, names, table.store.readers), strict=True))
    if partitions is not None:
        for name, batch_id in found.items():
            if batch_id is None:
                raise table.missing(name, f"had no batch at {at.isoformat()}")
    return {name: batch_id for name, batch_id in found.items() if batch_id is not None}


def named_batch(table: OpenTable, partitions: Sequence[Partition] | None, batch_id: str) -> dict[str, str]:
    """One batch ID, of each of the named partitions.

    Raises:
        InvalidName: The text is no batch ID, or no partition is named.
    """
    check_batch_id(batch_id)
    if partitions is None:
        raise InvalidName(
            f"batch_id={batch_id!r} came without partitions=: name the partitions of {table.ref} that have it"
        )
    return {table.layout.name(partition): batch_id for partition in partitions}
