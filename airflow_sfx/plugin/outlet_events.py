"""Asset events of tasks that change one of their outlets by a public call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx.warehouse.log.events import subscribe

if TYPE_CHECKING:
    from airflow_sfx.warehouse.log.events import Committed, Loaded


def register() -> None:
    """Send the events of all commits of this process's tasks from now on."""
    subscribe(_send)


def _send(work: Committed | Loaded) -> None:
    from airflow_sfx.assets.events import send_outlet_events  # imported by tasks that commit only

    send_outlet_events(work)
