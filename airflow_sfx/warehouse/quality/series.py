"""The batches whose figures make a series: which partitions, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cached_property
from itertools import islice

from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.quality.band import day_of
from airflow_sfx.warehouse.table.manifests import readable
from airflow_sfx.warehouse.table.table import Table

Batch = tuple[str, str]
"""A partition's name and a batch ID."""

_ENTRIES_PER_BATCH = 4
"""How many changes of a table without partitions are read for each batch that is wanted."""


def day_of_partition(table: Table, name: str) -> date | None:
    """Return the day that a partition is of, or None."""
    found = day_of(table.layout.partition(name).values) if name else None
    return found[1] if found else None


def all_series(table: Table) -> list[list[str]]:
    """Return the partitions of a table by series, in their order.

    The partitions of a table with several keys are one series for each value of the keys that are
    not the day.
    """
    return list(_by_series(table, table.names()).values())


def series_of(table: Table, name: str) -> list[str]:
    """Return the partitions of the series of a partition, which need not exist, in their order."""
    names = {*table.names(), name}
    return _by_series(table, names)[_other_values(table.layout.partition(name).values)]


def _by_series(table: Table, names: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    values = {name: table.layout.partition(name).values for name in names}
    found: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(values, key=lambda one: [_order(value) for value in values[one]]):
        found.setdefault(_other_values(values[name]), []).append(name)
    return found


def _order(value: str) -> tuple[int, int, str]:
    """Return the sort key of a value: numbers by their size, before other text."""
    is_number = value.isascii() and value.isdecimal()
    return (0, int(value), value) if is_number else (1, 0, value)


def _other_values(values: Sequence[str]) -> tuple[str, ...]:
    found = day_of(values)
    if found is None:
        return ()
    return tuple(value for place, value in enumerate(values) if place != found[0])


class EarlierBatches:
    """The batches to compare several partitions with, read once for all of them.

    Args:
        table: The table.
        log: Its log.
        names: The partitions, which need not exist.
        most: How many earlier batches of each.
    """

    def __init__(self, table: Table, log: PartitionLog, names: Sequence[str], most: int) -> None:
        self._table, self._log = table, log
        self._names, self._most = names, most

    def of(self, name: str, batch_id: str) -> list[Manifest]:
        """Return the manifests of the batches before one, oldest first.

        Those are the current batches of the partitions before it in its series; of a table without
        partitions, the earlier batches.

        Args:
            name: The partition's name, one of those that were given.
            batch_id: The batch.
        """
        if not self._table.info.keys:
            line = current_line(self._table, self._log, 1 + self._most)
            before = [one for one in line if one[1] < batch_id]
            return readable_manifests(self._table, before[-self._most :])
        known = self._manifests
        return [known[one] for one in self._before[name] if one in known]

    @cached_property
    def _before(self) -> dict[str, list[str]]:
        """The partitions before each one."""
        series = _by_series(self._table, {*self._table.names(), *self._names}).values()
        due = set(self._names)
        return {
            name: one[max(0, at - self._most) : at]
            for one in series
            for at, name in enumerate(one)
            if name in due
        }

    @cached_property
    def _manifests(self) -> dict[str, Manifest]:
        """The manifests of the current batches of all of these, by partition."""
        names = list(dict.fromkeys(name for one in self._before.values() for name in one))
        batches = current(self._table, self._log, names)
        return {one.partition: one for one in readable_manifests(self._table, batches)}


def current(table: Table, log: PartitionLog, names: Sequence[str]) -> list[Batch]:
    """Return the current batches of partitions that have one, in the order of the names."""
    if not names:
        return []
    marks = log.marks(names)
    found = {name: mark.batch_id for name, mark in marks.items()}
    return [(name, batch_id) for name in names if (batch_id := found.get(name))]


def current_line(table: Table, log: PartitionLog, most: int) -> list[Batch]:
    """Return the batches that were current in a table without partitions, oldest first.

    Batches that a rollback replaced are left out.
    """
    head = heads_to_read(table, log, [""])[""]
    newest_first = islice(log.newest_first("", head), min(_ENTRIES_PER_BATCH * most, sys.maxsize))
    return [("", batch_id) for batch_id in _line(reversed(list(newest_first)))][-most:]


def _line(entries: Iterable[LogEntry]) -> list[str]:
    line: list[str] = []
    for entry in entries:
        if entry.operation is Operation.RETIRE:
            line = [one for one in line if one not in entry.retired]
        elif entry.operation is Operation.ERASE and line:
            line[-1:] = [entry.batch_id] if entry.batch_id else []
        elif entry.batch_id in line:  # a rollback: what came after it was replaced
            del line[line.index(entry.batch_id) + 1 :]
        elif entry.batch_id is None:
            line.clear()
        else:
            line.append(entry.batch_id)
    return line


def readable_manifests(table: Table, batches: Sequence[Batch]) -> list[Manifest]:
    """Return the manifests of batches, without those that expired or are damaged."""
    found = readable(table, batches)
    return [found[item] for item in batches if item in found]
