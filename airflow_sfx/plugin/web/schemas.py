"""What the JSON API answers and takes. Times are ISO 8601 in UTC, sizes are bytes, a partition's name is as in a pin."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from airflow_sfx.warehouse.history.overview import State

NAME = 512
"""How long a partition's name may be."""


class ColumnDocument(BaseModel):
    """A column, its Hive type, and in words what that does not say: that a bigint is a duration, for example."""

    name: str
    type: str
    kind: str = ""


class TableNames(BaseModel):
    """A page of the warehouse's tables."""

    total: int
    tables: list[str]


class TableDocument(BaseModel):
    """A table in figures."""

    table: str
    location: str
    columns: list[ColumnDocument]
    keys: list[ColumnDocument]
    partitions: int
    rows: int
    bytes: int
    usual_rows: float | None
    newest: datetime | None
    staged: int


class PartitionDocument(BaseModel):
    """A partition as it is now; ``ratio`` is its rows against the usual, null where that was not asked for."""

    partition: str
    state: State
    batch_id: str | None
    rows: int | None
    bytes: int | None
    at: datetime | None
    staged: str | None
    ratio: float | None


class PartitionPage(BaseModel):
    """A page of a table's partitions."""

    total: int
    usual_rows: float | None
    partitions: list[PartitionDocument]


class ProducerDocument(BaseModel):
    """Who made a change."""

    model_config = ConfigDict(extra="ignore")

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int | None = None
    logical_date: str | None = None
    partition_key: str | None = None
    run_type: str | None = None
    user: str | None = None
    host: str | None = None


class ChangeDocument(BaseModel):
    """An entry of a partition's history; ``retired`` are the batches that it has given up."""

    model_config = ConfigDict(extra="ignore")

    partition: str
    sequence: int
    operation: str
    batch_id: str | None
    previous: str | None
    at: datetime
    reason: str
    rows: int
    bytes: int
    retired: list[str]
    producer: ProducerDocument


class HistoryDocument(BaseModel):
    """A page of a partition's history, newest first.

    ``current`` is what is current now; ``more`` says whether there are older changes than these:
    ask for those ``before`` the last one's sequence. ``retired`` are the batches of these changes
    that nobody may refer to any more, ``replaced`` what took the place of those of which rows were
    erased.
    """

    table: str
    partition: str
    current: str | None
    changes: list[ChangeDocument]
    more: bool
    retired: list[str]
    replaced: dict[str, str]


class TableChangeDocument(ChangeDocument):
    """An entry of the history of a table's partition."""

    table: str


class OutOfSyncDocument(BaseModel):
    """A table whose changes cannot be told: it is gone, or what is stored of them is not as it was written."""

    table: str
    message: str


class ChangesDocument(BaseModel):
    """A page of changes across tables, newest first; ``more`` where there are older ones, ``total`` where that is known.

    ``untold`` are tables whose changes could not be read: those of all others are there.
    """

    total: int | None
    more: bool
    changes: list[TableChangeDocument]
    untold: list[OutOfSyncDocument] = []


class UndoDocument(BaseModel):
    """What undoing a DAG run does to a table.

    ``rolled_back`` are the partitions that go back, with the batch each has then (null: none, as
    before); ``kept`` those that stay as they are, since somebody has changed them after the run.
    ``gone``, where it is there, says why the whole table is left alone, ``blocked`` what keeps the
    run from being undone.
    """

    table: str
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: list[str] = []


class FileDocument(BaseModel):
    """A file of a batch."""

    model_config = ConfigDict(extra="ignore")

    path: str
    size: int
    rows: int


class StatisticsDocument(BaseModel):
    """What a column of a batch holds."""

    null_count: int
    minimum: bool | int | float | str | None
    maximum: bool | int | float | str | None


class CheckDocument(BaseModel):
    """What a check before publishing found."""

    name: str
    passed: bool
    detail: str


class PinDocument(BaseModel):
    """Exactly which batches of a table."""

    table: str
    batches: dict[str, str]


class HoldDocument(BaseModel):
    """A hold of the batch: whose, since when, until when."""

    name: str
    at: datetime
    until: datetime | None
    reason: str


class ReaderDocument(PinDocument):
    """What was made from the batch, when, by whom."""

    at: datetime
    producer: ProducerDocument


class BatchDocument(BaseModel):
    """A batch: its manifest, and who holds it."""

    table: str
    partition: str
    batch_id: str
    current: bool
    staged: bool
    replaced: str | None
    created_at: datetime
    rows: int
    bytes: int
    columns: list[ColumnDocument]
    statistics: dict[str, StatisticsDocument]
    files: list[FileDocument]
    checks: list[CheckDocument]
    inputs: list[PinDocument]
    producer: ProducerDocument
    read_by: list[ReaderDocument]
    held_by: list[HoldDocument]


class DistributionDocument(BaseModel):
    """How many values lie in each bin, before and after."""

    bins: list[str]
    before: list[int]
    after: list[int]


class ColumnDiffDocument(BaseModel):
    """A column before and after."""

    name: str
    type_before: str | None
    type_after: str | None
    before: StatisticsDocument | None
    after: StatisticsDocument | None
    mean_before: float | None
    mean_after: float | None
    distinct_before: int | None
    distinct_after: int | None
    changed: int | None
    distribution: DistributionDocument | None
    meaning_before: str | None = Field(
        None, description="What the Hive type does not say, where it is another one after."
    )
    meaning_after: str | None = None
    name_before: str | None = Field(
        None, description="The name before, where it was spelled otherwise."
    )


class DiffDocument(BaseModel):
    """What differs between two batches of a partition."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    identical: bool
    columns: list[ColumnDiffDocument]
    examples: list[dict[str, object]]
    frame_before: str | None = Field(
        None,
        description=(
            "What the frame has beside its columns, such as an index, where it is something else"
            " after."
        ),
    )
    frame_after: str | None = None


class ChangeRequest(BaseModel):
    """What every change says: for which partition, what the person saw there, and why."""

    model_config = ConfigDict(extra="forbid")

    partition: str = Field(max_length=NAME)
    expected: str | None = Field(
        description="The batch that is current for whoever asks; null for none."
    )
    reason: str = Field("", max_length=2000)


class Rollback(ChangeRequest):
    """Make an earlier batch current again."""

    to: str | None = Field(None, description="The batch; null for the one before.")


class Publish(ChangeRequest):
    """Make a staged batch current."""

    batch_id: str


class UndoRun(BaseModel):
    """Undo everything that a DAG run published."""

    model_config = ConfigDict(extra="forbid")

    dag_id: str = Field(max_length=250)
    run_id: str = Field(max_length=250)
    expected: list[UndoDocument] = Field(description="What `GET …/runs/undo` said to whoever asks.")
    reason: str = Field("", max_length=2000)


class Done(BaseModel):
    """What is current now; null for no batch."""

    table: str
    partition: str
    batch_id: str | None


class Problem(BaseModel):
    """An error: what happened, to what, and what to do about it."""

    error: str
    message: str
