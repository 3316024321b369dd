"""Names that are loaded when they are first asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = [
    "airflow_sfx",
    *(f"airflow_sfx.{name}" for name in ("assets", "hooks", "operators", "sensors", "triggers")),
]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_told_with_its_package(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'frobnicate'"):
        _ = importlib.import_module(package).frobnicate


def test_a_name_is_loaded_once_and_kept() -> None:
    code = """
import sys, airflow_sfx
before = "BatchPin" in vars(airflow_sfx), "airflow_sfx.core.pin" in sys.modules
found = airflow_sfx.BatchPin
print(before, vars(airflow_sfx)["BatchPin"] is found is sys.modules["airflow_sfx.core.pin"].BatchPin)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True"


def test_a_module_without_names_is_a_name_itself() -> None:
    import airflow_sfx

    assert airflow_sfx.checks is importlib.import_module("airflow_sfx.checks")
