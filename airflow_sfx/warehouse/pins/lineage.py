"""Downstream batches: an index of the batches that were made from a batch.

A manifest names its inputs; these records lead the other way. The name of a record's object has
what decides whether the record matters, so that a listing leaves few records to be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_sfx.core.batch_id import is_batch_id, moment_of
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Record, Time, check_time, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently, put_all

if TYPE_CHECKING:
    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.warehouse.table.table import Table

_INDEX = "_sfx/readers"
_SEVERAL = "several"
"""The place of an input in the name of a record whose input has several batches."""
_PARTS = 5
_REWRITTEN = "-rewritten"
"""How the name of a record ends whose input is the batch that the made one replaces."""


@dataclass(frozen=True, slots=True)
class DownstreamBatch:
    """A batch that was made from a batch.

    Args:
        pin: The pin of what was written.
        at: When it was written, in UTC.
        producer: Who wrote it.
    """

    pin: BatchPin
    at: datetime
    producer: Producer


@dataclass(frozen=True, slots=True)
class Edge:
    """The name of a record: which batch was made, and from which batch.

    Args:
        path: The path of the record.
        source: The table of the input, or None if its name is too long for a path.
        made_table: The digest of the written table's name, or empty if unknown.
        made_id: The batch ID that was written, or empty.
        read_id: The batch ID of the input, or empty if it has several batches, or is unknown.
        read_partition: The digest of the input's partition, or empty.
        rewritten: Whether the made batch is the input, rewritten without rows or a column.
    """

    path: str
    source: TableRef | None
    made_table: str = ""
    made_id: str = ""
    read_id: str = ""
    read_partition: str = ""
    rewritten: bool = False


def digest(name: str) -> str:
    """Return the short form of a table's or a partition's name in the names of records.

    Example:
        >>> digest("sales.items")
        '75bbdd7830e04e37'
    """
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def record_downstream(
    store: ObjectStore, inputs: Sequence[BatchPin], made: BatchPin, producer: Producer
) -> None:
    """Record a batch as made from its inputs in the same warehouse, one object for each input.

    Args:
        store: The warehouse's object store.
        inputs: The pins that it was made from.
        made: The pin of what was made.
        producer: Who wrote it.
    """
    if made.entries:
        put_all(store, _records(store, inputs, made, producer))


def record_rewritten(table: Table, rewritten: Iterable[tuple[Manifest, Manifest]]) -> None:
    """Record batches that replace others: as made from their inputs, and from the replaced ones.

    Call it before the commit: what another process makes from the batches can be followed.

    Args:
        table: The table.
        rewritten: Each replaced batch, and the one with its other rows or columns.
    """
    records: list[tuple[str, bytes]] = []
    for old, new in rewritten:
        made = table.pin({new.partition: new.batch_id})
        before = table.pin({old.partition: old.batch_id})
        records += _records(table.store, new.inputs, made, new.producer)
        records += _records(table.store, [before], made, new.producer, end=_REWRITTEN)
    put_all(table.store, records)


def record_merged(table: Table, replaced: BatchPin, made: Manifest) -> None:
    """Record a batch that has the rows of others of its table, as `record_rewritten`.

    Args:
        table: The table.
        replaced: The batches whose rows it has.
        made: The batch.
    """
    pin = table.pin({made.partition: made.batch_id})
    records = _records(table.store, made.inputs, pin, made.producer)
    records += _records(table.store, [replaced], pin, made.producer, end=_REWRITTEN)
    put_all(table.store, records)


def _records(
    store: ObjectStore,
    inputs: Sequence[BatchPin],
    made: BatchPin,
    producer: Producer,
    end: str = "",
) -> list[tuple[str, bytes]]:
    """Return the paths and contents of the records of a batch."""
    now = datetime.now(UTC)
    ours = [one for one in inputs if one.entries and one.location.startswith(f"{store.uri}/")]
    text = {"made": made.to_json(), "at": now.isoformat(), "producer": producer.to_json()}
    return [
        (
            f"{_directory(one.ref)}/{now.date()}/{_name(one, made)}{end}.json",
            encode({**text, "read": one.to_json()}).encode(),
        )
        for one in ours
    ]


def _name(read: BatchPin, made: BatchPin) -> str:
    single = read.entries[0] if len(read.entries) == 1 else None
    source = f"{single[1]}-{digest(single[0])}" if single else f"{_SEVERAL}-"
    made_id = made.entries[0][1]
    return f"{made_id}-{digest(str(made.ref))}-{source}-{uuid.uuid4().hex[:16]}"


def _edge(path: str, source: TableRef | None) -> Edge:
    name = path.rpartition("/")[2].removesuffix(".json")
    rewritten = name.endswith(_REWRITTEN)
    parts = name.removesuffix(_REWRITTEN).split("-")
    if len(parts) != _PARTS or not is_batch_id(parts[0]):
        return Edge(path, source)  # of an earlier version
    made_id, made_table, read_id, read_partition, _ = parts
    if not is_batch_id(read_id):
        return Edge(path, source, made_table, made_id)
    return Edge(path, source, made_table, made_id, read_id, read_partition, rewritten)


def downstream_of(
    store: ObjectStore, pin: BatchPin, names: Collection[TableRef] = ()
) -> list[DownstreamBatch]:
    """Return what was made from any of a pin's batches, newest first.

    Args:
        store: The warehouse's object store.
        pin: The batches.
        names: The names that the table has and had, or none for that of the pin.

    Returns:
        The downstream batches.
    """
    edges = edges_from(store, pin.entries, names or [pin.ref])
    found = [
        made
        for read, made in read_edges(store, edges)
        if not read.batches.items().isdisjoint(pin.batches.items())
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def edges_from(
    store: ObjectStore, batches: Collection[tuple[str, str]], names: Collection[TableRef]
) -> list[Edge]:
    """List the records of what was made from batches of a table, without reading them.

    The records since the day of the oldest batch are listed. Of those with several batches as an
    input, the names do not say which: they are among the result, whatever they are of.

    Args:
        store: The warehouse's object store.
        batches: Partition names and batch IDs.
        names: The names that the table has and had.

    Returns:
        The records.
    """
    since = moment_of(min(batch_id for _, batch_id in batches)).date()
    days = [
        (ref, f"{_directory(ref)}/{day}")
        for ref in names
        for day in store.list_directories(_directory(ref))
        if date.fromisoformat(day) >= since
    ]
    listed = map_concurrently(lambda item: store.paths(item[1]), days, store.concurrency)
    wanted = {(batch_id, digest(name)) for name, batch_id in batches}
    edges = (
        _edge(path, ref)
        for (ref, _), paths in zip(days, listed, strict=True)
        for path in paths
        if _may_be_from(path, wanted)
    )
    return [one for one in edges if not one.read_id or (one.read_id, one.read_partition) in wanted]


def _may_be_from(path: str, wanted: Collection[tuple[str, str]]) -> bool:
    """Return False for the name of a record of another batch, as most of a listing are."""
    parts = path.rpartition("/")[2].split("-", _PARTS - 1)
    return len(parts) < _PARTS or not parts[2].isdigit() or (parts[2], parts[3]) in wanted


def all_downstream_of(
    store: ObjectStore,
    pin: BatchPin,
    names: Callable[[BatchPin], Collection[TableRef]] = lambda _: (),
) -> list[DownstreamBatch]:
    """Return what was made from a pin's batches at any depth, newest first.

    Args:
        store: The warehouse's object store.
        pin: The batches.
        names: Returns the names that the table of a pin has and had; none for that of the pin.

    Returns:
        The downstream batches, each once.
    """
    found: dict[BatchPin, DownstreamBatch] = {}
    due = [pin]
    while due:
        layers = [downstream_of(store, one, names(one)) for one in due]
        new = {one.pin: one for layer in layers for one in layer if one.pin not in found}
        found |= new
        due = [one for one in new if one != pin]
    return sorted(found.values(), key=lambda one: one.at, reverse=True)


def replaced_batches(
    store: ObjectStore, batches: Collection[tuple[str, str]], names: Collection[TableRef]
) -> list[tuple[str, str]]:
    """Return the batches of a table that were rewritten, in any number of steps, as these.

    Args:
        store: The warehouse's object store.
        batches: Partition names and batch IDs.
        names: The names that the table has and had.

    Returns:
        The replaced batches, which may have expired.
    """
    before: dict[tuple[str, str], list[str]] = {}
    for directory in map(_directory, names):
        for edge in (_edge(path, None) for path in store.paths(directory)):
            if edge.rewritten:
                before.setdefault((edge.read_partition, edge.made_id), []).append(edge.read_id)
    found: dict[tuple[str, str], None] = {}
    due = list(batches)
    while due:
        name, batch_id = due.pop()
        new = [(name, old) for old in before.get((digest(name), batch_id), ())]
        due += [item for item in new if item not in found]
        found |= dict.fromkeys(new)
    return list(found)


def all_edges(store: ObjectStore) -> list[Edge]:
    """List all records of a warehouse, without reading them."""
    sources = _sources(store)
    start = len(_INDEX) + 1
    return [
        _edge(info.path, sources[info.path[start : info.path.index("/", start)]])
        for info in store.list_siblings(_INDEX, list(sources))
    ]


def tables_with_downstream(store: ObjectStore) -> set[TableRef | None]:
    """Return the tables with batches that others were made from, in one request."""
    return set(_sources(store).values())


def _sources(store: ObjectStore) -> dict[str, TableRef | None]:
    """Return the table of each directory of the index; None for a name that was shortened."""
    found: dict[str, TableRef | None] = {}
    for step in store.list_directories(_INDEX):
        found[step] = None
        with contextlib.suppress(InvalidName):  # shortened, as `path_step` does
            found[step] = TableRef.parse(unquote(step))
    return found


def read_edges(store: ObjectStore, edges: Iterable[Edge]) -> list[tuple[BatchPin, DownstreamBatch]]:
    """Read records: for each the input and what was made from it."""
    return map_concurrently(lambda edge: _read(store, edge.path), edges, store.concurrency)


def _read(store: ObjectStore, path: str) -> tuple[BatchPin, DownstreamBatch]:
    record = decode(store.get(path), _DownstreamRecord, path)
    with decoding(path):
        made = BatchPin.from_json(record.made)
        downstream = DownstreamBatch(made, check_time(record.at, "at"), record.producer)
        return BatchPin.from_json(record.read), downstream


class _DownstreamRecord(Record):
    made: str
    read: str
    at: Time
    producer: Producer


def _directory(ref: TableRef) -> str:
    return f"{_INDEX}/{path_step(str(ref))}"
