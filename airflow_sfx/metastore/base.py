"""The interface of metastores, and the values that they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName, TableNotFound
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table in the metastore.

    Args:
        ref: Its name.
        location: Its directory as a URI.
        columns: Its columns, without the partition keys.
        keys: Its partition keys; empty for a table without partitions.
        parameters: Further properties, as text.
        format: The table format that another engine gave it: ``delta``, ``hudi`` or ``iceberg``;
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
    """A partition in the metastore: the pointer to its current data.

    Args:
        partition: The partition.
        location: The directory that engines read, as a URI.
        version: The number of the log entry that moved the pointer there; 0 if another engine
            moved it.
        batch_id: The batch at the location; None if the partition has no batch.
        rows: The number of rows of the batch; None if unknown.
        bytes: The size of the batch in bytes; None if unknown.
        at: When the batch became current, ISO 8601 in UTC; empty if unknown. Moving the pointer to
            the same batch does not change it.
        gone: Whether the partition is dropped: moving the pointer removes it from the metastore.
            The pointer of a table without keys moves to its location instead.
        first: Whether no earlier log entry changed the partition.
    """

    partition: Partition
    location: str
    version: int = 0
    batch_id: str | None = None
    rows: int | None = None
    bytes: int | None = None
    at: str = ""
    gone: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True)
class UnsupportedPartition:
    """A partition that another engine created with a value that no batch can have.

    Args:
        name: Its name as Hive writes it, ``day=__HIVE_DEFAULT_PARTITION__``.
        location: The directory that engines read, as a URI.
        rule: The value, and the rule that it breaks.
    """

    name: str
    location: str
    rule: str


Move = Callable[[Sequence[PartitionInfo]], TableInfo | None]
"""Moves the pointers of partitions of one table; see `Metastore.repoint`."""


class Metastore(ABC):
    """Tables and their partitions.

    A table without partition keys has the one partition `Partition()`.

    Each call is one transaction. Faults are raised as `WarehouseUnavailable`.

    Attributes:
        for_engines: Whether engines find tables here, and read their files with the column types
            stored here.
        can_rename: Whether tables can be renamed here.
        has_pointers: Whether partitions and their pointers are stored here.
        moves_together: Whether the pointers of one call to `repoint` move at one moment, or none.
    """

    for_engines: bool = True
    can_rename: bool = False
    has_pointers: bool = True
    moves_together: bool = True

    def get_ready(self) -> None:  # noqa: B027  most metastores have nothing to prepare
        """Prepare the next call, which raises any fault, in the background."""

    def check(self, partition: Partition) -> None:  # noqa: B027  most accept all values
        """Reject a partition that this metastore cannot distinguish from another one.

        Raises:
            InvalidName: The partition is one.
        """

    @abstractmethod
    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""

    @abstractmethod
    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables, sorted; none if it does not exist."""

    @abstractmethod
    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return a table, or None if it does not exist."""

    @abstractmethod
    def create_table(self, info: TableInfo) -> TableInfo:
        """Create a table and its database unless they exist, and return the table."""

    @abstractmethod
    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Change a table's columns and parameters in one transaction.

        Args:
            ref: The table.
            change: Returns the changed table, given the present one; may be called again if
                another writer changed the table meanwhile.

        Returns:
            The changed table.

        Raises:
            TableNotFound: The table does not exist.
        """

    @abstractmethod
    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        """Remove a table and its partitions, unless it does not exist; no file is deleted.

        Args:
            ref: The table.
            at: Its location; a table of that name at another one stays. None for any.

        Returns:
            Whether it existed.
        """

    def rename_table(
        self, ref: TableRef, to: TableRef, change: Callable[[TableInfo], TableInfo]
    ) -> TableInfo:
        """Give a table another name and parameters in one transaction; its files stay.

        Args:
            ref: The table's present name.
            to: Its new name.
            change: Returns the renamed table, given the present one; may be called again.

        Returns:
            The renamed table.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: The new name is taken, or the metastore cannot rename tables.
        """
        raise no_rename(ref, to)

    def complete_columns(self, ref: TableRef) -> bool:
        """Complete a change of columns in several steps whose writer died.

        Returns:
            Whether there was one.
        """
        return False

    @abstractmethod
    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Return the pointers of partitions, as they were at one moment.

        A read of all partitions skips unsupported ones (see `unsupported_partitions`) with a
        warning.

        Args:
            ref: The table.
            partitions: The partitions; None for all.
            keys: The table's keys, which saves a request; None if the caller does not know them.

        Returns:
            The pointers of those that exist, by partition, sorted by their values.
        """

    @abstractmethod
    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Return a table's partitions without their pointers, sorted by their values.

        For ten thousand partitions this takes a twentieth of the time of `get_partitions`. The
        result lacks unsupported partitions, and is empty if the table does not exist or has no
        partition keys.
        """

    @abstractmethod
    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """Return the partitions with a value that no batch can have, sorted by name.

        Other engines create them: Hive and Spark do for a null in a partition column.
        """

    @abstractmethod
    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Move the pointers of partitions at one moment, and add missing partitions.

        A pointer never moves to a lower ``version``, so that a late writer cannot move one back.
        Pointers that are ``gone`` remove their partitions, if they exist.

        Args:
            ref: The table.
            pointers: The new pointers.
            at: The table's location, or None for any. The name may be another table's by now.

        Returns:
            The table as it was when they moved, if this was atomic and added no partition that may
            have been dropped meanwhile. If None, a later writer may have moved a pointer between
            the comparison and the move, and the caller compares the pointers with the log again.

        Raises:
            TableNotFound: No table has the name, or only one at another location.
        """

    def moving(
        self, ref: TableRef, partitions: Sequence[Partition], *, at: str | None = None
    ) -> AbstractContextManager[Move]:
        """Prepare to move partitions while the block does what comes before.

        Args:
            ref: The table.
            partitions: The partitions whose pointers will move.
            at: The table's location, or None for any.

        Returns:
            A context manager of a function that moves pointers as `repoint` does, once.
        """
        return nullcontext(partial(self.repoint, ref, at=at))


def no_rename(ref: TableRef, to: TableRef) -> InvalidName:
    """Return the error for a metastore that cannot rename tables."""
    return InvalidName(
        f"this metastore cannot rename tables: leave {ref} as it is, or store its data as {to}"
    )


def refuse_taken(ref: TableRef, there: object) -> None:
    """Raise an error if the new name of a table is taken.

    Args:
        ref: The table's present name.
        there: What has the new name, or None.

    Raises:
        InvalidName: The new name is taken.
    """
    if there is not None:
        raise InvalidName(
            f"{ref} cannot be renamed: another table has that name already; choose another name, or"
            " drop or rename that table first"
        )


def is_at(info: TableInfo, location: str | None) -> bool:
    """Return whether a table has a location, however that is spelt; None is any."""
    return location is None or unquote(info.location) == unquote(location)


def refuse_other_table(info: TableInfo, at: str | None) -> None:
    """Raise an error if the table of a name is not the one that had it before.

    Args:
        info: The table that has the name.
        at: The location of the table that is meant, or None for any.

    Raises:
        TableNotFound: It is at another location.
    """
    if not is_at(info, at):
        raise TableNotFound(
            f"{info.ref} is another table by now, at {info.location}: the one at {at} was dropped"
            " or renamed",
            table=str(info.ref),
        )
