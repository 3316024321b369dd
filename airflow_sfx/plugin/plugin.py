"""The plugin: Airflow loads it in every process, each task included, so it imports next to nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_sfx.hooks import telemetry
from airflow_sfx.plugin import backfill_conf, pin_guard
from airflow_sfx.serde import pin


class _Apps:
    """The web application, made when it is looked at: only the API server does, and others need not pay for it."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        from airflow_sfx.plugin.web.app import create_app

        return [{"app": create_app(), "url_prefix": "/sfx", "name": "sfx"}]


class SfxPlugin(AirflowPlugin):
    """Registers what works without configuration.

    In every process pins cross XCom and are looked at before they are used, and what is read and
    changed is seen; the API server has the page; the scheduler tells the runs of a backfill which
    one they are of, and loads ahead what tasks need.
    """

    name = "sfx"
    fastapi_apps = _Apps()
    external_views = [  # noqa: RUF012  Airflow's class declares it
        {
            "name": "Batch history",
            "href": "sfx/",
            "destination": "nav",
            "category": "browse",
            "url_route": "batch-history",
        },
        {
            "name": "Batches",
            "href": "sfx/?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "batches-of-run",
        },
        {
            "name": "Batches",
            "href": "sfx/?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}",
            "destination": "task_instance",
            "url_route": "batches-of-task",
        },
    ]

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Called by Airflow once a process, before any task runs."""
        pin.register()
        telemetry.register()
        pin_guard.register()
        backfill_conf.register()
