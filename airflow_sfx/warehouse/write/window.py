"""Storing records of a stream as a window: rows and positions in one commit.

The last partition key of such a table is ``window``, whose value is the batch ID of the commit, so
that each commit has partitions of its own, which no other one replaces. Rows that came too late are
in a window beside it, ``late-`` and the batch ID. The commit's entry of the log has the positions
of the stream as well, and demands those that the records follow: records are in the table once,
however often they are delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import CheckFailed, CommitConflict, InvalidName
from airflow_sfx.core.log_entry import Change
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.positions import Consumed, Positions
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.commit import Author, commit, position_conflict, publish_change
from airflow_sfx.warehouse.log.compactions import WINDOW
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns
from airflow_sfx.warehouse.quality.run_checks import results_of_table, run_checks
from airflow_sfx.warehouse.quality.subjects import CheckContext
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState
from airflow_sfx.warehouse.write.store import failures, log_casts, record_inputs, summary
from airflow_sfx.warehouse.write.store_plan import StoreOptions, StorePlan, plan_store

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames._typing import AnyArray

LATE = "late-"
"""What the window of late rows begins with."""


def stream_positions(target: Target) -> Positions:
    """Return how far streams have been consumed into a table, which need not exist."""
    return PartitionLog(target.open((), ())).look().positions


def store_window(
    target: Target,
    data: object,
    consumed: Consumed,
    late: object,
    options: StoreOptions,
    author: Author,
) -> BatchPin | None:
    """Add the rows of consumed records as a window; see `Warehouse.store_window`."""
    log = PartitionLog(target.open((), ()))
    state = log.look()
    refusal = position_conflict(target.open((), ()), state, consumed)
    if refusal is not None:
        raise refusal
    frame = with_window(data, late)
    if not len(frame):
        _commit_alone(target.open((), ()), log, consumed, author)
        return None
    by = (*(options.partition_by or ()), WINDOW)
    options = replace(options, partition_by=by)
    plan = plan_store(target, frame, options)
    table = target.open(plan.keys, plan.columns, plan.key_kinds)
    batches = BatchWriter(table, log, plan.content(author.producer, options.inputs))
    _write(table, batches, plan, _newest(state))
    manifests = _sealed(table, batches, plan, data, options)
    record_inputs(table, options.inputs, table.pin(batches.batches), author)
    columns = plan.final_columns()
    give_columns = partial(target.ensure, table, columns, options.evolve)
    given = GivenColumns(manifests, give_columns)

    def changes(heads: Mapping[str, Head]) -> list[Change]:
        _refuse_taken(table, heads)
        return [publish_change(manifest) for manifest in manifests]

    commit(table, log, batches.heads, changes, author, beside=given, consumed=consumed)
    log_casts(table, manifests[0].fit, columns)
    return table.pin(batches.batches)


def _commit_alone(table: Table, log: PartitionLog, consumed: Consumed, author: Author) -> None:
    """Commit positions without rows: an entry that changes no partition."""
    commit(table, log, {}, lambda _: [], author, consumed=consumed)


def _newest(state: LogState) -> str:
    """Return the batch ID that the last commit reached; those of a busy stream are ahead of time.

    Without it, each window would list all IDs from the present second on.
    """
    first = state.entry.first() if state.entry else None
    return first.newest if first else ""


def with_window(data: object, late: object, name: str = WINDOW) -> pa.Table:
    """Return rows with a column that says in which of the two windows each belongs.

    Args:
        data: The rows.
        late: For each whether it is late, or None for none.
        name: The window; that of late rows has `LATE` before it.

    Raises:
        InvalidName: The rows have such a column, or ``late`` does not fit them.
        SchemaMismatch: It is not a frame in memory, or cannot be stored.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from airflow_sfx.frames.inputs import frame_in_memory

    frame = frame_in_memory(data)
    if WINDOW in {column.lower() for column in frame.column_names}:
        raise InvalidName(
            f"the frame has a column named {WINDOW!r}, which names the batch of each row in a table"
            " of a stream: rename the column"
        )
    mask: Any = pa.repeat(False, len(frame)) if late is None else _mask(late, len(frame))
    return frame.append_column(WINDOW, pc.if_else(mask, f"{LATE}{name}", name))


def _mask(late: Any, rows: int) -> AnyArray:
    import pyarrow as pa

    try:
        mask: Any = pa.array(late, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _not_a_mask(late, rows) from error
    if isinstance(mask, pa.ChunkedArray):
        mask = mask.combine_chunks()
    right = pa.types.is_boolean(mask.type) or (pa.types.is_null(mask.type) and not len(mask))
    if not right or mask.null_count or len(mask) != rows:
        raise _not_a_mask(late, rows)
    return mask


def _not_a_mask(late: object, rows: int) -> InvalidName:
    return InvalidName(
        f"late={late!r:.80} does not say of each row whether it is late: pass {rows} values that"
        " are True or False, or leave it out"
    )


def _write(table: Table, batches: BatchWriter, plan: StorePlan, newest: str) -> None:
    """Claim the batch ID, by which the partitions are named, and write the files."""
    batch_id = batches.reserve(newest)

    def name(partition: Partition) -> str:
        *values, window = partition.values
        of = f"{window.removesuffix(WINDOW)}{batch_id}"
        return table.layout.name(Partition((*values, of)))

    chunks = ((name(partition), rows) for partition, rows in plan.chunks)
    known = [name(partition) for partition in plan.partitions]
    batches.write(chunks, plan.encode, small=plan.small, claim=known)


def _sealed(
    table: Table, batches: BatchWriter, plan: StorePlan, data: object, options: StoreOptions
) -> Sequence[Manifest]:
    """Complete the batches if all checks pass.

    A failed window is not staged: publishing it would add records that are delivered again.
    """
    written = partial(CheckContext.of, table, batches.log, batches.drafts, plan.frame)
    results = run_checks(data, options.checks, batches.replaced, written)
    failed = failures(results, results_of_table(table, batches, results, plan.frame))
    if failed:
        raise CheckFailed(
            f"{table.ref} was not changed: {summary(failed)}. The records are not consumed: correct"
            " the function or the checks, and store them again",
            table=str(table.ref),
        )
    return batches.seal(staged=False, checks=results)


def _refuse_taken(table: Table, heads: Mapping[str, Head]) -> None:
    """Raise an error for a window that exists, as another call has named it.

    Raises:
        CommitConflict: It exists.
    """
    for name, head in heads.items():
        if head.entry is not None:
            raise CommitConflict(
                f"{table.describe(name)} was written by another call, which named it as this one"
                " has: nothing was changed; store the records again",
                table=str(table.ref),
                partition=name,
                batch_id=head.batch_id,
            )
