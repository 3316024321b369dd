"""The reference has every public name, and every docstring is complete.

Each public name has an example that is run.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

import pytest
from typer.main import get_command

import airflow_sfx as sfx
import airflow_sfx.assets
import airflow_sfx.checks
import airflow_sfx.components
import airflow_sfx.hooks
import airflow_sfx.notifications
import airflow_sfx.operators
import airflow_sfx.sensors
import airflow_sfx.stack
from airflow_sfx.cli.main import app
from airflow_sfx.decorators.batch import batch_task
from airflow_sfx.decorators.batch_container import batch_container_task
from airflow_sfx.decorators.model import model_task
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/reference.md"
ROW = re.compile(r"^\| (`.+?`.*?) \|.* \| (.+) \|$", re.MULTILINE)
ERRORS = {
    name
    for name in sfx.__all__
    if inspect.isclass(value := getattr(sfx, name)) and issubclass(value, Exception)
}
APART = ERRORS | {"__version__", "checks", "components", "job", "models", "streams"}
PYTHON = [name for name in sfx.__all__ if name not in APART]
ROOMS = (
    airflow_sfx.checks,
    airflow_sfx.components,
    airflow_sfx.hooks,
    airflow_sfx.operators,
    airflow_sfx.sensors,
    airflow_sfx.notifications,
    airflow_sfx.assets,
)
NAMES = [*PYTHON, *(name for room in ROOMS for name in room.__all__)]
NAMES += ["@task.batch", "@task.batch_container", "@task.model"]
CALLED = [
    getattr(room, name) for room in (sfx, *ROOMS) for name in room.__all__ if name not in APART
]
CALLED += [
    method
    for name, method in inspect.getmembers(sfx.Warehouse, inspect.isfunction)
    if not name.startswith("_")
]
CALLED += [
    getattr(value, name)
    for value in (sfx.BatchPin, sfx.Producer, sfx.TableRef)
    for name, member in vars(value).items()
    if name[0] != "_" and isinstance(member, FunctionType | classmethod)
]
CALLED += [batch_task, batch_container_task, model_task]
CALLED += [sfx.streams.foreach_batch, sfx.streams.lambda_handler, sfx.streams.stream_lag]
CALLED += [airflow_sfx.stack.up, airflow_sfx.stack.down, airflow_sfx.stack.status]
COMMANDS = sorted(get_command(app).commands)


@pytest.fixture(scope="module")
def shown() -> dict[str, list[Path]]:
    """The files that the reference links to, by name."""
    rows = {}
    for what, links in ROW.findall(PAGE.read_text()):
        pages = [(PAGE.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)", links)]
        rows.update(dict.fromkeys(re.findall(r"`((?:sfx )?@?[\w.-]+)", what), pages))
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_in_a_block_of_the_page_that_the_reference_names(
    name: str, shown: dict[str, list[Path]]
) -> None:
    assert name in shown, f"{PAGE} has no row for {name}"
    assert any(
        re.search(rf"(?<!\w){re.escape(name)}\b", _run_text(page)) for page in shown[name]
    ), f"{name}: {shown[name]}"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_on_the_page_that_the_reference_names(
    command: str, shown: dict[str, list[Path]]
) -> None:
    assert any(re.search(rf"sfx {command}\b", page.read_text()) for page in shown[f"sfx {command}"])


def test_each_error_is_on_its_page() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    assert [name for name in ERRORS if not re.search(rf"\b{name}\b", text)] == []


def test_each_method_that_only_a_warehouse_has_is_named() -> None:
    (alone,) = re.findall(
        r"^Of `Warehouse` alone, (.*?)\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    methods = {
        name for name, _ in inspect.getmembers(sfx.Warehouse, inspect.isfunction) if name[0] != "_"
    }
    assert set(re.findall(r"`(\w+)`", alone)) == methods - set(sfx.__all__)


@pytest.mark.parametrize("called", CALLED, ids=lambda one: one.__qualname__)
def test_docstrings_say_what_goes_in_and_what_comes_out(called: Callable[..., object]) -> None:
    text = inspect.getdoc(called) or ""
    wanted = inspect.signature(called)
    names = wanted.parameters.keys() - {"self", "args"}
    said = set(re.findall(r"^    (\w+):", _section(text, "Args"), re.MULTILINE))
    assert said >= names
    assert said == names or "kwargs" in names, "of what goes on to a base, some may be said"
    if not inspect.isclass(called) and wanted.return_annotation not in (None, "None"):
        assert _section(text, "Returns")
    assert ">>> " in _section(text, "Example") or "::" in _section(text, "Example")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> str:
    """The output of `make docs`, as one text."""
    folder, programs = tmp_path_factory.mktemp("site"), Path(sys.executable).parent
    installed = ("-o", ".venv/.dev-installed")
    command = ["make", *installed, "docs", f"SITE={folder}", f"BIN={programs}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "\n".join(page.read_text() for page in folder.rglob("*.html"))


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in NAMES if not name.startswith("@")),
        *sorted(ERRORS),
        *("batch_task", "batch_container_task", "model_task"),
    ],
)
def test_each_name_has_an_entry_with_its_text_in_the_site(name: str, site: str) -> None:
    entry = site.partition(f'<section id="{name}">')[2].partition("</section>")[0]
    assert '<div class="docstring">' in entry


def _section(text: str, name: str) -> str:
    return (
        text.partition(f"\n{name}:\n")[2].partition("\n\n")[0]
        if name != "Example"
        else text.partition("\nExample:\n")[2]
    )


def _run_text(page: Path) -> str:
    text = page.read_text()
    return (
        text
        if page.suffix == ".py"
        else "\n".join(re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    )
