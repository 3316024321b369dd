"""Shared by all tests: one started stack, and an order for several processes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")

pytest_plugins = ["tests.services"]

_ROOMS = {
    "airflow": "airflow",
    "warehouse": "services",
    "metastore": "services",
    "faults": "services",
    "storage": "services",
    "stack": "services",
    "protocol": "protocol",
}
_ALONE = ("tests/airflow/examples/test_examples.py", "tests/airflow/examples/test_demo.py")
"""They start what they need by themselves."""
_MORE = ("write", "undo", "quality", "test_")
"""The rooms of the warehouse that share a second stack, as one would take longest by far."""
_LONG = ("airflow", "services", "more services", *_ALONE, "protocol")
"""The groups that take longest.

They start first, so that no process waits for the last one.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests begin."""
    order = {name: number for number, name in enumerate(_LONG)}
    # The sort is stable: the tests of a file keep their order.
    items.sort(key=lambda item: order.get(_room(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share a started service stay in one process, where ``make test`` runs several."""
    from xdist.scheduler import LoadScopeScheduling

    class ByService(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByService(config, log)


def _group(nodeid: str) -> str:
    room = _room(nodeid)
    # Each of the protocol tests takes long, and shares nothing with the others.
    return nodeid if room == "protocol" else room


def _room(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    _, room, *rest = path.split("/")
    if room == "warehouse" and rest[0].startswith(_MORE):
        return "more services"
    return path if path in _ALONE else _ROOMS.get(room, path)
