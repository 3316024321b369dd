"""Whether all of a pin can be seen: every object that its manifests name, and a metastore that agrees with the ledgers.

Objects are seen by listing each batch's directory, a thousand a request, and never asked for one by
one.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.file_listing import unseen
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, hints
from airflow_sfx.warehouse.table.table import Table


def inconsistencies(table: Table, pin: BatchPin) -> list[str]:
    """What of a pin cannot be seen yet, or not as it was written.

    Args:
        table: The pin's table.
        pin: The batches.

    Returns:
        A sentence for each thing that is amiss; none when all is there.
    """
    ledger = Ledger(table)
    pointers = table.pointers([table.layout.partition(name) for name in pin.batches])
    heads = ledger.heads(hints(pin.batches, pointers))
    found = map_concurrently(
        lambda item: unseen(table, *item), pin.batches.items(), table.store.concurrency
    )
    told = [sentence for sentences in found for sentence in sentences]
    told += [
        f"the metastore has {table.describe(name)} at {info.location}: something else has moved it"
        for name, info in foreign_changes(table, pointers, heads).items()
    ]
    return told + [
        sentence
        for name in pin.batches
        if (sentence := _disagreement(table, name, heads[name], pointers))
    ]


def _disagreement(
    table: Table, name: str, head: Head, pointers: Mapping[str, PartitionInfo]
) -> str:
    """How the metastore differs from the ledger; empty where it does not."""
    where = table.describe(name)
    pointer = pointers.get(name)
    if head.undecided:
        return f"a change of {where} is under way"
    if head.entry is None:
        return f"{where} has nothing in its history yet" if pointer and pointer.sequence else ""
    if pointer is None:
        return f"the metastore does not have {where} yet"
    if pointer.sequence != head.entry.sequence:
        return (
            f"the metastore has change {pointer.sequence} of {where}, and the history has"
            f" {head.entry.sequence}"
        )
    return ""
