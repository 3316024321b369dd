"""The route of changes across tables, and pages of changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from airflow_sfx.core.errors import ForeignChange, InconsistentBatch, TableNotFound
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import zoned
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.history import CommitsDocument
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.routes.parameters import ChangesOffset, Limit, Name, OneTable
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.history.commits import TableCommit
from airflow_sfx.warehouse.json_values import plain

FIRST_SPAN = timedelta(hours=1)
"""Span searched first for changes; longer ones follow until a page is full."""

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


@router.get("/changes", response_model=CommitsDocument)
@in_page_threads
def changes(
    since: Annotated[AwareDatetime, Query(description="Start time.")],
    until: Annotated[AwareDatetime | None, Query(description="End time, exclusive.")] = None,
    table: OneTable = "",
    actor: Annotated[
        str | None, Query(max_length=MAX_NAME, description="Only changes by this user.")
    ] = None,
    dag_id: Name | None = None,
    run_id: Name | None = None,
    operation: Operation | None = None,
    limit: Limit = 50,
    offset: ChangesOffset = 0,
) -> dict[str, Any]:
    """List the commits of a span of time, across tables."""
    warehouse = snapshots.warehouse()
    tables = [TableRef.parse(table)] if table else warehouse.tables()

    enough, since = offset + limit + 1, zoned(since, "since")

    def of_table(ref: TableRef, begin: datetime, end: datetime) -> AuditReport:
        names = (ref.database, ref.table)
        try:
            return warehouse.audit(
                *names,
                since=begin,
                until=end,
                actor=actor,
                dag_id=dag_id,
                run_id=run_id,
                operation=operation,
                limit=enough,
                foreign=False,
                by_commit=True,
            )
        except (ForeignChange, TableNotFound):  # of another engine, or dropped since
            if table:
                raise
        except InconsistentBatch as error:
            if table:
                raise
            return AuditReport(str(ref), (), (), unreadable=str(error))
        return AuditReport(str(ref), (), ())

    reports: list[AuditReport] = []
    found: list[TableCommit] = []
    end, span = zoned(until, "until") if until else datetime.now(UTC), FIRST_SPAN
    # a month may have a million changes, and a page shows fifty
    while end > since and len(found) < enough:
        # a subtraction could overflow before the year 1
        begin = since if end - since <= span else end - span
        of_span = map_concurrently(partial(of_table, begin=begin, end=end), tables)
        reports += of_span
        of_span_commits = [one for report in of_span for one in report.commits]
        found += sorted(of_span_commits, key=lambda one: (one.commit, one.table), reverse=True)
        end, span = begin, 4 * span
    return {
        "more": len(found) > offset + limit,
        "changes": plain(found[offset : offset + limit]),
        "unreadable": unreadable(reports),
    }


def newest_first(reports: Sequence[AuditReport]) -> list[tuple[str, LogEntry]]:
    """Return the entries of all tables, each with its table, newest first."""
    found = [(report.table, entry) for report in reports for entry in report.entries]
    return sorted(found, key=lambda one: (one[1].commit, one[0], one[1].partition), reverse=True)


def unreadable(reports: Sequence[AuditReport]) -> list[dict[str, str]]:
    """Return the tables whose history cannot be read, with their messages."""
    why = {report.table: report.unreadable for report in reports if report.unreadable}
    return [{"table": name, "message": message} for name, message in sorted(why.items())]


def page_of(found: Sequence[tuple[str, LogEntry]], limit: int, offset: int) -> dict[str, Any]:
    """Return a page of changes."""
    page = [(table, plain(entry)) for table, entry in found[offset : offset + limit]]
    return {
        "more": len(found) > offset + limit,
        "changes": [{"table": table, **cast("dict[str, Any]", one)} for table, one in page],
    }
