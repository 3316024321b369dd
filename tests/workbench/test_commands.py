"""The commands `sfx workbench …`, and the page of the documentation that shows them."""

from __future__ import annotations

import json
import os
import pwd
import re

import pytest
from typer.testing import CliRunner

from airflow_sfx.cli.main import app
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.workbench.limits import Site
from tests.docs.pages import ROOT, blocks
from tests.workbench.conftest import ask

PAGE = ROOT / "docs/workbench.md"
USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def sfx_(small_image, benches, own_name, warehouse, monkeypatch):
    """Runs the command with words, and returns what it did."""
    benches()
    monkeypatch.setenv("SFX_WORKBENCH_NAME", own_name)
    monkeypatch.setenv("SFX_WORKBENCH_IMAGES", small_image)
    monkeypatch.setenv("SFX_WORKBENCH_OPTIONS", '{"network": "host"}')
    monkeypatch.setenv("SFX_WORKBENCH_MOST_MEMORY", "1g")

    def run(*words: str):
        return CliRunner().invoke(app, ["--warehouse", warehouse.uri, "workbench", *words])

    return run


def test_the_commands_start_list_show_and_stop(sfx_, homes, small_image) -> None:
    done = sfx_("start", "--memory", "512m", "--hours", "1", "--home", str(homes))
    assert done.exit_code == 0, done.output
    first, address = done.stdout.splitlines()
    assert f"of {USER}: {small_image}, 512.0 MiB, 1 processor, until 20" in first
    assert ask(address, "os.environ['LOGNAME']") == USER
    workbench_id, token = first.split()[1], address.partition("token=")[2]
    listed = json.loads(sfx_("list", "--mine", "--json").stdout)
    assert [(one["id"], one["home"]) for one in listed] == [(workbench_id, str(homes))]
    assert workbench_id in sfx_("list").stdout
    assert sfx_("address", workbench_id).stdout.strip() == address
    assert "served at" in sfx_("logs", workbench_id).stdout
    assert "served at" in json.loads(sfx_("logs", workbench_id, "--json").stdout)[0]
    others = [sfx_(*words).output for words in (("list",), ("logs", workbench_id))]
    assert token not in "".join(others) + json.dumps(listed)
    done = sfx_("stop", workbench_id)
    assert done.stdout.strip() == f"stopped the workbench {workbench_id} of {USER}"
    assert sfx_("list").stdout.strip() == "no workbenches"


def test_the_commands_of_the_page_run_as_shown(sfx_) -> None:
    lines = [line for text in blocks(PAGE, "console") for line in text.splitlines()]
    workbench_id = ""
    for line in lines:
        program, command, *words = line.removeprefix("$ ").split()
        assert (program, command) == ("sfx", "workbench")
        done = sfx_(*(workbench_id if word == "ID" else word for word in words))
        assert done.exit_code == 0, f"{line}\n{done.output}"
        workbench_id = workbench_id or done.stdout.split()[1]
    assert len(lines) == 6


def test_the_page_names_all_variables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    with pytest.raises(InvalidName) as refused:
        Site.of({"SFX_WORKBENCH_X": ""})
    names = re.findall("SFX_WORKBENCH(_[A-Z_]+)", str(refused.value).partition("use ")[2])
    assert len(names) == 15
    assert [name for name in names if f"{name}`" not in text] == []


def test_what_is_refused_says_why_and_exits_with_1(sfx_, homes, monkeypatch) -> None:
    done = sfx_("start", "--memory", "4g")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("WorkbenchRefused: memory='4g' is above the most memory")
    done = sfx_("stop", "nothing")
    assert (done.exit_code, done.stderr.splitlines()) == (
        1,
        ["WorkbenchNotFound: there is no workbench 'nothing': sfx workbench list has those there"],
    )
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        done = sfx_("list")
    assert done.exit_code == 1
    assert "the Docker daemon at unix:///nowhere/docker.sock cannot be used" in done.stderr
    monkeypatch.setenv("SFX_WORKBENCH_MOST_CPUS", "all")
    assert "SFX_WORKBENCH_MOST_CPUS='all' is not valid" in sfx_("list").stderr
    assert sfx_("start", "--cpus", "some").exit_code == 2
