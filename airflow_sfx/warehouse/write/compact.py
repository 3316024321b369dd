"""Compaction: the windows of an hour or a day become one batch, in one commit.

The commit makes the batch current and ends its windows, so that readers see the rows in the windows
or in the batch, and never in both. Nothing is deleted: rolling back the commit brings the windows
back, and retention expires them later.

A process that dies before the commit leaves a batch that nothing names, as a store does; after it,
the next operation on the table completes the metastore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import partition_list, partition_value, unescape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit, publish_change, refuse_unexpected
from airflow_sfx.warehouse.log.compactions import (
    COMPACTED,
    WINDOW,
    compacted_name,
    is_of_windows,
)
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns
from airflow_sfx.warehouse.pins.lineage import record_merged
from airflow_sfx.warehouse.read.load import load_manifests
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.row_sums import RowSums
from airflow_sfx.warehouse.write.store_plan import StoreOptions, plan_store

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 8 << 20


def compact(
    target: Target,
    table: Table,
    prefix: str | Sequence[object],
    author: Author,
    *,
    dry_run: bool = False,
) -> BatchPin:
    """Make one batch of the windows below each combination of the other keys' values.

    Args:
        target: The table, to be written.
        table: The table, to be read.
        prefix: The first partition values, as in a pin or as a list; empty for the whole table.
        author: Who compacts, and why.
        dry_run: Whether to only return the windows.

    Returns:
        The pin of the compacted batches, or of the windows of a dry run; without batches if there
        is no window.

    Raises:
        InvalidName: The table has no windows as partitions, or the prefix names no partitions.
        PartitionNotFound: Nothing is below the prefix.
        CommitConflict: Another writer changed a window meanwhile; nothing was changed.
        InconsistentBatch: The written rows are not those of the windows; nothing was changed.
    """
    groups = _groups(table, prefix)
    windows = {name: batch_id for group in groups.values() for name, batch_id in group.items()}
    if dry_run or not windows:
        return table.pin(windows)
    log = PartitionLog(table)
    heads = heads_to_change(table, log, [*dict.fromkeys([*windows, *groups])], author)
    expected = {name: windows.get(name) for name in heads}
    refuse_unexpected(table, heads, expected)
    manifests = _in_order(table, groups)
    batches, give_columns = _written(target, table, log, groups, manifests, author)
    sealed = batches.seal(staged=False)
    for one in sealed:
        record_merged(table, table.pin(dict(groups[one.partition])), one)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        nonlocal sealed
        refuse_unexpected(table, heads, expected)
        sealed = batches.rebase(sealed, heads)
        ended = [name for name in windows if name not in groups]
        return [
            *(publish_change(one, Operation.COMPACT) for one in sealed),
            *(Change(name, Operation.COMPACT, None, dropped=True) for name in ended),
        ]

    commit(table, log, heads, plan, author, beside=give_columns, rewrites=True)
    return table.pin(batches.batches)


_Groups = Mapping[str, Mapping[str, str]]
"""The batches to compact by partition name, by the name of the partition that gets them."""


def _groups(table: Table, prefix: str | Sequence[object]) -> _Groups:
    """Return what is to be compacted; groups without windows are left out."""
    keys = [key.name for key in table.info.keys]
    if not is_of_windows(table):
        raise InvalidName(
            f"{table.ref} has the partition keys {', '.join(keys) or '(none)'}: only a table of a"
            f" stream, whose last key is {WINDOW!r}, can be compacted"
        )
    first = _values(table, prefix)
    if len(first) >= len(keys):
        raise InvalidName(
            f"prefix={prefix!r:.80} has {len(first)} values: pass at most {len(keys) - 1}, those of"
            f" {', '.join(keys[:-1]) or 'no key'}"
        )
    found: dict[str, dict[str, str]] = {}
    matched = False
    for name, mark in PartitionLog(table).marks().items():
        values = table.layout.partition(name).values
        if mark.batch_id is not None and tuple(values[: len(first)]) == first:
            matched = True
            found.setdefault(compacted_name(table, name), {})[name] = mark.batch_id
    if not matched:
        raise table.missing(
            "", f"has no partition that begins with {'/'.join(first) or 'any value'}"
        )
    return {name: group for name, group in found.items() if group.keys() != {name}}


def _values(table: Table, prefix: str | Sequence[object]) -> tuple[str, ...]:
    if not isinstance(prefix, str):
        return tuple(map(partition_value, partition_list(prefix))) if len(prefix) else ()
    steps = prefix.strip("/").split("/") if prefix.strip("/") else []
    if table.layout.style == "hive":
        named = zip(table.layout.keys, steps, strict=False)
        return tuple(unescape(step.removeprefix(f"{key}=")) for key, step in named)
    return tuple(map(unescape, steps))


def _in_order(table: Table, groups: _Groups) -> list[Manifest]:
    """Return the manifests of the batches, what was compacted before and then by their IDs."""
    all_of = {name: batch_id for group in groups.values() for name, batch_id in group.items()}
    manifests = {one.partition: one for one in table.manifests(all_of)}
    return [
        manifests[name]
        for merged, group in groups.items()
        for name, _ in sorted(group.items(), key=lambda it: (it[0] != merged, it[1], it[0]))
    ]


def _written(
    target: Target,
    table: Table,
    log: PartitionLog,
    groups: _Groups,
    manifests: Sequence[Manifest],
    author: Author,
) -> tuple[BatchWriter, GivenColumns]:
    """Write the rows of the windows, and check that what was written has each of them once."""
    before, after = RowSums(), RowSums()
    keys = [key.name for key in table.info.keys]
    rows = _relabelled(_pieces(table, manifests), before)
    plan = plan_store(target, rows, StoreOptions(partition_by=keys))
    inputs = tuple(dict.fromkeys(pin for one in manifests for pin in one.inputs))
    batches = BatchWriter(table, log, plan.content(author.producer, inputs))
    chunks = ((table.layout.name(partition), part) for partition, part in plan.chunks)
    batches.write(chunks, plan.encode, small=False, claim=[*groups])
    drafts = batches.drafts()
    for piece in _pieces(table, drafts):
        after.add(piece.drop_columns([WINDOW]))
    if before != after or before.rows != sum(one.rows for one in manifests):
        raise InconsistentBatch(
            f"{table.ref} was not compacted: the windows have"
            f" {sum(one.rows for one in manifests)} rows, {before.rows} were read, and the"
            f" {after.rows} that were written are not the same. Nothing was changed; check the"
            " windows with `sfx verify`",
            table=str(table.ref),
        )
    give = partial(target.ensure, table, plan.final_columns(), "safe")
    return batches, GivenColumns(drafts, give)


def _pieces(table: Table, manifests: Sequence[Manifest]) -> Iterator[pa.Table]:
    """Return the rows in pieces of some windows, as each piece costs more than its rows."""
    from airflow_sfx.frames.parquet.writer import gather

    found: Iterator[pa.Table] = load_manifests(
        table, manifests, columns=None, filters=None, as_="arrow", stream=True, with_keys=True
    )
    return gather((batch for one in found for batch in one.to_batches()), target_bytes=_PIECE)


def _relabelled(pieces: Iterator[pa.Table], sums: RowSums) -> Iterator[pa.Table]:
    """Yield rows with the new window, and count them."""
    import pyarrow as pa

    for piece in pieces:
        rest: Any = piece.drop_columns([WINDOW])
        sums.add(rest)
        yield rest.append_column(WINDOW, pa.repeat(COMPACTED, len(rest)))
