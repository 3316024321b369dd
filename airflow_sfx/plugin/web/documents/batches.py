"""Response bodies about one batch; see `tables`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from airflow_sfx.core.manifest import CheckResult
from airflow_sfx.core.schema import ColumnStatistics
from airflow_sfx.plugin.web.documents.tables import ColumnDocument, ProducerDocument
from airflow_sfx.warehouse.history.staged import StagedState


class FileDocument(BaseModel):
    """A data file of a batch.

    Args:
        path: The path, relative to the batch.
        size: The size.
        rows: The number of rows.
    """

    model_config = ConfigDict(extra="ignore")

    path: str
    size: int
    rows: int


class PinDocument(BaseModel):
    """A pin: exact batches of a table.

    Args:
        table: The table.
        batches: The batch of each partition.
    """

    table: str
    batches: dict[str, str]


class HoldDocument(BaseModel):
    """A hold of a batch.

    Args:
        name: The name of the hold.
        at: When it began.
        until: When it ends, or null for never.
        reason: The reason given.
    """

    name: str
    at: datetime
    until: datetime | None
    reason: str


class DownstreamDocument(PinDocument):
    """Downstream batches: batches of a table that were made from this batch.

    Args:
        table: The table.
        batches: The batch of each partition.
        at: When they were made.
        producer: Who made them.
    """

    at: datetime
    producer: ProducerDocument


class StagedDocument(BaseModel):
    """A staged batch that was not published.

    Args:
        partition: The partition.
        batch_id: The batch.
        state: `waiting`, `overtaken` by a later batch that is current, or `discarded`.
        current: The current batch, or null for none.
        at: When it was written.
        rows: The number of rows, or null if unreadable.
        bytes: The size, or null if unreadable.
        failed: The checks that failed.
        problem: Why it cannot be read, or empty.
        producer: Who wrote it.
    """

    partition: str
    batch_id: str
    state: StagedState
    current: str | None
    at: datetime
    rows: int | None
    bytes: int | None
    failed: list[CheckResult]
    problem: str
    producer: ProducerDocument


class RowsDocument(BaseModel):
    """The first rows of a batch, with values as text.

    Args:
        columns: The columns.
        types: The Hive type of each column.
        rows: The values of each row, by column; null for a null.
        more: Whether the batch has more rows.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    more: bool


class BatchDocument(BaseModel):
    """A batch: its manifest, downstream batches and holds.

    Args:
        table: The table.
        partition: The partition.
        batch_id: The batch.
        current: Whether it is the current batch.
        staged: Whether it is staged.
        staged_as: What became of it as a staged batch; null if it was published or never staged.
        replaced: The batch that was current when it was written, or null for none.
        created_at: When it was written.
        rows: The number of rows.
        bytes: The size of its files.
        columns: Its columns.
        statistics: The statistics of each column.
        files: Its data files.
        checks: The results of the checks before publishing.
        inputs: The batches that it was made from.
        producer: Who wrote it.
        read_by: The downstream batches.
        held_by: The holds of the batch.
    """

    table: str
    partition: str
    batch_id: str
    current: bool
    staged: bool
    staged_as: StagedDocument | None
    replaced: str | None
    created_at: datetime
    rows: int
    bytes: int
    columns: list[ColumnDocument]
    statistics: dict[str, ColumnStatistics]
    files: list[FileDocument]
    checks: list[CheckResult]
    inputs: list[PinDocument]
    producer: ProducerDocument
    read_by: list[DownstreamDocument]
    held_by: list[HoldDocument]
