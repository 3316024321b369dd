"""Commands that make Airflow read again what is current: announce, repin."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Partitions, Reason, Settings, TableArgument
from airflow_sfx.cli.output import print_json

_TOKEN, _USER, _PASSWORD = "SFX_AIRFLOW_TOKEN", "SFX_AIRFLOW_USER", "SFX_AIRFLOW_PASSWORD"


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (announce, repin):
        app.command()(command)


def announce(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    airflow: Annotated[
        str,
        typer.Option(
            "--airflow",
            metavar="URL",
            envvar="SFX_AIRFLOW_URL",
            help="Address of Airflow's API, such as http://localhost:8080.",
        ),
    ] = "http://localhost:8080",
    as_json: Json = False,
) -> None:
    """Send the asset events of current batches, which start their consumers.

    The login is a token in SFX_AIRFLOW_TOKEN, or a name and a password in SFX_AIRFLOW_USER and
    SFX_AIRFLOW_PASSWORD.
    """
    from airflow_sfx.assets.announce import announce as send

    settings: Settings = context.obj
    pin = settings.table(table, partition).current()
    sent = send(pin, airflow, _token(airflow), operation="announce")
    if as_json:
        print_json({"pin": pin, "events": sent})
    else:
        output.say(f"sent {output.counted(len(sent), 'asset event')} of {pin}")


def _token(airflow: str) -> str:
    from airflow_sfx.assets.announce import login

    token, user = os.environ.get(_TOKEN), os.environ.get(_USER)
    if token:
        return token
    if not user:
        raise typer.BadParameter(
            f"no login for {airflow}: set {_TOKEN}, or {_USER} and {_PASSWORD}"
        )
    return login(airflow, user, os.environ.get(_PASSWORD, ""))


def repin(
    context: typer.Context,
    dag_id: Annotated[str, typer.Argument(metavar="DAG_ID", help="The DAG.")],
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")],
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Let a DAG run pin what is current when its tasks are cleared.

    Otherwise cleared tasks pin the batches of the first time. Clear the tasks in Airflow
    afterwards; each pins anew once.
    """
    settings: Settings = context.obj
    at = settings.warehouse.repin(dag_id=dag_id, run_id=run_id, reason=reason)
    if as_json:
        print_json({"dag_id": dag_id, "run_id": run_id, "at": at})
    else:
        output.say(f"the run {run_id} of {dag_id} pins anew: clear its tasks now")
