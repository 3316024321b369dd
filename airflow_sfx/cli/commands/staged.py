"""Commands that end the wait of a staged batch: publish and discard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_staged
from airflow_sfx.cli.confirm import PlanOnly, Yes, approved
from airflow_sfx.cli.options import Json, Partitions, Reason, Settings, TableArgument
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse import words
from airflow_sfx.warehouse.history.staged import StagedState

if TYPE_CHECKING:
    from airflow_sfx.cli.options import Chosen
    from airflow_sfx.warehouse.history.staged import StagedBatch

_SHOWN = 50
_NONE = "no batch"


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (publish, discard):
        app.command()(command)


def publish(
    context: typer.Context,
    table: TableArgument,
    batch: Annotated[
        str,
        typer.Argument(
            metavar="BATCH", help="ID of the staged batch.", autocompletion=complete_staged
        ),
    ],
    partition: Partitions = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Publish even over a newer batch, or a discarded batch."),
    ] = False,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish a staged batch in all its partitions, or in some.

    The plan shows what it replaces. With --yes, a batch that was overtaken by a newer one or
    discarded also needs --force.
    """
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    found = _staged(chosen, batch)
    warning = _warning(found)
    if approved(
        f"Publish {batch} of {chosen.ref} in {_places(chosen, found)}?{warning}",
        lambda: found,
        lambda plan: _show_publish(chosen, plan),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        confirm_by="--yes --force" if warning else "--yes",
    ):
        seen = None if yes else {one.partition: one.current for one in found}
        pin = settings.warehouse.publish(
            _pin(chosen, found), reason=reason, force=force or not yes, expected=seen
        )
        _report(chosen, pin, "is current", as_json=as_json)


def discard(
    context: typer.Context,
    table: TableArgument,
    batch: Annotated[
        str,
        typer.Option(
            "--batch", metavar="ID", help="ID of the staged batch.", autocompletion=complete_staged
        ),
    ],
    partition: Partitions = None,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Discard a staged batch: it is not to be published.

    Deletes nothing. `sfx retain` expires the batch; until then `sfx publish --force` takes it back.
    """
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    found = _staged(chosen, batch)
    if approved(
        f"Discard {batch} of {chosen.ref} in {_places(chosen, found)}?",
        lambda: found,
        lambda plan: _show(str(chosen.ref), plan),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        pin = settings.warehouse.discard(_pin(chosen, found), reason=reason)
        _report(chosen, pin, "is discarded", as_json=as_json)


def _staged(chosen: Chosen, batch: str) -> list[StagedBatch]:
    """Return a staged batch in its partitions, or in those that were named."""
    check_batch_id(batch)
    staged = chosen.warehouse.staged(*chosen.names, chosen.partitions)
    found = [one for one in staged if one.batch_id == batch]
    layout = chosen.opened.layout
    named = [layout.name(Partition(values)) for values in chosen.partitions or ()]
    missing = [name for name in named if name not in {one.partition for one in found}]
    if missing or not found:
        place = chosen.opened.describe(missing[0]) if missing else str(chosen.ref)
        raise BatchNotFound(
            f"{place} has no staged batch {batch}; staged:"
            f" {', '.join(sorted({one.batch_id for one in staged})) or 'none'}",
            table=str(chosen.ref),
            partition=missing[0] if missing else None,
            batch_id=batch,
        )
    return sorted(found, key=lambda one: one.partition)


def _pin(chosen: Chosen, found: Sequence[StagedBatch]) -> BatchPin:
    return chosen.opened.pin({one.partition: one.batch_id for one in found})


def _places(chosen: Chosen, found: Sequence[StagedBatch]) -> str:
    return ", ".join(one.partition for one in found) if chosen.keyed else "the whole table"


def _warning(found: Sequence[StagedBatch]) -> str:
    """Return what the question says about a batch that needs ``--force``."""
    states = {one.state for one in found}
    parts = []
    if StagedState.OVERTAKEN in states:
        parts.append("It is older than the current batch, which it would replace.")
    if StagedState.DISCARDED in states:
        parts.append("It was discarded.")
    return "".join(f" {part}" for part in parts)


def _report(chosen: Chosen, pin: BatchPin, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(pin)
        return
    places = ", ".join(pin.batches) if chosen.keyed else "the whole table"
    output.say(f"{chosen.ref}: {pin.entries[0][1]} {done} in {places}")


def _show_publish(chosen: Chosen, plan: Sequence[StagedBatch]) -> None:
    """Print from which batch to which each partition goes, and the checks that failed."""
    shown = plan[:_SHOWN]
    now = {one.partition: one.current for one in shown if one.current}
    made = dict(zip(now, chosen.warehouse.manifests(chosen.opened.pin(now)), strict=True))
    for one in shown:
        old, state = made.get(one.partition), ""
        if one.state is not StagedState.WAITING:
            state = f", {one.state.value}"
        output.say(f"{chosen.ref} {one.partition}".rstrip())
        output.say(
            "  from  "
            + (output.batch(old.batch_id, old.rows, old.created_at, old.producer) if old else _NONE)
        )
        output.say(f"  to    {output.batch(one.batch_id, one.rows, one.at, one.producer)}{state}")
        for line in _problems(one):
            output.say(f"        {line}")
    if len(plan) > _SHOWN:
        output.say(f"and {output.counted(len(plan) - _SHOWN, 'more partition')}")


def _problems(one: StagedBatch) -> list[str]:
    failed = [f"failed check {check.name}: {check.detail}" for check in one.failed]
    return [one.problem] if one.problem else failed


def _show(title: str, found: Sequence[StagedBatch]) -> None:
    show_staged(title, found[:_SHOWN])
    if len(found) > _SHOWN:
        output.say(f"and {len(found) - _SHOWN} more")


def show_staged(title: str, found: Sequence[StagedBatch]) -> None:
    """Print staged batches, what became of them, and the checks that failed."""
    rows = [
        (
            one.partition or words.WHOLE,
            one.batch_id,
            one.state.value,
            one.current,
            output.number(one.rows),
            output.size(one.bytes),
            output.moment(one.at),
            one.problem or "; ".join(f"{check.name}: {check.detail}" for check in one.failed),
        )
        for one in found
    ]
    output.table(
        title,
        (
            "partition",
            "batch",
            "state",
            "current",
            "rows",
            "size",
            "written (UTC)",
            "failed checks",
        ),
        rows,
        right=("rows", "size"),
        below=("failed checks",),
    )
