"""The command `sfx job run`: a container that gets pins and gives a batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Reason, Settings, table_of, values_of
from airflow_sfx.core.errors import InvalidName, TableNotFound
from airflow_sfx.core.pin import BatchPin

if TYPE_CHECKING:
    from airflow_sfx.jobs.contract import Output

_PROCESS = "-"
_HERE = "/work"

app = typer.Typer(help="Run jobs: containers that get pins and give a batch.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to an app."""
    parent.add_typer(app, name="job")


@app.command()
def run(
    context: typer.Context,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE", help="The image, or - to run the command as a process of this machine."
        ),
    ],
    into: Annotated[
        str,
        typer.Option(
            metavar="DB.TABLE/PARTITION",
            help="What the job writes; a new table's key is named as in DB.TABLE/day=20161031.",
        ),
    ],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND…", help="The command (default: the image's)."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=DB.TABLE/PARTITION",
            help="What it reads, pinned now; NAME=@FILE for a pin that `sfx pin` printed.",
        ),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter: JSON, or else text."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Limit of memory, such as 2g; auto for one by the sizes of the inputs."),
    ] = None,
    cpus: Annotated[float | None, typer.Option(help="Limit of processors.")] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A variable of the command; no secrets."),
    ] = None,
    volumes: Annotated[
        list[str] | None,
        typer.Option("--volume", metavar="HOST:INSIDE[:ro]", help="A directory to mount."),
    ] = None,
    here: Annotated[
        bool,
        typer.Option("--here", help="Mount this directory, read-only, and start in it."),
    ] = False,
    network: Annotated[
        str, typer.Option(help="The container's network, such as host or none.")
    ] = "",
    credentials: Annotated[
        str,
        typer.Option(metavar="FILE", help="A file of AWS credentials that the container can read."),
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Run a command in a container of this machine's Docker; it stores one batch."""
    from airflow_sfx.jobs.contract import Job
    from airflow_sfx.jobs.memory import AUTO, memory_of_job
    from airflow_sfx.jobs.run import new_job_id, run_job
    from airflow_sfx.jobs.runners.base import Work, memory_size
    from airflow_sfx.jobs.runners.factory import open_runner

    settings: Settings = context.obj
    is_process = image == _PROCESS
    options: dict[str, Any] = {"network": network, "credentials": credentials}
    options["volumes"] = [*(volumes or ()), *([f"{Path.cwd()}:{_HERE}:ro"] if here else ())]
    options["workdir"] = _HERE if here else ""
    runner = open_runner("process") if is_process else open_runner("docker", options)
    warehouse = settings.new_warehouse
    job = Job(
        id=new_job_id(),
        warehouse=warehouse.uri,
        output=_output(settings, into, reason),
        inputs={name: _pin(settings, text) for name, text in _pairs(inputs, "--input")},
        parameters={name: _json(text) for name, text in _pairs(parameters, "--param")},
        producer=_producer(settings, "" if is_process else image),
    )
    limit = memory_of_job(warehouse, job) if memory == AUTO else memory_size(memory)
    work = Work(
        job,
        tuple(command or ()),
        "" if is_process else image,
        limit,
        cpus,
        dict(_pairs(environment, "--env")),
    )
    pin = run_job(runner, work, warehouse, lambda line: output.say(line, err=True))
    if as_json:
        output.print_json(json.loads(pin.to_json()))
    else:
        output.say(f"stored {pin}")


def _producer(settings: Settings, image: str) -> Any:
    from dataclasses import replace

    return replace(settings.new_warehouse.connection.producer(), image=image or None, packages={})


def _pairs(given: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    found = [tuple(one.partition("=")[::2]) for one in given or ()]
    for (name, _), text in zip(found, given or (), strict=True):
        if not name or "=" not in text:
            raise typer.BadParameter(f"{option} {text!r} is not NAME=VALUE")
    if len({name for name, _ in found}) < len(found):
        raise typer.BadParameter(f"{option} names {found[-1][0]!r} or another twice")
    return found  # type: ignore[return-value]


def _pin(settings: Settings, text: str) -> BatchPin:
    if text.startswith("@"):
        try:
            return BatchPin.from_json(Path(text[1:]).read_text(encoding="utf-8"))
        except (OSError, UnicodeError) as error:
            raise InvalidName(f"the pin {text!r} cannot be read: {error}") from error
    table, _, partition = text.partition("/")
    return settings.table(table, [partition] if partition else None).current()


def _output(settings: Settings, text: str, reason: str) -> Output:
    from airflow_sfx.jobs.contract import Output

    table, _, partition = text.partition("/")
    ref = table_of(table)
    named = [step.partition("=")[0] for step in partition.split("/") if "=" in step]
    try:
        keys = [key.name for key in settings.table(str(ref)).opened.info.keys]
        new_keys = None
    except TableNotFound:
        keys, new_keys = [name.lower() for name in named], named or None
    values = values_of(partition, keys) if partition else ()
    return Output(str(ref), values, new_keys, reason=reason)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
