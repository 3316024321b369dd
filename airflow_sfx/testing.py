"""A pytest plugin: an empty warehouse for each test, checks of functions.

pytest finds the fixture `sfx_warehouse` by its entry point once the package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_sfx.portability.function import Portable
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


def assert_portable(function: Portable, rows: Any, *, most: int = 1000, seed: int = 0) -> None:
    """Fail a test if a portable function depends on how its rows are divided.

    Args:
        function: The function, made by `airflow_sfx.portable`.
        rows: A frame, a list of records, or a pin.
        most: The most rows; of more, a random sample.
        seed: Which random divisions and orders are tried.

    Raises:
        AssertionError: It does; the message has the smallest rows and a likely cause.

    Example:
        >>> from airflow_sfx import portable
        >>> @portable(inputs={"n": "bigint"}, outputs={"twice": "bigint"})
        ... def twice(frame):
        ...     return frame.mul(2).rename(columns={"n": "twice"})
        >>> assert_portable(twice, [{"n": 1}, {"n": None}])
    """
    report = function.check(rows, most=most, seed=seed)
    if not report:
        raise AssertionError(str(report))
