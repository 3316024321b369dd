"""`sfx audit`: list changes, who made them, and changes by other engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_table
from airflow_sfx.cli.options import Json, Settings, moment_of, table_of
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.core.errors import (
    BatchNotFound,
    ForeignChange,
    InconsistentBatch,
    TableNotFound,
)
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.core.log_entry import LogEntry
    from airflow_sfx.warehouse.history.commits import TableCommit
    from airflow_sfx.warehouse.warehouse import Warehouse

_KINDS = ", ".join(one.value for one in Operation)


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(audit)


def audit(
    context: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DB.TABLE",
            help="Tables to audit (default: all tables).",
            autocompletion=complete_table,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Start time: 2016-11-01T12:00Z, a day such as 2016-11-01, or 10m, 36h or 7d ago.",
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="End time, exclusive.")] = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="DB.TABLE", help="Another table to audit."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", "--actor", metavar="USER", help="Only changes by this user."),
    ] = None,
    dag: Annotated[
        str | None, typer.Option(metavar="DAG_ID", help="Only changes by this DAG.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Only changes by this DAG run.")
    ] = None,
    operation: Annotated[
        Operation | None,
        typer.Option(metavar="KIND", help=f"Only changes of this kind: {_KINDS}."),
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT", help="List the partitions that this commit of a table changed."
        ),
    ] = None,
    by_partition: Annotated[
        bool,
        typer.Option(
            "--by-partition",
            help="List each partition's change, as JSON does (default: one line for a commit).",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="List the newest N changes of all tables (default: all)."
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="DB.TABLE",
            help="Store the changes of all tables in this table, by whole UTC days.",
        ),
    ] = None,
    files: Annotated[
        bool | None,
        typer.Option(
            "--files/--no-files",
            help=(
                "Also compare the files of current batches (default: for named tables of up to"
                " 1,000 partitions)."
            ),
        ),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print one JSON object per change and line.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List changes, who made them, and changes by other engines.

    What changed together is one line, with its commit: --commit lists its partitions, and `sfx
    rollback --commit` undoes it. Exits with 1 if another engine has changed a table, or if the
    history of a table cannot be read.
    """
    settings: Settings = context.obj
    first, last = moment_of(since), moment_of(until)
    tables = [*(tables or ()), *(table or ())]
    if commit is not None:
        _show_commit(settings.warehouse, tables, commit, as_json=as_json)
        return
    if into is not None:
        if tables or user or dag or run or operation or limit:
            raise typer.BadParameter(
                "--into exports whole days of all tables: omit tables, --user, --dag, --run,"
                " --operation and --limit"
            )
        _export(settings.warehouse, table_of(into), first, last)
        return
    compare = files if files is not None or tables else False
    by_commit = not (by_partition or as_json or json_lines)

    def audit_of(ref: TableRef) -> AuditReport:
        return settings.warehouse.audit(
            ref.database,
            ref.table,
            since=first,
            until=last,
            actor=user,
            dag_id=dag,
            run_id=run,
            operation=operation,
            limit=limit,
            files=compare,
            by_commit=by_commit,
        )

    refs = [table_of(text) for text in tables or ()]
    if not refs:
        refs = [*settings.warehouse.tables(), *settings.warehouse.dropped_tables()]
    with waiting(f"reading the history of {output.counted(len(refs), 'table')}"):
        reports = _newest(_reports(audit_of, refs, named=bool(tables)), limit)
    if json_lines:
        for report in reports:
            for entry in report.entries:
                print_json({"table": report.table, "change": entry}, indent=None)
    elif as_json:
        print_json(reports)
    else:
        _print(reports)
    unreadable = [report for report in reports if report.unreadable]
    for report in unreadable:
        output.say(f"cannot read the history of {report.table}: {report.unreadable}", err=True)
    if unreadable or any(report.foreign for report in reports):
        raise typer.Exit(1)


def _reports(
    audit_of: Callable[[TableRef], AuditReport], refs: Sequence[TableRef], *, named: bool
) -> list[AuditReport]:
    """Audit each table; a table that is damaged or gone hides no other."""
    reports = []
    for ref in refs:
        try:
            reports.append(audit_of(ref))
        except (InconsistentBatch, TableNotFound, ForeignChange) as error:
            if isinstance(error, ForeignChange) and not named:
                continue  # a table of another engine or warehouse, which was not asked for
            reports.append(AuditReport(str(ref), (), (), unreadable=str(error)))
    return reports


def _newest(reports: Sequence[AuditReport], limit: int | None) -> list[AuditReport]:
    """Limit the changes of all reports together."""
    changes: list[LogEntry | TableCommit] = []
    for report in reports:
        changes += [*report.entries, *report.commits]
    newest = sorted(changes, key=lambda one: one.at, reverse=True)[:limit]
    kept = {id(one) for one in newest}
    return [
        replace(
            report,
            entries=tuple(one for one in report.entries if id(one) in kept),
            commits=tuple(one for one in report.commits if id(one) in kept),
        )
        for report in reports
    ]


def _show_commit(
    warehouse: Warehouse, tables: Sequence[str], commit: str, *, as_json: bool
) -> None:
    if len(tables) != 1:
        raise typer.BadParameter(f"name the one table that has the commit {commit}")
    ref = table_of(tables[0])
    report = warehouse.audit_commit(ref.database, ref.table, commit)
    if not report.entries:
        raise BatchNotFound(
            f"{ref} has no commit {commit}: `sfx audit {ref}` lists its commits", table=str(ref)
        )
    if as_json:
        print_json(report.entries)
    else:
        _print_changes([report])


def _export(
    warehouse: Warehouse, target: TableRef, since: datetime | None, until: datetime | None
) -> None:
    with waiting("reading the history of all tables"):
        pin = warehouse.export_audit(target.database, target.table, since=since, until=until)
    if pin is None:
        output.say("no changes on these days: nothing was stored")
    else:
        output.say(f"stored the changes of {output.counted(len(pin.batches), 'day')} in {target}")


def _print(reports: list[AuditReport]) -> None:
    _print_changes(reports)
    foreign = [
        (
            r.table,
            one.partition or WHOLE,
            one.location,
            one.batch_id,
            one.refused or "; ".join(one.files) or "added or moved the partition",
            one.remedy if not one.refused else None,
        )
        for r in reports
        for one in r.foreign
    ]
    if foreign:
        typer.echo()
        output.table(
            "changes by other engines, not in the history",
            ("table", "partition", "location", "batch in the history", "change", "remedy"),
            foreign,
            below=("change", "remedy"),
        )
    if any(not report.files and not report.unreadable for report in reports):
        output.say("files were not compared: add --files to compare them", err=True)


def _print_changes(reports: Sequence[AuditReport]) -> None:
    """Print the entries, and the commits, newest first."""
    found = [
        (
            entry.at,
            report.table,
            entry.partition or WHOLE,
            output.operation(entry.operation),
            entry.batch_id,
            entry.previous,
            output.moment(entry.at),
            output.who(entry.producer),
            output.why(entry),
            entry.commit,
        )
        for report in reports
        for entry in report.entries
    ]
    found += [
        (
            one.at,
            one.table,
            one.partition or WHOLE
            if one.partition is not None
            else output.counted(one.partitions, "partition"),
            output.operation(one.operation),
            one.batch_id if one.batches < 2 else output.counted(one.batches, "batch"),  # noqa: PLR2004
            one.previous,
            output.moment(one.at),
            output.who(one.producer),
            output.why(one),
            one.commit,
        )
        for report in reports
        for one in report.commits
    ]
    rows = [row for _, *row in sorted(found, key=lambda row: row[0], reverse=True)]
    headings = ("table", "partition", "change", "batch", "previous", "at (UTC)", "who", "why")
    output.table(
        "changes, newest first",
        (*headings, "commit"),
        rows,
        below=("who", "why", "commit"),
        none="no changes",
    )
