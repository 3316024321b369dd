"""What the warehouse asks of a metastore, whichever one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table as the metastore has it.

    Args:
        ref: Its name.
        location: Its directory as a URI.
        columns: Its columns, without the partition keys.
        keys: Its partition keys; none for a table without partitions.
        parameters: Further facts, as text.
        format: The table format that other programs have it in: ``delta``, ``hudi`` or ``iceberg``;
            empty for plain files.
    """

    ref: TableRef
    location: str
    columns: tuple[Column, ...]
    keys: tuple[PartitionKey, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    format: str = ""


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Where a partition's data are, as the metastore has it.

    Args:
        partition: Which partition.
        location: The directory that readers read, as a URI.
        sequence: The number of the ledger entry that put the pointer there; 0 where something else
            did.
        batch_id: The batch there; None where the partition has none.
        rows: How many rows the batch has; None where nobody said.
        bytes: How many bytes the batch has; None where nobody said.
        at: When it became current, ISO 8601 in UTC; empty where nobody said. A move to the same
            batch leaves it as it is.
    """

    partition: Partition
    location: str
    sequence: int = 0
    batch_id: str | None = None
    rows: int | None = None
    bytes: int | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class UnsupportedPartition:
    """A partition that another engine made with a value that no batch can have.

    Args:
        name: Its name as Hive writes it, ``day=__HIVE_DEFAULT_PARTITION__``.
        location: The directory that engines read, as a URI.
        rule: Which value, and which rule it breaks.
    """

    name: str
    location: str
    rule: str


Move = Callable[[Sequence[PartitionInfo]], bool]
"""Moves partitions of one table; see `Metastore.repoint`."""


class Metastore(Protocol):
    """Tables and partitions. A table without partitions has the one partition `Partition()`.

    Each call is one transaction. Faults come as `WarehouseUnavailable`.

    Attributes:
        for_engines: Whether engines find tables by it, and read their files with the types that it
            has.
    """

    for_engines: bool = True

    def get_ready(self) -> None:
        """Do ahead, in the background, what the next call would take longest for; faults are for that call to tell.

        Where nothing takes long, that is nothing.
        """
        return

    def check(self, partition: Partition) -> None:
        """Refuse a partition that is not to be written, because this metastore takes it for another one.

        Raises:
            InvalidName: It is one.
        """
        return

    def databases(self) -> list[str]:
        """The names of all databases, sorted."""

    def tables(self, database: str) -> list[str]:
        """The names of a database's tables, sorted; none for a database that is not there."""

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """A table; None if there is none."""

    def create_table(self, info: TableInfo) -> TableInfo:
        """Make a table, and its database, unless it is there; returns the one that is there afterwards."""

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Replace a table's columns and parameters by what ``change`` makes of them, with nobody else in between.

        Raises:
            TableNotFound: There is no such table.
        """

    def complete_columns(self, ref: TableRef) -> bool:
        """Complete a change of a table's columns whose writer died half way, where a change is not one transaction.

        Returns:
            Whether one was half done.
        """
        return False

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Those of the given partitions that the metastore has, all as they were at one moment.

        Of a whole table, those are left out, with a warning, that `refused_partitions` gives.

        Args:
            ref: The table.
            partitions: Which; None for all.
            keys: The table's keys, where the caller has just looked at the table: that saves
                another look.
        """

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Which partitions a table with keys has, in the order of their values; none where there is no such table.

        Without their pointers, of ten thousand this takes a twentieth of the time of
        `get_partitions`. Those that `refused_partitions` gives are left out.
        """

    def refused_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """The partitions of a table that another engine made with a value that no batch can have, by name.

        Hive and Spark do so for a null in a partition column.
        """

    def repoint(self, ref: TableRef, pointers: Sequence[PartitionInfo]) -> bool:
        """Move partitions to new places, all of them at one moment, and add the missing ones.

        A pointer with a lower ``sequence`` than the metastore has stays where it is: a late writer
        never moves one back.

        Returns:
            Whether that is sure. Where it is not (False), a later writer may have come between this
            one's look and its move: the caller looks at the ledgers again.
        """

    def moving(
        self, ref: TableRef, partitions: Sequence[Partition]
    ) -> AbstractContextManager[Move]:
        """Get ready to move partitions, while the block does what must be done before.

        Args:
            ref: The table.
            partitions: The partitions that will move, unless something comes between.

        Returns:
            For a ``with`` block: what moves them as `repoint` does, once. Where there is nothing to
            get ready, that is all.
        """
        return nullcontext(partial(self.repoint, ref))
