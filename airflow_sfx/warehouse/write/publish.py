"""Publishing a staged batch: the last step of write, audit, publish."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from airflow_sfx.core.errors import CommitConflict, InvalidName
from airflow_sfx.core.log_entry import Change
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import (
    Author,
    Expected,
    commit,
    publish_change,
    refuse_unexpected,
)
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns, cover
from airflow_sfx.warehouse.table.same_days import refuse_same_days, spellings
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_retired
from airflow_sfx.warehouse.write.discard import refuse_discarded


def publish_pin(
    table: Table,
    log: PartitionLog,
    pin: BatchPin,
    author: Author,
    *,
    force: bool = False,
    expected: Expected | None = None,
) -> BatchPin:
    """Make staged batches current, all of them in one commit.

    Batches that are already current stay so, without a log entry.

    Args:
        table: The pin's table.
        log: The table's log.
        pin: The batches.
        author: Who publishes, and why.
        force: Whether to publish over a batch that was written later, and a discarded batch.
        expected: The batches that must be current, or None for no condition.

    Returns:
        The pin.

    Raises:
        BatchNotFound: A partition has no such batch.
        InvalidName: A partition does not exist yet, and is a day of another in another spelling.
        InconsistentBatch: A batch was never completed.
        CommitConflict: A batch that was written later is current, or the batch was discarded, and
            ``force`` is not set; or the current batch is not the expected one.
        SchemaMismatch: A column of a batch has a type that the table's, which changed since the
            batch was staged, does not hold.
    """
    if not pin.entries:
        return pin
    manifests = {manifest.partition: manifest for manifest in table.manifests(pin.batches)}
    heads = heads_to_change(table, log, manifests, author)
    _refuse_same_days(table, heads)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        refuse_unexpected(table, heads, expected)
        changes = []
        for name, manifest in manifests.items():
            current = heads[name].batch_id
            if current == manifest.batch_id:
                continue
            if not force:
                refuse_discarded(table, log, (name, manifest.batch_id), heads[name])
            if current is not None and current > manifest.batch_id and not force:
                raise CommitConflict(
                    f"{table.describe(name)} has the batch {current}, written after"
                    f" {manifest.batch_id}, and publishing the older one would hide the newer",
                    remedy=(
                        "store again on top of the newer one, or pass force=True; to return to a"
                        f" batch that was current before, use rollback(to={manifest.batch_id!r})"
                    ),
                    cli_remedy=(
                        "pass --force to publish it all the same; to return to a batch that was"
                        f" current before, use `sfx rollback --to {manifest.batch_id}`"
                    ),
                    table=str(table.ref),
                    partition=name,
                    batch_id=manifest.batch_id,
                )
            changes.append(publish_change(manifest))
        refuse_retired(
            table, [(change.partition, change.batch_id) for change in changes if change.batch_id]
        )
        return changes

    batches = list(manifests.values())
    columns = GivenColumns(batches, partial(cover, table, batches, strict=True))
    commit(table, log, heads, plan, author, beside=columns)
    return pin


def _refuse_same_days(table: Table, heads: Mapping[str, Head]) -> None:
    """Reject partitions that this publish would create beside the same day in another spelling."""
    discard = f"`sfx discard {table.ref}`"
    new = [table.layout.partition(name) for name, head in heads.items() if head.entry is None]
    others = spellings(table, new)
    try:
        refuse_same_days(table, new, table.pointers(others) if others else ())
    except InvalidName as error:
        raise InvalidName(
            error.rule,
            remedy=f"store the frame in that partition, and end this batch with {discard}",
            table=error.table,
            partition=error.partition,
        ) from error
