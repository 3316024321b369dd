"""The only module that uses private parts of Airflow.

It is tested on `TESTED_VERSIONS`.

- Airflow's database knows which runs a backfill has made; no interface lists them by number.
- A run does not know the number of its backfill, so the scheduler writes it into the run's
  configuration. ``[sfx] backfill_conf = False`` turns that off.
- An `Asset` whose URI is in its final form needs no lookup of the handlers of all providers.
- The page writes asset events as Airflow's REST API does, in the process of the API server; no
  interface names the DAGs that they start.
- An argument of a mapped task group does not say which value it stands for.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from airflow.models.asset import AssetModel
    from airflow.models.dagrun import DagRun
    from airflow.sdk import Asset
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

TESTED_VERSIONS = ("3.3.2",)

RUN_BACKFILL = "sfx_backfill"
"""The member of a run's configuration that names its backfill, as the scheduler has written it."""

_HISTORY_ALONE = (
    "Only the history is searched for the runs of the backfill %d, as Airflow's database cannot be"
    " read: %s"
)

_log = logging.getLogger(__name__)


def runs_of_backfill(dag_id: str, number: int) -> list[str]:
    """Return the runs of a backfill, from Airflow's database.

    Args:
        dag_id: The DAG.
        number: The backfill's number in Airflow.

    Returns:
        The IDs of its runs; empty if Airflow is not installed, its database cannot be read or has
        no such backfill.
    """
    if importlib.util.find_spec("airflow") is None:
        return []
    problem = _no_database()
    if problem:
        _log.warning(_HISTORY_ALONE, number, problem)
        return []
    from airflow.models.backfill import Backfill, BackfillDagRun
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    query = (
        select(DagRun.run_id)
        .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id)
        .join(Backfill, Backfill.id == BackfillDagRun.backfill_id)
        .where(Backfill.id == number, Backfill.dag_id == dag_id)
    )
    try:
        with create_session() as session:
            return [str(run_id) for run_id in session.scalars(query)]
    except SQLAlchemyError as error:
        _log.warning(_HISTORY_ALONE, number, _first_line(error))
        return []


def _no_database() -> str:
    """Return why Airflow has no database here, or empty text; importing Airflow may create one."""
    if not any(name.startswith("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") for name in os.environ):
        home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
        config = Path(os.environ.get("AIRFLOW_CONFIG") or home / "airflow.cfg").expanduser()
        if not config.is_file() and not (home / "airflow.db").is_file():
            return f"AIRFLOW_HOME, {home}, has no airflow.cfg and no airflow.db"
    from airflow.configuration import conf
    from sqlalchemy.engine import make_url

    url = make_url(conf.get("database", "sql_alchemy_conn"))
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        return f"its file {url.database} does not exist"
    return ""


def _first_line(error: Exception) -> str:
    """Return the reason of the database's driver, without the statement and its arguments."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def write_backfills_into_runs() -> None:
    """Write the number of a backfill into its runs' configuration when they begin.

    Only the scheduler does, unless ``[sfx] backfill_conf`` is off; other processes import nothing.
    It is not a listener of Airflow's: if any plugin has one, Airflow rejects DAG files with tasks
    that end in the triggerer.
    """
    if not _is_scheduler():
        return
    from airflow.models.dagrun import DagRun
    from airflow.sdk.configuration import conf
    from sqlalchemy import event

    if not conf.getboolean("sfx", "backfill_conf", fallback=True):
        return
    if not event.contains(DagRun, "before_update", write_backfill):
        event.listen(DagRun, "before_update", write_backfill)


def write_backfill(mapper: Any, connection: Connection, run: DagRun) -> None:
    """Write a run's backfill into its configuration, before SQLAlchemy updates it.

    Args:
        mapper: SQLAlchemy's mapper; not used.
        connection: The connection of the scheduler's transaction.
        run: The run.
    """
    if run.backfill_id is None or run.state != "running":
        return
    before = (run.conf or {}).get(RUN_BACKFILL)
    if isinstance(before, dict) and before.get("id") == str(run.backfill_id):
        return
    try:
        from airflow.models.backfill import Backfill
        from sqlalchemy import select

        with connection.begin_nested():  # a failed statement would abort PostgreSQL's transaction
            behavior = connection.scalar(
                select(Backfill.reprocess_behavior).where(Backfill.id == run.backfill_id)
            )
        run.conf = {
            **(run.conf or {}),
            RUN_BACKFILL: {"id": str(run.backfill_id), "reprocess": behavior},
        }
    except Exception:  # the run continues; its history then lacks the backfill's number
        _log.exception("Cannot write the backfill of the run %s into its configuration", run.run_id)


def consumers_of_asset(uri: str) -> list[tuple[str, bool]] | None:
    """Return the DAGs that are scheduled on an asset, from Airflow's database.

    Args:
        uri: The asset's URI.

    Returns:
        The ID of each DAG and whether it is paused, or None if Airflow does not know the asset.
    """
    from airflow.models.asset import (
        DagScheduleAssetNameReference,
        DagScheduleAssetReference,
        DagScheduleAssetUriReference,
    )
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select, union

    with create_session() as session:
        asset = _active_asset(session, uri)
        if asset is None:
            return None
        scheduled = union(
            select(DagScheduleAssetReference.dag_id).where(
                DagScheduleAssetReference.asset_id == asset.id
            ),
            select(DagScheduleAssetNameReference.dag_id).where(
                DagScheduleAssetNameReference.name == asset.name
            ),
            select(DagScheduleAssetUriReference.dag_id).where(
                DagScheduleAssetUriReference.uri == uri
            ),
        )
        found = session.execute(
            select(DagModel.dag_id, DagModel.is_paused)
            .where(DagModel.dag_id.in_(scheduled), DagModel.is_stale.is_(False))
            .order_by(DagModel.dag_id)
        )
        return [(dag_id, paused) for dag_id, paused in found]


def write_asset_events(
    uri: str, events: Sequence[tuple[str | None, dict[str, Any]]], user: BaseUser
) -> bool:
    """Write asset events into Airflow's database as its REST API does, all or none.

    Args:
        uri: The asset's URI.
        events: The partition key of each event, or None, and its extra.
        user: The user who sends them.

    Returns:
        Whether Airflow knows the asset: if not, nothing was written.
    """
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.assets.manager import asset_manager
    from airflow.sdk.configuration import conf
    from airflow.utils.session import create_session

    teams: set[str] = set()
    if conf.getboolean("core", "multi_team", fallback=False):
        teams = get_auth_manager().get_authorized_teams(user=user)
    with create_session() as session:
        asset = _active_asset(session, uri)
        if asset is None:
            return False
        for key, extra in events:
            asset_manager.register_asset_change(
                asset=asset,
                extra={**extra, "from_rest_api": True},
                partition_key=key,
                source_is_api=True,
                api_user_teams=teams,
                session=session,
            )
    return True


def _active_asset(session: Session, uri: str) -> AssetModel | None:
    from airflow.models.asset import AssetModel
    from sqlalchemy import select

    return session.scalar(
        select(AssetModel).where(AssetModel.uri == uri, AssetModel.active.has()).limit(1)
    )


def asset_of_final_uri(name: str, uri: str, **options: Any) -> Asset:
    """Make an asset without asking for the handler of its URI.

    For a handler, Airflow loads those of all providers, boto3 among them: half a second in each DAG
    file.

    Args:
        name: The asset's name.
        uri: Its URI, in the form that the handler would return.
        options: Other arguments of ``Asset``.

    Returns:
        The asset.
    """
    from airflow.sdk import Asset

    asset = Asset(name=name, **options)
    object.__setattr__(asset, "uri", uri)
    return asset


def mapped_group_argument(value: Any) -> tuple[Any, str] | None:
    """Return what an argument of a mapped task group stands for.

    Args:
        value: A value in the DAG file.

    Returns:
        The inputs that the group is expanded over, and the name of the argument among them; None
        for any other value.
    """
    return (value._input, value._key) if hasattr(value, "_input") else None


def _is_scheduler() -> bool:
    """Return whether this process is ``airflow scheduler``, also of ``standalone``."""
    return sys.argv[1:2] == ["scheduler"]
