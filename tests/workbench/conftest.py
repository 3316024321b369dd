"""Workbenches on the daemon, with a small server in the place of JupyterLab."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.runners.base import RunnerUnavailable
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbench import Workbench
from airflow_sfx.workbench.workbenches import Workbenches

INSIDE = 50_000
"""The user of the images."""
SERVER = """
import http.server, json, os, pathlib
from urllib.parse import parse_qs, urlsplit
import airflow_sfx as sfx
place = (os.environ["SFX_WORKBENCH_HOST"], int(os.environ["SFX_WORKBENCH_PORT"]))
held = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        if asked.get("token") != [os.environ["JUPYTER_TOKEN"]]:
            return self.send_error(403)
        found = eval(asked["eval"][0])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())
print("served at", place, "for", os.environ["JUPYTER_TOKEN"], flush=True)
http.server.ThreadingHTTPServer(place, Handler).serve_forever()
"""
"""What it is asked is Python, which shows what a container has and may do."""


def ask(address: str, what: str) -> Any:
    """Let the small server evaluate an expression."""
    with urllib.request.urlopen(f"{address}&eval={quote(what)}", timeout=30) as answer:
        return json.loads(answer.read())


def container_of(one: Workbench) -> Any:
    """The container of a workbench."""
    return import_module("docker").from_env().containers.get(f"sfx-workbench-{one.id}")


@pytest.fixture(scope="session")
def small_image(docker_daemon: str, core_image: str) -> str:
    """The image `core` with the small server."""
    client = import_module("docker").DockerClient(base_url=docker_daemon)
    name = core_image.replace("core", "small")
    container = client.containers.create(core_image)
    container.commit(*name.split(":"), changes=[f"CMD {json.dumps(['python', '-c', SERVER])}"])
    container.remove()
    return name


@pytest.fixture
def warehouse(tmp_path: Path) -> sfx.Warehouse:
    """An embedded warehouse that the image's user can write to."""
    folder = tmp_path / "warehouse"
    found = sfx.connect(f"embedded://{folder}")
    found.store_dataframe(pd.DataFrame({"n": [1, 2]}), "shop", "sold", ["20161031"])
    for path in (folder, *folder.rglob("*")):
        os.chown(path, INSIDE, INSIDE)
    return found


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """The directory of the homes."""
    found = tmp_path / "homes"
    found.mkdir()
    os.chown(found, INSIDE, INSIDE)
    return found


@pytest.fixture
def own_name() -> str:
    """The name of an installation: other tests use the daemon at the same time."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def benches(
    docker_engine: str, small_image: str, own_name: str
) -> Iterator[Callable[..., Workbenches]]:
    """Makes workbenches with limits; those that a test has started are stopped."""
    made: list[Workbenches] = []

    def make(**limits: Any) -> Workbenches:
        limits.setdefault("images", (small_image,))
        site = Site(Limits(**limits), options={"network": "host"}, name=own_name)
        made.append(Workbenches(site))
        return made[-1]

    yield make
    for some in made[-1:]:
        for one in some.all():
            with suppress(RunnerUnavailable):
                some.stop(one.id)
