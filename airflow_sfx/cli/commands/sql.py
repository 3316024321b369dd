"""The command sql: queries over batches."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import AsOf, Json, Settings, Version, moment_of
from airflow_sfx.cli.output import print_json, waiting


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(sql)


def sql(
    context: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY", help="One SELECT, as in 'select count(*) from sales.sold_items'."
        ),
    ],
    as_of: AsOf = None,
    version: Version = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run a SELECT on the current batches, or those of a time or a version."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv were both given: pass one of them")
    settings: Settings = context.obj
    at = moment_of(as_of)
    with waiting("running the query"):
        found = settings.warehouse.sql(query, as_of=at, version=version, as_="arrow")
    from airflow_sfx.warehouse.diff.rows import row_of

    rows: list[dict[str, Any]] = [dict(row_of(found, number)) for number in range(len(found))]
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(map(output.visible, found.column_names))
        for row in rows:
            writer.writerow(
                "" if value is None else output.visible(str(value)) for value in row.values()
            )
    elif rows:
        cells = [["NULL" if value is None else value for value in row.values()] for row in rows]
        output.table(output.counted(len(rows), "row"), found.column_names, cells)
    else:
        output.say("no rows", err=True)
