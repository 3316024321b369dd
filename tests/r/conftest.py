"""The R package, installed once, and scripts that use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import airflow_sfx as sfx

ROOT = Path(__file__).parent.parent.parent
SFX = Path(sys.executable).parent / "sfx"


def install(library: Path) -> None:
    """Install the package as a user does, from a copy."""
    library.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sfx"
        shutil.copytree(ROOT / "r", source)
        command = ["R", "CMD", "INSTALL", "--no-docs", "-l", library, source]
        subprocess.run(command, check=True, capture_output=True)


RunR = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def r_library(tmp_path_factory) -> Path:
    """The package as a user installs it; without R, the tests fail."""
    library = tmp_path_factory.mktemp("r_library")
    install(library)
    return library


def environment_of(library: Path, temporary: Path, **more: str) -> dict[str, str]:
    """Return a user's shell, with a temporary directory that shows what is left."""
    return {
        **os.environ,
        "R_LIBS": str(library),
        "SFX_BIN": str(SFX),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT),
        **more,
    }


def run_script(
    script: str, library: Path, temporary: Path, **more: str
) -> subprocess.CompletedProcess:
    """Run a script that uses the package."""
    return subprocess.run(
        ["Rscript", "-e", f"library(sfx)\n{script}"],
        check=False,
        env=environment_of(library, temporary, **more),
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def environment(r_library, tmp_path) -> dict[str, str]:
    """A user's shell with a warehouse."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    uri = f"embedded://{tmp_path}/warehouse"
    return environment_of(r_library, temporary, SFX_WAREHOUSE=uri)


@pytest.fixture
def warehouse(tmp_path) -> sfx.Warehouse:
    return sfx.connect(f"embedded://{tmp_path}/warehouse")


@pytest.fixture
def run_r(r_library, environment) -> Iterator[RunR]:
    """Run a script; it must leave no process and no file."""

    def run(script: str, *, check: bool = True, **changed: str) -> subprocess.CompletedProcess:
        more = {"SFX_WAREHOUSE": environment["SFX_WAREHOUSE"], **changed}
        done = run_script(script, r_library, Path(environment["TMPDIR"]), **more)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
