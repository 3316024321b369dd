"""Commands that end the wait of a staged batch: publish and discard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Partitions, Reason, Settings, TableArgument, Yes
from airflow_sfx.cli.output import ask, print_json
from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse import words

if TYPE_CHECKING:
    from airflow_sfx.cli.options import Chosen
    from airflow_sfx.warehouse.history.staged import StagedBatch

_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (publish, discard):
        app.command()(command)


def publish(
    context: typer.Context,
    table: TableArgument,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="ID of the staged batch.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Publish even over a newer batch, or a discarded batch."),
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish a staged batch in all its partitions."""
    settings: Settings = context.obj
    _end(
        settings.table(table),
        batch,
        "Publish",
        lambda pin: settings.warehouse.publish(pin, reason=reason, force=force),
        "is current",
        yes=yes,
        as_json=as_json,
    )


def discard(
    context: typer.Context,
    table: TableArgument,
    batch: Annotated[str, typer.Option("--batch", metavar="ID", help="ID of the staged batch.")],
    partition: Partitions = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Discard a staged batch: it is not to be published.

    Deletes nothing. `sfx retain` expires the batch; until then `sfx publish --force` takes it back.
    """
    settings: Settings = context.obj
    _end(
        settings.table(table, partition),
        batch,
        "Discard",
        lambda pin: settings.warehouse.discard(pin, reason=reason),
        "is discarded",
        yes=yes,
        as_json=as_json,
    )


def _end(
    chosen: Chosen,
    batch: str,
    verb: str,
    act: Callable[[BatchPin], BatchPin],
    done: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Find a staged batch, ask, and publish or discard it in its partitions."""
    staged = chosen.warehouse.staged(*chosen.names, chosen.partitions)
    found = [one for one in staged if one.batch_id == check_batch_id(batch)]
    if not found:
        raise BatchNotFound(
            f"{chosen.ref} has no staged batch {batch}; staged:"
            f" {', '.join(sorted({one.batch_id for one in staged})) or 'none'}",
            table=str(chosen.ref),
            batch_id=batch,
        )
    names = sorted(one.partition for one in found)
    places = ", ".join(names) if chosen.keyed else "the whole table"
    ask(
        f"{verb} {batch} of {chosen.ref} in {places}?",
        yes=yes,
        shown=lambda: _show(str(chosen.ref), found),
    )
    pin = act(chosen.opened.pin(dict.fromkeys(names, batch)))
    if as_json:
        print_json(pin)
    else:
        output.say(f"{chosen.ref}: {batch} {done} in {places}")


def _show(title: str, found: Collection[StagedBatch]) -> None:
    show_staged(title, list(found)[:_SHOWN])
    if len(found) > _SHOWN:
        output.say(f"and {len(found) - _SHOWN} more")


def show_staged(title: str, found: Collection[StagedBatch]) -> None:
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
