"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

import airflow_sfx

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(airflow_sfx.__path__, "airflow_sfx.")
    if not module.name.endswith("__main__")
)
BEGUN = ("airflow_sfx._default", "airflow_sfx.warehouse.warehouse")
"""Their examples begin where the package's own ends."""


@pytest.mark.parametrize("name", ["airflow_sfx", *MODULES])
def test_examples_run(name: str, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", "")  # examples may set it
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(name), name):
        if name.startswith(BEGUN) and test.examples:
            test.globs.update(begun(runner))
        runner.run(test)
    assert runner.summarize().failed == 0


def begun(runner: doctest.DocTestRunner) -> dict[str, Any]:
    (test,) = [
        test
        for test in doctest.DocTestFinder().find(airflow_sfx, "airflow_sfx")
        if test.name == "airflow_sfx"
    ]
    runner.run(test, clear_globs=False)
    return {
        name: test.globs[name]
        for name in ("os", "tempfile", "sfx", "pd", "warehouse", "good", "oops")
    }
