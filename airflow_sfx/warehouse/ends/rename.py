"""Rename a table: its directory, its batches and its history stay where they are.

The metastore renames the table in one transaction, and adds the old name to its former names, which
the manifests of older batches have. A record of the old name says before that which name the table
is given; afterwards one of the new name says where the table is, and one of the old name what it is
called now. Pins of the old name follow it.

A dropped table is in no metastore: the record of the new name renames it.

If a process dies before the table is renamed, it has its old name, and the first record counts for
nothing. If it dies afterwards, the table has its new name only, and the same call writes what is
missing.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_sfx.core.errors import InvalidName, TableNotFound
from airflow_sfx.core.table import TableRef, refuse_hyphen
from airflow_sfx.metastore.base import (
    Metastore,
    TableInfo,
    no_rename,
    refuse_other_table,
    refuse_taken,
)
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.table.names import (
    NameEvent,
    dropped_record,
    is_same_table,
    new_record,
    newest_record,
    record_name,
    records_of,
)
from airflow_sfx.warehouse.table.table import FORMER_NAMES, Table, former_names


def rename_table(
    ref: TableRef,
    to: TableRef,
    store: ObjectStore,
    metastore: Metastore,
    author: Author,
    *,
    dry_run: bool = False,
) -> None:
    """Give a table another name.

    Args:
        ref: The table, which may be a dropped one.
        to: Its new name.
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        author: Who renames it, and why.
        dry_run: Whether to only check that it can be renamed.

    Raises:
        TableNotFound: The table does not exist, and was not dropped.
        InvalidName: The new name is taken, breaks a rule, or is the present one; or the metastore
            cannot rename tables.
    """
    if ref == to:
        raise InvalidName(f"{ref} has that name already: pass another one")
    refuse_hyphen(to.table, "table")
    if not dry_run and _complete(ref, to, store, metastore, author):
        return
    table = Table.find_ended(ref, store, metastore)
    refuse_taken(ref, metastore.get_table(to) or dropped_record(store, metastore, to))
    if not table.is_dropped and not metastore.can_rename:
        raise no_rename(ref, to)
    if dry_run:
        return
    begun = new_record(NameEvent.RENAMING, table.info, author.producer, author.reason, to=to)
    if table.is_dropped:
        dropped = dropped_record(store, metastore, ref)
        assert dropped is not None
        # As old as the drop, because the record of the new name is.
        record_name(store, replace(begun, at=dropped.at))
        record_name(store, replace(dropped, info=_renamed(table.info, to)))
    else:
        record_name(store, begun)

        def change(now: TableInfo) -> TableInfo:
            refuse_other_table(now, table.info.location)
            return _renamed(now, to)

        try:
            new = metastore.rename_table(ref, to, change)
        except TableNotFound as error:  # dropped or renamed meanwhile
            raise table.name_error() from error
        _record_new(new, store, author)
        _respect_drop(new, store, metastore)
    _record_old(ref, table.info, to, store, author)


def _renamed(info: TableInfo, to: TableRef) -> TableInfo:
    names = ",".join(sorted({*former_names(info), str(info.ref)} - {str(to)}))
    return replace(info, ref=to, parameters={**info.parameters, FORMER_NAMES: names})


def _complete(
    ref: TableRef, to: TableRef, store: ObjectStore, metastore: Metastore, author: Author
) -> bool:
    """Write what is missing of a rename that took place; return whether it did."""
    record = newest_record(store, metastore, ref)
    if record is None or record.to != to or metastore.get_table(ref):
        return False
    there = metastore.get_table(to)
    dropped = None if there else dropped_record(store, metastore, to)
    info = there or (dropped.info if dropped else None)
    if info is None or not is_same_table(info, record.info):  # renamed again since
        return False
    known = newest_record(store, metastore, to)
    if there and (known is None or known.is_gone or not is_same_table(known.info, there)):
        _record_new(there, store, author)
    if records_of(store, ref)[0].event is not NameEvent.RENAMED:
        _record_old(ref, record.info, to, store, author)
    return True


def _record_new(info: TableInfo, store: ObjectStore, author: Author) -> None:
    record_name(store, new_record(NameEvent.CREATED, info, author.producer, author.reason))


def _respect_drop(info: TableInfo, store: ObjectStore, metastore: Metastore) -> None:
    """Record again that a table was dropped if that happened while it got its name."""
    if metastore.get_table(info.ref) is not None:
        return
    for record in records_of(store, info.ref):
        if record.event is NameEvent.DROPPED and is_same_table(record.info, info):
            record_name(store, record)
            return


def _record_old(
    ref: TableRef, info: TableInfo, to: TableRef, store: ObjectStore, author: Author
) -> None:
    record = new_record(
        NameEvent.RENAMED, replace(info, ref=ref), author.producer, author.reason, to=to
    )
    record_name(store, record)
