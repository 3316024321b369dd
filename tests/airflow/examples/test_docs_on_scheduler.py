"""The code blocks of the Airflow pages and the tutorial, on a real scheduler.

They run in the order of their page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow
from tests.docs.pages import DOCTESTS

pytestmark = pytest.mark.timeout(900)  # whole pages, with a process for each command
DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = ("pins", "sensors", "assets")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_works_in_order(scheduler: LocalAirflow, page: str) -> None:
    awaited = []
    for _, block in blocks(page, "python"):
        dag = re.search(r"^@dag\(schedule=(\w+).*\ndef (\w+)", block, re.MULTILINE)
        if dag is None:
            run(
                [sys.executable, "-P", "-c", block.replace("http://localhost:8080", scheduler.url)],
                scheduler,
            )
            continue
        schedule, dag_id = dag.groups()
        (scheduler.dags / f"page_{dag_id}.py").write_text(block)
        scheduler.ready(dag_id)
        if schedule == "None":
            scheduler.succeed(dag_id)
        else:
            awaited.append(dag_id)
    for dag_id in awaited:
        scheduler.until(
            lambda dag_id=dag_id: states(scheduler, dag_id) == {"success"}, f"{dag_id} has run"
        )


def test_the_tutorial_works_in_order(scheduler: LocalAirflow, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo/airflow").symlink_to(scheduler.home)
    (environment,) = [text for kind, text in blocks("tutorial", "bash")[:1]]
    done = 0
    for kind, text in blocks("tutorial", "python", "bash")[1:]:
        if text.startswith(">>>"):
            run([sys.executable, "-P", "-c", DOCTESTS, "tutorial.md"], scheduler, input=text)
        elif kind == "python":
            (scheduler.dags / "cafe.py").write_text(text)
            scheduler.ready("cafe")
        else:
            run(["bash", "-euc", environment + text], scheduler, cwd=tmp_path)
        if "backfill create" in text:
            scheduler.until(
                lambda: backfilled(scheduler, "cafe") == ["success"] * 3, "the backfill has ended"
            )
        done += 1
    assert done == 5
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    assert {"20161031"} <= set(warehouse.pin("cafe", "takings").batches)
    assert not {"20161027", "20161028", "20161029"} & set(warehouse.pin("cafe", "takings").batches)


def blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    found = re.findall(
        r"^```(\w+)\n(.*?)^```$", (DOCS / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert found
    return [block for block in found if block[0] in languages]


def states(scheduler: LocalAirflow, dag_id: str) -> set[str]:
    found = {run["state"] for run in scheduler.get(f"dags/{dag_id}/dagRuns")["dag_runs"]}
    assert "failed" not in found
    return found


def backfilled(scheduler: LocalAirflow, dag_id: str) -> list[str]:
    runs = scheduler.get(f"dags/{dag_id}/dagRuns", run_type="backfill")["dag_runs"]
    return [run["state"] for run in runs]


def run(command: list[str], scheduler: LocalAirflow, **options: object) -> None:
    done = subprocess.run(
        command, env=scheduler.environment, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
