"""The warehouse: every operation on tables of one storage and one metastore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_sfx.core.layout import PartitionStyle
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.metastore import Metastore
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.reports import Repair, RunRollback, TableState, VerifyReport

if TYPE_CHECKING:
    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.warehouse.diff import BatchDiff

Evolve: TypeAlias = Literal["none", "safe", "any"]
As: TypeAlias = Literal["pandas", "polars", "arrow"]
Keys: TypeAlias = Sequence[str] | Mapping[str, str]
Check: TypeAlias = Callable[[Any], object]


class Warehouse:
    """Tables on one storage and one metastore; `airflow_sfx.connect` opens one.

    Safe to use from several threads. Times have time zones; what comes back is in UTC.

    Args:
        uri: What the warehouse was opened by, without secrets.
        store: The storage.
        metastore: The metastore.
        partition_style: How new tables name a partition's directory: ``value`` (``20161031``) or ``hive``
            (``date=20161031``).
        producer: Who writes; asked once a change.
    """

    def __init__(
        self,
        uri: str,
        store: Store,
        metastore: Metastore,
        *,
        partition_style: PartitionStyle = "value",
        producer: Callable[[], Producer],
    ) -> None:
        self.uri = uri
        self.store = store
        self.metastore = metastore
        self.partition_style = partition_style
        self._producer = producer
