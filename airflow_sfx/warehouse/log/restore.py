"""Restoration of a table that the metastore has lost, from ledgers and manifests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.paths import PartitionStyle, TableLayout
from airflow_sfx.core.schema import OPEN, Column, ColumnKind
from airflow_sfx.core.table import TableRef
from airflow_sfx.frames.evolution.evolve import merge_columns
from airflow_sfx.frames.schema.codec import columns_in, schema_from_text
from airflow_sfx.frames.schema.partition_values import kinds_of_keys
from airflow_sfx.metastore.base import Metastore, TableInfo
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table, adopted_from, noted_key_kinds


def restore_table(
    ref: TableRef, store: ObjectStore, metastore: Metastore, places: Sequence[str] = ()
) -> Table | None:
    """Create a lost table again, without partitions; `repair_table` then adds them.

    Args:
        ref: Its name.
        store: The warehouse's storage.
        metastore: Its metastore, which has no such table.
        places: The directories that batches of it were adopted from, as URIs: the metastore alone
            knew.

    Returns:
        The table, with the columns of all current batches; None where no history of it is in the
        warehouse.

    Raises:
        InconsistentBatch: A current batch lies where nobody says that it was adopted.
    """
    bare = TableLayout(TableLayout.default_root(ref), ())
    some = _some_manifest(store, bare)
    if some is None:
        return None
    name, manifest = some
    style: PartitionStyle = (
        "hive" if manifest.keys and name.startswith(f"{manifest.keys[0].name}=") else "value"
    )
    location = f"{store.uri}/{bare.root}"
    columns = batch_columns(manifest)
    info = TableInfo(
        ref, location, columns, manifest.keys, {STYLE_PARAMETER: style, **adopted_from(places)}
    )
    manifests = _current_manifests(Table.of(info, store, metastore))
    for current in manifests:
        columns = merge_columns(columns, batch_columns(current), evolve="any", table_name=str(ref))
    parameters = {**info.parameters, **noted_key_kinds(_key_kinds(info.keys, manifests))}
    whole = replace(info, columns=columns, parameters=parameters)
    return Table.of(metastore.create_table(whole), store, metastore)


def batch_columns(manifest: Manifest) -> tuple[Column, ...]:
    """What a batch gives a table: its columns but for those of an index without a name."""
    names = {column.name for column in manifest.columns}
    return tuple(column for column in columns_in(manifest.schema) if column.name in names)


def kinds_in_batches(table: Table, names: Collection[str]) -> dict[str, ColumnKind]:
    """What columns are in all current batches that have values in them.

    Args:
        table: The table.
        names: The columns, in lower case.

    Returns:
        By name in lower case; absent are ordinary columns, and those that batches have as different
        things. Open is what no batch has a value of, and one of an earlier version is among them:
        it made the column text.
    """
    told: dict[str, list[tuple[ColumnKind, bool]]] = {}
    for manifest in _current_manifests(table):
        early = not schema_from_text(manifest.schema).open_names
        for column in batch_columns(manifest):
            if column.name.lower() in names:
                told.setdefault(column.name.lower(), []).append((column.kind, early))
    return {name: kind for name, found in told.items() if (kind := _agreed(found))}


def key_kinds_in_batches(table: Table) -> dict[str, str]:
    """What partition keys are beyond their Hive types in all current batches.

    Args:
        table: The table.

    Returns:
        By name; absent are ordinary keys, and those that batches have as different things, or not
        as a column at all.
    """
    return _key_kinds(table.info.keys, _current_manifests(table))


def _key_kinds(keys: Sequence[PartitionKey], manifests: Sequence[Manifest]) -> dict[str, str]:
    told = []
    for manifest in manifests:
        logical = schema_from_text(manifest.schema)
        own = [name for key in keys if (name := logical.resolve(key.name)) is not None]
        told.append(kinds_of_keys(logical.schema, own))
    return (
        {name: kind for name, kind in told[0].items() if all(one.get(name) == kind for one in told)}
        if told
        else {}
    )


def _agreed(told: Sequence[tuple[ColumnKind, bool]]) -> ColumnKind | None:
    """Return what a column is in all batches, or None if they disagree.

    Args:
        told: Each batch's kind, and whether an earlier version left it open.
    """
    whole = [kind for kind, _ in told if OPEN not in kind.by_path.values()]
    if whole:
        return _of_all(whole) if len({kind.parts for kind in whole}) == 1 else None
    return _of_all([kind for kind, _ in told]) if any(early for _, early in told) else None


def _of_all(kinds: Sequence[ColumnKind]) -> ColumnKind:
    """What several kinds have in common, with the marks of all."""
    shared = set(kinds[0].parts).intersection(*(kind.parts for kind in kinds))
    return ColumnKind(tuple(sorted(shared)), reduce(or_, (kind.marks for kind in kinds)))


def _some_manifest(store: ObjectStore, bare: TableLayout) -> tuple[str, Manifest] | None:
    """A partition's name and the manifest of a batch that it had; its keys are not known before."""
    for info in store.list(bare.ledgers):
        name = bare.name_of_ledger(info.path)
        entry = LedgerEntry.from_text(
            (store.get(info.path) or b"").decode(errors="replace"), info.path
        )
        path = bare.manifest(name, entry.batch_id) if entry.batch_id else ""
        data = store.get(path) if path else None
        if data is not None:
            return name, Manifest.from_text(data.decode(errors="replace"), path)
    return None


def _current_manifests(table: Table) -> Sequence[Manifest]:
    """Those that are there, oldest batch first."""
    ledger = Ledger(table)
    heads = ledger.heads(dict.fromkeys(ledger.names(), 0))
    batches = sorted((head.batch_id, name) for name, head in heads.items() if head.batch_id)
    paths = [table.layout.manifest(name, batch_id) for batch_id, name in batches]
    there = map_concurrently(table.store.head, paths, table.store.concurrency)
    return table.manifests(
        {name: batch_id for (batch_id, name), info in zip(batches, there, strict=True) if info}
    )
