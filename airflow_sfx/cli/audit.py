"""`sfx audit`: list changes, their authors, and changes made outside this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Settings, moment_of, table_of
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.core.errors import ForeignChange, InconsistentBatch, TableNotFound
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.history.audit import AuditReport

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    context: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DB.TABLE", help="The tables; all of the warehouse where none is named."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="From then on: 2016-11-01T12:00Z, the day 2016-11-01, or 36h ago."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")] = None,
    actor: Annotated[str | None, typer.Option(metavar="USER", help="Changes of this user.")] = None,
    dag: Annotated[str | None, typer.Option(metavar="DAG_ID", help="Changes of this DAG.")] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Changes of this DAG run.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="The newest N changes of each table; all where it is left out."
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="DB.TABLE",
            help="Store the changes of these whole days, in UTC, of all tables there.",
        ),
    ] = None,
    files: Annotated[
        bool | None,
        typer.Option(
            "--files/--no-files",
            help=(
                "Compare the files of the current batches, too; done for named tables of up to"
                " 1,000 partitions."
            ),
        ),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print a JSON object a change, one a line.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List changes, their authors, and changes made outside this package.

    Exits with 1 if something was changed outside this package, or if the changes of a table cannot
    be read.
    """
    settings: Settings = context.obj
    first, last = moment_of(since), moment_of(until)
    if into is not None:
        if tables or actor or dag or run or limit:
            raise typer.BadParameter(
                "--into takes whole days of all tables: leave tables, --actor, --dag, --run and"
                " --limit out"
            )
        _export(settings.warehouse, table_of(into), first, last)
        return
    compare = files if files is not None or tables else False

    def look(ref: TableRef) -> AuditReport:
        return settings.warehouse.audit(
            ref.database,
            ref.table,
            since=first,
            until=last,
            actor=actor,
            dag_id=dag,
            run_id=run,
            limit=limit,
            files=compare,
        )

    refs = [table_of(text) for text in tables] if tables else settings.warehouse.tables()
    with waiting(f"looking at {output.counted(len(refs), 'table')}"):
        reports = _all_that_can_be_told(look, refs, named=bool(tables))
    if json_lines:
        for report in reports:
            for entry in report.entries:
                print_json({"table": report.table, "change": entry}, indent=None)
    elif as_json:
        print_json(reports)
    else:
        _print(reports)
    untold = [report for report in reports if report.untold]
    for report in untold:
        output.say(f"the changes of {report.table} cannot be told: {report.untold}", err=True)
    if untold or any(report.foreign for report in reports):
        raise typer.Exit(1)


def _all_that_can_be_told(
    look: Callable[[TableRef], AuditReport], refs: Sequence[TableRef], *, named: bool
) -> list[AuditReport]:
    """The reports of tables: one that is damaged or gone hides no other."""
    reports = []
    for ref in refs:
        try:
            reports.append(look(ref))
        except (InconsistentBatch, TableNotFound, ForeignChange) as error:
            if isinstance(error, ForeignChange) and not named:
                continue  # something else's, or another warehouse's: nobody has asked for it
            reports.append(AuditReport(str(ref), (), (), untold=str(error)))
    return reports


def _export(
    warehouse: Warehouse, target: TableRef, since: datetime | None, until: datetime | None
) -> None:
    with waiting("looking at all tables"):
        pin = warehouse.export_audit(target.database, target.table, since=since, until=until)
    if pin is None:
        output.say("nothing has changed on these days, and nothing was stored")
    else:
        output.say(f"{target} has the changes of {output.counted(len(pin.batches), 'day')} now")


def _print(reports: list[AuditReport]) -> None:
    found = sorted(
        ((e, r.table) for r in reports for e in r.entries),
        key=lambda pair: pair[0].at,
        reverse=True,
    )
    rows = [
        (
            table,
            entry.partition or "(whole table)",
            entry.operation.value,
            entry.batch_id,
            entry.previous,
            output.moment(entry.at),
            output.who(entry.producer),
            entry.reason,
        )
        for entry, table in found
    ]
    headings = ("table", "partition", "change", "batch", "before", "at (UTC)", "who", "why")
    output.table("what changed", headings, rows, below=("who", "why"))
    foreign = [
        (
            r.table,
            one.partition or "(whole table)",
            one.location,
            one.batch_id,
            one.refused or "; ".join(one.files) or "made or moved it",
        )
        for r in reports
        for one in r.foreign
    ]
    if foreign:
        typer.echo()
        output.table(
            "not in the history: something else did it; `sfx adopt DB.TABLE --partition PARTITION`"
            " takes it in",
            ("table", "partition", "is now at", "the history has", "what something else did"),
            foreign,
            below=("what something else did",),
        )
    if any(not report.files and not report.untold for report in reports):
        output.say("files were not compared: --files does that", err=True)
