"""A daemon with a small server in the place of JupyterLab, and workbenches on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.runners.base import RunnerUnavailable
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbenches import Workbenches

SERVER = """
import json, os, pathlib, http.server
from urllib.parse import parse_qs, urlsplit
place = (os.environ["SFX_WORKBENCH_HOST"], int(os.environ["SFX_WORKBENCH_PORT"]))
held = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        if asked.get("token") != [os.environ["JUPYTER_TOKEN"]]:
            return self.send_error(403)
        found = eval(asked.get("eval", ["None"])[0])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())
print("served at", place, "for", os.environ["JUPYTER_TOKEN"], flush=True)
http.server.ThreadingHTTPServer(place, Handler).serve_forever()
"""
"""What is asked of it is Python: it shows what a container has, and may do."""


@pytest.fixture(scope="session")
def small_image(docker_daemon: str, core_image: str) -> Iterator[str]:
    """An image that serves in the place of JupyterLab."""
    client = import_module("docker").DockerClient(base_url=docker_daemon)
    name = core_image.replace("core", "small")
    container = client.containers.create(core_image)
    command = json.dumps(["python", "-c", SERVER])
    container.commit(*name.split(":"), changes=[f"CMD {command}", "ENTRYPOINT []"])
    container.remove()
    yield name


@pytest.fixture
def warehouse(tmp_path: Path) -> sfx.Warehouse:
    folder = tmp_path / "warehouse"
    folder.mkdir()
    found = sfx.connect(f"embedded://{folder}")
    found.store_dataframe(pd.DataFrame({"n": [1, 2]}), "shop", "sold", ["20161031"])
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
        import os

        os.chown(path, 50000, 50000)
    return found


@pytest.fixture
def benches(docker_engine: str, small_image: str) -> Iterator[Callable[..., Workbenches]]:
    """Makes workbenches with limits; all that were started are stopped."""
    made: list[Workbenches] = []

    def make(*, environment: dict[str, str] | None = None, **limits: Any) -> Workbenches:
        limits.setdefault("images", (small_image,))
        site = Site(Limits(**limits), options={"network": "host"}, environment=environment or {})
        made.append(Workbenches(site))
        return made[-1]

    yield make
    for some in made[:1]:
        try:
            for one in some.all():
                some.stop(one.id)
        except RunnerUnavailable:
            pass
