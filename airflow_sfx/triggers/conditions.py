"""The condition that a sensor waits for: partitions whose batch is new enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.batch_id import is_batch_id, moment_of
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import Partition, partition_value
from airflow_sfx.serde.partition_key import partition_of_key

if TYPE_CHECKING:
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.metastore.base import PartitionInfo


def run_partitions(keys: Sequence[object]) -> list[object]:
    """Return the partitions that the partition keys, or dates, of runs name.

    Example:
        >>> run_partitions(["20161031", "2016~2FUS"])
        [['20161031'], ['2016', 'US']]
    """
    return [list(partition_of_key(str(key)).values) for key in keys]


def waits_for_table(ref: TableRef, uri: str) -> str:
    """Return the message for a table that does not exist, which may be a misspelt name."""
    return (
        f"there is no table {ref} in {uri} yet: waiting until it exists. If it should, check the"
        " name and the connection"
    )


@dataclass(frozen=True, slots=True)
class PartitionCondition:
    """Partitions, and how new the batch of each must be.

    Args:
        partitions: The partitions.
        since: The earliest time at which the batch was written, or None.
        after: The batch ID that the batch's ID must exceed, or None.
    """

    partitions: tuple[Partition, ...]
    since: datetime | None = None
    after: str | None = None

    @classmethod
    def of(
        cls, partitions: Sequence[object] | None, newer_than: str | datetime | None
    ) -> PartitionCondition:
        """Return the condition of a sensor's arguments.

        Args:
            partitions: One value for each partition, or a list of values if the table has several
                keys; empty or None for a table without partitions.
            newer_than: A time with a time zone, or its text; a batch ID; or an empty text or None
                for any batch.

        Raises:
            InvalidName: A value breaks a rule, or the text is neither a time nor a batch ID.

        Example:
            >>> PartitionCondition.of(["20161031"], "20161101002256").after
            '20161101002256'
            >>> since = "2016-11-01T00:00:00+00:00"
            >>> PartitionCondition.of([["2016", "US"]], since).partitions[0].values
            ('2016', 'US')
        """
        values = [
            item if isinstance(item, (list, tuple)) else [item] for item in partitions or ([],)
        ]
        found = tuple(Partition(tuple(partition_value(value) for value in one)) for one in values)
        if newer_than is None or newer_than == "":
            return cls(found)
        if isinstance(newer_than, str) and is_batch_id(newer_than):
            return cls(found, after=newer_than)
        return cls(found, since=_moment(newer_than))

    def missing(self, pointers: Mapping[Partition, PartitionInfo]) -> list[Partition]:
        """Return the partitions that have no batch, or not a new enough one."""
        return [one for one in self.partitions if not self._new_enough(pointers.get(one))]

    def _new_enough(self, pointer: PartitionInfo | None) -> bool:
        if pointer is None or pointer.batch_id is None:
            return False
        if self.after is not None:
            return pointer.batch_id > self.after
        # A batch ID has a resolution of one second: a batch of the same second counts.
        return self.since is None or moment_of(pointer.batch_id) >= self.since.replace(
            microsecond=0
        )


def _moment(given: str | datetime) -> datetime:
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise InvalidName(
            f"newer_than={given!r} is neither a time such as 2016-11-01T00:00:00+00:00 nor a batch"
            " ID of 14 digits"
        ) from error
    if found.tzinfo is None:
        raise InvalidName(
            f"newer_than={given!r} has no time zone: write one, such as 2016-11-01T00:00:00+00:00"
        )
    return found
