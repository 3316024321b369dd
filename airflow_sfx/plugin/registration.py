"""The plugin: Airflow loads it in every process, each task included, so it imports next to nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_sfx.hooks import observing
from airflow_sfx.plugin import xcom


class SfxPlugin(AirflowPlugin):
    """Registers what works in every process: pins cross XCom, and what is read and changed is seen, without configuration."""

    name = "sfx"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Called by Airflow once a process, before any task runs."""
        xcom.register()
        observing.register()
