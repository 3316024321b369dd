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
BEGUN = {
    "airflow_sfx._default": "airflow_sfx",
    "airflow_sfx.warehouse.warehouse": "airflow_sfx",
    "airflow_sfx.models.log.base": "airflow_sfx.models",
    "airflow_sfx.models.model": "airflow_sfx.models",
    "airflow_sfx.models.exports.calls": "airflow_sfx.models",
    "airflow_sfx.models.questions.calls": "airflow_sfx.models",
    "airflow_sfx.models.registry": "airflow_sfx.models",
    "airflow_sfx.models.signing.calls": "airflow_sfx.models",
}
"""Their examples begin where the packages' own end."""


@pytest.mark.parametrize("name", ["airflow_sfx", *MODULES])
def test_examples_run(name: str, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", "")  # examples may set it
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(name), name):
        if name in BEGUN and test.examples:
            test.globs.update(begun(runner, BEGUN[name]))
        runner.run(test)
    assert runner.summarize().failed == 0


def begun(runner: doctest.DocTestRunner, package: str) -> dict[str, Any]:
    found = doctest.DocTestFinder().find(importlib.import_module(package), package)
    (test,) = [test for test in found if test.name == package]
    before = dict(test.globs)
    runner.run(test, clear_globs=False)
    return {name: value for name, value in test.globs.items() if before.get(name) is not value}
