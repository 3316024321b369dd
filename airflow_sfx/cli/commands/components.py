"""The command components: kinds and sizes of packed components."""

from __future__ import annotations

from collections.abc import Iterator
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
    found = {name: _described(name, data) for name, data in _packed(file)}
    if as_json:
        rows = [{"name": name, **asdict(sizes)} for name, sizes in found.items()]
        for row in rows:
            del row["candidates"]
        print_json(rows)
        return
    if not found:
        output.say(f"{file} has no components", err=True)
        return
    output.table(
        output.counted(len(found), "component"),
        ["name", "kind", "codec", "bytes", "× zlib+JSON", "precision", "error"],
        [
            [
                name,
                sizes.kind,
                sizes.codec,
                f"{sizes.bytes:,}",
                f"{sizes.ratio:.1f}",
                sizes.precision,
                f"{sizes.error:g}" if sizes.error else None,
            ]
            for name, sizes in found.items()
        ],
        right=["bytes", "× zlib+JSON", "error"],
    )


def _described(name: str, data: bytes) -> Sizes:
    from airflow_sfx.components import describe

    try:
        return describe(data)
    except ModelRefused as error:
        raise ModelRefused(f"{name}: {error}") from error


def _packed(file: str) -> Iterator[tuple[str, bytes]]:
    """Yield the packed components of a file by name.

    Raises:
        typer.BadParameter: The file cannot be read.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file!r:.200} cannot be read: {error!s:.200}") from error
    if not data.startswith(b"PK"):
        yield path.name, data
        return
    from airflow_sfx.models.artifact.reader import read_artifact

    for name, content in read_artifact(data, path.name).items():
        if name.startswith(_FOLDER) and name.endswith(_ENDS):
            yield name.removeprefix(_FOLDER), content
