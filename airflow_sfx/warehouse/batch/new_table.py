"""Where a new table goes whose name another table had before.

A table that was dropped is created again where it was, so that its history goes on and shows the
drop; its partitions stay dropped. A table that was renamed keeps its directory, and a new one of
its old name gets another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from airflow_sfx.core.errors import CommitConflict, InvalidName
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.paths import PartitionStyle, TableLayout
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore, TableInfo
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.metastore_sync import refuse_created
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.absent import AbsentMetastore
from airflow_sfx.warehouse.table.names import (
    NameEvent,
    new_record,
    newest_record,
    record_name,
    records_of,
)
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table, lasting_parameters


@dataclass(frozen=True, slots=True)
class UsedName:
    """A name that another table had before.

    Args:
        location: The directory of a new table of that name, as a URI.
        parameters: Its parameters from before; none if the name belonged to a renamed table.
        keys: The keys that a new table must have, or None for any.
        dropped: Who dropped the table that had the name before, or None.
    """

    location: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[PartitionKey, ...] | None = None
    dropped: Author | None = None

    def style(self, default: PartitionStyle) -> PartitionStyle:
        """Return how partitions' directories are named: as before, if there were any."""
        before = self.parameters.get(STYLE_PARAMETER)
        return default if before is None else "hive" if before == "hive" else "value"

    def refuse_other_keys(self, ref: TableRef, keys: Sequence[PartitionKey]) -> None:
        """Raise an error for keys that do not fit the dropped table's history.

        Raises:
            InvalidName: The dropped table had other keys.
        """
        if self.keys is None or [one.name for one in keys] == [one.name for one in self.keys]:
            return
        had = ", ".join(one.name for one in self.keys) or "none"
        raise InvalidName(
            f"{ref} was dropped and had the partition keys {had}; the new table has"
            f" {', '.join(one.name for one in keys) or 'none'}. Rename the dropped table first,"
            f" which frees its name: `sfx rename {ref} {ref}_old`"
        )


def used_name(store: ObjectStore, metastore: Metastore, ref: TableRef) -> UsedName | None:
    """Return where a new table of a name goes, or None for a name that was never used.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        ref: The name, which the metastore does not have.
    """
    newest = newest_record(store, metastore, ref)
    if newest is None:
        return None
    if newest.event is not NameEvent.RENAMED:
        info = newest.info
        author = Author(newest.producer, newest.reason)
        dropped = author if newest.event is NameEvent.DROPPED else None
        return UsedName(info.location, lasting_parameters(info.parameters), info.keys, dropped)
    taken = {record.info.location for record in records_of(store, ref)}
    root = location = f"{store.uri}/{TableLayout.default_root(ref)}"
    number = 1
    while location in taken:
        number += 1
        location = f"{root}.{number}"  # no name of a table has a dot
    return UsedName(location)


def end_late_batches(table: Table, author: Author) -> list[LogEntry]:
    """End batches of a dropped table that became current while it was being dropped.

    Their writers found the table, or died before they looked. The batches would become current when
    the table is created again.

    Args:
        table: The table as it was, with the metastore that does not have it any more. If that has
            it again, nothing is changed.
        author: Who ends them.

    Returns:
        The entries that ended them.
    """
    ended = replace(table, metastore=AbsentMetastore())
    log = PartitionLog(ended)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        current = [name for name, head in heads.items() if head.batch_id]
        return [Change(name, Operation.DROP, None) for name in current]

    made: list[LogEntry] = []
    veto = partial(refuse_created, table)
    with suppress(CommitConflict):
        while entries := commit(ended, log, log.all_heads(), plan, author, veto=veto):
            made += entries
    return made


def record_use(store: ObjectStore, info: TableInfo) -> None:
    """Record that a table was created whose name was used before; its history has by whom."""
    record_name(store, new_record(NameEvent.CREATED, info, Producer(), ""))
