"""`sfx rollback`: make earlier batches current, or undo a run or backfill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Chosen, Json, Reason, Settings, Yes
from airflow_sfx.cli.output import ask, print_json
from airflow_sfx.core.errors import BatchNotFound, PartitionNotFound
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.warehouse.log.run_index import Unit

if TYPE_CHECKING:
    from airflow_sfx.warehouse.undo.rollback_run import RunRollback
    from airflow_sfx.warehouse.warehouse import Warehouse

_SHOWN = 20
_NONE = "no batch"
_HISTORY_LIMITS = (100, None)  # most targets are recent; else the whole history is read


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(rollback)


def rollback(
    context: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="DB.TABLE",
            help="The table; omit with --run or --backfill.",
            show_default=False,
        ),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTITION",
            help="Partitions to roll back; required if the table has partition keys.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="BATCH", help="Batch to make current (default: the previous one)."
        ),
    ] = None,
    run: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--run", metavar="DAG_ID RUN_ID", help="Undo what a DAG run published, in all tables."
        ),
    ] = None,
    backfill: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--backfill",
            metavar="DAG_ID BACKFILL_ID",
            help="Undo what the runs of a backfill published, in all tables.",
        ),
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make earlier batches current again.

    No data is read, written or deleted. The history records the rollback. Undo it with --to
    BATCH; repeating it goes back one more batch.
    """
    settings: Settings = context.obj
    if run is not None or backfill is not None:
        if table is not None or to is not None or (run is not None and backfill is not None):
            raise typer.BadParameter(
                "--run and --backfill undo a whole run or backfill, in all tables: use one of them,"
                " without tables, partitions or --to"
            )
        unit = Unit(*run) if run is not None else _backfill(*(backfill or ("", "")))
        _rollback_unit(settings.warehouse, unit, reason, yes=yes, as_json=as_json)
        return
    if table is None:
        raise typer.BadParameter(
            "name a table and its partitions, a run with --run DAG_ID RUN_ID, or a backfill with"
            " --backfill DAG_ID BACKFILL_ID"
        )
    chosen = settings.table(table, partition)
    if chosen.partitions is None and chosen.keyed:
        raise typer.BadParameter(f"{chosen.ref} is partitioned: name the partitions to roll back")
    now = _now(chosen, to)
    ask("Roll back?", yes=yes, shown=lambda: _show(chosen, now, to))
    done = settings.warehouse.rollback(
        *chosen.names, chosen.partitions, to=to, reason=reason, expected=now
    )
    if as_json:
        print_json(done)
        return
    for name, batch in done.entries:
        output.say(f"{_place(chosen, name)}: {now[name] or _NONE} → {batch}")


def _backfill(dag_id: str, backfill_id: str) -> Unit:
    from airflow_sfx.hooks.backfill_runs import backfill_runs

    return Unit(dag_id, backfill_id=backfill_id, run_ids=tuple(backfill_runs(dag_id, backfill_id)))


def _now(chosen: Chosen, to: str | None) -> dict[str, str | None]:
    """Return current batches by partition; None is possible with ``to``."""
    if to is None:
        return dict(chosen.current().batches)
    layout = chosen.opened.layout
    found: dict[str, str | None] = {}
    for partition in chosen.opened.wanted(chosen.partitions) or [Partition()]:
        name = layout.name(partition)
        try:
            pin = chosen.warehouse.pin(*chosen.names, [partition.values] if chosen.keyed else None)
        except PartitionNotFound:  # an undo removed its only batch
            found[name] = None
        else:
            found[name] = pin.batches[name]
    return found


def _place(chosen: Chosen, name: str) -> str:
    return f"{chosen.ref} {name}".rstrip()


def _show(chosen: Chosen, now: Mapping[str, str | None], to: str | None) -> None:
    """Print each partition's current and target batch."""
    for name in list(now)[:_SHOWN]:
        made, target = _steps(chosen, name, to)
        output.say(_place(chosen, name), err=True)
        for what, entry in (("from", made), ("to", target)):
            if entry is None:
                output.say(f"  {what:<4}  {_NONE}", err=True)
                continue
            rows = output.counted(entry.rows, "row")
            who = f"{output.moment(entry.at)} by {output.who(entry.producer) or 'unknown'}"
            change = f"{output.operation(entry.operation)} {who}"
            output.say(f"  {what:<4}  {entry.batch_id}  {rows}, {change}", err=True)
    if len(now) > _SHOWN:
        output.say(f"and {len(now) - _SHOWN} more partitions", err=True)


def _steps(chosen: Chosen, name: str, to: str | None) -> tuple[LedgerEntry | None, LedgerEntry]:
    """Return the entries that published the current batch and the target."""
    values = [chosen.opened.layout.partition(name).values] if name else None
    for limit in _HISTORY_LIMITS:
        entries = chosen.warehouse.history(*chosen.names, values, limit=limit)
        by_number = {entry.sequence: entry for entry in entries}
        made = by_number.get(entries[0].origin)
        if made is None and entries[0].batch_id is not None:
            continue
        if to is None:
            target = by_number.get(made.previous_origin) if made is not None else None
        else:
            target = next((e for e in entries if e.batch_id == to and e.origin == e.sequence), None)
        if target is not None:
            return made, target
    raise BatchNotFound(
        f"{chosen.opened.describe(name)}"
        f" {f'never had the batch {to}' if to else 'has no earlier batch'}: `sfx history"
        f" {chosen.ref} {name}` lists its batches",
        table=str(chosen.ref),
        partition=name,
    )


def _rollback_unit(
    warehouse: Warehouse, unit: Unit, reason: str, *, yes: bool, as_json: bool
) -> None:
    ask(
        f"Undo everything that {unit} published?",
        yes=yes,
        shown=lambda: _show_unit(warehouse, unit),
    )
    reports = _undo(warehouse, unit, reason)
    if as_json:
        print_json(reports)
        return
    rows = [
        (report.table, name, batch or "no batch, as before", "rolled back")
        for report in reports
        for name, batch in report.rolled_back.items()
    ] + [
        (report.table, name, batch, "unchanged: changed since, or already undone")
        for report in reports
        for name, batch in report.kept.items()
    ]
    rows += [(report.table, "", "", f"skipped: {report.gone}") for report in reports if report.gone]
    output.table(str(unit), ("table", "partition", "current batch", "result"), rows)


def _undo(
    warehouse: Warehouse, unit: Unit, reason: str = "", *, dry_run: bool = False
) -> list[RunRollback]:
    if unit.run_id is not None:
        return warehouse.rollback_run(
            dag_id=unit.dag_id, run_id=unit.run_id, reason=reason, dry_run=dry_run
        )
    return warehouse.rollback_backfill(
        dag_id=unit.dag_id,
        backfill_id=unit.backfill_id or "",
        run_ids=unit.run_ids,
        reason=reason,
        dry_run=dry_run,
    )


def _show_unit(warehouse: Warehouse, unit: Unit) -> None:
    """Print which partitions roll back or stay, and what prevents the undo."""
    for report in _undo(warehouse, unit, dry_run=True):
        names = [name or "the table" for name in report.rolled_back]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        lines = [f"rolls back: {', '.join(names[:_SHOWN])}{more}"] if names else []
        if report.kept:
            kept = output.counted(len(report.kept), "partition")
            lines.append(f"changed since, or already undone: {kept}")
        lines += [f"skipped: {report.gone}"] if report.gone else []
        lines += [f"cannot be undone: {why}" for why in report.blocked]
        for line in lines:
            output.say(f"{report.table}: {line}", err=True)
