"""What a rollback does: the report of a table, and its step in each partition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.pins.trained import TrainedVersion
from airflow_sfx.warehouse.results import Rows


@dataclass(frozen=True, slots=True)
class RollbackStep:
    """What a rollback does to one partition.

    Args:
        partition: The partition's name.
        previous: The batch that is current before the rollback, or None for no batch.
        batch_id: The batch that is current after it, or None for no batch.
        at: When that batch was published, in UTC; None for no batch.
        producer: Who published it; None for no batch.
        rows: Its number of rows; 0 for no batch.
    """

    partition: str
    previous: str | None
    batch_id: str | None
    at: datetime | None = None
    producer: Producer | None = None
    rows: int = 0

    @classmethod
    def of(
        cls, partition: str, previous: str | None, batch_id: str | None, made: LogEntry | None
    ) -> RollbackStep:
        """Return the step to a batch that an entry made, or to no batch."""
        if batch_id is None or made is None:
            return cls(partition, previous, batch_id)
        return cls(partition, previous, batch_id, made.at, made.producer, made.rows)


class RollbackPlan(Rows[RollbackStep]):
    """What a rollback of a table would do: a step for each partition.

    Args:
        steps: The steps.
        models: The versions of models that were trained on the batches that the partitions leave.
    """

    __slots__ = ("models",)

    def __init__(
        self, steps: Iterable[RollbackStep] = (), models: tuple[TrainedVersion, ...] = ()
    ) -> None:
        super().__init__(steps)
        self.models = models


@dataclass(frozen=True, slots=True)
class RunRollback:
    """What rolling back a DAG run, a backfill or a commit did to one table.

    Args:
        pin: The current batches of the partitions that were rolled back, or None if none has a
            batch.
        table: The table as ``database.table``.
        rolled_back: The partitions that were rolled back, with the batch that each has now; None
            for no batch, as before the run.
        kept: The partitions that were left as they are because they changed after the run, with
            their batches.
        gone: Why the whole table was left alone: it is no longer in the metastore, or another
            engine made it anew. Empty otherwise.
        blocked: What prevents the rollback, one sentence each; only in a dry run, as otherwise the
            call fails.
        steps: The same partitions as ``rolled_back``, in their order, each with the batch that it
            leaves, and when and by whom the batch that it returns to was made.
        attempts: How often the run changed the warehouse: more than 1 if its tasks were cleared and
            ran again under the same run ID. ``attempt="last"`` rolls back the last time alone.
        commit: The commit that rolled the table back, which `Warehouse.rollback_commit` undoes, in
            all tables; empty in a dry run, and if nothing was rolled back.
        left: The batches that the partitions leave, or None for none. `Warehouse.stale_after` lists
            what becomes stale by it.
        models: The versions of models that were trained on the batches that the partitions leave,
            or on what was made from them.
    """

    table: str
    pin: BatchPin | None
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: tuple[str, ...] = ()
    steps: tuple[RollbackStep, ...] = ()
    attempts: int = 1
    commit: str = field(default="", compare=False)
    left: BatchPin | None = field(default=None, compare=False)
    models: tuple[TrainedVersion, ...] = field(default=(), compare=False)
