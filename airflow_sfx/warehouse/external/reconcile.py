"""What something else did to a table: another engine's partitions, pointers that it moved, and files that it wrote.

A partition that something else has changed is taken into the history as it lies, before this
package changes it: its files become a batch, or, where they cannot be one, the place alone is
noted. So nothing that was ever current is forgotten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.errors import CommitConflict, InvalidName, SchemaMismatch, TableNotFound
from airflow_sfx.core.ledger import Change, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.storage.concurrency import Progress, map_concurrently
from airflow_sfx.warehouse.batch.file_listing import COMPARED_AT_MOST, MISSING, altered
from airflow_sfx.warehouse.batch.parquet_files import PlaceUnavailable, place_of
from airflow_sfx.warehouse.batch.table_formats import refuse_format
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.add_files import add_files
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import beside_our_batches, foreign_changes
from airflow_sfx.warehouse.log.resolve import converged_heads
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table, adopted_from

SETTLE_SECONDS = 2.0
"""How long a pointer at another batch of ours must stay there before something else counts as having moved it."""
_log = logging.getLogger(__name__)
_TOLD_AT_MOST = 8
_FOUND = "found in the metastore, where something else had put it"


def heads_to_change(
    table: Table, ledger: Ledger, names: Collection[str], author: Author
) -> dict[str, Head]:
    """The heads of partitions that are about to be changed, with what others did to them in the history.

    Args:
        table: The table.
        ledger: Its ledgers.
        names: The partitions' names.
        author: Who is about to change them.

    Returns:
        Heads by partition name; the metastore has been brought to where they are.
    """
    partitions = [table.layout.partition(name) for name in names]
    pointers = table.pointers(partitions)
    heads = converged_heads(table, ledger, names, pointers)
    foreign = foreign_changes(table, pointers, heads)
    if not foreign:
        return heads
    reconcile(table, ledger, author, foreign, heads)
    return converged_heads(table, ledger, names, table.pointers(partitions))


def reconcile(
    table: Table,
    ledger: Ledger,
    author: Author,
    foreign: Mapping[str, PartitionInfo],
    heads: Mapping[str, Head],
) -> None:
    """Take what something else did to partitions into the history, one partition at a time.

    Args:
        table: The table.
        ledger: Its ledgers.
        author: Who found it.
        foreign: The pointers that something else has moved, by partition name.
        heads: The heads as they were seen with these pointers.
    """
    finder = Author(author.producer, _FOUND)
    for name, info in _lasting(table, foreign).items():
        seen = {name: heads[name]}
        try:
            _take_over(
                _target(table), {name: info}, info.location, seen, finder, Operation.FOREIGN_CHANGE
            )
        except (InvalidName, SchemaMismatch, PlaceUnavailable) as error:
            _log.warning(
                "%s: something else put it at %s, which cannot be a batch; the history notes the"
                " place: %s",
                table.describe(name),
                info.location,
                error,
            )
            _note_place(table, ledger, name, info, seen, finder)
        except CommitConflict:
            continue  # somebody else has just done the same, or changed the partition


def _lasting(table: Table, foreign: Mapping[str, PartitionInfo]) -> dict[str, PartitionInfo]:
    """Those that are still so after a moment, where they may be half of a move of our own.

    A metastore without locks can show the place of one move with the note of another, until the
    slower writer has looked again.
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
    """Adopt what a metastore has: a table that something else made, or what something else did to one of ours.

    Args:
        target: The table.
        partitions: Which partitions; None for all that are not in the history.
        author: Who and why.
        progress: Is told how many files have been read.

    Returns:
        The pin of the adopted batches.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: There is nothing to adopt, or it is a Delta, Iceberg or Hudi table.
        SchemaMismatch: The files are no Parquet files, or do not fit the table.
    """
    if target.existing is None:
        raise TableNotFound(
            f"there is no table {target.ref} in the metastore: name the directory that is to"
            " become one",
            table=str(target.ref),
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
    heads = Ledger(table).heads({name: info.sequence for name, info in pointers.items()})
    foreign = foreign_changes(table, pointers, heads)
    if ours and (wanted is not None or len(pointers) <= COMPARED_AT_MOST):
        others = {name: info for name, info in pointers.items() if name not in foreign}
        foreign |= _rewritten(table, others, heads, lost=wanted is not None)
    if not foreign:
        raise InvalidName(f"{target.ref} has nothing to adopt: {_why_nothing(table)}")
    operation = Operation.FOREIGN_CHANGE if ours else Operation.ADOPT
    return _take_over(target, foreign, before.location, heads, author, operation, progress)


def _why_nothing(table: Table) -> str:
    refused = table.metastore.unsupported_partitions(table.ref)
    if not refused:
        return "all that the metastore has is in the history"
    told = "; ".join(f"{one.name} ({one.rule})" for one in refused[:_TOLD_AT_MOST])
    return (
        f"no batch can have the values of {told}; drop or rename such partitions in the engine that"
        " made them"
    )


def with_empty_table_as_ours(target: Target, info: TableInfo) -> Target:
    """A table that something else made and nobody has filled is written like a new one: there is nothing to adopt.

    Args:
        target: The table.
        info: What the metastore has of it.

    Returns:
        The table as it will be once it is written; as it is, where it has something.

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
    """The pointers at current batches whose files something else has changed.

    A batch that has lost files and gained none is damaged: it is taken for a change only where
    somebody names it (``lost``).
    """
    current = {name: batch_id for name in pointers if (batch_id := heads[name].batch_id)}
    found = altered(table, current.items())
    return {
        name: pointers[name]
        for name, told in found.items()
        if lost or not all(one.endswith(MISSING) for one in told)
    }


def _target(table: Table) -> Target:
    return Target(table.ref, table.store, table.metastore, table.layout.style, table.info)


def _as_ours(target: Target, info: TableInfo) -> TableInfo:
    """A table that something else made, as it will be kept: new batches go into the warehouse, old ones stay."""
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


def _take_over(
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
                    f"{table.describe(name)} has just been changed by somebody else: look at it and"
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


def note_adopted(table: Table, places: Sequence[str]) -> None:
    """Let files below directories be read as batches of a table, by a note in the metastore.

    Args:
        table: The table.
        places: The directories, as URIs.
    """

    def change(now: TableInfo) -> TableInfo:
        return replace(now, parameters={**now.parameters, **adopted_from(places)})

    table.metastore.update_table(table.ref, change)


def _note_place(
    table: Table,
    ledger: Ledger,
    name: str,
    info: PartitionInfo,
    seen: Mapping[str, Head],
    author: Author,
) -> None:
    """What lies there cannot be a batch: the history has its place alone."""

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        if heads[name].last != seen[name].last:
            return []
        return [Change(name, Operation.FOREIGN_CHANGE, None, location=info.location)]

    if not table.may_read(info.location):
        note_adopted(table, [info.location])
    commit(table, ledger, seen, plan, author)
