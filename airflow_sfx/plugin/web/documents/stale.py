"""Bodies about stale batches, and about what starts their DAGs again."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from airflow_sfx.plugin.web.documents.tables import BatchReference, ProducerDocument
from airflow_sfx.warehouse.pins.input_ends import Cause


class StaleDocument(BatchReference):
    """A current batch that was made, at any depth, from a batch that is no longer current.

    Args:
        table: The table, as `database.table`.
        partition: The partition.
        batch_id: The stale batch.
        input: The input that is no longer current.
        cause: How that input ended.
        since: When it ended, or null if unknown.
        producer: Who ended it.
        reason: Why.
        path: The batches between the input and the stale batch, nearest to the input first.
    """

    input: BatchReference
    cause: Cause
    since: datetime | None
    producer: ProducerDocument
    reason: str
    path: list[BatchReference]


class StalePage(BaseModel):
    """A page of stale batches.

    Args:
        complete: Whether the search is done: if not, request it again in a moment.
        at: When it was searched, or null if never.
        total: Number of stale batches that match.
        tables: Number of stale batches of each table that has any.
        batches: The stale batches on this page, by table and partition.
    """

    complete: bool
    at: datetime | None
    total: int
    tables: dict[str, int]
    batches: list[StaleDocument]


class ConsumerDocument(BaseModel):
    """A DAG that is scheduled on a table.

    Args:
        dag_id: The DAG.
        paused: Whether it is paused: a paused DAG does not start.
    """

    dag_id: str
    paused: bool


class ConsumersDocument(BaseModel):
    """The DAGs that start when a table is announced.

    Args:
        asset: The URI of the table's asset.
        known: Whether Airflow knows the asset: a DAG names it in its schedule or as an outlet.
        consumers: The DAGs that are scheduled on it.
        batches: The current batch of each partition of the request, or null for none.
    """

    batches: dict[str, str | None]
    asset: str
    known: bool
    consumers: list[ConsumerDocument]


class Announced(BaseModel):
    """The result of an announcement.

    Args:
        table: The table.
        batches: The announced batch of each partition.
        events: Number of asset events.
    """

    table: str
    batches: dict[str, str]
    events: int
