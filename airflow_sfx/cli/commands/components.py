"""The command components: kinds and sizes of packed components."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.errors import ModelRefused

if TYPE_CHECKING:
    from airflow_sfx.components import Sizes
    from airflow_sfx.models.describe.components import ComponentPrecision

_FOLDER, _ENDS = "components/", (".packed", ".parquet")


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(components)


def components(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A packed component, or the zip of a model."),
    ],
    as_json: Json = False,
) -> None:
    """Show the kind, codec and size of packed components, beside JSON with zlib."""
    packed, kept = _read(file)
    found = {name: _described(name, data) for name, data in packed.items()}
    choices = kept.components if kept else {}
    exact = {f"{name}.packed": one.exact_bytes for name, one in choices.items()}
    if as_json:
        rows = [
            {"name": name, **asdict(sizes), "exact_bytes": exact.get(name)}
            for name, sizes in found.items()
        ]
        for row in rows:
            del row["candidates"]
        print_json(rows)
        return
    if not found:
        output.say(f"{file} has no components", err=True)
        return
    output.table(
        output.counted(len(found), "component"),
        ["name", "kind", "codec", "bytes", "× zlib+JSON", "precision", "error", "exact bytes"],
        [
            [
                name,
                sizes.kind,
                sizes.codec,
                f"{sizes.bytes:,}",
                f"{sizes.ratio:.1f}",
                sizes.precision,
                f"{sizes.error:g}" if sizes.error else None,
                f"{exact[name]:,}" if name in exact else None,
            ]
            for name, sizes in found.items()
        ],
        right=["bytes", "× zlib+JSON", "error", "exact bytes"],
    )
    if kept is not None:
        output.say(f"{kept.asked}: {kept.summary}")


def _described(name: str, data: bytes) -> Sizes:
    from airflow_sfx.components import describe

    try:
        return describe(data)
    except ModelRefused as error:
        raise ModelRefused(f"{name}: {error}") from error


def _read(file: str) -> tuple[dict[str, bytes], ComponentPrecision | None]:
    """Return the packed components of a file by name, and how those of a model were packed.

    Raises:
        typer.BadParameter: The file cannot be read.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file!r:.200} cannot be read: {error!s:.200}") from error
    if not data.startswith(b"PK"):
        return {path.name: data}, None
    from airflow_sfx.models.artifact.reader import read_artifact
    from airflow_sfx.models.describe.components import PRECISION, precision_from

    entries = read_artifact(data, path.name)
    packed = {
        name.removeprefix(_FOLDER): content
        for name, content in entries.items()
        if name.startswith(_FOLDER) and name.endswith(_ENDS)
    }
    kept = precision_from(entries[PRECISION], path.name) if PRECISION in entries else None
    return packed, kept
