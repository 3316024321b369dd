"""The built and installed package is complete, and its metadata are right."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import airflow_sfx as sfx

ROOT = Path(__file__).parents[1]
CODE = {
    str(path.relative_to(ROOT))
    for path in (ROOT / "airflow_sfx").rglob("*.*")
    if path.suffix != ".pyc"
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("built")
    run("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def test_the_wheel_has_every_file_of_the_package_and_no_others(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == CODE
    assert {"airflow_sfx/py.typed", "airflow_sfx/plugin/web/static/index.html"} <= names


def test_the_source_distribution_has_tests_docs_and_examples(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= CODE | {
        "docs/README.md",
        "tests/test_package.py",
        "dags_examples/undo.py",
        "LICENSE",
        "CHANGELOG.md",
    }


def test_the_metadata_are_right(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    assert (metadata["Name"], metadata["Version"]) == ("airflow-sfx", sfx.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"## {sfx.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_what_is_installed_answers(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    run(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path),
        str(wheel),
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop()); "
        "import airflow_sfx.cli.main as main; print(main.__file__); main.run()"
    )
    said = run("-P", "-c", code, "--version", str(tmp_path))
    assert said.split() == [str(tmp_path / "airflow_sfx/cli/main.py"), "sfx", sfx.__version__]


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
