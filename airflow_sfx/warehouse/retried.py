"""A retry that does not know whether the attempt before it published: it looks, and takes that batch over as its own.

An attempt may die after its commit and before Airflow has its pin. The next attempt writes the same rows again; where they
are what the partitions already have from the attempt before, nothing is published a second time.
"""

from __future__ import annotations

from airflow_sfx.core.ledger import LedgerEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.commit import move_pointers
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.writing import BatchSet


def published_before(table: OpenTable, batches: BatchSet, producer: Producer) -> BatchPin | None:
    """What an earlier attempt of the same task instance published, if it is just what has been written again.

    Args:
        table: The table.
        batches: Batches whose files have been written, and which have not been sealed.
        producer: This attempt.

    Returns:
        The pin of the earlier attempt's batches, all of them current; None where a partition's current batch is somebody
        else's, or has other rows or other inputs, or where something else has moved one.

    Raises:
        WarehouseUnavailable: The metastore did not have them yet, and could not be told.
    """
    if (producer.try_number or 1) == 1:
        return None
    # The metastore, which the heads were found by, may not know yet what the attempt before did.
    batches.heads = batches.ledger.settled(batches.heads, again=True)
    entries = [head.entry for head in batches.heads.values() if head.entry and _published(head.entry, producer)]
    if not entries or len(entries) < len(batches.batches):
        return None
    manifests = batches.replaced()
    if not batches.hold_the_same(manifests) or batches.watch.again(batches.heads):
        return None
    move_pointers(table, batches.ledger, entries)
    return table.pin({manifest.partition: manifest.batch_id for manifest in manifests})


def _published(entry: LedgerEntry, producer: Producer) -> bool:
    """Whether a change was published by an earlier attempt of the producer's task instance."""
    return entry.operation is Operation.PUBLISH and producer.retries(entry.producer)
