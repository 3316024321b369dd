"""What happened to the names of tables: dropped, renamed, and used again.

The records of a name are numbered objects beside all tables. They are read only if the metastore
does not have a table of that name, or has another one than a pin names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName, TableNotFound
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.paths import TableLayout, path_step
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column
from airflow_sfx.core.serde import Record, Time, check_time, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore, TableInfo
from airflow_sfx.metastore.table_properties import parameters_of, with_kinds, without_kinds
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently

_NAMES = "_sfx/names"


class NameEvent(StrEnum):
    """What happened to a table of a name.

    A table that is being dropped exists until it is `DROPPED`. One that is being renamed has its
    old name until the metastore, or a record of the new name, has it under the new one.
    """

    CREATED = "created"
    DROPPING = "dropping"
    DROPPED = "dropped"
    RENAMING = "renaming"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class NameRecord:
    """What happened to a table of a name.

    Args:
        event: What happened.
        info: The table as it was before it was dropped or renamed, or is since it was created.
        at: When, in UTC.
        producer: Who did it.
        reason: Why, in the words of the author.
        to: The new name of a table that was or is being renamed, or None.
        commit: The commit that dropped its partitions, or empty.
    """

    event: NameEvent
    info: TableInfo
    at: datetime
    producer: Producer
    reason: str = ""
    to: TableRef | None = None
    commit: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the name has no table any more."""
        return self.event in (NameEvent.DROPPED, NameEvent.RENAMED)


def record_name(store: ObjectStore, record: NameRecord) -> None:
    """Write the next record of a table's name.

    Args:
        store: The warehouse's object store.
        record: The record.
    """
    info = record.info
    text = encode(
        {
            "event": record.event.value,
            "root": info.location.removeprefix(f"{store.uri}/"),
            "columns": [[column.name, column.type] for column in info.columns],
            "keys": [[key.name, key.type] for key in info.keys],
            "parameters": {**info.parameters, **parameters_of(info.columns)},
            "at": record.at.isoformat(),
            "producer": record.producer.to_json(),
            "reason": record.reason,
            "to": str(record.to) if record.to else None,
            "commit": record.commit,
        }
    )
    number = len(_paths(store, info.ref)) + 1
    while not store.put_if_absent(_path(info.ref, number), text.encode()):
        number += 1


def records_of(store: ObjectStore, ref: TableRef) -> list[NameRecord]:
    """Return the records of a name, newest first."""
    paths = _paths(store, ref)
    return map_concurrently(
        lambda path: _read(store, ref, path), reversed(paths), store.concurrency
    )


def newest_record(store: ObjectStore, metastore: Metastore, ref: TableRef) -> NameRecord | None:
    """Return the newest record of a name, or None.

    A rename whose process died is `RENAMED` if the table has its new name, and ignored if not.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        ref: The name.
    """
    for path in reversed(_paths(store, ref)):
        record = _read(store, ref, path)
        if record.event is not NameEvent.RENAMING:
            return record
        if _took_place(store, metastore, record):
            return replace(record, event=NameEvent.RENAMED)
    return None


def dropped_record(store: ObjectStore, metastore: Metastore, ref: TableRef) -> NameRecord | None:
    """Return how a table was dropped that the metastore does not have, or None."""
    record = newest_record(store, metastore, ref)
    return record if record is not None and record.event is NameEvent.DROPPED else None


def is_same_table(one: TableInfo, other: TableInfo) -> bool:
    """Return whether two tables have one directory, whatever their names are."""
    return unquote(one.location) == unquote(other.location)


def renamed_to(store: ObjectStore, metastore: Metastore, info: TableInfo) -> TableRef | None:
    """Return the name under which the metastore has a table that had another one, or None."""
    for record in records_of(store, info.ref):
        there = metastore.get_table(record.to) if record.to is not None else None
        if there is not None and is_same_table(there, info):
            return record.to
    return None


def _took_place(store: ObjectStore, metastore: Metastore, begun: NameRecord) -> bool:
    """Return whether a rename that was begun has given the table its new name."""
    assert begun.to is not None
    there = metastore.get_table(begun.to)
    if there is not None and is_same_table(there, begun.info):
        return True
    return any(
        record.at >= begun.at and is_same_table(record.info, begun.info)
        for record in records_of(store, begun.to)
    )


def dropped_tables(store: ObjectStore, metastore: Metastore) -> list[TableRef]:
    """Return the dropped tables whose names are not in use, sorted."""
    found = []
    for step in store.list_directories(_NAMES):
        try:
            ref = TableRef.parse(unquote(step))
        except InvalidName:  # shortened, as `path_step` does
            continue
        if dropped_record(store, metastore, ref) and metastore.get_table(ref) is None:
            found.append(ref)
    return sorted(found)


def renamed_tables(store: ObjectStore) -> frozenset[TableRef]:
    """Return the names that tables had before they were renamed."""
    found = set()
    for step in store.list_directories(_NAMES):
        with contextlib.suppress(InvalidName):  # shortened, as `path_step` does
            ref = TableRef.parse(unquote(step))
            if any(record.to is not None for record in records_of(store, ref)):
                found.add(ref)
    return frozenset(found)


def layout_root(store: ObjectStore, ref: TableRef, record: NameRecord | None) -> str:
    """Return the directory of a table that the metastore lost, as far as it is recorded."""
    if record is None:
        return TableLayout.default_root(ref)
    return record.info.location.removeprefix(f"{store.uri}/")


def gone_error(ref: TableRef, record: NameRecord) -> TableNotFound:
    """Return the error for a table that was dropped or renamed."""
    who = record.producer.user or record.producer.dag_id or "an unknown author"
    when = f"{record.at:%Y-%m-%d %H:%M} UTC by {who}"
    why = f" ({record.reason})" if record.reason else ""
    if record.to is not None:
        return TableNotFound(
            f"the table {ref} was renamed to {record.to} on {when}{why}: use that name; pins of"
            " the old name are still valid",
            table=str(ref),
        )
    return TableNotFound(
        f"the table {ref} was dropped on {when}{why}: `sfx rollback {ref}` restores it, and a"
        f" store creates it again; `sfx history {ref}` lists its changes",
        table=str(ref),
    )


def new_record(
    event: NameEvent,
    info: TableInfo,
    producer: Producer,
    reason: str,
    **more: TableRef | str | None,
) -> NameRecord:
    """Return a record of this moment."""
    values: Mapping[str, object] = more
    return NameRecord(event, info, datetime.now(UTC), producer, reason, **values)  # type: ignore[arg-type]


def _paths(store: ObjectStore, ref: TableRef) -> list[str]:
    return sorted(info.path for info in store.list(f"{_NAMES}/{path_step(str(ref))}"))


def _path(ref: TableRef, number: int) -> str:
    return f"{_NAMES}/{path_step(str(ref))}/{number:06d}.json"


def _read(store: ObjectStore, ref: TableRef, path: str) -> NameRecord:
    record = decode(store.get(path), _StoredRecord, path)
    with decoding(path):
        columns = with_kinds((Column(*one) for one in record.columns), record.parameters)
        info = TableInfo(
            ref,
            f"{store.uri}/{record.root}",
            columns,
            tuple(PartitionKey(*one) for one in record.keys),
            without_kinds(record.parameters),
        )
        return NameRecord(
            NameEvent(record.event),
            info,
            check_time(record.at, "at"),
            record.producer,
            record.reason,
            TableRef.parse(record.to) if record.to else None,
            record.commit,
        )


class _StoredRecord(Record):
    event: str
    root: str
    columns: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, str], ...]
    parameters: dict[str, str]
    at: Time
    producer: Producer
    reason: str = ""
    to: str | None = None
    commit: str = ""
