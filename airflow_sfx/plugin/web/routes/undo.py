"""Routes of what is undone as one: DAG runs, backfills and commits.

An undo states the plan that the requester saw, and is rejected if it would do anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.history import ChangesDocument, UndoDocument
from airflow_sfx.plugin.web.documents.requests import (
    BackfillUnit,
    CommitUnit,
    RunUnit,
    UndoBackfill,
    UndoCommit,
    UndoRequest,
    UndoRun,
)
from airflow_sfx.plugin.web.documents.tables import MAX_NAME, BatchReference
from airflow_sfx.plugin.web.routes.changes import newest_first, page_of, unreadable
from airflow_sfx.plugin.web.routes.downstream import references
from airflow_sfx.plugin.web.routes.parameters import ChangesOffset, Limit, Name
from airflow_sfx.plugin.web.routes.write import Author
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    cancel_on_disconnect,
    in_page_threads,
)
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.undo.rollback_report import RunRollback

reading = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])
changing = APIRouter(dependencies=[*READ_ACCESS, *WRITE_ACCESS], tags=["change"])

UNDO: dict[str, Any] = {
    "response_model": list[UndoDocument],
    "response_model_exclude_defaults": True,
}

OfTable = Annotated[str, Query(max_length=MAX_NAME, description="The table, `database.table`.")]
Commit = Annotated[str, Query(max_length=MAX_NAME, description="The ID of the commit.")]


@reading.get("/runs", response_model=ChangesDocument)
@in_page_threads
def run(
    dag_id: Name,
    run_id: Name,
    task_id: Annotated[
        str | None, Query(max_length=250, description="Only changes by this task.")
    ] = None,
    limit: Limit = 50,
    offset: ChangesOffset = 0,
) -> dict[str, Any]:
    """List the changes of a DAG run, across tables."""
    reports = snapshots.warehouse().audit_run(dag_id=dag_id, run_id=run_id)
    return _listed(reports, limit, offset, task_id)


@reading.get("/backfills", response_model=ChangesDocument)
@in_page_threads
def backfill(
    dag_id: Name, backfill_id: Name, limit: Limit = 50, offset: ChangesOffset = 0
) -> dict[str, Any]:
    """List the changes of the runs of a backfill, across tables."""
    reports = snapshots.warehouse().audit_backfill(dag_id=dag_id, backfill_id=backfill_id)
    return _listed(reports, limit, offset)


@reading.get("/commits", response_model=ChangesDocument)
@in_page_threads
def commit(
    table: OfTable, commit: Commit, limit: Limit = 50, offset: ChangesOffset = 0
) -> dict[str, Any]:
    """List the changes of one commit, by partition."""
    ref = TableRef.parse(table)
    report = snapshots.warehouse().audit_commit(ref.database, ref.table, commit)
    found = [(report.table, entry) for entry in report.entries]
    return {"total": len(found), **page_of(found, limit, offset)}


@reading.get("/runs/undo", **UNDO)
@in_page_threads
def undo_run(unit: Annotated[RunUnit, Query()]) -> list[UndoDocument]:
    """Preview what undoing a DAG run would do, by table."""
    return _planned(_of_run(unit))


@reading.get("/backfills/undo", **UNDO)
@in_page_threads
def undo_backfill(unit: Annotated[BackfillUnit, Query()]) -> list[UndoDocument]:
    """Preview what undoing a backfill would do, by table."""
    return _planned(_of_backfill(unit))


@reading.get("/commits/undo", **UNDO)
@in_page_threads
def undo_commit(unit: Annotated[CommitUnit, Query()]) -> list[UndoDocument]:
    """Preview what undoing a commit would do, by table."""
    return _planned(_of_commit(unit))


@changing.post("/runs/rollback", openapi_extra=CHANGE_PARAMETERS, **UNDO)
@in_page_threads
def rollback_run(body: UndoRun, producer: Author) -> list[UndoDocument]:
    """Undo what a DAG run published, except partitions changed since."""
    return _undone(_of_run(body), body, producer)


@changing.post("/backfills/rollback", openapi_extra=CHANGE_PARAMETERS, **UNDO)
@in_page_threads
def rollback_backfill(body: UndoBackfill, producer: Author) -> list[UndoDocument]:
    """Undo what the runs of a backfill published, except partitions changed since."""
    return _undone(_of_backfill(body), body, producer)


@changing.post("/commits/rollback", openapi_extra=CHANGE_PARAMETERS, **UNDO)
@in_page_threads
def rollback_commit(body: UndoCommit, producer: Author) -> list[UndoDocument]:
    """Undo a commit, except partitions changed since; an undo in all its tables."""
    return _undone(_of_commit(body), body, producer)


Undo = Callable[..., Sequence[RunRollback]]
"""A call of the warehouse that undoes a unit, without the options of a plan or a change."""


def _of_run(unit: RunUnit) -> Undo:
    undo = snapshots.warehouse().rollback_run
    return partial(undo, dag_id=unit.dag_id, run_id=unit.run_id, attempt=unit.attempt)


def _of_backfill(unit: BackfillUnit) -> Undo:
    undo = snapshots.warehouse().rollback_backfill
    return partial(undo, dag_id=unit.dag_id, backfill_id=unit.backfill_id, attempt=unit.attempt)


def _of_commit(unit: CommitUnit) -> Undo:
    ref = TableRef.parse(unit.table)
    return partial(snapshots.warehouse().rollback_commit, ref.database, ref.table, unit.commit)


def _listed(
    reports: Sequence[AuditReport], limit: int, offset: int, task_id: str | None = None
) -> dict[str, Any]:
    """Return a page of the changes of all tables, of one task if it is named."""
    shown = [
        one
        for one in newest_first(reports)
        if task_id is None or one[1].producer.task_id == task_id
    ]
    return {"total": len(shown), **page_of(shown, limit, offset), "unreadable": unreadable(reports)}


def _undone(undo: Undo, body: UndoRequest, producer: Producer) -> list[UndoDocument]:
    """Undo as the requester saw it, and forget what the page knows of the tables."""
    refs = [TableRef.parse(one.table) for one in body.expected]
    expected = [RunRollback(one.table, None, one.rolled_back, one.kept) for one in body.expected]
    try:
        done = undo(reason=body.reason, expected=expected, producer=producer)
    finally:
        for ref in refs:
            snapshots.forget(ref)
    return _documents(done)


def _planned(undo: Undo) -> list[UndoDocument]:
    """Return the documents of a plan, with what becomes stale by it at the first table."""
    reports = undo(dry_run=True)
    documents = _documents(reports)
    ended = [one.left for one in reports if one.left is not None]
    found = snapshots.warehouse().stale_after(*ended) if ended else []
    if documents:
        documents[0].stale = [
            BatchReference(**batch) for one in found for batch in references(one.pin)
        ]
    return documents


def _documents(reports: Sequence[RunRollback]) -> list[UndoDocument]:
    return [UndoDocument.model_validate(plain(one)) for one in reports]
