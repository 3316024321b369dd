"""Request bodies of the JSON API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from airflow_sfx.models.describe.card import PARTS
from airflow_sfx.plugin.web.documents.history import UndoDocument
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.warehouse.undo.scope import Attempt

MAX_ANNOUNCED = 100
"""Greatest number of partitions of an announcement."""

MAX_CARD_PART = 10_000
"""Greatest number of characters of a part of a card."""

OF_ATTEMPT = "`last`: only what the last attempt of the run changed."


class ChangeRequest(BaseModel):
    """A change of one partition."""

    model_config = ConfigDict(extra="forbid")

    partition: str = Field(max_length=MAX_NAME)
    expected: str | None
    reason: str = Field("", max_length=2000)


class Rollback(ChangeRequest):
    """A rollback of a partition.

    Args:
        partition: The partition; empty for a table without partition keys.
        expected: The batch that the requester saw as current, or null for none.
        reason: The reason, recorded in the history.
        to: The batch to make current, or null for the previous one.
    """

    to: str | None = None


class Publish(ChangeRequest):
    """A publish of a staged batch.

    Args:
        partition: The partition; empty for a table without partition keys.
        expected: The batch that the requester saw as current, or null for none.
        reason: The reason, recorded in the history.
        batch_id: The staged batch.
        force: Whether to publish it even if a later one is current, or it was discarded.
    """

    batch_id: str
    force: bool = False


class Discard(BaseModel):
    """A discard of a staged batch.

    Args:
        partition: The partition; empty for a table without partition keys.
        batch_id: The staged batch.
        reason: The reason, recorded in the history.
    """

    model_config = ConfigDict(extra="forbid")

    partition: str = Field(max_length=MAX_NAME)
    batch_id: str
    reason: str = Field("", max_length=2000)


class Announce(BaseModel):
    """An announcement of current batches of a table.

    Args:
        batches: The batch of each partition that the requester saw as current.
        reason: The reason, recorded in the asset events.
    """

    model_config = ConfigDict(extra="forbid")

    batches: dict[
        Annotated[str, StringConstraints(max_length=MAX_NAME)],
        Annotated[str, StringConstraints(max_length=MAX_NAME)],
    ] = Field(min_length=1, max_length=MAX_ANNOUNCED)
    reason: str = Field("", max_length=2000)


class Release(BaseModel):
    """A release of a hold.

    Args:
        name: The name of the hold.
        number: The newest version of the name's holds that the requester saw.
        reason: The reason, recorded with the release.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=2000)
    number: int
    reason: str = Field("", max_length=2000)


class AliasRequest(BaseModel):
    """A change of an alias of a model."""

    model_config = ConfigDict(extra="forbid")

    alias: str = Field(max_length=MAX_NAME)
    expected: str | None = Field(max_length=MAX_NAME)
    reason: str = Field("", max_length=2000)


class Promote(AliasRequest):
    """A promotion of a version of a model.

    Args:
        alias: The alias.
        expected: The version that the requester saw the alias have, or null for none.
        reason: The reason, recorded in the history.
        version: The version.
        card: What is said of it now, by part of the card.
        complete: Whether to reject it if its card lacks a required part; false to record what it
            lacks, null not to look.
    """

    version: str = Field(max_length=MAX_NAME)
    card: dict[
        Annotated[str, StringConstraints(max_length=MAX_NAME)],
        Annotated[str, StringConstraints(max_length=MAX_CARD_PART)],
    ] = Field(default_factory=dict, max_length=len(PARTS))
    complete: bool | None = None


class RollbackAlias(AliasRequest):
    """A rollback of an alias of a model.

    Args:
        alias: The alias.
        expected: The version that the requester saw the alias have, or null for none.
        reason: The reason, recorded in the history.
        to: The version to return to, or null for the one before.
    """

    to: str | None = Field(None, max_length=MAX_NAME)


class RunUnit(BaseModel):
    """A DAG run, or its last attempt."""

    dag_id: str = Field(min_length=1, max_length=250)
    run_id: str = Field(min_length=1, max_length=250)
    attempt: Attempt = Field("all", description=OF_ATTEMPT)


class BackfillUnit(BaseModel):
    """A backfill, or the last attempt of its runs."""

    dag_id: str = Field(min_length=1, max_length=250)
    backfill_id: str = Field(min_length=1, max_length=250)
    attempt: Attempt = Field("all", description=OF_ATTEMPT)


class CommitUnit(BaseModel):
    """A commit of a table."""

    table: str = Field(max_length=MAX_NAME, description="The table, `database.table`.")
    commit: str = Field(max_length=MAX_NAME, description="The ID of the commit.")


class UndoRequest(BaseModel):
    """An undo of several partitions as one, as its requester saw it planned."""

    model_config = ConfigDict(extra="forbid")

    expected: list[UndoDocument]
    reason: str = Field("", max_length=2000)


class UndoRun(UndoRequest, RunUnit):
    """An undo of everything that a DAG run published.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        attempt: `all`, or `last` for the last attempt of the run alone.
        expected: The response of `GET /api/runs/undo` that the requester saw.
        reason: The reason, recorded in the history.
    """


class UndoBackfill(UndoRequest, BackfillUnit):
    """An undo of everything that the runs of a backfill published.

    Args:
        dag_id: The DAG.
        backfill_id: The number or the name of the backfill.
        attempt: `all`, or `last` for the last attempt of its runs alone.
        expected: The response of `GET /api/backfills/undo` that the requester saw.
        reason: The reason, recorded in the history.
    """


class UndoCommit(UndoRequest, CommitUnit):
    """An undo of one commit; of an undo, in all its tables.

    Args:
        table: The table, as `database.table`.
        commit: The commit.
        expected: The response of `GET /api/commits/undo` that the requester saw.
        reason: The reason, recorded in the history.
    """
