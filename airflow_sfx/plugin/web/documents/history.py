"""Response bodies of the JSON API: changes across tables, commits and undos."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from airflow_sfx.core.log_entry import Operation
from airflow_sfx.plugin.web.documents.tables import (
    AffectedVersion,
    BatchReference,
    ChangeDocument,
    ProducerDocument,
)


class TableChangeDocument(ChangeDocument):
    """An entry of a history, with its table: see also `ChangeDocument`.

    Args:
        table: The table, as `database.table`.
    """

    table: str


class UnreadableTable(BaseModel):
    """A table whose history cannot be read: it is gone, or damaged.

    Args:
        table: The table.
        message: Why its history cannot be read.
    """

    table: str
    message: str


class ChangesDocument(BaseModel):
    """A page of changes of partitions across tables, newest first.

    Args:
        total: Number of changes, or null if unknown.
        more: Whether there are older changes.
        changes: The changes on this page.
        unreadable: Tables whose history cannot be read; all others are included.
    """

    total: int | None
    more: bool
    changes: list[TableChangeDocument]
    unreadable: list[UnreadableTable] = []


class CommitDocument(BaseModel):
    """A commit of a table: what changed in its partitions together.

    Args:
        table: The table, as `database.table`.
        commit: The ID of the commit.
        operation: The kind of change.
        at: When the change was committed.
        producer: Who made the change.
        reason: The reason given.
        partitions: Number of partitions that it changed.
        partition: The only partition that it changed, or null if there are more.
        batch_id: The batch of all these partitions since then, or null for none or several.
        batches: Number of different batches.
        previous: The batch that was current in all of them before, or null for none or several.
        rows: Rows of these batches, or null if unknown.
    """

    table: str
    commit: str
    operation: Operation
    at: datetime
    producer: ProducerDocument
    reason: str
    partitions: int
    partition: str | None
    batch_id: str | None
    batches: int
    previous: str | None
    rows: int | None


class CommitsDocument(BaseModel):
    """A page of commits across tables, newest first.

    Args:
        more: Whether there are older commits.
        changes: The commits on this page.
        unreadable: Tables whose history cannot be read; all others are included.
    """

    more: bool
    changes: list[CommitDocument]
    unreadable: list[UnreadableTable] = []


class StepDocument(BaseModel):
    """What an undo does to one partition.

    Args:
        partition: The partition.
        previous: The batch that it leaves, or null for none.
        batch_id: The batch that it goes to, or null for none.
        at: When that batch was published.
        producer: Who published it.
        rows: Its rows.
    """

    partition: str
    previous: str | None
    batch_id: str | None
    at: datetime | None
    producer: ProducerDocument | None
    rows: int


class UndoDocument(BaseModel):
    """What the undo of a DAG run, a backfill or a commit does to a table.

    Args:
        table: The table.
        rolled_back: The partitions that roll back, with the batch that is then current, or null
            for none.
        kept: The partitions that stay, as they were changed since, with their batch.
        gone: Why the whole table is skipped; empty if it is not.
        blocked: What prevents the undo.
        steps: The partitions that roll back, with the batch that each goes to.
        attempts: How often the run has run: more than 1 if its tasks were cleared and ran again.
        stale: What becomes stale, as it was made from what is rolled back in any table: in a plan,
            at the first table.
        models: The versions of models that were trained on what is rolled back.
    """

    table: str
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: list[str] = []
    steps: list[StepDocument] = []
    attempts: int = 1
    stale: list[BatchReference] = []
    models: list[AffectedVersion] = []


class NightItemDocument(BaseModel):
    """Something that needs attention.

    Args:
        concern: `refused`, `foreign change`, `stale`, `late`, `unusual values`, `unusually small`,
            `unusually large`, `warned`, `rolled back` or `staged`.
        table: The table, as `database.table`; of several, the first by name.
        partition: The partition, or null for several, or for a table that is late.
        partitions: Number of partitions; 0 for a table that is late.
        batch_id: The batch of that partition, or null.
        commit: The commit that it happened in; empty if it is not one commit.
        at: When it happened, or null if unknown.
        producer: Who did it, or null if unknown.
        detail: What was found.
        tables: Number of tables: more than 1 for an undo in several.
        undo: The ID that the commits of one undo share, or empty.
    """

    concern: str
    table: str
    partition: str | None
    partitions: int
    batch_id: str | None
    commit: str
    at: datetime | None
    producer: ProducerDocument | None
    detail: str
    tables: int = 1
    undo: str = ""


class NightDocument(BaseModel):
    """What needs attention after a night.

    Args:
        since: The beginning of the night.
        until: When the report was made.
        tables: Number of tables of the warehouse.
        changed: Number of tables that were published in the night.
        items: What needs attention, gravest first.
        unreadable: Tables that could not be looked at.
        full: Whether stale batches, foreign changes and unusual values were looked for in all
            tables.
    """

    since: datetime
    until: datetime
    tables: int
    changed: int
    items: list[NightItemDocument]
    unreadable: list[UnreadableTable]
    full: bool
