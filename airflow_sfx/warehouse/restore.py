"""A table that the metastore has lost is made again from what lies beside its data: ledgers and manifests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from airflow_sfx.core.layout import PartitionStyle, TableLayout
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.schema import OPEN, Column, ColumnKind
from airflow_sfx.core.table import TableRef
from airflow_sfx.frames.evolution import merge_columns
from airflow_sfx.frames.schema_text import columns_in
from airflow_sfx.metastore.metastore import Metastore, TableInfo
from airflow_sfx.storage.parallel import each
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.ledger import Ledger
from airflow_sfx.warehouse.opened import STYLE_PARAMETER, OpenTable, adopted_from


def restore_table(ref: TableRef, store: Store, metastore: Metastore, places: Sequence[str] = ()) -> OpenTable | None:
    """Make a table again in the metastore, without its partitions, to which `repair_table` then points.

    Args:
        ref: Its name.
        store: The warehouse's storage.
        metastore: Its metastore, which has no such table.
        places: The directories that batches of it were adopted from, as URIs: the metastore alone knew.

    Returns:
        The table, with the columns of all current batches; None where no history of it is in the warehouse.

    Raises:
        InconsistentBatch: A current batch lies where nobody says that it was adopted.
    """
    bare = TableLayout(TableLayout.default_root(ref), ())
    some = _some_manifest(store, bare)
    if some is None:
        return None
    name, manifest = some
    style: PartitionStyle = "hive" if manifest.keys and name.startswith(f"{manifest.keys[0].name}=") else "value"
    location = f"{store.uri}/{bare.root}"
    columns = batch_columns(manifest)
    info = TableInfo(ref, location, columns, manifest.keys, {STYLE_PARAMETER: style, **adopted_from(places)})
    table = OpenTable.of(info, store, metastore)
    for current in _current_manifests(table):
        columns = merge_columns(columns, batch_columns(current), evolve="any", table_name=str(ref))
    return OpenTable.of(metastore.create_table(replace(info, columns=columns)), store, metastore)


def batch_columns(manifest: Manifest) -> tuple[Column, ...]:
    """What a batch gives a table: its columns but for those of an index without a name."""
    names = {column.name for column in manifest.columns}
    return tuple(column for column in columns_in(manifest.schema) if column.name in names)


def kinds_in_batches(table: OpenTable, names: Collection[str]) -> dict[str, ColumnKind]:
    """What columns are in all current batches that have values in them.

    Args:
        table: The table.
        names: The columns, in lower case.

    Returns:
        By name in lower case; absent are ordinary columns, and those that batches have as different things.
    """
    found: dict[str, ColumnKind] = {}
    differ: set[str] = set()
    for manifest in _current_manifests(table):
        for column in batch_columns(manifest):
            name, kind = column.name.lower(), column.kind
            if name not in names or OPEN in kind.by_path.values():
                continue
            before = found.setdefault(name, kind)
            if before.parts != kind.parts:
                differ.add(name)
            found[name] = replace(before, marks=before.marks | kind.marks)
    return {name: kind for name, kind in found.items() if kind and name not in differ}


def _some_manifest(store: Store, bare: TableLayout) -> tuple[str, Manifest] | None:
    """A partition's name and the manifest of a batch that it had; its keys are not known before."""
    for info in store.list(bare.ledgers):
        name = bare.name_of_ledger(info.path)
        entry = LedgerEntry.from_text((store.get(info.path) or b"").decode(errors="replace"), info.path)
        path = bare.manifest(name, entry.batch_id) if entry.batch_id else ""
        data = store.get(path) if path else None
        if data is not None:
            return name, Manifest.from_text(data.decode(errors="replace"), path)
    return None


def _current_manifests(table: OpenTable) -> Sequence[Manifest]:
    """Those that are there, oldest batch first."""
    ledger = Ledger(table)
    heads = ledger.heads(dict.fromkeys(ledger.names(), 0))
    batches = sorted((head.batch_id, name) for name, head in heads.items() if head.batch_id)
    paths = [table.layout.manifest(name, batch_id) for batch_id, name in batches]
    there = each(table.store.head, paths, table.store.readers)
    return table.manifests({name: batch_id for (batch_id, name), info in zip(batches, there, strict=True) if info})
