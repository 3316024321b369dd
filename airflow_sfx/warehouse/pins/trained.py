"""The versions of models that were trained on batches, at any depth.

A version is a batch of a table of the database ``models``. The index of downstream batches leads to
it, mostly by the names of its objects alone, and the log of the model says when it was saved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import LATEST, TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.lineage import (
    Edge,
    digest,
    edges_from,
    read_edges,
    replaced_batches,
    tables_with_downstream,
)
from airflow_sfx.warehouse.table.log_only import (
    DATABASE,
    LogOnlyMetastore,
    model_names,
)
from airflow_sfx.warehouse.table.not_found import has_content
from airflow_sfx.warehouse.table.table import Table

Names = Callable[[BatchPin], Collection[TableRef]]
"""Returns the names that the table of a pin has and had."""
_Version = tuple[str, str]
"""The name of a model, and a version of it."""


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A version of a model that was trained on batches.

    Args:
        model: The model's name.
        version: The version.
        at: When it was saved, in UTC.
        producer: Who saved it.
        aliases: The aliases that it has now: ``production`` among them means that it is in use.
        saved: Whether the save is in the model's log. Otherwise this is what a writer left that
            died, or was overtaken by a newer attempt of its task, before the save was complete.
    """

    model: str
    version: str
    at: datetime
    producer: Producer
    aliases: tuple[str, ...] = ()
    saved: bool = True

    def __str__(self) -> str:
        aliases = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.model}/{self.version}{aliases}"


def versions_trained_on(
    store: ObjectStore, pins: Iterable[BatchPin], names: Names
) -> list[TrainedVersion]:
    """Return the versions that were trained on batches, or on what was made from them.

    Without models, this is one request.

    Args:
        store: The warehouse's object store.
        pins: The batches.
        names: Returns the names that the table of a pin has and had.

    Returns:
        The versions, newest first.
    """
    due = [pin for pin in pins if pin.entries]
    names_there = model_names(store) if due else []
    if not names_there:
        return []
    refs = (TableRef(DATABASE, name) for name in names_there)
    models = {digest(str(ref)): ref for ref in refs}
    read = tables_with_downstream(store)
    found: dict[_Version, Edge] = {}
    seen: set[tuple[str, str, str]] = set()
    while due:
        due = [
            one
            for pins in _grouped(due, seen)
            for one in _made_from(store, pins, names(pins[0]), models, read, found)
        ]
    by_model: dict[str, dict[str, Edge]] = {}
    for (model, version), edge in found.items():
        by_model.setdefault(model, {})[version] = edge
    listed = map_concurrently(
        lambda item: _of_model(store, *item), by_model.items(), store.concurrency
    )
    return sorted((one for some in listed for one in some), key=lambda one: one.at, reverse=True)


def models_of(
    table: Table, batches: Collection[tuple[str, str]], names: Names, *, and_before: bool = False
) -> tuple[TrainedVersion, ...]:
    """Return the saved versions that a change of batches of a table affects.

    Args:
        table: The table.
        batches: The batches, as partition name and batch ID.
        names: Returns the names that the table of a pin has and had.
        and_before: Whether to follow, too, what the batches were before rows or a column of them
            were removed.

    Returns:
        The versions that were trained on them, or on what was made from them, newest first.
    """
    if not batches or not model_names(table.store):
        return ()
    chosen = set(batches)
    if and_before:
        known = names(table.pin(dict(chosen)))
        chosen |= set(replaced_batches(table.store, batches, known))
    found = versions_trained_on(table.store, pins_of(table, chosen), names)
    return tuple(one for one in found if one.saved)


def pins_of(table: Table, batches: Iterable[tuple[str, str]]) -> Iterator[BatchPin]:
    """Yield pins of batches of a table; a pin has one batch of a partition."""
    left = sorted(batches)
    while left:
        chosen = dict(left)
        yield table.pin(chosen)
        left = [item for item in left if item not in chosen.items()]


def _grouped(pins: Sequence[BatchPin], seen: set[tuple[str, str, str]]) -> list[list[BatchPin]]:
    """Group pins by table, without those whose batches have all been followed already."""
    groups: dict[tuple[TableRef, str], list[BatchPin]] = {}
    for pin in pins:
        batches = {(pin.location, *entry) for entry in pin.entries}
        if not batches <= seen:
            groups.setdefault((pin.ref, pin.location), []).append(pin)
        seen |= batches
    return list(groups.values())


def _made_from(
    store: ObjectStore,
    pins: Sequence[BatchPin],
    names: Collection[TableRef],
    models: Mapping[str, TableRef],
    read: Collection[TableRef | None],
    found: dict[_Version, Edge],
) -> list[BatchPin]:
    """Return what was made from the batches of a table; add the versions to ``found``.

    Versions that something was made from are among the result, too: others may learn from what
    they predict.

    Args:
        store: The warehouse's object store.
        pins: Pins of the batches.
        names: The names that the table has and had.
        models: The models by the digests of their names, which may be those of tables.
        read: The tables with batches that others were made from.
        found: The versions, each with a record that leads to it.
    """
    is_model = cache(partial(has_content, store))
    batches = {entry for pin in pins for entry in pin.entries}
    unclear: list[Edge] = []
    due: list[BatchPin] = []
    for edge in edges_from(store, batches, names):
        model = models.get(edge.made_table) if edge.read_id else None
        if model is not None and is_model(model):
            found.setdefault((model.table, edge.made_id), edge)
            if model in read:
                due.append(version_pin(store, model.table, edge.made_id))
        else:
            unclear.append(edge)
    for edge, (source, made) in zip(unclear, read_edges(store, unclear), strict=True):
        if not batches.isdisjoint(source.entries):
            if made.pin.database != DATABASE or made.pin.ref in read:
                due.append(made.pin)
            if made.pin.database == DATABASE and LATEST in made.pin.batches:
                found.setdefault((made.pin.table, made.pin.batches[LATEST]), edge)
    return due


def version_pin(store: ObjectStore, model: str, version: str) -> BatchPin:
    """Return the batch that a version of a model is."""
    ref = TableRef(DATABASE, model)
    location = f"{store.uri}/{TableLayout.default_root(ref)}"
    return BatchPin.of(ref, location, {LATEST: version})


def _of_model(store: ObjectStore, name: str, versions: Mapping[str, Edge]) -> list[TrainedVersion]:
    """Return versions of a model with what its log says of them."""
    log = PartitionLog(Table.find(TableRef(DATABASE, name), store, LogOnlyMetastore(store)))
    heads = log.heads(dict.fromkeys(log.names(), 0))
    aliases: dict[str, list[str]] = {}
    for alias, head in sorted(heads.items()):
        aliases.setdefault(head.batch_id or "", []).append(alias)
    entries: Iterable[LogEntry] = ()
    if LATEST in heads:
        entries = log.newest_first(LATEST, heads[LATEST])
    saves = saves_of(entries, versions)
    found = [
        TrainedVersion(name, one, entry.at, entry.producer, tuple(aliases.get(one, ())))
        for one, entry in saves.items()
    ]
    left = [edge for version, edge in versions.items() if version not in saves]
    return found + [
        TrainedVersion(name, made.pin.batches[LATEST], made.at, made.producer, saved=False)
        for _, made in read_edges(store, left)
    ]


def saves_of(entries: Iterable[LogEntry], versions: Collection[str]) -> dict[str, LogEntry]:
    """Return the entries that saved versions of a model.

    Args:
        entries: The entries of its alias ``latest``, newest first.
        versions: The versions; a version may have been published again since its save.

    Returns:
        The entries by version, without versions that were not saved.
    """
    found: dict[str, LogEntry] = {}
    oldest = min(versions)
    for entry in entries:
        if entry.batch_id and entry.batch_id in versions and entry.origin == entry.version:
            found[entry.batch_id] = entry
        if entry.newest < oldest:
            break
    return found
