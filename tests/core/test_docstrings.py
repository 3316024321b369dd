"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import airflow_sfx

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(airflow_sfx.__path__, "airflow_sfx.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["airflow_sfx", *MODULES])
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
