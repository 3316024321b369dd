"""The error for a table that does not exist, with what was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from airflow_sfx.core.errors import TableNotFound
from airflow_sfx.core.paths import CONTENT, TableLayout
from airflow_sfx.core.table import MODELS, TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.table.names import gone_error, layout_root, newest_record

_AT_MOST = 8
"""How many names a message lists."""


def table_not_found(ref: TableRef, store: ObjectStore, metastore: Metastore) -> TableNotFound:
    """Return the error for a table that the metastore does not have.

    Args:
        ref: The table.
        store: The warehouse's object store.
        metastore: The metastore.

    Returns:
        The error. It names where the warehouse is and what named it, and similar tables.

    Raises:
        WarehouseUnavailable: The warehouse's bucket does not exist.
    """
    store.require_bucket()
    record = newest_record(store, metastore, ref)
    if record is not None and record.is_gone:
        return gone_error(ref, record)
    if ref.database == MODELS and has_content(store, ref):
        return TableNotFound(
            f"{ref} is a model, which is no table of the metastore: `sfx model list {ref.table}`"
            f" and `sfx model history {ref.table}` show it",
            table=str(ref),
        )
    lost = TableLayout(layout_root(store, ref, record), ())
    if store.list_directories(lost.log):
        return TableNotFound(
            f"the metastore of the warehouse {store.uri} has lost the table {ref}, whose"
            f" history and files exist: `sfx repair {ref}` restores it",
            table=str(ref),
        )
    if absence := store.absence():
        return TableNotFound(f"there is no table {ref}: {absence}", table=str(ref))
    return TableNotFound(
        f"there is no table {ref} in the warehouse {store.uri}{store.named_by}."
        f" {_there(ref, metastore)}; `sfx tables` lists all",
        table=str(ref),
    )


def has_content(store: ObjectStore, ref: TableRef) -> bool:
    """Return whether a table of the database ``models`` is a model.

    Args:
        store: The warehouse's object store.
        ref: The table.
    """
    parent, _, name = f"{TableLayout.default_root(ref)}/{CONTENT}".rpartition("/")
    return name in store.list_directories(parent)


def _there(ref: TableRef, metastore: Metastore) -> str:
    """Return which tables or databases exist instead."""
    tables = metastore.tables(ref.database)
    if tables:
        names = [f"{ref.database}.{name}" for name in _nearest(ref.table, tables)]
        return f"The database has {', '.join(names)}"
    databases = metastore.databases()
    if ref.database in databases:
        return "The database has no tables"
    if not databases:
        return "The warehouse has no tables"
    return (
        f"There is no database {ref.database}; the databases are"
        f" {', '.join(_nearest(ref.database, databases))}"
    )


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return names in their order; of too many, the most similar ones first."""
    if len(known) <= _AT_MOST:
        return list(known)
    near = get_close_matches(name, known, _AT_MOST)
    return [*near, *(one for one in known if one not in near)][:_AT_MOST]
