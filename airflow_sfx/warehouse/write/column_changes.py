"""Drop or rename a column: current batches are written again, in one commit.

Files name their columns, and engines read them by these names: a table that only its metastore
renamed would read null from old files. So each current batch that has the column gets a successor
without it, or with its new name. The history has the change; rolling back undoes it, and pins of
the batches before keep what they were. Nothing is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import (
    CommitConflict,
    InconsistentBatch,
    InvalidName,
    SchemaMismatch,
    SfxError,
    StaleAttempt,
    counted,
)
from airflow_sfx.core.log_entry import Change, LogEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit, publish_change, refuse_unexpected
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.restore import batch_columns
from airflow_sfx.warehouse.log.table_columns import cover_again, release_column
from airflow_sfx.warehouse.pins.lineage import record_rewritten
from airflow_sfx.warehouse.read.load import BatchFiles
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.store_plan import encoded

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.types.logical import LogicalSchema

_log = logging.getLogger(__name__)
_CONCURRENCY = 4  # each thread has one file in memory


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A change of one column in all current batches.

    Args:
        column: The column.
        to: Its new name; empty to drop it.
    """

    column: str
    to: str = ""

    def __str__(self) -> str:
        """Describe the change for the history."""
        what = f"to {self.to}" if self.to else ""
        return f"{'rename' if self.to else 'drop'} the column {self.column} {what}".rstrip()


def change_column(
    table: Table, log: PartitionLog, change: ColumnChange, author: Author, *, dry_run: bool = False
) -> BatchPin:
    """Drop or rename a column of a table.

    Args:
        table: The table.
        log: The table's log.
        change: The change.
        author: Who changes it, and why.
        dry_run: Whether to only check the change.

    Returns:
        The pin of the batches that replace current ones, or that a dry run would replace; without
        batches if none has the column.

    Raises:
        SchemaMismatch: The table has no such column, it is the only one, or holds an index.
        InvalidName: The column is a partition key, or the new name is taken or not valid.
        CommitConflict: Another writer changed the table meanwhile; nothing was changed.
    """
    everything = _current(table, log)
    _check(table, everything, change)
    described = f"{change}: {author.reason}" if author.reason else str(change)
    author = Author(author.producer, described)
    current = [manifest for manifest in everything if _has(manifest, change.column)]
    for manifest in current:
        _refuse_batch(table, manifest, change)
    if dry_run:
        return table.pin({one.partition: one.batch_id for one in current})
    if not current:
        columns = _MetastoreColumns(table, log, change)
        if change.to and not any(_has(manifest, change.to) for manifest in everything):
            columns.add()
        columns.take(table)
        return table.pin({})
    heads = heads_to_change(table, log, [one.partition for one in current], author)
    write = partial(_written, table, log, change, author)
    sealed = map_concurrently(write, current, _CONCURRENCY)
    record_rewritten(table, zip(current, sealed, strict=True))
    expected = {one.partition: one.batch_id for one in current}

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        refuse_unexpected(table, heads, expected)
        return [publish_change(manifest) for manifest in sealed]

    columns = _MetastoreColumns(table, log, change, current, sealed)
    try:
        commit(table, log, heads, plan, author, beside=columns, rewrites=True)
    except (CommitConflict, StaleAttempt):
        if change.to:
            release_column(table, change.to)
        raise
    return table.pin({one.partition: one.batch_id for one in sealed})


@dataclass(frozen=True, slots=True)
class _MetastoreColumns:
    """The columns in the metastore, changed `Beside` the commit of the batches.

    Engines can read all batches at any time: a new name is added before the batches have it, and
    the old one is taken once no current batch has it. If the process dies in between, the table has
    a column without values, and the same call completes the change.

    Args:
        table: The table.
        log: The table's log.
        change: The change.
        current: The batches that have the column.
        sealed: Their successors.
    """

    table: Table
    log: PartitionLog
    change: ColumnChange
    current: Sequence[Manifest] = ()
    sealed: Sequence[Manifest] = ()

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Add the new name, unless another batch got the column meanwhile."""
        now = _current(self.table, self.log)
        left = [one for one in now if _has(one, self.change.column) and one not in self.current]
        if left:
            raise CommitConflict(
                f"{self.table.describe(left[0].partition)} got the batch {left[0].batch_id} with"
                f" the column {self.change.column!r} meanwhile: nothing was changed; try again",
                table=str(self.table.ref),
                partition=left[0].partition,
                batch_id=left[0].batch_id,
            )
        self.add()

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Take the old name."""
        try:
            cover_again(table, self.sealed, seen)
            self.take(table)
        except SfxError as error:
            _log.warning(
                "%s has its new batches, but still shows the column %s, without values; the same"
                " call takes it: %s",
                table.ref,
                self.change.column,
                error,
            )

    def add(self) -> None:
        """Add the new name beside the old one."""
        if self.change.to:
            self.table.update(self._added)

    def take(self, table: Table) -> None:
        """Take the old name, unless a current batch has it; the new one gets its place."""
        release_column(table, self.change.column, self._in_place)

    def _added(self, now: TableInfo) -> TableInfo:
        known = {one.name.lower(): one for one in now.columns}
        written = {one.name.lower(): one for one in self._written()}
        old, to = known.get(self.change.column.lower()), self.change.to.lower()
        new = replace(old, name=self.change.to) if old is not None else written.get(to)
        if new is None:
            return now
        others = tuple(one for one in now.columns if one.name.lower() != to)
        return replace(now, columns=(*others, new))

    def _written(self) -> Sequence[Column]:
        return batch_columns(self.sealed[-1]) if self.sealed else ()

    def _in_place(self, before: TableInfo, after: TableInfo) -> TableInfo:
        """Return the table with the new name where the old one was."""
        name, to = self.change.column.lower(), self.change.to.lower()
        names = [one.name.lower() for one in before.columns]
        new = [one for one in after.columns if one.name.lower() == to]
        if not new or name not in names or any(one.name.lower() == name for one in after.columns):
            return after
        ahead = set(names[: names.index(name)])
        others = [one for one in after.columns if one not in new]
        first = [one for one in others if one.name.lower() in ahead]
        rest = [one for one in others if one.name.lower() not in ahead]
        return replace(after, columns=(*first, *new, *rest))


def _check(table: Table, current: Sequence[Manifest], change: ColumnChange) -> None:
    from airflow_sfx.frames.column_names import check_names, unknown_column

    # A writer that died may have changed the metastore's columns, but no batch.
    held = {one.name.lower(): one.name for manifest in current for one in manifest.columns}
    names = {one.name.lower(): one.name for one in table.info.columns} | held
    keys = [key.name for key in table.info.keys]
    for name in (change.column, *([change.to] if change.to else [])):
        if not isinstance(name, str):
            raise InvalidName(f"{name!r:.80} is not a column's name: names are text")
        if name.lower() in keys:
            raise InvalidName(
                f"{name!r} is a partition key of {table.ref}: partition keys are for ever; store"
                " the rows in a table with other keys"
            )
    if change.column.lower() not in names:
        raise unknown_column(change.column, names.values())
    if change.to:
        check_names([change.to])
        if change.to.lower() in held and change.column.lower() in held:
            raise InvalidName(
                f"{table.ref} has the column {held[change.to.lower()]!r} already: choose another"
                " name, or drop that column first"
            )
    elif len(names) == 1:
        raise SchemaMismatch(
            f"{change.column!r} is the only column of {table.ref}: a table needs at least one"
        )


def _current(table: Table, log: PartitionLog) -> list[Manifest]:
    """Return the manifests of all current batches."""
    marks = log.marks()
    return table.manifests({name: one.batch_id for name, one in marks.items() if one.batch_id})


def _has(manifest: Manifest, column: str) -> bool:
    return any(one.name.lower() == column.lower() for one in manifest.columns)


def _refuse_batch(table: Table, manifest: Manifest, change: ColumnChange) -> None:
    from airflow_sfx.frames.evolution.column_changes import is_index_column
    from airflow_sfx.frames.schema.codec import schema_from_text

    if is_index_column(schema_from_text(manifest.schema), change.column):
        why = "holds the index of its frame: store it again after reset_index()"
    elif not change.to and len(manifest.columns) == 1:
        why = "is its only one: store the batch again with another one first"
    else:
        return
    raise SchemaMismatch(
        f"the column {change.column!r} of {table.describe(manifest.partition)}, batch"
        f" {manifest.batch_id}, {why}",
        table=str(table.ref),
        partition=manifest.partition,
        batch_id=manifest.batch_id,
    )


def _written(
    table: Table, log: PartitionLog, change: ColumnChange, author: Author, old: Manifest
) -> Manifest:
    """Write a batch again with the change, a piece at a time; no log entry names it yet."""
    from airflow_sfx.frames.parquet.writer import Encoder, gather
    from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text

    before = schema_from_text(old.schema)
    name = before.resolve(change.column) or change.column
    after = _schema(before, name, change)
    columns = _columns(old.columns, name, change)
    fit = replace(
        old.fit,
        casts=_by_name(old.fit.casts, name, change),
        wider=_by_name(old.fit.wider, name, change),
        declared=tuple(_by_name(dict.fromkeys(old.fit.declared, ""), name, change)),
    )
    in_files = [replace(one, type=fit.wider.get(one.name, one.type)) for one in columns]
    units = {one.lower(): after.unit(one) for one in after.schema.names}
    keys = [key for key in table.layout.keys if after.resolve(key) is not None]
    encoder = Encoder(after.schema, keys=keys, columns=in_files, units=units)
    text = schema_to_text(after)
    batches = BatchWriter(
        table,
        log,
        BatchContent(lambda: text, columns, author.producer, old.inputs, lambda: fit),
    )
    pieces = gather(_pieces(table, old, before, after))
    batches.write(
        ((old.partition, rows) for rows in pieces), partial(encoded, encoder), small=False
    )
    (new,) = batches.seal(staged=False, checks=old.checks)
    if new.rows != old.rows:
        raise InconsistentBatch(
            f"the batch {old.batch_id} of {table.describe(old.partition)} has"
            f" {counted(new.rows, 'row')}, and its manifest {old.rows:,}: nothing was changed;"
            " check it with `sfx verify`",
            table=str(table.ref),
            partition=old.partition,
            batch_id=old.batch_id,
        )
    return new


def _pieces(
    table: Table, old: Manifest, before: LogicalSchema, after: LogicalSchema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from airflow_sfx.frames.parquet.reader import iter_batches

    files = BatchFiles(table, [old], whole=False)
    key_types = {key.name: key.type for key in table.info.keys}
    every = len(before.schema) == len(after.schema)
    names = [name for name in before.schema.names if every or after.resolve(name) is not None]
    # A batch without rows also has a file.
    yield pa.RecordBatch.from_arrays(
        [pa.nulls(0, field.type) for field in after.schema], schema=after.schema
    )
    for piece in iter_batches(files.sources, opened=files.open, lead=before, key_types=key_types):
        arrays = [piece.column(name) for name in names]
        yield from pa.Table.from_arrays(arrays, schema=after.schema).to_batches()


def _schema(before: LogicalSchema, name: str, change: ColumnChange) -> LogicalSchema:
    from airflow_sfx.frames.evolution.column_changes import with_column_renamed, without_column

    if change.to:
        return with_column_renamed(before, name, change.to)
    return without_column(before, name)


def _columns(columns: Sequence[Column], name: str, change: ColumnChange) -> tuple[Column, ...]:
    kept = (one for one in columns if change.to or one.name != name)
    return tuple(replace(one, name=change.to) if one.name == name else one for one in kept)


def _by_name(facts: Mapping[str, str], name: str, change: ColumnChange) -> dict[str, str]:
    from airflow_sfx.frames.evolution.column_changes import renamed

    if change.to:
        return renamed(facts, name, change.to)
    return {key: value for key, value in facts.items() if key != name}
