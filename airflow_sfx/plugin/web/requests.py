"""Request bodies of the JSON API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from airflow_sfx.plugin.web.schemas import MAX_NAME, UndoDocument


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
    """

    batch_id: str


class UndoRun(BaseModel):
    """An undo of everything that a DAG run published.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        expected: The response of `GET /api/runs/undo` that the requester saw.
        reason: The reason, recorded in the history.
    """

    model_config = ConfigDict(extra="forbid")

    dag_id: str = Field(max_length=250)
    run_id: str = Field(max_length=250)
    expected: list[UndoDocument]
    reason: str = Field("", max_length=2000)
