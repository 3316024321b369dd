"""Deletion of batches, claims and unfinished objects.

Only this module deletes data; `vacuum` and `orphan_files` decide what.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.paths import CLAIM
from airflow_sfx.warehouse.batch.data_files import link_out
from airflow_sfx.warehouse.retention.ledger_verdicts import Item
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR

_log = logging.getLogger(__name__)
_WAREHOUSE_RECORDS = "_sfx"
"""The directory of records that a warehouse keeps for all tables."""


def unfinished(table: Table, now: datetime, *, dry_run: bool) -> tuple[str, ...]:
    """Delete objects that writers of the table began and did not finish.

    This includes the records that the warehouse keeps for all tables. Objects of other programs
    below the table's directory stay.

    Args:
        table: The table.
        now: The time, in UTC; objects younger than a day stay, as their writers may still run.
        dry_run: Whether to only report what would be deleted.

    Returns:
        The paths that the objects were written for.
    """
    find = table.store.unfinished if dry_run else table.store.delete_unfinished
    try:
        before = now - UNFINISHED_FOR
        return (
            *find(table.layout.root, before, table.layout.keeps),
            *find(_WAREHOUSE_RECORDS, before),
        )
    except WarehouseUnavailable as error:  # needs a permission of its own
        _log.warning("Unfinished objects of writers of %s may be left: %s", table.ref, error)
        return ()


def delete_claims(table: Table, claims: Sequence[Item]) -> None:
    """Delete the claims of directories that have no other objects.

    Args:
        table: The table.
        claims: Partition names and batch IDs that are too old for a running writer.
    """
    for name, batch_id in claims:
        table.store.delete([f"{table.layout.batch_dir(name, batch_id)}/{CLAIM}"])


def delete_batch(table: Table, name: str, batch_id: str, *, claimed: bool) -> None:
    """Delete a batch, its manifest first.

    An interrupted deletion leaves a batch that cannot be loaded, and the next vacuum deletes the
    rest. An ID that is in no log stays ``claimed``: another writer could claim it again, and the
    tombstone would reject its batch.
    """
    directory = table.layout.batch_dir(name, batch_id)
    if linked := link_out(table.store, table.layout.root, directory):
        raise InconsistentBatch(
            f"{linked} is a symbolic link out of the table's directory, which a store never makes:"
            " remove the link. Nothing behind it was deleted",
            table=str(table.ref),
            partition=name,
            batch_id=batch_id,
        )
    table.store.delete([table.layout.manifest(name, batch_id)])
    there = [info.path for info in table.store.list(directory, unfinished=True)]
    table.store.delete([path for path in there if not (claimed and path.endswith(f"/{CLAIM}"))])
