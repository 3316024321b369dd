"""The plugin. Airflow loads it in every process, so it imports very little."""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_sfx.hooks import airflow_internals, telemetry
from airflow_sfx.plugin import outlet_events, pin_guard
from airflow_sfx.serde import model_pin, pin


class _Apps:
    """The web application, created on first access: only the API server pays for it."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        from airflow_sfx.plugin.web.app import create_app

        return [{"app": create_app(), "url_prefix": "/sfx", "name": "sfx"}]


class SfxPlugin(AirflowPlugin):
    """Registers what works without configuration.

    In every process: pins in XCom, checks of pins before use, metrics and lineage, asset events of
    plain tasks. In the API server: the page. In the scheduler: the numbers of backfills in the
    configuration of their runs.
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
        """Register everything; Airflow calls it once per process, before any task runs."""
        pin.register()
        model_pin.register()
        telemetry.register()
        pin_guard.register()
        outlet_events.register()
        airflow_internals.write_backfills_into_runs()
