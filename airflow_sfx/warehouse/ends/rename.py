"""Rename a table: its directory, its batches and its history stay where they are.

The metastore renames the table in one transaction, and adds the old name to its former names, which
the manifests of older batches have. Before that, a record of the new name says where the table is,
and afterwards one of the old name says what it is called now; pins of the old name follow it. If a
process dies before the metastore has renamed the table, it has its old name. If it dies afterwards,
the same call writes the record that is missing.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef, refuse_hyphen
from airflow_sfx.metastore.base import Metastore, TableInfo, refuse_taken
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.table.names import (
    NameEvent,
    dropped_record,
    new_record,
    newest_record,
    record_name,
)
from airflow_sfx.warehouse.table.table import FORMER_NAMES, Table, former_names


def rename_table(
    ref: TableRef, to: TableRef, store: ObjectStore, metastore: Metastore, author: Author
) -> None:
    """Give a table another name.

    Args:
        ref: The table, which may be a dropped one.
        to: Its new name.
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        author: Who renames it, and why.

    Raises:
        TableNotFound: The table does not exist, and was not dropped.
        InvalidName: The new name is taken, breaks a rule, or is the present one; or the metastore
            cannot rename tables.
    """
    if ref == to:
        raise InvalidName(f"{ref} has that name already: pass another one")
    refuse_hyphen(to.table, "table")
    if _is_done(ref, to, store, metastore, author):
        return
    table = Table.find_ended(ref, store, metastore)
    refuse_taken(ref, metastore.get_table(to) or dropped_record(store, to))
    new = _renamed(table.info, to)
    if table.is_dropped:
        dropped = dropped_record(store, ref)
        assert dropped is not None
        record_name(store, replace(dropped, info=new))
    else:
        record_name(store, new_record(NameEvent.CREATED, new, author.producer, author.reason))
        metastore.rename_table(ref, new)
    _record_old(ref, table.info, to, store, author)


def _renamed(info: TableInfo, to: TableRef) -> TableInfo:
    names = ",".join(sorted({*former_names(info), str(info.ref)} - {str(to)}))
    return replace(info, ref=to, parameters={**info.parameters, FORMER_NAMES: names})


def _is_done(
    ref: TableRef, to: TableRef, store: ObjectStore, metastore: Metastore, author: Author
) -> bool:
    """Complete a rename whose process died after the metastore had renamed the table."""
    there = metastore.get_table(to)
    if there is None or str(ref) not in former_names(there) or metastore.get_table(ref):
        return False
    record = newest_record(store, ref)
    if record is None or record.to != to:
        _record_old(ref, replace(there, ref=ref), to, store, author)
    return True


def _record_old(
    ref: TableRef, info: TableInfo, to: TableRef, store: ObjectStore, author: Author
) -> None:
    record = new_record(
        NameEvent.RENAMED, replace(info, ref=ref), author.producer, author.reason, to=to
    )
    record_name(store, record)
