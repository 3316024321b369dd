"""The plugin: Airflow loads it in every process, each task included, so it imports next to nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_sfx.plugin.xcom import register


class SfxPlugin(AirflowPlugin):
    """Registers what works in every process: pins cross XCom without configuration."""

    name = "sfx"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Called by Airflow once a process, before any task runs."""
        register()
