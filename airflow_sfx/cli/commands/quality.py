"""Commands about what data is like: metrics, check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import (
    Chosen,
    Json,
    Partitions,
    Reason,
    Settings,
    TableArgument,
)
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.core.schema import Bound
    from airflow_sfx.warehouse.quality.check_current import CheckedBatch
    from airflow_sfx.warehouse.quality.metrics import PartitionMetrics, TableMetrics


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command()(metrics)
    app.command()(check)


def metrics(
    context: typer.Context,
    table: TableArgument,
    column: Annotated[
        list[str] | None, typer.Argument(metavar="COLUMN", help="Columns (default: all).")
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Option("--partition", metavar="PARTITION", help="Only these partitions."),
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many partitions of each series.")] = 14,
    read: Annotated[
        bool,
        typer.Option("--read", help="Read the files of batches whose distinct values are unknown."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show rows and columns over the partitions, and what is unusual.

    Exits with 1 if the newest partition has an anomaly.
    """
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    with output.waiting(f"reading the metrics of {chosen.ref}"):
        found = settings.warehouse.metrics(
            *chosen.names, columns=column, partitions=chosen.partitions, last=last, read=read
        )
    if as_json:
        print_json(
            {
                "table": found.table,
                "columns": found.columns,
                "partitions": found.partitions,
                "anomalies": found.anomalies,
            }
        )
    else:
        _print_metrics(found)
    if found.newest_anomalies:
        raise typer.Exit(1)


def _print_metrics(found: TableMetrics) -> None:
    unusual: dict[tuple[str, str, str], list[str]] = {}
    for one in found.anomalies:
        unusual.setdefault((one.partition, one.batch_id, one.column), []).append(one.metric)
    rows = [row for one in found.partitions for row in _rows(one, unusual)]
    headings = ("partition", "column", "rows", "nulls", "distinct", "mean", "least", "greatest")
    output.table(
        f"metrics of {found.table}",
        (*headings, "unusual"),
        rows,
        right=("rows", "nulls", "distinct", "mean", "least", "greatest"),
    )
    for one in found.newest_anomalies:
        output.say(f"{one.partition or WHOLE}: {one.text}", err=True)


def _rows(
    one: PartitionMetrics, unusual: dict[tuple[str, str, str], list[str]]
) -> list[tuple[object, ...]]:
    of_rows = unusual.get((one.partition, one.batch_id, ""), [])
    return [
        (
            one.partition or WHOLE,
            name,
            output.number(one.rows),
            output.number(figures.nulls),
            output.number(figures.distinct),
            output.number(figures.mean),
            _shown(figures.least),
            _shown(figures.greatest),
            ", ".join([*of_rows, *unusual.get((one.partition, one.batch_id, name), [])]),
        )
        for name, figures in one.columns.items()
    ]


def _shown(bound: Bound | None) -> str | None:
    if bound is None or isinstance(bound, str | bool):
        return None if bound is None else str(bound)
    return output.number(bound)


def check(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    set_: Annotated[
        Path | None,
        typer.Option(
            "--set", metavar="FILE.toml", help="Declare the checks of a file for all writers."
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List who declared which checks, newest first.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Run a table's checks on its current batches, or declare them.

    Exits with 1 if a check of the severity fail failed.
    """
    settings: Settings = context.obj
    if sum((set_ is not None, listed, bool(partition))) > 1:
        raise typer.BadParameter("pass one of partitions, --set and --list")
    chosen = settings.table(table, partition)
    if set_ is not None:
        _declare(chosen, set_, reason, as_json=as_json)
    elif listed:
        _list(chosen, as_json=as_json)
    else:
        _check(chosen, as_json=as_json)


def _declare(chosen: Chosen, path: Path, reason: str, *, as_json: bool) -> None:
    from airflow_sfx.warehouse.quality.declared import checks_of_file

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidName(f"--set {path} cannot be read: {error}") from error
    checks = checks_of_file(text, str(path))
    declared = chosen.warehouse.set_checks(*chosen.names, checks, reason=reason)
    if as_json:
        print_json(declared)
        return
    output.say(f"{chosen.ref} has {output.counted(len(declared.checks), 'check')}")


def _list(chosen: Chosen, *, as_json: bool) -> None:
    from airflow_sfx.warehouse.quality.declared import DeclaredCheck

    found = chosen.warehouse.declared_checks(*chosen.names)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.number,
            "yes" if one.in_force else None,
            ", ".join(
                f"{declared.check.name}{' (warn)' if declared.severity == 'warn' else ''}"
                for declared in map(DeclaredCheck.of, one.checks)
            ),
            output.moment(one.at),
            output.who(one.producer),
            one.reason,
        )
        for one in found
    ]
    headings = ("no", "in force", "checks", "at (UTC)", "who", "why")
    output.table(f"checks of {chosen.ref}", headings, rows, right=("no",), below=("who", "why"))


def _check(chosen: Chosen, *, as_json: bool) -> None:
    with output.counting(f"checking {chosen.ref}") as progress:
        found = chosen.warehouse.check(*chosen.names, chosen.partitions, progress=progress)
    if as_json:
        print_json(found)
    else:
        _print_results(chosen, found)
    if any(one.failed for one in found):
        raise typer.Exit(1)


def _print_results(chosen: Chosen, found: Sequence[CheckedBatch]) -> None:
    rows = [
        (one.partition or WHOLE, one.batch_id, result.name, result.severity, result.detail)
        for one in found
        for result in one.results
        if not result.passed
    ]
    checks = len(found[0].results) if found else 0
    title = (
        f"{output.counted(checks, 'check')} on {output.counted(len(found), 'current batch')} of"
        f" {chosen.ref}: {len(rows) or 'none'} failed"
    )
    if not rows:
        output.say(title)
        return
    output.table(title, ("partition", "batch", "check", "severity", "detail"), rows)
