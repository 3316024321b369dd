"""Find tables by the names that they had."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from airflow_sfx.core.errors import ForeignChange, TableNotFound
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.table.absent import AbsentMetastore
from airflow_sfx.warehouse.table.log_only import log_only_table
from airflow_sfx.warehouse.table.names import records_of
from airflow_sfx.warehouse.table.table import Table


def table_at(
    ref: TableRef,
    location: str,
    store: ObjectStore,
    metastore: Metastore,
    seen: Collection[TableRef] = (),
) -> Table:
    """Open the table that had a name and a directory, whatever it is called now.

    Args:
        ref: A name that the table has, or had.
        location: The table's directory as a URI.
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        seen: Names that were followed already.

    Returns:
        The table, which may be a dropped one. If none is at the location, the one that has the name
        now.

    Raises:
        TableNotFound: No table has the name, and none of those that had it is at the location.
        ForeignChange: Another engine made the table of that name.
    """
    found: Table | None = None
    error: TableNotFound | ForeignChange | None = None
    try:
        found = Table.find_ended(ref, store, metastore)
    except (TableNotFound, ForeignChange) as failed:
        error = failed
    if found is not None and found.is_at(location):
        return found
    for record in records_of(store, ref):
        if record.to is None or record.to in seen:
            continue
        if Table.of(record.info, store, AbsentMetastore()).is_at(location):
            with contextlib.suppress(TableNotFound, ForeignChange):
                there = table_at(record.to, location, store, metastore, {*seen, ref})
                if there.is_at(location):  # else it was never given that name
                    return there
    if found is None:
        found = log_only_table(ref, store)
    if found is None:
        assert error is not None
        raise error
    return found


def tables_named(
    ref: TableRef, store: ObjectStore, metastore: Metastore
) -> tuple[list[Table], TableNotFound | ForeignChange | None]:
    """Open all tables that have or had a name, whatever they are called now.

    Args:
        ref: The name.
        store: The warehouse's object store.
        metastore: The warehouse's metastore.

    Returns:
        The tables, which may be dropped ones, each once, that of the name first; and why none has
        the name now, or None.
    """
    found: list[Table] = []
    missing: TableNotFound | ForeignChange | None = None
    try:
        found.append(Table.find_ended(ref, store, metastore))
    except (TableNotFound, ForeignChange) as error:
        missing = error
        model = log_only_table(ref, store)
        if model is not None:
            return [model], None
    for record in records_of(store, ref):
        if record.to is None:
            continue
        with contextlib.suppress(TableNotFound, ForeignChange):
            location = Table.of(record.info, store, AbsentMetastore()).location
            table = table_at(record.to, location, store, metastore, {ref})
            if table.is_at(location) and not any(one.is_at(location) for one in found):
                found.append(table)
    return found, missing
