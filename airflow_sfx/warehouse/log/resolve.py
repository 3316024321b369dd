"""Resolve partitions to batches: current, of a time, or of a batch ID."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.validation import zoned
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import (
    MOST_COMPARED,
    can_compare,
    heads_and_behind,
    hints,
    is_out_of_sync,
    known_names,
    move_pointers,
    with_co_committed,
)
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.table.table import Table

_READERS = 16
_log = logging.getLogger(__name__)


def current_batches(
    table: Table, ledger: Ledger, partitions: Sequence[Partition] | None, *, to_load: bool
) -> dict[str, str]:
    """Return the current batch of each partition.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: The partitions, or None for all that the metastore has at one moment.
        to_load: Whether their manifests are read next.

    Returns:
        Batch IDs by partition name.

    Raises:
        PartitionNotFound: A named partition has no batch.
    """
    if partitions is None or len(partitions) > MOST_COMPARED:
        found = _as_the_metastore_has_it(table, ledger, partitions)
    else:
        names = [table.layout.name(partition) for partition in partitions]
        pointers = table.pointers(partitions)
        if to_load:  # ledgers and metastore are nearly always in sync
            table.expect(
                [(name, info.batch_id) for name, info in pointers.items() if info.batch_id]
            )
        heads = heads_to_read(table, ledger, names, pointers)
        seen = _at_one_moment(ledger, heads, {}, hints(names, pointers))
        found = {name: head.batch_id for name, head in seen.items()}
    for partition in partitions or ():
        name = table.layout.name(partition)
        if found.get(name) is None:
            raise table.missing(name)
    return {name: batch_id for name, batch_id in found.items() if batch_id is not None}


def _as_the_metastore_has_it(
    table: Table, ledger: Ledger, partitions: Sequence[Partition] | None
) -> dict[str, str | None]:
    pointers, ahead = pointers_now(table, ledger, partitions)
    found = {name: info.batch_id for name, info in pointers.items()}
    if ahead:
        known = hints(found, pointers)
        seen = _at_one_moment(ledger, ahead, known, known)
        found.update({name: head.batch_id for name, head in seen.items()})
    return found


def pointers_now(
    table: Table, ledger: Ledger, partitions: Sequence[Partition] | None = None
) -> tuple[dict[str, PartitionInfo], dict[str, Head]]:
    """Return the metastore's pointers, after completing commits of dead writers.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: The partitions, or None for all.

    Returns:
        The pointers, and the heads that are ahead of them, because the metastore could not be
        updated or another engine has moved the pointer.
    """
    pointers = table.pointers(partitions)
    if not can_compare(table, pointers):
        return pointers, {}
    names = (
        known_names(table, ledger, pointers)
        if partitions is None
        else list(map(table.layout.name, partitions))
    )
    if not can_compare(table, names):  # many were dropped
        names = list(pointers)
    due = ledger.continued(hints(names, pointers))
    if not due:
        return pointers, {}
    heads = heads_to_read(table, ledger, due, pointers)
    pointers = table.pointers(partitions)
    return pointers, {
        name: head
        for name, head in heads.items()
        if head.entry and is_out_of_sync(head.entry, pointers.get(name))
    }


def converged_heads(
    table: Table, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> dict[str, Head]:
    """Return the heads of partitions, after completing commits of dead writers.

    Pointers that other engines have moved stay where they are.

    Args:
        table: The table.
        ledger: Its ledgers.
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.

    Returns:
        Heads by partition name.

    Raises:
        TableNotFound: The table was dropped or renamed meanwhile.
        WarehouseUnavailable: The metastore could not be updated.
    """
    heads, behind = heads_and_behind(table, ledger, names, pointers)
    if behind:
        late = with_co_committed(table, ledger, behind, hints(names, pointers))
        try:
            move_pointers(table, ledger, late)
        except TableNotFound as error:  # all of them seem to be behind
            raise table.name_error() from error
    return heads


def heads_to_read(
    table: Table, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> dict[str, Head]:
    """Return heads as `converged_heads`, even if the metastore cannot be updated.

    The ledger suffices for reading, and a reader may have no permission to change the metastore.
    """
    heads, behind = heads_and_behind(table, ledger, names, pointers)
    if behind:
        try:
            move_pointers(
                table, ledger, with_co_committed(table, ledger, behind, hints(names, pointers))
            )
        except (TableNotFound, WarehouseUnavailable) as error:
            _log.warning(
                "Reading from the ledger; other engines still read the previous batches: %s", error
            )
    return heads


def _at_one_moment(
    ledger: Ledger, heads: dict[str, Head], seen: Mapping[str, int], known: Mapping[str, int]
) -> dict[str, Head]:
    """Return heads that show all commits of several partitions entirely or not.

    Heads are read one after another, and a commit may take effect in between. Each round only moves
    heads forward.

    Args:
        ledger: The ledgers.
        heads: The heads.
        seen: The entry numbers of other partitions, whose heads were not read.
        known: The entry numbers of the metastore's pointers, which were read before the heads.

    Returns:
        The heads, and those of other partitions that were behind them.
    """
    checked: set[str] = set()
    while len(heads) + len(seen) > 1:
        # After a commit of several partitions, another commit may have changed one of them again.
        passed = [
            entry
            for head in heads.values()
            if head.entry
            for entry in _passed(ledger, head.entry, known)
        ]
        commits = {entry.commit for entry in passed if entry.group} - checked
        if not commits:
            break
        members = map_concurrently(ledger.members, sorted(commits), _READERS)
        reached = {**seen, **{name: _sequence(head) for name, head in heads.items()}}
        late = {
            name: sequence
            for changed in members
            for name, sequence in changed.items()
            if name in reached and reached[name] < sequence
        }
        checked |= commits
        heads = {**heads, **ledger.heads(late)}
    return heads


def _passed(ledger: Ledger, entry: LedgerEntry, known: Mapping[str, int]) -> list[LedgerEntry]:
    """Return the entry of a head, and those since the pointers were read."""
    return ledger.passed(entry, known.get(entry.partition) or entry.sequence)


def _sequence(head: Head) -> int:
    return head.entry.sequence if head.entry else 0


def batches_as_of(
    table: Table, ledger: Ledger, partitions: Sequence[Partition] | None, at: datetime
) -> dict[str, str]:
    """Return the batch that was current in each partition at a time.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: The partitions, or None for all that had a batch.
        at: The time, with a time zone.

    Returns:
        Batch IDs by partition name.

    Raises:
        InvalidName: The time has no time zone.
        PartitionNotFound: A named partition had no batch then.
    """
    at = zoned(at, "as_of")
    pointers = table.pointers(partitions)
    if partitions is not None:
        names = [table.layout.name(partition) for partition in partitions]
    else:
        names = (
            known_names(table, ledger, pointers) if can_compare(table, pointers) else list(pointers)
        )

    def then(name: str) -> str | None:
        head = ledger.head(name, pointers[name].sequence if name in pointers else 0)
        entry = ledger.as_of(name, head, at)
        return entry.batch_id if entry else None

    found = dict(zip(names, map_concurrently(then, names, table.store.concurrency), strict=True))
    if partitions is not None:
        for name, batch_id in found.items():
            if batch_id is None:
                raise table.missing(name, f"had no batch at {at.isoformat()}")
    return {name: batch_id for name, batch_id in found.items() if batch_id is not None}


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
