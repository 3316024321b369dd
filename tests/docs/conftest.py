"""Pages are run in a home of their own, with the warehouse that a new user has."""

from __future__ import annotations

import pytest


@pytest.fixture
def new_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SFX_WAREHOUSE", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_SFX_DEFAULT", raising=False)
    return tmp_path
