"""Restore a table that the metastore has lost from its log and manifests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

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
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.manifests import open_call
from airflow_sfx.warehouse.table.names import gone_error, layout_root, newest_record
from airflow_sfx.warehouse.table.table import (
    STYLE_PARAMETER,
    Table,
    adopted_from,
    key_kind_parameters,
    lasting_parameters,
)
from airflow_sfx.warehouse.table.table_log import TableLog


def restore_table(
    ref: TableRef, store: ObjectStore, metastore: Metastore, places: Sequence[str] = ()
) -> Table | None:
    """Create a lost table in the metastore again, without its partitions.

    `repair_table` then adds the partitions.

    Args:
        ref: The table.
        store: The warehouse's object store.
        metastore: The warehouse's metastore, which does not have the table.
        places: The directories that its batches were adopted from, as URIs, which only the
            metastore knew.

    Returns:
        The table with the columns of all current batches, or None if the warehouse has no history
        of it.

    Raises:
        TableNotFound: The table was dropped or renamed.
        InconsistentBatch: A current batch lies in a directory that is not among the places.
    """
    record = newest_record(store, metastore, ref)
    if record is not None and record.is_gone:
        raise gone_error(ref, record)
    bare = TableLayout(layout_root(store, ref, record), ())
    some = _some_manifest(store, bare)
    if some is None:
        return None
    name, manifest = some
    style: PartitionStyle = (
        "hive" if manifest.keys and name.startswith(f"{manifest.keys[0].name}=") else "value"
    )
    location = f"{store.uri}/{bare.root}"
    columns = batch_columns(manifest)
    known = lasting_parameters(record.info.parameters) if record else {}
    own = {**known, STYLE_PARAMETER: style, **adopted_from(places)}
    info = TableInfo(ref, location, columns, manifest.keys, own)
    manifests = _current_manifests(Table.of(info, store, metastore))
    for current in manifests:
        columns = merge_columns(columns, batch_columns(current), evolve="any", table_name=str(ref))
    parameters = {**info.parameters, **key_kind_parameters(_key_kinds(info.keys, manifests))}
    whole = replace(info, columns=columns, parameters=parameters)
    return Table.of(metastore.create_table(whole), store, metastore)


def batch_columns(manifest: Manifest) -> tuple[Column, ...]:
    """Return the columns that a batch adds to a table, without an unnamed index.

    Their types are those of its files.
    """
    names = {column.name for column in manifest.columns}
    wider, declared = manifest.fit.wider, set(manifest.fit.declared)
    return tuple(
        replace(column, type=wider.get(column.name, column.type)).declared(column.name in declared)
        for column in columns_in(manifest.schema)
        if column.name in names
    )


def kinds_in_batches(table: Table, names: Collection[str]) -> dict[str, ColumnKind]:
    """Return the kinds of columns in all current batches that have values in them.

    Args:
        table: The table.
        names: The columns, in lower case.

    Returns:
        Kinds by name in lower case, without ordinary columns and those whose kind differs between
        batches. A column is open if no batch has a value of it and one was written by an earlier
        version, which made the column text.
    """
    found_kinds: dict[str, list[tuple[ColumnKind, bool]]] = {}
    for manifest in _current_manifests(table):
        early = not schema_from_text(manifest.schema).open_names
        for column in batch_columns(manifest):
            if column.name.lower() in names:
                found_kinds.setdefault(column.name.lower(), []).append((column.kind, early))
    return {name: kind for name, found in found_kinds.items() if (kind := _agreed(found))}


def key_kinds_in_batches(table: Table) -> dict[str, str]:
    """Return the kinds of partition keys in all current batches.

    Args:
        table: The table.

    Returns:
        Kinds by name, without ordinary keys, those whose kind differs between batches, and those
        that are not columns of the batches.
    """
    return _key_kinds(table.info.keys, _current_manifests(table))


def _key_kinds(keys: Sequence[PartitionKey], manifests: Sequence[Manifest]) -> dict[str, str]:
    found_kinds = []
    for manifest in manifests:
        logical = schema_from_text(manifest.schema)
        own = [name for key in keys if (name := logical.resolve(key.name)) is not None]
        found_kinds.append(kinds_of_keys(logical.schema, own))
    return (
        {
            name: kind
            for name, kind in found_kinds[0].items()
            if all(one.get(name) == kind for one in found_kinds)
        }
        if found_kinds
        else {}
    )


def _agreed(found_kinds: Sequence[tuple[ColumnKind, bool]]) -> ColumnKind | None:
    """Return the kind of a column that all batches agree on, or None."""
    whole = [kind for kind, _ in found_kinds if OPEN not in kind.by_path.values()]
    if whole:
        return _of_all(whole) if len({kind.parts for kind in whole}) == 1 else None
    return (
        _of_all([kind for kind, _ in found_kinds])
        if any(early for _, early in found_kinds)
        else None
    )


def _of_all(kinds: Sequence[ColumnKind]) -> ColumnKind:
    """Return what several kinds have in common, with the marks of all."""
    shared = set(kinds[0].parts).intersection(*(kind.parts for kind in kinds))
    return ColumnKind(tuple(sorted(shared)), reduce(or_, (kind.marks for kind in kinds)))


def _some_manifest(store: ObjectStore, bare: TableLayout) -> tuple[str, Manifest] | None:
    """Return any partition's name and manifest, to learn the keys."""
    log = TableLog(store, bare, bare.root)
    for version in range(log.end(), 0, -1):
        for name, mark in log.entry(version).marks().items():
            call = open_call(store, bare, mark.batch_id) if mark.batch_id else None
            found = call.find([name]) if call else {}
            if name in found:
                return name, found[name]
    return None


def _current_manifests(table: Table) -> Sequence[Manifest]:
    """Return the manifests of current batches that exist, oldest batch first."""
    log = PartitionLog(table)
    marks = log.marks().values()
    batches = sorted((mark.batch_id, mark.name) for mark in marks if mark.batch_id)
    there = table.sealed((name, batch_id) for batch_id, name in batches)
    return table.manifests({name: one for one, name in batches if (name, one) in there})
