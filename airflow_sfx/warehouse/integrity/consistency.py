"""Checks whether a pin's objects are visible and the metastore is in sync.

Objects are found by listing each batch's directory, a thousand a request, and never requested one
by one.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.file_listing import invisible_files
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table


def inconsistencies(table: Table, pin: BatchPin) -> list[str]:
    """List what is not visible yet of a pin, or differs from its manifests.

    Args:
        table: The pin's table.
        pin: The batches.

    Returns:
        One sentence for each problem; empty if there are none.
    """
    log = PartitionLog(table)
    pointers = table.pointers([table.layout.partition(name) for name in pin.batches])
    heads = log.heads(pin.batches)
    found = map_concurrently(
        lambda item: invisible_files(table, *item), pin.batches.items(), table.store.concurrency
    )
    problems = [str(problem) for some in found for problem in some]
    problems += [
        f"the metastore has {table.describe(name)} at {info.location}: another engine has moved it"
        for name, info in foreign_changes(table, pointers, heads).items()
    ]
    return problems + [
        sentence
        for name in pin.batches
        if (sentence := _disagreement(table, name, heads[name], pointers))
    ]


def _disagreement(
    table: Table, name: str, head: Head, pointers: Mapping[str, PartitionInfo]
) -> str:
    """Describe how the metastore differs from the log; empty if it does not."""
    where = table.describe(name)
    pointer = pointers.get(name)
    if head.entry is None:
        return f"{where} has nothing in its history yet" if pointer and pointer.version else ""
    if pointer is None:
        return f"the metastore does not have {where} yet"
    if pointer.version != head.entry.version:
        return (
            f"the metastore has change {pointer.version} of {where}, but the history has"
            f" {head.entry.version}"
        )
    return ""
