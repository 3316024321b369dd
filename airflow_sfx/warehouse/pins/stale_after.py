"""What an undo would leave stale: current batches made from those it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from airflow_sfx.core.errors import ForeignChange, TableNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.pins.lineage import DownstreamBatch, downstream_of
from airflow_sfx.warehouse.table.table import Table

_CALLS = 16

Place = tuple[str, str]
"""A table's location and a partition's name, which a renamed table keeps."""


def stale_after(
    store: ObjectStore,
    ended: Sequence[BatchPin],
    open_table: Callable[[BatchPin], Table],
    names: Callable[[BatchPin], Collection[TableRef]],
) -> list[DownstreamBatch]:
    """Return the current batches that were made, at any depth, from batches that are to end.

    Args:
        store: The warehouse's object store.
        ended: The pins of the batches that end.
        open_table: Opens the table of a pin.
        names: Returns the names that the table of a pin has and had.

    Returns:
        The batches, nearest to those that end first, each once; of a downstream pin, only the
        partitions whose current batch it names. Partitions that end themselves are left out.
    """
    seen = {place for pin in ended for place in _places(pin)}
    found: list[DownstreamBatch] = []
    level = list(ended)
    while level:
        made = [
            one
            for layer in map_concurrently(
                lambda pin: downstream_of(store, pin, names(pin)), level, _CALLS
            )
            for one in layer
        ]
        level = []
        for one in map_concurrently(lambda one: _current(one, open_table), made, _CALLS):
            fresh = {
                name: batch
                for name, batch in one.pin.entries
                if (one.pin.location, name) not in seen
            }
            if fresh:
                pin = BatchPin.of(one.pin.ref, one.pin.location, fresh)
                seen |= set(_places(pin))
                found.append(DownstreamBatch(pin, one.at, one.producer))
                level.append(pin)
    return found


def _places(pin: BatchPin) -> Iterable[Place]:
    return ((pin.location, name) for name, _ in pin.entries)


def _current(one: DownstreamBatch, open_table: Callable[[BatchPin], Table]) -> DownstreamBatch:
    """Return a downstream batch with those of its partitions alone that are current."""
    try:
        table = open_table(one.pin)
    except (TableNotFound, ForeignChange):  # dropped since, or made anew
        return DownstreamBatch(BatchPin.of(one.pin.ref, one.pin.location, {}), one.at, one.producer)
    partitions = [table.layout.partition(name) for name, _ in one.pin.entries]
    pointers = table.pointers(partitions)
    there = {
        name: batch
        for name, batch in one.pin.entries
        if (pointer := pointers.get(name)) is not None and pointer.batch_id == batch
    }
    return DownstreamBatch(BatchPin.of(table.ref, table.location, there), one.at, one.producer)
