"""Changes by other engines: partitions, pointers and files that they wrote.

Before this package changes a partition that another engine has changed, it adds that change to the
history: the files become a batch, or, if they cannot, the history records their location only. So
the history keeps everything that was ever current.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.errors import CommitConflict, InvalidName, SchemaMismatch, TableNotFound
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.storage.concurrency import Progress, map_concurrently
from airflow_sfx.warehouse.batch.file_listing import (
    COMPARED_AT_MOST,
    FileProblemKind,
    changed_files,
)
from airflow_sfx.warehouse.batch.parquet_files import PlaceUnavailable, place_of
from airflow_sfx.warehouse.batch.table_formats import refuse_format
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.add_files import add_files
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.metastore_sync import beside_our_batches, foreign_changes
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import converged_heads
from airflow_sfx.warehouse.table.not_found import table_not_found
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table, adopted_from

SETTLE_SECONDS = 2.0
"""How long a pointer must stay at another batch of ours to count as an external change."""
_log = logging.getLogger(__name__)
_MAX_NAMED = 8
_FOUND = "found in the metastore, changed by another engine"


def heads_to_change(
    table: Table, log: PartitionLog, names: Collection[str], author: Author
) -> dict[str, Head]:
    """Reconcile external changes, and return the heads of partitions to change.

    Args:
        table: The table.
        log: The table's log.
        names: The partitions' names.
        author: Who is about to change them.

    Returns:
        The heads by partition name, with which the metastore is in sync.
    """
    partitions = [table.layout.partition(name) for name in names]
    pointers = table.pointers(partitions)
    heads = converged_heads(table, log, names, pointers)
    foreign = foreign_changes(table, pointers, heads)
    if not foreign:
        return heads
    reconcile(table, log, author, foreign, heads)
    return converged_heads(table, log, names, table.pointers(partitions))


def reconcile(
    table: Table,
    log: PartitionLog,
    author: Author,
    foreign: Mapping[str, PartitionInfo],
    heads: Mapping[str, Head],
) -> None:
    """Add the changes that other engines made to partitions to the history.

    Each partition is one commit.

    Args:
        table: The table.
        log: The table's log.
        author: Who found the changes.
        foreign: The pointers that other engines moved, by partition name.
        heads: The heads that were read together with these pointers.
    """
    finder = Author(author.producer, _FOUND)
    for name, info in _lasting(table, foreign).items():
        seen = {name: heads[name]}
        try:
            _add_foreign(
                _target(table), {name: info}, info.location, seen, finder, Operation.FOREIGN_CHANGE
            )
        except (InvalidName, SchemaMismatch, PlaceUnavailable) as error:
            _log.warning(
                "%s: another engine moved it to %s, which cannot be a batch; the history records"
                " the location: %s",
                table.describe(name),
                info.location,
                error,
            )
            _record_location(table, log, name, info, seen, finder)
        except CommitConflict:
            continue  # another writer has just reconciled or changed the partition


def _lasting(table: Table, foreign: Mapping[str, PartitionInfo]) -> dict[str, PartitionInfo]:
    """Drop pointers that may be half of a move of this package, and change back.

    A metastore without locks can show the location of one move with the parameters of another,
    until the slower writer has checked again.
    """
    doubtful = [
        info.partition for name, info in foreign.items() if beside_our_batches(table, name, info)
    ]
    if not doubtful:
        return dict(foreign)
    time.sleep(SETTLE_SECONDS)
    now = table.pointers(doubtful)
    passed = {name for name in map(table.layout.name, doubtful) if now.get(name) != foreign[name]}
    return {name: info for name, info in foreign.items() if name not in passed}


def adopt_present(
    target: Target,
    partitions: Sequence[object] | None,
    author: Author,
    progress: Progress | None = None,
) -> BatchPin:
    """Adopt another engine's table, or its changes to a table.

    Args:
        target: The table.
        partitions: The partitions, or None for all that are not in the history.
        author: Who adopts, and why.
        progress: Called with the number of files read so far and in total, or None.

    Returns:
        The pin of the adopted batches.

    Raises:
        TableNotFound: The table does not exist.
        InvalidName: There is nothing to adopt, or it is a Delta, Iceberg or Hudi table.
        SchemaMismatch: Files are not Parquet files, or do not fit the table.
    """
    if target.existing is None:
        missing = table_not_found(target.ref, target.store, target.metastore)
        raise TableNotFound(
            f"{missing}. To make a table of files, pass their directory", table=str(target.ref)
        )
    refuse_format(str(target.ref), target.existing.format)
    ours = STYLE_PARAMETER in target.existing.parameters
    before = target.existing
    if not ours:
        target = replace(target, existing=_as_ours(target, before), adopted=True)
    table = target.open(before.keys, before.columns)
    wanted = table.wanted(partitions)
    pointers = table.pointers(wanted)
    if not before.keys and not ours:
        pointers = {"": PartitionInfo(Partition(), before.location)}
    heads = PartitionLog(table).heads(pointers)
    foreign = foreign_changes(table, pointers, heads)
    if ours and (wanted is not None or len(pointers) <= COMPARED_AT_MOST):
        others = {name: info for name, info in pointers.items() if name not in foreign}
        foreign |= _rewritten(table, others, heads, lost=wanted is not None)
    if not foreign:
        raise InvalidName(f"{target.ref} has nothing to adopt: {_why_nothing(table)}")
    operation = Operation.FOREIGN_CHANGE if ours else Operation.ADOPT
    return _add_foreign(target, foreign, before.location, heads, author, operation, progress)


def _why_nothing(table: Table) -> str:
    refused = table.metastore.unsupported_partitions(table.ref)
    if not refused:
        return "everything in the metastore is in the history"
    named = "; ".join(f"{one.name} ({one.rule})" for one in refused[:_MAX_NAMED])
    return (
        f"the values of some partitions are not supported: {named}; drop or rename them in the"
        " engine that created them"
    )


def with_empty_table_as_ours(target: Target, info: TableInfo) -> Target:
    """Treat an empty table of another engine like a new table: nothing to adopt.

    Args:
        target: The table.
        info: The table in the metastore.

    Returns:
        The table as it will be once it is written, or unchanged if it is not empty.

    Raises:
        InvalidName: It is a Delta, Iceberg or Hudi table.
    """
    refuse_format(str(target.ref), info.format)
    return (
        replace(target, existing=_as_ours(target, info), adopted=True)
        if _is_empty(target, info)
        else target
    )


def _is_empty(target: Target, info: TableInfo) -> bool:
    if not info.keys:
        return not place_of(target.store, info.location).names
    return not target.metastore.list_partitions(
        info.ref
    ) and not target.metastore.unsupported_partitions(info.ref)


def _rewritten(
    table: Table, pointers: Mapping[str, PartitionInfo], heads: Mapping[str, Head], *, lost: bool
) -> dict[str, PartitionInfo]:
    """Return the pointers at current batches whose files another engine has changed.

    A batch that has only lost files is damaged. It counts as changed only with ``lost``, when the
    user named its partition.
    """
    current = {name: batch_id for name in pointers if (batch_id := heads[name].batch_id)}
    found = changed_files(table, current.items())
    return {
        name: pointers[name]
        for name, problems in found.items()
        if lost or any(one.kind is not FileProblemKind.MISSING for one in problems)
    }


def _target(table: Table) -> Target:
    return Target(table.ref, table.store, table.metastore, table.layout.style, table.info)


def _as_ours(target: Target, info: TableInfo) -> TableInfo:
    """Return another engine's table with a root for new batches inside the warehouse."""
    inside = f"{target.store.uri}/"
    root = (
        info.location
        if info.location.startswith(inside)
        else inside + TableLayout.default_root(target.ref)
    )
    return replace(
        info,
        location=root.rstrip("/"),
        parameters={**info.parameters, STYLE_PARAMETER: target.style},
    )


def _add_foreign(
    target: Target,
    foreign: Mapping[str, PartitionInfo],
    root: str,
    seen: Mapping[str, Head],
    author: Author,
    operation: Operation,
    progress: Progress | None = None,
) -> BatchPin:
    def admit(table: Table, heads: Mapping[str, Head]) -> None:
        for name in foreign:
            if heads[name].last != seen[name].last:
                raise CommitConflict(
                    f"{table.describe(name)} has just been changed by another writer: check it and"
                    " adopt it again",
                    table=str(table.ref),
                    partition=name,
                )

    found = map_concurrently(
        lambda info: place_of(target.store, info.location),
        list(foreign.values()),
        target.store.concurrency,
    )
    places = {info.partition: place for info, place in zip(foreign.values(), found, strict=True)}
    keys = target.existing.keys if target.existing else ()
    return add_files(target, keys, places, root, operation, author, admit, progress)


def allow_directories(table: Table, places: Sequence[str]) -> None:
    """Allow a table's batches to have files below directories, in the metastore.

    Args:
        table: The table.
        places: The directories, as URIs.
    """

    def change(now: TableInfo) -> TableInfo:
        return replace(now, parameters={**now.parameters, **adopted_from(places)})

    table.update(change)


def _record_location(
    table: Table,
    log: PartitionLog,
    name: str,
    info: PartitionInfo,
    seen: Mapping[str, Head],
    author: Author,
) -> None:
    """Record the location alone in the history, as its files cannot be a batch."""

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        if heads[name].last != seen[name].last:
            return []
        return [Change(name, Operation.FOREIGN_CHANGE, None, location=info.location)]

    if not table.may_read(info.location):
        allow_directories(table, [info.location])
    commit(table, log, seen, plan, author)
