"""Every block of ``docs/airflow.md`` works, in the order of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "airflow.md"
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


def run(command, airflow, folder):
    done = subprocess.run(command, env=airflow.environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
