"""Metastores that have no partitions, as that of a dropped table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from airflow_sfx.core.errors import TableNotFound
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore, PartitionInfo, TableInfo, UnsupportedPartition


class WithoutPartitions(Metastore):
    """A `Metastore` that has no partitions and drops nothing."""

    has_pointers = False

    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        """Do nothing."""
        return False

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Return no pointers."""
        return {}

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Return no partitions."""
        return []

    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """Return no partitions."""
        return []


class AbsentMetastore(WithoutPartitions):
    """A `Metastore` without tables, even if another table has the name of a dropped one since."""

    def databases(self) -> list[str]:
        """Return no databases."""
        return []

    def tables(self, database: str) -> list[str]:
        """Return no tables."""
        return []

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return None."""
        return None

    def create_table(self, info: TableInfo) -> TableInfo:
        """Reject the table."""
        raise _dropped(info.ref)

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Reject the change."""
        raise _dropped(ref)

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Accept that partitions are gone, and reject other pointers."""
        if not all(pointer.gone for pointer in pointers):
            raise _dropped(ref)
        return None


def _dropped(ref: TableRef) -> TableNotFound:
    return TableNotFound(
        f"the table {ref} was dropped: `sfx rollback {ref}` restores it", table=str(ref)
    )
