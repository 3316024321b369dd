"""The pages about serving: their sessions, servers and requests run as shown."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, run_sessions
from tests.services import free_port

PAGE = ROOT / "docs/serving.md"
ONLINE = ROOT / "docs/online.md"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SFX_WAREHOUSE", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return tmp_path


def test_the_page_of_serving_runs_as_shown(home: Path) -> None:
    assert run_sessions(PAGE) == 6
    served_as_shown(PAGE, home)


def test_the_server_of_a_function_runs_as_shown(home: Path) -> None:
    """Its sessions run with those of the other pages."""
    (module,) = [block for block in blocks(ONLINE, "python") if not block.startswith(">>>")]
    (home / "features.py").write_text(module)
    served_as_shown(ONLINE, home)


def served_as_shown(page: Path, folder: Path) -> None:
    """Run a page's server, and the requests of the block behind it."""
    port = str(free_port())
    start, *requests = (block.replace("8000", port) for block in blocks(page, "console"))
    command, _, told = start.removeprefix("$ ").partition("\n")
    command = f"{sys.executable} -m airflow_sfx.cli {command.removeprefix('sfx ')}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        command.split(), stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    )
    try:
        assert server.stderr is not None
        assert matches(told, server.stderr.readline())
        for request, shown in re.findall(r"^\$ (.+)\n((?:(?!\$).+\n)*)", requests[0], re.MULTILINE):
            done = subprocess.run(request, shell=True, capture_output=True, text=True, check=True)
            assert matches(shown, f"{done.stdout}\n")
    finally:
        server.kill()
        server.wait()


def matches(shown: str, found: str) -> bool:
    return doctest.OutputChecker().check_output(shown, found, doctest.ELLIPSIS)


def test_the_page_has_every_option_and_path() -> None:
    from airflow_sfx.cli.commands.models import serve

    text = PAGE.read_text()
    options = set(serve.serve.__annotations__) - {"context", "model", "return"}
    assert {name for name in options if f"--{name.replace('_', '-')}" not in text} == set()
