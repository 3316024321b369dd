"""Reads of manifests, of which one object has those of all batches of a call.

When retention deletes some of a call's batches, it writes the manifests of the others as a later
generation, and deletes the earlier one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, SfxError
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.stored.call_manifest import CallManifest
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.table.tombstones import retirement_of

if TYPE_CHECKING:
    from airflow_sfx.warehouse.table.table import Table

Item = tuple[str, str]
"""A partition's name and a batch ID."""
Expected = dict[str, "Future[dict[str, Manifest]]"]
"""The manifests that are being read, by batch ID and partition name."""


def open_call(store: ObjectStore, layout: TableLayout, batch_id: str) -> CallManifest | None:
    """Open the manifest of the batches that a call wrote; return None if there is none.

    Args:
        store: The object store.
        layout: The table's paths.
        batch_id: The batches' ID.

    Raises:
        InconsistentBatch: It was altered or truncated, or moved here.
    """
    generation = 1
    while generation:
        path = layout.manifest(batch_id, generation)
        found = CallManifest.open(partial(store.view_part, path), path)
        if found is not None:
            if found.batch_id != batch_id:
                raise InconsistentBatch(
                    f"{path} is the manifest of the batches {found.batch_id} of {found.ref}: it was"
                    " moved or copied"
                )
            return found
        generation = newest_generation(store, layout, batch_id)
    return None


def newest_generation(store: ObjectStore, layout: TableLayout, batch_id: str) -> int:
    """Return the number of the newest generation of a call's manifest, or 0 without any."""
    directory, _, first = layout.manifest(batch_id).rpartition("/")
    later = store.names_after(directory, first)
    if later:
        return int(later[-1].removeprefix(f"{first}-"))
    return int(store.head(f"{directory}/{first}") is not None)


def find_manifests(table: Table, items: Iterable[Item]) -> dict[Item, Manifest]:
    """Return the manifests that exist.

    Args:
        table: The table.
        items: Partition names and batch IDs.

    Raises:
        InconsistentBatch: One was altered, or is of another table.
    """
    by_id = _by_id(items)
    found = map_concurrently(
        lambda batch_id: _of_call(table, batch_id, by_id[batch_id]), by_id, table.store.concurrency
    )
    return {(name, it.batch_id): it for some in found for name, it in some.items()}


def readable(table: Table, items: Sequence[Item]) -> dict[Item, Manifest]:
    """Return the manifests that exist and are not damaged.

    Args:
        table: The table.
        items: Partition names and batch IDs.
    """
    by_id = _by_id(items)

    def of_call(batch_id: str) -> dict[Item, Manifest]:
        some = [(name, batch_id) for name in by_id[batch_id]]
        try:
            found = find_manifests(table, some)
        except InconsistentBatch:
            if len(some) == 1:
                return {}
            parts = [readable(table, [item]) for item in some]
            found = {item: one for part in parts for item, one in part.items()}
        return {item: one for item, one in found.items() if table.may_read(one.location)}

    read = map_concurrently(of_call, by_id, table.store.concurrency)
    return {item: one for some in read for item, one in some.items()}


def read_manifests(table: Table, items: Sequence[Item], expected: Expected) -> list[Manifest]:
    """Return manifests in the order of their batches.

    Args:
        table: The table.
        items: Partition names and batch IDs.
        expected: What `expect` has begun to read; it is taken.

    Raises:
        BatchNotFound: A partition does not have the batch.
        InconsistentBatch: A manifest is missing, altered or of another table.
    """
    by_id = _by_id(items)

    def of_call(batch_id: str) -> dict[str, Manifest]:
        begun = expected.pop(batch_id, None)
        found = begun.result() if begun else {}
        left = [name for name in by_id[batch_id] if name not in found]
        return {**found, **_of_call(table, batch_id, left)} if left else found

    read = map_concurrently(of_call, by_id, table.store.concurrency)
    found = dict(zip(by_id, read, strict=True))
    manifests = []
    for name, batch_id in items:
        manifest = found[batch_id].get(name)
        if manifest is None:
            raise _no_manifest(table, name, batch_id)
        if not table.may_read(manifest.location):
            raise table.outside(name, batch_id, manifest.location)
        manifests.append(manifest)
    return manifests


def expect(table: Table, items: Collection[Item]) -> Expected:
    """Start to read manifests that are likely needed next, which saves a round trip."""
    if table.store.concurrency == 1 or not items:
        return {}
    by_id = _by_id(items)
    pool = ThreadPoolExecutor(
        min(len(by_id), table.store.concurrency), thread_name_prefix="sfx-manifest"
    )
    begun = {one: pool.submit(_of_call, table, one, names) for one, names in by_id.items()}
    pool.shutdown(wait=False)
    return begun


def _by_id(items: Iterable[Item]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, batch_id in items:
        found[batch_id].append(name)
    return found


def _of_call(table: Table, batch_id: str, names: Sequence[str]) -> dict[str, Manifest]:
    """Return the manifests of some partitions' batches with an ID, as far as they exist."""
    store, layout = table.store, table.layout
    while True:
        call = None
        try:
            call = wait_until_visible(store, partial(open_call, store, layout, batch_id))
            if call is None:
                return {}
            if not table.is_or_was(call.ref):
                raise InconsistentBatch(
                    f"{call.path} is the manifest of batches of {call.ref}: it was moved or copied"
                )
            found = call.find(names)
            return {**_of_versions(table, call, names), **found} if table.is_model else found
        except InconsistentBatch as error:
            if call is not None and store.head(call.path) is None:
                continue  # retention has just written the next generation
            error.table, error.partition, error.batch_id = str(table.ref), names[0], batch_id
            raise


def _of_versions(table: Table, call: CallManifest, names: Sequence[str]) -> dict[str, Manifest]:
    """Return a model's version as a batch of aliases: the artifact stays where it was saved."""
    (saved,) = call.all()
    place = table.batch_location(saved.partition, saved.batch_id)
    return {name: replace(saved, partition=name, location=place) for name in names}


def _no_manifest(table: Table, name: str, batch_id: str) -> SfxError:
    known = table.store.list_directories(table.layout.partition_dir(name))
    facts = {"table": str(table.ref), "partition": name, "batch_id": batch_id}
    if retirement := retirement_of(table, name, batch_id):
        return retirement
    if batch_id not in known:
        return BatchNotFound(
            f"{table.describe(name)} has no batch {batch_id}: `sfx history {table.ref} {name}`"
            " lists those that it had",
            **facts,
        )
    return InconsistentBatch(
        f"the batch {batch_id} of {table.describe(name)} has no manifest at"
        f" {table.store.uri}/{table.layout.manifest(batch_id)}: it was never completed, or the"
        " object was removed; load another batch, or restore the object",
        problems=("no manifest",),
        **facts,
    )
