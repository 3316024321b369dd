"""What all tests share: one started stack, and an order in which two processes can share the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

pytest_plugins = ["tests.services"]

_TESTS = Path(__file__).parent
_LONG = ("examples", "scheduler", "stack", "demo", "airflow", "protocol")
"""The groups that take longest, in the order in which they begin: nobody waits for the last one then."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a started service stay in one process (``make test`` runs two), and the long ones begin."""
    groups = {item: _group(item) for item in items}
    order = {name: number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: order.get(groups[item], len(order)))  # stable: tests of a file stay in their order
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    room = item.path.relative_to(_TESTS).parts if item.path.is_relative_to(_TESTS) else ()
    uses = {*getattr(item, "fixturenames", ())}
    variant = {str(value) for value in item.callspec.params.values()} if hasattr(item, "callspec") else set()
    if room[:1] == ("airflow",):
        services = {"scheduler", "airflow"} & uses
        return min(services, key=_LONG.index) if services else item.path.stem.removeprefix("test_")
    if "stack" in uses or {"stack", "hive"} & variant:
        return "stack"
    return room[0] if room[:1] == ("protocol",) else str(item.path)
