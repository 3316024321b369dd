"""Calls of a Hive Metastore, and reads of its tables and partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hmsclient.genthrift.hive_metastore import ttypes
from thrift.Thrift import TApplicationException

from airflow_sfx.core.errors import TableNotFound
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.hive import requests
from airflow_sfx.metastore.hive.client import HiveClients, bounded
from airflow_sfx.metastore.partition_names import hive_name

CHUNK = 1000
"""The number of partitions that one call reads or adds."""
ALL_AT_ONCE = 32_767
"""From this number of partitions on, a table is read by several calls, not at one moment."""
SECONDS_A_PARTITION = 0.02
_UNCOUNTED = 10_000
"""The number of partitions for which a call gets time before they are counted.

Counting them would take a tenth of the time of reading them.
"""


class HiveReader:
    """Reads tables and partitions as the metastore has them.

    Args:
        clients: The connections.
    """

    def __init__(self, clients: HiveClients) -> None:
        self._clients = clients
        self._old_get_table = True

    def _table(self, ref: TableRef) -> Any | None:
        def get(client: Any) -> Any:
            if self._old_get_table:
                try:
                    return client.get_table(ref.database, ref.table)
                except TApplicationException as error:
                    if error.type != TApplicationException.UNKNOWN_METHOD:
                        raise
                    self._old_get_table = False  # Hive 4 has only get_table_req
            return client.get_table_req(
                ttypes.GetTableRequest(dbName=ref.database, tblName=ref.table)
            ).table

        try:
            return self._call(get)
        except ttypes.NoSuchObjectException:
            return None

    def _existing(self, ref: TableRef) -> Any:
        table = self._table(ref)
        if table is None:
            raise TableNotFound(
                f"the table {ref} does not exist: store it first, or see what there is with `sfx"
                " tables`",
                table=str(ref),
            )
        return table

    def _all(self, ref: TableRef) -> list[Any]:
        def get(most: int) -> list[Any]:
            found: list[Any] = self._call(requests.get_partitions(ref, most), count=_UNCOUNTED)
            return found

        try:
            found = get(ALL_AT_ONCE)
        except requests.RequestLimit:
            found = get(-1)
        if len(found) < ALL_AT_ONCE:
            return found
        names = self._names(ref)
        return found if len(names) == len(found) else self._by_names(ref, names)

    def _names(self, ref: TableRef) -> list[str]:
        names: list[str] = self._call(
            lambda client: client.get_partition_names(ref.database, ref.table, -1)
        )
        return names

    def _named(
        self, ref: TableRef, keys: Sequence[PartitionKey], partitions: Sequence[Partition]
    ) -> list[Any]:
        """Read partitions by their values.

        Databases that ignore spaces at the end of a text return other partitions as well.
        """
        names = [hive_name(keys, partition.values) for partition in partitions]
        wanted = {partition.values for partition in partitions}
        return [one for one in self._by_names(ref, names) if tuple(one.values) in wanted]

    def _by_names(self, ref: TableRef, names: Sequence[str]) -> list[Any]:
        return [
            partition
            for chunk in bounded(names, CHUNK)
            for partition in self._call(requests.get_named_partitions(ref, chunk), count=len(chunk))
        ]

    def _call(self, action: Callable[[Any], Any], *, count: int = 0) -> Any:
        with requests.server_errors(self._clients):
            return self._clients.call(
                action, seconds=timeouts().answer + count * SECONDS_A_PARTITION
            )

    def _call_once(
        self, action: Callable[[Any], Any], *, count: int = 0, seconds: float | None = None
    ) -> Any:
        given = timeouts().answer if seconds is None else seconds
        with requests.server_errors(self._clients):
            return self._clients.call_once(action, seconds=given + count * SECONDS_A_PARTITION)
