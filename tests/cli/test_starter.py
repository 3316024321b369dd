"""``sfx init`` and the fixture for pytest that comes with the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIXTURE = """
import pandas as pd
import airflow_sfx as sfx

SOLD = pd.DataFrame({"n": [1]})

def test_one(sfx_warehouse):
    assert sfx_warehouse.tables() == []
    sfx.store_dataframe(SOLD, "shop", "sold", ["1"])
    assert [str(one) for one in sfx_warehouse.tables()] == ["shop.sold"]

def test_two(sfx_warehouse, tmp_path):
    assert sfx_warehouse.tables() == []
    assert list(tmp_path.iterdir()) == []
"""


def test_init_writes_a_starter_once_and_overwrites_nothing(command, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "dags"
    done = command("init", str(folder))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == [
        "nightly_revenue.py",
        "test_nightly_revenue.py",
    ]
    for path in folder.iterdir():
        compile(path.read_text(), path, "exec")
    assert f"SFX_WAREHOUSE=embedded://{folder}/.warehouse" in done.stdout
    (folder / "nightly_revenue.py").unlink()
    (folder / "test_nightly_revenue.py").write_text("mine")
    again = command("init", str(folder))
    assert again.returncode == 1
    assert "test_nightly_revenue.py exists already" in again.stderr
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]


def test_the_fixture_gives_each_test_an_empty_default_warehouse(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FIXTURE)
    plugin = ("-p", "airflow_sfx.testing", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
