"""Every block of the pages on pins, sensors and assets works on a real scheduler, in the order of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dags_examples.local_airflow import LocalAirflow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("pins", "sensors", "assets")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_works_in_order(scheduler: LocalAirflow, page: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    awaited = []
    for block in blocks:
        dag = re.search(r"^@dag\(schedule=(\w+).*\ndef (\w+)", block, re.MULTILINE)
        if dag is None:
            run(block, scheduler)
            continue
        schedule, dag_id = dag.groups()
        (scheduler.dags / f"page_{dag_id}.py").write_text(block)
        scheduler.ready(dag_id)
        if schedule == "None":
            scheduler.succeed(dag_id)
        else:
            awaited.append(dag_id)
    for dag_id in awaited:
        scheduler.until(lambda dag_id=dag_id: states(scheduler, dag_id) == ["success"], f"{dag_id} has run")


def states(scheduler: LocalAirflow, dag_id: str) -> list[str]:
    found = [run["state"] for run in scheduler.get(f"dags/{dag_id}/dagRuns")["dag_runs"]]
    assert "failed" not in found
    return found


def run(block: str, scheduler: LocalAirflow) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", block], env=scheduler.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
