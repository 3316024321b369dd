"""Columns of current batches that the metastore lacks.

Every writer sees to it that the metastore has the columns of its batches. One that dies between its
log entry and its last look, while an undo takes columns, leaves some behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.manifest import Manifest
from airflow_sfx.warehouse.log.partition_log import Head
from airflow_sfx.warehouse.log.restore import batch_columns
from airflow_sfx.warehouse.log.table_columns import cover, is_covered, readable_manifests
from airflow_sfx.warehouse.table.table import Table


def columns_behind(table: Table, manifests: Iterable[Manifest]) -> list[str]:
    """Describe the columns of current batches that the metastore lacks, or has too narrow.

    Args:
        table: The table.
        manifests: The manifests of batches, which need not be current.

    Returns:
        One text for each partition; empty if the metastore has all columns.
    """
    behind = [one for one in manifests if not is_covered(table, one)]
    pointers = table.pointers([table.layout.partition(one.partition) for one in behind])
    return [
        _described(table, one)
        for one in behind
        if one.partition in pointers and pointers[one.partition].batch_id == one.batch_id
    ]


def complete_columns(table: Table, heads: Mapping[str, Head]) -> list[str]:
    """Give a table the columns of its current batches that the metastore lacks.

    Args:
        table: The table.
        heads: The heads of all partitions.

    Returns:
        What was lacking, a text for each partition.
    """
    batches = [(name, head.batch_id) for name, head in heads.items() if head.batch_id]
    info = table.metastore.get_table(table.ref)
    if info is None or not batches:
        return []
    table = replace(table, info=info)
    found = [one for one in readable_manifests(table, batches) if one is not None]
    behind = [one for one in found if not is_covered(table, one)]
    cover(table, behind, strict=False)
    return [_described(table, one) for one in behind]


def _described(table: Table, manifest: Manifest) -> str:
    have = {one.name.lower(): one.type for one in table.info.columns}
    lacking: Sequence[str] = [
        f"{one.name} ({one.type})"
        for one in batch_columns(manifest)
        if have.get(one.name.lower()) != one.type
    ]
    return (
        f"the metastore lacks columns of {table.describe(manifest.partition)}, batch"
        f" {manifest.batch_id}: {', '.join(lacking) or 'all'}"
    )
