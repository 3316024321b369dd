"""Response bodies of the JSON API.

Where a body is the same as a dataclass of the warehouse, that dataclass is the model. Times are ISO
8601 in UTC, sizes are bytes, and partition names are those of pins. `described` takes the
descriptions of the API from the docstrings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airflow_sfx.core.log_entry import Operation
from airflow_sfx.warehouse.diff.diff import ColumnDiff
from airflow_sfx.warehouse.history.overview import PartitionOverview

MAX_NAME = 512
"""Greatest length of a partition's name, in characters."""


def described(schema: dict[str, Any]) -> dict[str, Any]:
    r"""Return a JSON schema with the descriptions of properties that its docstring has.

    Example:
        >>> text = "A file.\n\nArgs:\n    path: Its\n        path."
        >>> schema = {"description": text, "properties": {"path": {"type": "string"}}}
        >>> described(schema)["properties"]
        {'path': {'type': 'string', 'description': 'Its path.'}}
    """
    summary, _, args = schema.get("description", "").partition("\n\nArgs:\n")
    args = args.partition("\n\n")[0].replace("None", "null").replace("``", "`")
    texts = {
        name: " ".join(text.split())
        for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", args, re.MULTILINE)
    }
    properties = {
        name: one | ({"description": texts[name]} if name in texts else {})
        for name, one in schema.get("properties", {}).items()
    }
    return schema | {
        **({"description": summary.partition("\n\n")[0]} if summary else {}),
        **({"properties": properties} if properties else {}),
    }


class ColumnDocument(BaseModel):
    """A column of a table or a batch.

    Args:
        name: The name.
        type: The Hive type.
        kind: What the Hive type does not express, such as `duration in microseconds`.
    """

    name: str
    type: str
    kind: str = ""


class TableNames(BaseModel):
    """A page of the warehouse's tables.

    Args:
        total: Number of tables that match.
        tables: The names on this page, as `database.table`.
    """

    total: int
    tables: list[str]


class TableDocument(BaseModel):
    """A table and its totals.

    Args:
        table: The table, as `database.table`.
        location: The URI of its directory.
        columns: Its columns.
        keys: Its partition keys.
        partitions: Number of partitions.
        rows: Rows of all current batches.
        bytes: Bytes of all current batches.
        usual_rows: Median rows of a partition, or null if unknown.
        newest: When a partition last changed, or null if unknown.
        staged: Number of partitions with a staged batch.
    """

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


@dataclass(frozen=True, slots=True)
class PartitionDocument(PartitionOverview):
    """A partition and its state.

    Args:
        partition: The name.
        state: The state.
        batch_id: The current batch, or null for none.
        rows: Rows of the current batch, or null if unknown.
        bytes: Bytes of the current batch, or null if unknown.
        at: When that batch became current, or null if unknown.
        staged: The newest staged batch, or null for none.
        ratio: Rows divided by the usual rows, or null if unknown or not requested.
    """

    ratio: float | None


class PartitionPage(BaseModel):
    """A page of a table's partitions.

    Args:
        total: Number of partitions that match.
        usual_rows: Median rows of a partition, or null if unknown or not requested.
        partitions: The partitions on this page.
    """

    total: int
    usual_rows: float | None
    partitions: list[PartitionDocument]


class ProducerDocument(BaseModel):
    """Who made a change.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        task_id: The task.
        map_index: The index of a mapped task instance, or -1.
        try_number: The attempt, starting at 1.
        logical_date: The run's logical date.
        partition_key: The run's partition key.
        run_type: `scheduled`, `manual`, `backfill` or `asset_triggered`.
        backfill_id: The number or the name of the run's backfill.
        user: The user.
        host: The machine.
    """

    model_config = ConfigDict(extra="ignore")

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int | None = None
    logical_date: str | None = None
    partition_key: str | None = None
    run_type: str | None = None
    backfill_id: str | None = None
    user: str | None = None
    host: str | None = None


class BatchReference(BaseModel):
    """The address of a batch.

    Args:
        table: The table, as `database.table`.
        partition: The partition.
        batch_id: The batch.
    """

    table: str
    partition: str
    batch_id: str


class AffectedVersion(BaseModel):
    """A version of a model that was trained on batches, or on what was made from them.

    Args:
        model: The model.
        version: The version.
        aliases: The aliases that it has now.
    """

    model: str
    version: str
    aliases: list[str]


class ChangeDocument(BaseModel):
    """An entry of a partition's history.

    Args:
        partition: The partition.
        version: The number of the entry, starting at 1.
        operation: The kind of change.
        batch_id: The batch that is current since this change, or null for none.
        previous: The batch that was current before, or null for none.
        at: When the change was committed.
        reason: The reason given.
        rows: Rows of `batch_id`.
        bytes: Bytes of `batch_id`.
        retired: The batches that expired with this change.
        discarded: The staged batches that were discarded with this change.
        producer: Who made the change.
        commit: The commit that the change is part of.
    """

    model_config = ConfigDict(extra="ignore")

    partition: str
    version: int
    operation: Operation
    batch_id: str | None
    previous: str | None
    at: datetime
    reason: str
    rows: int
    bytes: int
    retired: list[str]
    discarded: list[str]
    producer: ProducerDocument
    commit: str


class HistoryDocument(BaseModel):
    """A page of a partition's history, newest first.

    Args:
        table: The table.
        partition: The partition.
        current: The current batch, or null for none.
        changes: The changes on this page.
        more: Whether there are older changes: request those `before` the last version.
        retired: The batches of these changes that have expired.
        replaced: Which batch replaced each batch of these changes that had rows erased.
    """

    table: str
    partition: str
    current: str | None
    changes: list[ChangeDocument]
    more: bool
    retired: list[str]
    replaced: dict[str, str]


class DiffDocument(BaseModel):
    """The differences between two batches of a partition.

    Args:
        before: The first batch.
        after: The second batch.
        rows_before: Rows of the first batch.
        rows_after: Rows of the second batch.
        added: Rows only in the second batch; with keys, rows with a new key.
        removed: Rows only in the first batch; with keys, rows without a counterpart.
        changed: With keys, rows in both with other values; else 0.
        identical: Whether both batches load as the same frame.
        columns: The columns of either batch.
        examples: Some of the rows that differ.
        frame_before: What the first frame has besides its columns, such as an index, or null if
            the second has the same.
        frame_after: The same of the second frame.
    """

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    identical: bool
    columns: list[ColumnDiff]
    examples: list[dict[str, object]]
    frame_before: str | None = None
    frame_after: str | None = None


class Done(BaseModel):
    """The result of a change.

    Args:
        table: The table.
        partition: The partition.
        batch_id: The current batch, or null for none.
    """

    table: str
    partition: str
    batch_id: str | None


class Problem(BaseModel):
    """An error.

    Args:
        error: The name of the error.
        message: What failed, why, and what to do about it.
    """

    error: str
    message: str


TOO_MANY_COMPARISONS: dict[int | str, dict[str, Any]] = {
    429: {"model": Problem, "description": "Another comparison of the same user is running"}
}
"""The response of routes that compare, in the API's description."""
