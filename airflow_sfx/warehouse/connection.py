"""The object store, metastore and settings of a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_sfx.core.paths import PartitionStyle
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore

BackfillRuns = Callable[[str, str], Sequence[str]]
"""Returns the run IDs of a backfill, given the ID of its DAG and its number or name."""


def no_backfill_runs(dag_id: str, backfill_id: str) -> Sequence[str]:
    """Return no run IDs, so that a backfill's runs are found by the history alone."""
    return ()


@dataclass(frozen=True, slots=True)
class Connection:
    """The object store and the metastore of a warehouse, and who uses them.

    Args:
        uri: The URI that the warehouse was opened with, without secrets.
        store: The object store.
        metastore: The metastore.
        producer: Returns who writes; called once for each change.
        partition_style: How new tables name the directories of partitions: ``value`` (``20161031``)
            or ``hive`` (``date=20161031``).
        backfill_runs: Returns the runs of a backfill.
    """

    uri: str
    store: ObjectStore
    metastore: Metastore
    producer: Callable[[], Producer]
    partition_style: PartitionStyle = "value"
    backfill_runs: BackfillRuns = no_backfill_runs
