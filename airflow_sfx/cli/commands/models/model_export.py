"""Commands for versions that leave the warehouse: sfx model export, sign."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.commands.models.model_questions import Trust, registry_of
from airflow_sfx.cli.options import Json, Settings
from airflow_sfx.cli.output import print_json

Artifact = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="NAME@ALIAS, NAME/VERSION, NAME for the latest, or FILE.zip."
    ),
]


def artifact_of(settings: Settings, model: str) -> bytes:
    """Return the zip that a text names; a file needs no warehouse."""
    from airflow_sfx.models.files import artifact_from_file

    if model.endswith(".zip"):
        return artifact_from_file(Path(model))
    return registry_of(settings).fetch(model)


def export(
    context: typer.Context,
    model: Artifact,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to create.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="mlflow, oci or sagemaker.")] = "mlflow",
    trust: Trust = None,
    as_json: Json = False,
) -> None:
    """Write a version in the format of another tool: MLflow, an OCI image, SageMaker.

    FILE.zip needs no warehouse.
    """
    from airflow_sfx.models.exports.folder import export_artifact

    found = export_artifact(artifact_of(context.obj, model), model, folder, to, trust or [])
    if as_json:
        print_json(found)
    else:
        size = output.size(sum(found.files.values()))
        output.say(f"exported {found.pin} to {found.path}: {found.format}, {size}")


def sign(
    context: typer.Context,
    model: Artifact,
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="Private key: PEM of P-256, P-384 or P-521.")
    ],
    as_json: Json = False,
) -> None:
    """Sign a version with a key, so that a server can demand its signature.

    The key's password, if it has one, is the environment variable SFX_KEY_PASSWORD. The signature
    of FILE.zip is written beside it, and needs no warehouse.
    """
    from airflow_sfx.models.signing.files import sign_file

    password = os.environ.get("SFX_KEY_PASSWORD")
    if model.endswith(".zip"):
        found = sign_file(Path(model), key, password)
    else:
        found = registry_of(context.obj).sign(model, key=key, password=password)
    if as_json:
        print_json(found)
    else:
        output.say(f"signed {found.model} with the key {found.key[:16]}…: {found.path}")
