"""Replacing the windows of a stream by those of records that are read again.

The rows of an earlier commit are replaced in its own windows: those of its batch ID get a new
batch, or are ended if they have no rows any more. The positions of the stream stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import CommitConflict
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Evolve
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit, publish_change, refuse_unexpected
from airflow_sfx.warehouse.log.compactions import WINDOW, ways_to_undo
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.store_plan import StoreOptions, StorePlan, plan_store
from airflow_sfx.warehouse.write.window import LATE, with_window

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class EarlierWindow:
    """An earlier commit of records of a stream.

    Args:
        version: Its number in the table's log.
        at: Its time.
        name: The value of the partition key ``window`` of its rows.
        rows: How many rows it added.
        shards: The records that it added, by shard: after the first number, up to the second.
        current: The batches that its windows have now, by partition; None for ended ones.
    """

    version: int
    at: datetime
    name: str
    rows: int
    shards: Mapping[str, tuple[str, str]]
    current: Mapping[str, str | None]


def windows_since(table: Table, stream: str, since: datetime) -> list[EarlierWindow]:
    """Return the commits of records of a stream since a time, oldest first.

    Args:
        table: The table.
        stream: The stream.
        since: The time.

    Raises:
        CommitConflict: The windows of one were compacted.
    """
    log = PartitionLog(table)
    state = log.look()
    found = []
    for version in range(max(log.version_at(since), 1), state.version + 1):
        header = log.header(version)
        if header.at < since or stream not in header.consumed:
            continue
        changes = log.changes(version)
        batch_id = next((one.batch_id for one in changes if one.batch_id), None)
        name = batch_id or f"replayed-{version:010d}"
        found.append(
            EarlierWindow(
                version,
                header.at,
                name,
                sum(one.rows for one in changes),
                header.consumed[stream],
                {},
            )
        )
    names = {one.name for one in found}
    current: dict[str, dict[str, str | None]] = {name: {} for name in names}
    for partition, mark in log.marks().items():
        window = table.layout.partition(partition).values[-1].removeprefix(LATE)
        if window in names:
            current[window][partition] = mark.batch_id
    ended = [one for some in current.values() for one, batch in some.items() if batch is None]
    _refuse_compacted(table, log.heads(ended))
    return [replace(one, current=current[one.name]) for one in found]


def _refuse_compacted(table: Table, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        if head.entry is not None and head.entry.operation is Operation.COMPACT:
            call, command = ways_to_undo(table, head.entry)
            raise CommitConflict(
                f"{table.describe(name)} was compacted with others, and nothing was replayed",
                remedy=f"roll back the compaction, by {call}, replay, and compact again",
                cli_remedy=f"roll back the compaction, by {command}, replay, and compact again",
                table=str(table.ref),
                partition=name,
            )


def replace_window(
    target: Target,
    table: Table,
    window: EarlierWindow,
    frame: Any,
    late: Any,
    options: StoreOptions,
    author: Author,
) -> BatchPin:
    """Replace the rows of an earlier commit, all of them in one commit.

    A process that dies before it leaves files that no manifest names.

    Args:
        target: The table, to be written.
        table: The table, as it is.
        window: The earlier commit.
        frame: The rows, or None without any.
        late: Which of them are late, or None.
        options: How to store; ``partition_by`` without the window.
        author: Who replays, and why.

    Returns:
        The pin of the new batches.

    Raises:
        CommitConflict: Another writer has changed the windows.
    """
    log = PartitionLog(table)
    written = None
    if frame is not None:
        rows = with_window(frame, late, window.name)
        written = _Written.of(target, log, rows, options, author)
    known = [] if written is None else written.names
    heads = heads_to_change(table, log, [*dict.fromkeys([*known, *window.current])], author)
    expected = {name: window.current.get(name) for name in heads}
    refuse_unexpected(table, heads, expected)
    sealed = [] if written is None else written.write()
    ended = [name for name, batch in window.current.items() if batch and name not in known]

    def changes(heads: Mapping[str, Head]) -> list[Change]:
        nonlocal sealed
        refuse_unexpected(table, heads, expected)
        if written is not None:
            sealed = written.batches.rebase(sealed, heads)
        return [
            *(publish_change(one) for one in sealed),
            *(Change(name, Operation.DROP, None, dropped=True) for name in ended),
        ]

    beside = None if written is None else written.columns(target, sealed)
    commit(table, log, heads, changes, author, beside=beside)
    return table.pin({one.partition: one.batch_id for one in sealed})


@dataclass(frozen=True, slots=True)
class _Written:
    """Rows that are written into windows that exist already."""

    table: Table
    plan: StorePlan
    batches: BatchWriter
    evolve: Evolve

    @classmethod
    def of(
        cls,
        target: Target,
        log: PartitionLog,
        rows: pa.Table,
        options: StoreOptions,
        author: Author,
    ) -> _Written:
        options = replace(options, partition_by=[*(options.partition_by or ()), WINDOW])
        plan = plan_store(target, rows, options)
        table = target.open(plan.keys, plan.columns, plan.key_kinds)
        content = plan.content(author.producer, options.inputs)
        return cls(table, plan, BatchWriter(table, log, content), options.evolve)

    @property
    def names(self) -> list[str]:
        return [self.table.layout.name(partition) for partition in self.plan.partitions]

    def write(self) -> Sequence[Manifest]:
        plan, layout = self.plan, self.table.layout
        chunks = ((layout.name(partition), rows) for partition, rows in plan.chunks)
        self.batches.write(chunks, plan.encode, small=plan.small, claim=self.names)
        return self.batches.seal(staged=False)

    def columns(self, target: Target, sealed: Sequence[Manifest]) -> GivenColumns:
        give = partial(target.ensure, self.table, self.plan.final_columns(), self.evolve)
        return GivenColumns(sealed, give)
