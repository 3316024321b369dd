"""Every block of ``docs/airflow.md`` and ``docs/testing.md`` works, in the order of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # whole pages, with a process for each command
PAGE = Path(__file__).resolve().parents[3] / "docs" / "airflow.md"
DAY = "2016-10-31"


def blocks():
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_every_block_of_the_page_works_in_order(airflow, tmp_path):
    done = []
    for language, text in blocks():
        name = re.search(r"^@dag.*\ndef (\w+)", text, re.MULTILINE)
        if language == "python" and name:
            (airflow.dags / f"{name[1]}.py").write_text(text)
            airflow.succeed(name[1], DAY)
        elif language == "python":
            run([sys.executable, "-P", "-c", text], airflow, tmp_path)
        elif language == "bash":
            run(["bash", "-ec", text], airflow, tmp_path)
        else:
            pytest.fail(f"a block in {language!r}, which is not run")
        done.append(language)
    assert done.count("python") >= 5
    assert done.count("bash") >= 2


def test_the_connections_on_the_page_of_metastores_name_a_warehouse(airflow, tmp_path):
    (connections,) = re.findall(
        r"^```bash\n(.*?)^```$",
        (PAGE.parent / "metastores.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    look = "from airflow_sfx.hooks import SfxHook; print(SfxHook().get_uri(), end='')"
    said = run(["bash", "-euc", f'{connections}\npython -c "{look}"'], airflow, tmp_path)
    assert said.endswith("hive://hms-1:9083,hms-2:9083?location=s3://bucket/prefix")


def run(command, airflow, folder):
    done = subprocess.run(
        command, env=airflow.environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_page_on_testing_works(airflow, tmp_path):
    text = (PAGE.parent / "testing.md").read_text()
    commands = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names = re.findall(r"^`(\w+\.py)`,.*\n\n```python$", text, re.MULTILINE)
    for name, block in zip(
        names, re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE), strict=True
    ):
        (tmp_path / name).write_text(block)
    run(["bash", "-euc", "".join(commands)], airflow, tmp_path)


def test_the_starter_runs_as_it_says(airflow, tmp_path):
    """``sfx init``, and the commands that it prints, with the package's fixture."""
    folder = tmp_path / "my dags"
    told = run([sys.executable, "-m", "airflow_sfx.cli", "init", str(folder)], airflow, tmp_path)
    lines = [line.strip() for line in told.partition("Run it:")[2].splitlines()]
    script = "\n".join(lines).replace("-m pytest", "-m pytest -p airflow_sfx.testing -q")
    shown = run(["bash", "-euc", script], airflow, tmp_path)
    assert "1 passed" in shown
    assert "items of" not in shown.splitlines()[-1]
    assert "revenue of 2026-10-31" in shown
    assert (folder / ".warehouse/shop.db/revenue/20261031").is_dir()
