"""A pytest plugin: the fixture `sfx_warehouse`, an empty warehouse for each test.

pytest finds it by its entry point once the package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse


@pytest.fixture
def sfx_warehouse(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """Return an empty warehouse in a directory of its own, the default one during the test.

    DAGs that the test runs with ``dag.test()``, the functions of `airflow_sfx` and commands that
    the test starts use it.
    """
    from airflow_sfx._default import connect

    uri = f"embedded://{tmp_path_factory.mktemp('sfx')}/warehouse"
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    monkeypatch.delenv("AIRFLOW_CONN_SFX_DEFAULT", raising=False)
    return connect(uri)
