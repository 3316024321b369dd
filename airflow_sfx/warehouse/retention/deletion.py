"""Deletion of batches, claims, unfinished objects and old leases.

Only this module deletes data; `vacuum` and `orphan_files` decide what.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.paths import CLAIM, LEASES, streams_directory
from airflow_sfx.core.stored.call_manifest import CallManifest, manifests_to_bytes
from airflow_sfx.warehouse.batch.data_files import link_out
from airflow_sfx.warehouse.table.manifests import Item, newest_generation
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


def old_leases(table: Table, now: datetime, *, dry_run: bool) -> int:
    """Delete the leases that consumers of streams into the table had on days before yesterday.

    A living consumer has renewed its lease since then. If this is interrupted, the next call
    deletes the rest.

    Args:
        table: The table.
        now: The time, in UTC.
        dry_run: Whether to only count.

    Returns:
        The number of their objects.
    """
    store, above = table.store, streams_directory(table.ref)
    yesterday = f"{now - timedelta(days=1):%Y%m%d}"
    found = 0
    for stream in store.list_directories(above):
        leases = f"{above}/{stream}/{LEASES}"
        for day in store.list_directories(leases):
            if day < yesterday:
                paths = [info.path for info in store.list(f"{leases}/{day}", unfinished=True)]
                found += len(paths)
                if not dry_run:
                    store.delete(paths)
    return found


def delete_claims(table: Table, claims: Sequence[str]) -> None:
    """Delete the claims of batch IDs without a manifest and without files.

    Args:
        table: The table.
        claims: Batch IDs that are too old for a running writer.
    """
    for batch_id in claims:
        _delete_claim(table, batch_id)


def delete_empty(table: Table, directories: Sequence[str]) -> None:
    """Delete directories without any file that a writer made before it died.

    Args:
        table: The table.
        directories: Their paths.
    """
    # A store that has directories deletes those that a deletion leaves without files.
    table.store.delete([f"{one}/{CLAIM}" for one in directories])


def _delete_claim(table: Table, batch_id: str) -> None:
    table.store.delete([f"{table.layout.call(batch_id)}/{CLAIM}"])


def delete_batches(table: Table, items: Sequence[Item], now: datetime) -> None:
    """Delete batches, and first what their manifests say of them.

    An interrupted deletion leaves batches that cannot be loaded, and the next vacuum deletes the
    rest. The claim of a young batch ID stays, as a writer could take the ID again: pins of the old
    batch would then name the new one.

    Args:
        table: The table.
        items: Partition names and batch IDs.
        now: The time, in UTC.
    """
    for name, batch_id in items:
        _refuse_link_out(table, name, batch_id)
    by_id: dict[str, set[str]] = defaultdict(set)
    for name, batch_id in items:
        by_id[batch_id].add(name)
    for batch_id, names in by_id.items():
        is_young = moment_of(batch_id) > now - UNFINISHED_FOR
        if is_young:  # a store that has directories drops the claim with the last other file
            table.store.put_if_absent(f"{table.layout.call(batch_id)}/{CLAIM}", b"")
        is_left = _forget(table, batch_id, names)
        for name in names:
            directory = table.layout.batch_dir(name, batch_id)
            there = [info.path for info in table.store.list(directory, unfinished=True)]
            table.store.delete(there)
        if not is_left and not is_young:
            _delete_claim(table, batch_id)


def _refuse_link_out(table: Table, name: str, batch_id: str) -> None:
    directory = table.layout.batch_dir(name, batch_id)
    if linked := link_out(table.store, table.layout.root, directory):
        raise InconsistentBatch(
            f"{linked} is a symbolic link out of the table's directory, which a store never makes:"
            " remove the link. Nothing behind it was deleted",
            table=str(table.ref),
            partition=name,
            batch_id=batch_id,
        )


def _forget(table: Table, batch_id: str, names: Collection[str]) -> bool:
    """Leave batches out of their call's manifest, and return whether it has others.

    The manifests of the others become the next generation before the earlier one is deleted. Two
    processes that do this create generations one after the other.
    """
    store, layout = table.store, table.layout
    while generation := newest_generation(store, layout, batch_id):
        path = layout.manifest(batch_id, generation)
        call = CallManifest.open(partial(store.view_part, path), path)
        if call is None:
            continue  # another process has written the next one
        known = call.all()
        left = [one for one in known if one.partition not in names]
        if left and len(left) < len(known):
            generation += 1
            path = layout.manifest(batch_id, generation)
            if not store.put_if_absent(path, manifests_to_bytes(left)):
                continue
        last = generation if left else generation + 1
        gone = {layout.manifest(batch_id, one) for one in range(1, last)}
        there = [info.path for info in store.list(layout.call(batch_id), unfinished=True)]
        store.delete([path for path in there if path.partition("#")[0] in gone])
        if left:
            return True
    return False
