"""Parameters that several routes have, and what they name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from airflow_sfx.core.batch_id import BATCH_ID_PATTERN
from airflow_sfx.core.errors import InvalidName, PartitionNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.warehouse.table.table import Table

MAX_LIMIT = 1000
"""Greatest size of a page."""

MAX_NAMES_OFFSET = 10_000_000
"""Greatest offset of tables and partitions: more than there are."""

MAX_CHANGES_OFFSET = 10_000
"""Greatest offset of changes, as all changes before a page are read, too."""

Partition = Annotated[
    str,
    Query(
        max_length=MAX_NAME,
        description="Partition, as named in pins; empty for a table without keys.",
    ),
]
Batch = Annotated[str, Query(pattern=f"^{BATCH_ID_PATTERN}$", description="Batch ID.")]
OneTable = Annotated[
    str,
    Query(max_length=MAX_NAME, description="Only those of this table, as `database.table`."),
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Offset = Annotated[int, Query(ge=0, le=MAX_NAMES_OFFSET)]
ChangesOffset = Annotated[
    int,
    Query(ge=0, le=MAX_CHANGES_OFFSET, description="For older changes, set an earlier `until`."),
]
Name = Annotated[str, Query(min_length=1, max_length=250)]
Search = Annotated[str, Query(max_length=MAX_NAME, description="Part of the name.")]


def partition_values(table: Table, name: str) -> list[tuple[str, ...]] | None:
    """Return a partition's values as a list, or None for a table without keys.

    Raises:
        InvalidName: The name is not one of a partition of this table.
        PartitionNotFound: The name is empty, and the table is partitioned.
    """
    if table.info.keys and not name:
        raise PartitionNotFound(
            f"{table.ref} is partitioned: name a partition with partition=", table=str(table.ref)
        )
    if not table.info.keys and name:
        raise InvalidName(f"{table.ref} has no partition keys: omit partition={name!r}")
    return [table.layout.partition(name).values] if name else None


def pinned(table: Table, name: str, batch_id: str) -> BatchPin:
    """Return the pin of one batch of a partition.

    Raises:
        InvalidName: The name is not one of a partition of this table.
    """
    partition_values(table, name)
    return table.pin({name: batch_id})
