"""Commands that end partitions, tables and names: drop, rename."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_partition
from airflow_sfx.cli.confirm import PlanOnly, Yes, approved
from airflow_sfx.cli.options import (
    Chosen,
    Json,
    Reason,
    Settings,
    TableArgument,
    table_of,
)
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.errors import PartitionNotFound
from airflow_sfx.core.pin import BatchPin

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (drop, rename):
        app.command()(command)


def drop(
    context: typer.Context,
    table: TableArgument,
    partition: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTITION",
            help="Partitions to drop (default: the whole table).",
            autocompletion=complete_partition,
        ),
    ] = None,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop partitions, or a table, and show what was made from them.

    No file is deleted. The history records the drop, and sfx rollback undoes it until sfx retain
    expires the batches.
    """
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    count = output.counted(len(partition or ()), "partition")
    what = f"{count} of {chosen.ref}" if partition else f"the table {chosen.ref}"
    if partition and len(partition) == 1:
        what = f"{chosen.ref} {partition[0]}"
    if not approved(
        f"Drop {what}?",
        lambda: _plan(chosen),
        _show,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        return
    done = settings.warehouse.drop(*chosen.names, chosen.partitions, reason=reason)
    if as_json:
        print_json(done)
        return
    undo = " ".join(["sfx rollback", str(chosen.ref), *(partition or ())])
    batches = output.counted(len(done.entries), "batch")
    output.say(f"dropped {what} ({batches}); undo with: {undo}")


def rename(
    context: typer.Context,
    table: TableArgument,
    to: Annotated[str, typer.Argument(metavar="DB.TABLE", help="The new name.")],
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Rename a table; its files, batches and history stay where they are.

    Pins of the old name are still valid. DAGs and queries must use the new name.
    """
    settings: Settings = context.obj
    old, new = table_of(table), table_of(to)
    rename = partial(settings.warehouse.rename, old.database, old.table, new.database, new.table)

    def plan() -> dict[str, str]:
        return {"table": str(rename(dry_run=True)), "was": str(old)}

    if not approved(
        f"Rename {old} to {new}? DAGs, asset schedules and queries that name it must change.",
        plan,
        lambda made: output.say(f"{made['was']} is to be called {made['table']}"),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        return
    done = rename(reason=reason)
    if as_json:
        print_json({"table": str(done), "was": str(old)})
    else:
        output.say(f"{old} is called {done} now; undo with: sfx rename {done} {old}")


@dataclass(frozen=True, slots=True)
class _Drop:
    """What a drop ends.

    Args:
        pin: The current batches.
        downstream: The batches made from them, at any depth.
    """

    pin: BatchPin
    downstream: list[BatchPin]


def _plan(chosen: Chosen) -> _Drop:
    try:
        pin = chosen.current()
    except PartitionNotFound:
        if chosen.partitions is not None:
            raise
        pin = chosen.opened.pin({})  # a table without batches
    made = {str(one.pin): one.pin for one in chosen.warehouse.readers(pin, any_depth=True)}
    return _Drop(pin, [made[name] for name in sorted(made)])


def _show(plan: _Drop) -> None:
    for name, batch_id in plan.pin.entries[:_SHOWN]:
        output.say(f"{plan.pin.ref} {name}".rstrip() + f": {batch_id}")
    if len(plan.pin.entries) > _SHOWN:
        output.say(f"and {len(plan.pin.entries) - _SHOWN} more partitions")
    if not plan.pin.entries:
        output.say(f"{plan.pin.ref}: no batches")
    for made in plan.downstream[:_SHOWN]:
        output.say(f"made from it, and stale afterwards: {made}")
    if len(plan.downstream) > _SHOWN:
        output.say(f"and {len(plan.downstream) - _SHOWN} more downstream batches")
