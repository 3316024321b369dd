"""Commands for exact batches: pin, verify, diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_column, complete_operand
from airflow_sfx.cli.options import (
    AsOf,
    Batch,
    Json,
    Partitions,
    Settings,
    TableArgument,
    Version,
    moment_of,
)
from airflow_sfx.cli.output import counting, print_json, visible_json, waiting
from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.json_values import plain

if TYPE_CHECKING:
    from airflow_sfx.storage.concurrency import Progress
    from airflow_sfx.warehouse.diff.diff import BatchDiff, ColumnDiff
    from airflow_sfx.warehouse.warehouse import Warehouse

_PARTITIONS_AT_ONCE = 16


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (pin, verify, diff):
        app.command()(command)


def pin(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    as_of: AsOf = None,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Print the pin of the current batches, or of those of a time or a version, as JSON."""
    settings: Settings = context.obj
    at = moment_of(as_of)
    found = settings.table(table, partition).current(at, version)
    if as_json:
        print_json(found)
    else:
        typer.echo(visible_json(found.to_json()))


def verify(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    batch: Batch = None,
    as_json: Json = False,
) -> None:
    """Read every file and compare it with the manifests.

    Exits with 1 if a file differs or is missing.
    """
    settings: Settings = context.obj
    wanted = settings.table(table, partition).pinned(batch or "current")
    with counting(f"reading {wanted.ref}") as progress:
        files, rows, size, problems = _verified(settings.warehouse, wanted, progress)
    if as_json:
        print_json(
            {"pin": wanted, "files": files, "rows": rows, "bytes": size, "problems": problems}
        )
    else:
        counts = (
            f"{output.counted(files, 'file')}, {output.counted(rows, 'row')}, {output.size(size)}"
        )
        if not problems:
            output.say(f"{wanted.ref}: {counts}: match the manifests")
        elif files:
            output.say(f"{wanted.ref}: in the other partitions, {counts} match the manifests")
    for problem in problems:
        output.say(problem, err=True)
    if problems:
        remedy = (
            "roll back to batches that verify, or restore the objects; `sfx repair` adds columns"
            " that the metastore lacks"
        )
        found = output.counted(len(problems), "problem")
        output.say(f"{wanted.ref} does not match the manifests: {found}: {remedy}", err=True)
        raise typer.Exit(1)


def diff(
    context: typer.Context,
    table: TableArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTITION BATCH_A BATCH_B",
            help=(
                "The partition, if the table has partitions, and two batches: IDs, `current` or"
                " `previous` (default: previous current)."
            ),
            autocompletion=complete_operand,
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="COLUMN",
            help="Column that identifies a row; repeatable.",
            autocompletion=complete_column,
        ),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if the batches differ.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare two batches: columns, statistics and rows."""
    settings: Settings = context.obj
    given = list(words or ())
    chosen = settings.table(table)
    if chosen.keyed:
        if not given:
            raise typer.BadParameter(
                f"{chosen.ref} is partitioned: name the partition whose batches to compare"
            )
        chosen = settings.table(table, [given.pop(0)])
    if len(given) > 2:  # noqa: PLR2004
        raise typer.BadParameter(f"unexpected argument {given[2]!r}: name two batches at most")
    first, second = (*given, *("previous", "current")[len(given) :])
    pins = chosen.pinned(first), chosen.pinned(second)
    with waiting(f"comparing batches of {chosen.ref}"):
        found = settings.warehouse.diff(*pins, keys=key or ())
    if as_json:
        names = (
            "columns_added",
            "columns_removed",
            "columns_retyped",
            "columns_renamed",
            "identical",
        )
        fields = plain(found)
        assert isinstance(fields, dict)
        print_json({**fields, **{name: getattr(found, name) for name in names}})
    else:
        _show(found)
    if exit_code and not found.identical:
        raise typer.Exit(1)


def _verified(
    warehouse: Warehouse, pin: BatchPin, progress: Progress
) -> tuple[int, int, int, list[str]]:
    """Count intact files, rows and bytes, and collect problems."""
    files = rows = size = done = 0
    problems: list[str] = []
    due = [
        pin.entries[start : start + _PARTITIONS_AT_ONCE]
        for start in range(0, len(pin.entries), _PARTITIONS_AT_ONCE)
    ]
    while due:
        entries = due.pop(0)
        try:
            report = warehouse.verify(BatchPin(pin.database, pin.table, pin.location, entries))
        except (InconsistentBatch, BatchNotFound) as error:
            if len(entries) > 1:  # one by one, to find the problems of each partition
                due = [(entry,) for entry in entries] + due
                continue
            known = error.problems if isinstance(error, InconsistentBatch) else ()
            problems += [str(error)] if len(known) <= 1 else known
        else:
            files, rows, size = files + report.files, rows + report.rows, size + report.bytes
        done += len(entries)
        progress(done, len(pin.entries))
    return files, rows, size, problems


def _show(found: BatchDiff) -> None:
    headings = [
        "column",
        "type",
        "nulls",
        "min",
        "max",
        "mean",
        "distinct",
        *(["changed"] if found.keys else []),
    ]
    output.table(
        _title(found),
        headings,
        [_cells(column)[: len(headings)] for column in found.columns],
        right=("changed",),
    )
    parts = [f"{output.number(found.added)} added", f"{output.number(found.removed)} removed"]
    if found.keys:
        parts.append(f"{output.number(found.changed)} changed")
    typer.echo()
    output.say(
        f"rows {output.change(output.number(found.rows_before), output.number(found.rows_after))}:"
        f" {', '.join(parts)}"
    )
    for example in found.examples:
        if example.before is not None and example.after is not None:
            keys = {key.lower(): example.after[key.lower()] for key in found.keys}
            cells = {
                name: output.change(example.before[name], example.after[name])
                for name in example.columns
            }
            output.say(f"  changed {_pairs({**keys, **cells})}")
        else:
            output.say(f"  {example.kind} {_pairs(dict(example.after or example.before or {}))}")
    if found.frame_before is not None and found.frame_after is not None:
        output.say(f"frame {output.change(found.frame_before or '–', found.frame_after or '–')}")
    if found.identical:
        output.say("identical")


def _title(found: BatchDiff) -> str:
    (name, before), (_, after) = found.before.entries[0], found.after.entries[0]
    return f"{' '.join(part for part in (str(found.before.ref), name) if part)}: {before} → {after}"


def _bound(value: object) -> object:
    return output.number(value) if isinstance(value, float) else value


def _cells(column: ColumnDiff) -> tuple[object, ...]:
    old, new = column.before, column.after
    return (
        output.change(column.name_before or column.name, column.name),
        output.change(
            _type(column.type_before, column.meaning_before),
            _type(column.type_after, column.meaning_after),
        ),
        output.change(old and old.null_count, new and new.null_count),
        output.change(old and _bound(old.minimum), new and _bound(new.minimum)),
        output.change(old and _bound(old.maximum), new and _bound(new.maximum)),
        output.change(output.number(column.mean_before), output.number(column.mean_after)),
        output.change(output.number(column.distinct_before), output.number(column.distinct_after)),
        column.changed,
    )


def _type(hive: str | None, meaning: str | None) -> str | None:
    return f"{hive} ({meaning})" if hive and meaning else hive


def _pairs(values: dict[str, object]) -> str:
    return ", ".join(
        f"{name}={'NULL' if value is None else output.clean(value)}"
        for name, value in values.items()
    )
