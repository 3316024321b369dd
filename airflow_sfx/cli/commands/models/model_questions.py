"""Commands that answer questions: sfx model affected, diff, drift, why, …."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Partitions, Settings, TableArgument
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.core.pin import BatchPin

if TYPE_CHECKING:
    from airflow_sfx.models.questions.diff import ModelDiff
    from airflow_sfx.models.questions.drift import DriftReport
    from airflow_sfx.models.questions.reproduce import Reproduction
    from airflow_sfx.models.registry import ModelRegistry

Source = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME@ALIAS, NAME/VERSION, or NAME for the latest.")
]
Trust = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="PACKAGE", help="Code that may run, such as sklearn."),
]
_Side = "NAME@ALIAS, NAME/VERSION, NAME for the latest, or FILE.zip."


def affected(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    batch: Annotated[
        str, typer.Option("--batch", metavar="ID", help="Batch ID, current or previous.")
    ] = "current",
    as_json: Json = False,
) -> None:
    """List the versions that were trained on batches, or on what was made from them.

    Exits with 1 if there are any.
    """
    settings: Settings = context.obj
    pin = settings.table(table, partition).pinned(batch)
    found = registry_of(settings).affected(pin)
    if as_json:
        print_json(found)
    elif found:
        rows = [
            (
                one.pin.name,
                one.pin.version,
                ", ".join(one.aliases) if one.saved else "(not saved)",
                output.moment(one.at),
                output.who(one.producer),
            )
            for one in found
        ]
        output.table(
            f"models trained on {pin}", ("model", "version", "aliases", "saved (UTC)", "who"), rows
        )
    else:
        output.say(f"no model was trained on {pin}")
    if found:
        raise typer.Exit(1)


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_Side)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=_Side)],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="COLUMN", help="Column that identifies a training row."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="DB.TABLE[/PARTITION]", help="Current rows, for which both are to predict."
        ),
    ] = None,
    hunks: Annotated[bool, typer.Option("--hunks", help="Print the lines of code, too.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if the versions differ.")
    ] = False,
    trust: Trust = None,
    as_json: Json = False,
) -> None:
    """Compare two versions: data, code, packages, parameters, metrics, predictions.

    Two files need no warehouse; their batches are compared, but not the rows of these.
    """
    settings: Settings = context.obj
    if before.endswith(".zip") and after.endswith(".zip") and on is None:
        found = _of_files(before, after, trust or [])
    else:
        pin = None if on is None else pin_of(settings, on)
        with waiting(f"comparing {before} and {after}"):
            found = registry_of(settings).diff(
                before, after, keys=key or (), on=pin, trust=trust or ()
            )
    if as_json:
        print_json(found)
    else:
        _show_diff(found, hunks=hunks)
    if exit_code and not found.identical:
        raise typer.Exit(1)


def drift(
    context: typer.Context,
    model: Source,
    table: TableArgument,
    partition: Partitions = None,
    batch: Annotated[
        str, typer.Option("--batch", metavar="ID", help="Batch ID, current or previous.")
    ] = "current",
    threshold: Annotated[
        float, typer.Option(help="Index, distance or share from which on a shift counts.")
    ] = 0.1,
    trust: Trust = None,
    as_json: Json = False,
) -> None:
    """Compare batches, and predictions for them, with the rows that a version was trained on.

    Exits with 1 if a column or the prediction has drifted.
    """
    settings: Settings = context.obj
    pin = settings.table(table, partition).pinned(batch)
    with waiting(f"reading {pin}"):
        found = registry_of(settings).drift(model, pin, threshold=threshold, trust=trust or ())
    if as_json:
        print_json(found)
    else:
        _show_drift(found)
    if found.drifted:
        raise typer.Exit(1)


def reproduce(
    context: typer.Context, model: Source, trust: Trust = None, as_json: Json = False
) -> None:
    """Train a version again from its batches and its code, and say what differs.

    Runs the code of the version, which needs --trust code. Exits with 1 if the result differs.
    """
    settings: Settings = context.obj
    with waiting(f"training {model}"):
        found = registry_of(settings).reproduce(model, trust=trust or ())
    if as_json:
        print_json(found)
    else:
        _show_reproduction(found)
    if not found.same:
        raise typer.Exit(1)


def why(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_Side)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=_Side)],
    metric: Annotated[str, typer.Option(metavar="NAME", help="The metric, such as auc.")],
    seeds: Annotated[
        int, typer.Option(min=1, help="How many seeds to train each mixture with.")
    ] = 5,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Twice: a Python with the packages of BEFORE, and one with those of AFTER.",
        ),
    ] = None,
    trust: Trust = None,
    as_json: Json = False,
) -> None:
    """Say how much of a metric's change is due to data, to code and to the environment.

    Trains every mixture of the two versions. Runs their code, which needs --trust code.
    """
    settings: Settings = context.obj
    pythons = python or []
    if len(pythons) not in (0, 2):
        raise typer.BadParameter("--python is the path of one Python: type it twice, or not at all")
    with waiting(f"training the mixtures of {before} and {after}"):
        found = registry_of(settings).explain_change(
            before,
            after,
            metric,
            seeds=range(seeds),
            environments=(pythons[0], pythons[1]) if pythons else None,
            trust=trust or (),
        )
    if as_json:
        print_json(found)
        return
    output.table(
        f"{metric}: {_number(found.value_before)} → {_number(found.value_after)},"
        f" {output.counted(found.trainings, 'training')}",
        ("cause", "share", "least", "greatest"),
        [(one.cause, *map(_number, (one.share, one.least, one.greatest))) for one in found.shares],
        right=("share", "least", "greatest"),
    )


def registry_of(settings: Settings) -> ModelRegistry:
    """Return the registry of the command's warehouse."""
    from airflow_sfx.models.registry import ModelRegistry

    return ModelRegistry(settings.warehouse)


def pin_of(settings: Settings, text: str) -> BatchPin:
    """Return the current batches that ``DB.TABLE`` or ``DB.TABLE/PARTITION`` names."""
    table, slash, partition = text.partition("/")
    chosen = settings.table(table, [partition] if slash else None)
    return chosen.current()


def _of_files(before: str, after: str, trust: list[str]) -> ModelDiff:
    from airflow_sfx.models.artifact.reader import read_artifact
    from airflow_sfx.models.files import artifact_from_file
    from airflow_sfx.models.model import Model
    from airflow_sfx.models.questions.diff import diff_models

    old, new = (
        Model(
            read_artifact(artifact_from_file(Path(path)), path),
            path,
            native=bool(trust),
            trust=trust,
        )
        for path in (before, after)
    )
    return diff_models(old, new)


def _show_diff(found: ModelDiff, *, hunks: bool) -> None:
    if found.identical:
        output.say(f"{found.before} and {found.after} have the same content")
    rows = found.rows()
    output.table(
        f"{found.before} → {found.after}",
        ("part", "what", "before", "after", "change"),
        [(one.part, one.name, one.before, one.after, _number(one.change)) for one in rows],
        right=("change",),
    )
    for one in found.data:
        if one.added is not None and not one.same:
            output.say(
                f"{one.role}: {output.counted(one.added, 'row')} added, {one.removed} removed,"
                f" {one.changed} changed"
            )
        elif one.note:
            output.say(f"{one.role}: {one.note}")
    for note in found.notes:
        output.say(note)
    for file in found.code if hunks else ():
        for line in file.hunks.splitlines():
            output.say(line)


def _show_reproduction(found: Reproduction) -> None:
    if found.same:
        output.say(f"{found.model} was trained again with the same content")
        return
    output.say(f"{found.model} was trained again, and {', '.join(found.entries)} differ")
    _show_diff(found.diff, hunks=False)


def _show_drift(found: DriftReport) -> None:
    output.table(
        f"{found.model} and {found.pin}: {found.rows} rows, {found.scored} scored",
        ("column", "drift", "psi", "ks", "js", "nulls before", "nulls", "mean before", "mean"),
        [
            (
                one.column,
                ", ".join([*one.reasons, *one.new]),
                *map(_number, (one.psi, one.ks, one.js, one.nulls_before, one.nulls_after)),
                *map(_number, (one.mean_before, one.mean_after)),
            )
            for one in found.columns
        ],
        right=("psi", "ks", "js", "nulls before", "nulls", "mean before", "mean"),
    )
    if found.note:
        output.say(f"no predictions: {found.note}")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
