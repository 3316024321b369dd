"""Publishing a staged batch: the last step of write, audit, publish."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from airflow_sfx.core.errors import CommitConflict
from airflow_sfx.core.ledger import Change
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import (
    Author,
    Expected,
    commit,
    publish_change,
    refuse_unexpected,
)
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.log.table_columns import GivenColumns, cover
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_retired
from airflow_sfx.warehouse.write.discard import refuse_discarded


def publish_pin(
    table: Table,
    ledger: Ledger,
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
        ledger: The table's log.
        pin: The batches.
        author: Who publishes, and why.
        force: Whether to publish over a batch that was written later, and a discarded batch.
        expected: The batches that must be current, or None for no condition.

    Returns:
        The pin.

    Raises:
        BatchNotFound: A partition has no such batch.
        InconsistentBatch: A batch was never completed.
        CommitConflict: A batch that was written later is current, or the batch was discarded, and
            ``force`` is not set; or the current batch is not the expected one.
        SchemaMismatch: A column of a batch has a type that the table's, which changed since the
            batch was staged, does not hold.
    """
    if not pin.entries:
        return pin
    manifests = {manifest.partition: manifest for manifest in table.manifests(pin.batches)}
    heads = heads_to_change(table, ledger, manifests, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        refuse_unexpected(table, heads, expected)
        changes = []
        for name, manifest in manifests.items():
            current = heads[name].batch_id
            if current == manifest.batch_id:
                continue
            if not force:
                refuse_discarded(table, ledger, (name, manifest.batch_id), heads[name])
            if current is not None and current > manifest.batch_id and not force:
                raise CommitConflict(
                    f"{table.describe(name)} has the batch {current}, written after"
                    f" {manifest.batch_id}: publishing the older one would hide the newer. Store"
                    " again on top of the newer one, or pass force=True; to return to a batch that"
                    f" was current before, use rollback(to={manifest.batch_id!r})",
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
    commit(table, ledger, heads, plan, author, beside=columns)
    return pin
