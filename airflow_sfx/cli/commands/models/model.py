"""Commands for models: sfx model save, list, show, history, verify, promote, …."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.commands.models.model_export import Artifact, artifact_of, export, sign
from airflow_sfx.cli.commands.models.model_questions import (
    Source,
    Trust,
    affected,
    diff,
    drift,
    pin_of,
    registry_of,
    reproduce,
    why,
)
from airflow_sfx.cli.confirm import PlanOnly, Yes, approved
from airflow_sfx.cli.options import Json, Reason, Settings
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.core.errors import InvalidName

if TYPE_CHECKING:
    from airflow_sfx.models.model import Model

_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Save, compare, promote and roll back models.",
)
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The model.")]
_Pairs = list[str] | None


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (affected, diff, drift, export, reproduce, sign, why):
        _app.command()(command)
    app.add_typer(_app, name="model")


@_app.command()
def save(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A model: .onnx, .ubj of xgboost, .txt of lightgbm, .json of coefficients.",
        ),
    ],
    name: _Name,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="ROLE=DB.TABLE[/PARTITION]",
            help="Batches that it was trained on: train=sales.items/20161031.",
        ),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that it predicts.")
    ] = None,
    metric: Annotated[
        _Pairs, typer.Option("--metric", metavar="NAME=NUMBER", help="A metric, such as auc=0.8.")
    ] = None,
    param: Annotated[
        _Pairs, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the training.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Save a model from a file as a new version.

    Coefficients are the JSON object that `sfx.models.Coefficients` has: terms, intercept, link,
    levels, classes.
    """
    from airflow_sfx.models.files import model_from_file

    settings: Settings = context.obj
    pins = {role: pin_of(settings, text) for role, text in _pairs(inputs, "--input").items()}
    metrics = {one: _number(text, one) for one, text in _pairs(metric, "--metric").items()}
    pin = registry_of(settings).save(
        model_from_file(file),
        name,
        inputs=pins,
        target=target,
        metrics=metrics,
        params=_pairs(param, "--param"),
        reason=reason,
    )
    if as_json:
        print_json(pin)
    else:
        output.say(f"saved {pin}")


@_app.command("list")
def list_(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A model (default: all).", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most versions to list.")] = 100,
    into: Annotated[
        str | None,
        typer.Option(metavar="DB.TABLE", help="Store all versions of NAME as this table instead."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the models, or the versions of one, newest first."""
    settings: Settings = context.obj
    models = registry_of(settings)
    if into is not None:
        if name is None:
            raise typer.BadParameter("--into stores the versions of one model: name it")
        stored = models.store_versions(name, into)
        if as_json:
            print_json(stored)
        else:
            output.say(f"stored {stored}")
        return
    if name is None:
        found = [(one, models.aliases(one)) for one in models.list()]
        if as_json:
            print_json([{"name": one, "aliases": aliases} for one, aliases in found])
            return
        rows = [
            (one, alias, version)
            for one, aliases in found
            for alias, version in sorted(aliases.items())
        ]
        output.table("models", ("model", "alias", "version"), rows)
        return
    versions = models.versions(name, limit=limit)
    if as_json:
        print_json(versions)
        return
    metrics = sorted({metric for one in versions for metric in one.metrics})
    output.table(
        f"versions of {name}",
        ("version", "aliases", *metrics, "flavour", "saved (UTC)", "who", "why"),
        [
            (
                one.pin.version,
                ", ".join(one.aliases),
                *(one.metrics.get(metric) for metric in metrics),
                one.record.flavour if one.record else None,
                output.moment(one.at),
                output.who(one.producer),
                one.reason,
            )
            for one in versions
        ],
        right=metrics,
        below=("who", "why"),
    )


@_app.command()
def show(
    context: typer.Context,
    model: Artifact,
    card: Annotated[bool, typer.Option("--card", help="Print the model's card.")] = False,
    into: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the artifact, a zip, to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a version is: its data, metrics, signature and entries.

    FILE.zip needs no warehouse. Nothing of the model is run.
    """
    from airflow_sfx.models.files import write_artifact_file
    from airflow_sfx.models.model import described

    data = artifact_of(context.obj, model)
    if into is not None:
        write_artifact_file(into, data)
    found = described(data, model)
    if card:
        zipped = model.endswith(".zip")
        _say_lines(found.card if zipped else registry_of(context.obj).card(f"{found}"))
    elif as_json:
        print_json(
            {
                "model": found.name,
                "version": found.version,
                "record": found.record,
                "metrics": found.metrics,
                "params": found.params,
                "inputs": found.inputs,
                "signature": found.signature,
                "precision": found.component_precision,
                "entries": {name: len(content) for name, content in found.entries.items()},
            }
        )
    else:
        _show(found, len(data))


@_app.command()
def history(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="NAME[@ALIAS]", help="The model, and an alias of it.")
    ],
    limit: Annotated[int, typer.Option(min=0, help="Most changes to list.")] = 100,
    as_json: Json = False,
) -> None:
    """List which versions an alias had, newest first (default: production)."""
    settings: Settings = context.obj
    name, alias = _alias(model)
    entries = registry_of(settings).history(name, alias, limit=limit)
    if as_json:
        print_json(entries)
        return
    output.table(
        f"history of {name}@{alias}",
        ("number", "operation", "version", "before", "at (UTC)", "who", "why"),
        [
            (
                one.version,
                output.operation(one.operation),
                one.batch_id,
                one.previous,
                output.moment(one.at),
                output.who(one.producer),
                one.reason,
            )
            for one in entries
        ],
        right=("number",),
        below=("who", "why"),
    )


@_app.command()
def verify(
    context: typer.Context,
    model: Source,
    trust: Trust = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public key that it must be signed with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a version: its artifact, its golden rows, its training batches, its signature.

    Exits with 1 if something is not as it was saved.
    """
    settings: Settings = context.obj
    with waiting(f"checking {model}"):
        report = registry_of(settings).verify(model, trust=trust or (), key=key)
    if as_json:
        print_json(report)
    elif report.ok:
        output.say(
            f"{report.pin} is as it was saved: {output.size(report.bytes)}, {report.golden_rows}"
            f" golden rows, {output.counted(len(report.inputs), 'training input')}"
        )
    else:
        for problem in report.problems:
            output.say(problem)
    if not report.ok:
        raise typer.Exit(1)


@_app.command()
def promote(
    context: typer.Context,
    name: _Name,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version, or @ALIAS for that of an alias.")
    ],
    to: Annotated[str, typer.Option(metavar="ALIAS", help="The alias.")] = "production",
    expected: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Version that the alias must have now, or none."),
    ] = None,
    trust: Trust = None,
    card: Annotated[
        _Pairs,
        typer.Option(
            "--card", metavar="PART=TEXT", help="What only people can say, such as owner=Ada."
        ),
    ] = None,
    without_card: Annotated[
        bool, typer.Option("--without-card", help="Promote it although its card is not complete.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Make a version the current one of an alias, once it answers its golden rows.

    Its card has to state purpose, owner, limits and risks, from the save or by --card; on a
    terminal, the command asks for those that are missing.
    """
    from airflow_sfx.models.log.base import ANY

    settings: Settings = context.obj
    models, said = registry_of(settings), _pairs(card, "--card")
    if sys.stdin.isatty() and not without_card:
        named = f"{name}{version}" if version.startswith("@") else f"{name}/{version}"
        said = {**said, **_asked(models.missing_card_parts(named), said)}
    pin = models.promote(
        name,
        version,
        to=to,
        reason=reason,
        expected=ANY if expected is None else None if expected == "none" else expected,
        trust=trust or (),
        card=said,
        complete=not without_card,
    )
    if as_json:
        print_json(pin)
    else:
        output.say(f"{pin.name}@{to} is {pin.version}")


@_app.command()
def rollback(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="NAME[@ALIAS]", help="The model, and an alias of it.")
    ],
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Version (default: the one before).")
    ] = None,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the version current again that an alias had before (default: production)."""
    settings: Settings = context.obj
    name, alias = _alias(model)
    models = registry_of(settings)
    now = models.resolve(f"{name}@{alias}")
    if not approved(
        f"Roll {name}@{alias} back?",
        lambda: models.plan_rollback(name, alias, to=to),
        lambda plan: output.say(f"{name}@{alias}: {output.change(now.version, plan.version)}"),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        return
    pin = models.rollback(name, alias, to=to, reason=reason, expected=now)
    if as_json:
        print_json(pin)
    else:
        output.say(f"{name}@{alias} is {pin.version} again")


def _asked(missing: list[str], said: dict[str, str]) -> dict[str, str]:
    """Ask for the parts of a card that are missing; no answer leaves a part out."""
    found = {}
    for part in missing:
        if part not in said:
            question = f"{part} (Enter to leave it out)"
            found[part] = typer.prompt(question, default="", show_default=False, err=True)
    return {part: text for part, text in found.items() if text.strip()}


def _say_lines(text: str) -> None:
    """Print text of several lines, each of them visible."""
    for line in text.splitlines():
        output.say(line)


def _show(found: Model, size: int) -> None:
    record, kept = found.record, found.component_precision
    rows: list[tuple[str, object]] = [
        ("flavour", record.flavour),
        ("task", record.task),
        ("target", record.target),
        ("scored by", record.scorer),
        ("note", record.note),
        ("size", output.size(size)),
        ("digest", record.digest),
        *((f"metric {name}", value) for name, value in found.metrics.items()),
        *((f"input {role}", pin) for role, pin in found.inputs.items()),
        *((f"takes {one.name}", one.type) for one in found.signature.inputs),
        *([] if kept is None else [("precision", f"{kept.asked}: {kept.summary}")]),
        *(
            (f"component {name}", f"{one.precision}, {one.bytes:,} of {one.exact_bytes:,} bytes")
            for name, one in (kept.components.items() if kept else ())
        ),
    ]
    output.table(str(found), ("what", "value"), rows)


def _pairs(texts: _Pairs, option: str) -> dict[str, str]:
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option} {text!r}: type it as NAME=VALUE")
        found[name] = value
    return found


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"--metric {name}={text!r}: type a number") from None


def _alias(text: str) -> tuple[str, str]:
    """Return a model and its alias; production by default."""
    name, at, alias = text.partition("@")
    if "/" in name:
        raise InvalidName(f"{text!r} names a version, not an alias: type NAME or NAME@ALIAS")
    return name, alias if at else "production"
