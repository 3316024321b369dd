"""Shared by all tests: one started stack, and an order for several processes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")

pytest_plugins = ["tests.services", "tests.containers"]

_ALONE = (
    "tests/airflow/examples/test_examples.py",
    "tests/airflow/examples/test_demo.py",
    "tests/airflow/examples/test_shop.py",
    "tests/airflow/test_telemetry.py",
)
"""They start an Airflow of their own."""
_WITH_SERVICES = ("warehouse", "metastore", "faults", "storage", "stack", "streams")
_MORE = ("write", "undo", "quality", "test_")
"""The rooms of the warehouse that share a second stack, as one would take longest by far."""
_LONG = ("scheduler", "services", "more services", "airflow", "jobs", *_ALONE, "protocol")
"""The groups that take longest.

They start first, so that no process waits for the last one.
"""
_SERVICES = "stack|stack_uri|new_stack_uri|hive_address|spark|java_home|mounted_bucket"
_SCHEDULER = "scheduler|as_user|client|scheduled_warehouse"
_AIRFLOW = "airflow|warehouse"
"""Fixtures that start a service, an Airflow with all of its processes, or one in a process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests begin."""
    order = {name: number for number, name in enumerate(_LONG)}
    # The sort is stable: the tests of a file keep their order.
    items.sort(key=lambda item: order.get(_group(item.nodeid).partition(":")[0], len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share a started service stay in one process, where ``make test`` runs several."""
    from xdist.scheduler import LoadScopeScheduling

    class ByService(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByService(config, log)


def _group(nodeid: str) -> str:
    """Return the tests that run in one process: those that share a service, or a file's."""
    path, _, name = nodeid.partition("::")
    _, room, *rest = path.split("/")
    if path in _ALONE:
        return path
    if room in ("jobs", "protocol"):  # jobs share the images that one process builds
        # each test of the protocol takes long, and shares nothing with the others
        return room if room == "jobs" else f"protocol:{name}"
    if room == "airflow":
        fixtures = {"scheduler": _SCHEDULER, "airflow": _AIRFLOW}
        return next((group for group, names in fixtures.items() if _take(path, names)), path)
    if path == "tests/docs/test_pages.py":
        return "more services"
    if room not in _WITH_SERVICES or not _needs_service(path, name):
        return path
    return "more services" if room == "warehouse" and rest[0].startswith(_MORE) else "services"


def _needs_service(path: str, name: str) -> bool:
    """Return whether a test needs the stack: many run once with it, and once without."""
    parameters = name.partition("[")[2]
    if re.search(r"\b(stack|on_stack|hive|glue)\b", parameters):
        return True
    return not parameters.startswith("embedded") and _take(path, _SERVICES)


@cache
def _take(path: str, fixtures: str) -> bool:
    """Return whether functions of a file have one of the fixtures as parameter."""
    text = Path(__file__).parents[1].joinpath(path).read_text()
    return re.search(rf"^def \w+\([^)]*\b({fixtures})\b", text, re.MULTILINE) is not None
