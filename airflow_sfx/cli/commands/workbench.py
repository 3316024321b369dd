"""The commands of `sfx workbench`: notebooks in containers."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Settings

if TYPE_CHECKING:
    from airflow_sfx.workbench.workbench import Workbench
    from airflow_sfx.workbench.workbenches import Workbenches

_START_SECONDS = 60

Id = Annotated[str, typer.Argument(metavar="ID", help="The workbench, as `list` shows it.")]

app = typer.Typer(
    help="Work in notebooks: containers with the libraries, R and the warehouse.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add the commands to an app."""
    parent.add_typer(app, name="workbench")


@app.command()
def start(
    context: typer.Context,
    image: Annotated[str | None, typer.Option(help="The image (default: the site's).")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Limit of memory, such as 4g (default: the site's).")
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(help="Limit of processors (default: the site's).")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="After how long it ends (default: the site's).")
    ] = None,
    home: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Your home, which stays when it ends (default: the site's)."
        ),
    ] = None,
) -> None:
    """Start a notebook in a container; print its address, which is for you alone."""
    settings: Settings = context.obj
    benches, owner = _workbenches(), _user()
    with output.waiting("starting"):
        one = benches.start(
            owner=owner,
            warehouse=settings.new_warehouse.uri,
            image=image,
            memory=memory,
            cpus=cpus,
            hours=hours,
            home=None if home is None else os.path.abspath(os.path.expanduser(home)),
        )
        if one.reason:
            output.say(
                f"{one.reason}: without it, what you write to {_inside()} is lost at the end",
                err=True,
            )
        ready = benches.wait(one.id, _START_SECONDS)
    address = benches.address(one.id, owner)
    if ready.state == "starting":
        output.say(f"it has not answered within {_START_SECONDS} s; its address will be", err=True)
    output.say(_sentence(ready))
    output.say(address)


@app.command("list")
def list_(
    mine: Annotated[bool, typer.Option("--mine", help="Only yours.")] = False,
    as_json: Json = False,
) -> None:
    """List the workbenches that run, and those that ended within a day."""
    found = _workbenches().all(_user() if mine else None)
    if as_json:
        output.print_json(found)
        return
    output.table(
        "workbenches",
        ("id", "owner", "state", "image", "memory", "used", "cpus", "ends", "home"),
        [_row(one) for one in found],
        right=("memory", "used", "cpus"),
    )


@app.command()
def address(workbench_id: Id) -> None:
    """Print the address of a workbench of yours, with its token."""
    output.say(_workbenches().address(workbench_id, _user()))


@app.command()
def logs(
    workbench_id: Id,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 100,
    as_json: Json = False,
) -> None:
    """Print the last lines that a workbench of yours has printed; never its token."""
    found = _workbenches().log(workbench_id, lines, _asker())
    if as_json:
        output.print_json(found)
        return
    for line in found:
        output.say(line)


@app.command()
def stop(workbench_id: Id) -> None:
    """End a workbench of yours and remove it; its home stays."""
    one = _workbenches().stop(workbench_id, _asker())
    output.say(f"stopped the workbench {one.id} of {one.owner}")


def _workbenches() -> Workbenches:
    from airflow_sfx.workbench.workbenches import Workbenches

    return Workbenches.from_environment()


def _user() -> str:
    """Return the name of this process's user, which no variable can change."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid{number}"


def _asker() -> str | None:
    """Return who asks; None for root, who may end all."""
    return None if os.geteuid() == 0 else _user()


def _inside() -> str:
    from airflow_sfx.workbench.workbench import HOME_INSIDE

    return HOME_INSIDE


def _sentence(one: Workbench) -> str:
    processors = "1 processor" if one.cpus == 1 else f"{one.cpus:g} processors"
    return (
        f"workbench {one.id} of {one.owner}: {one.image}, {output.size(one.memory)}, {processors},"
        f" until {output.moment(one.ends)}"
    )


def _row(one: Workbench) -> tuple[object, ...]:
    used = None if one.memory_used is None else output.size(one.memory_used)
    end = one.reason or output.moment(one.ends)
    memory = output.size(one.memory)
    state = one.state
    return (one.id, one.owner, state, one.image, memory, used, f"{one.cpus:g}", end, one.home)
