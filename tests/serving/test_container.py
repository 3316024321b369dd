"""The image `serve`: a model of a warehouse, from a container that cannot write."""

from __future__ import annotations

import pytest
import requests

from tests.containers import asked, docker, running
from tests.services import free_port
from tests.serving.test_start import ROW

pytestmark = pytest.mark.usefixtures("docker_engine")


def test_a_container_serves_the_version_that_an_alias_has(serve_image, warehouse, delays) -> None:
    folder = warehouse.uri.removeprefix("embedded://")
    options = (f"--volume={folder}:{folder}", "--user=0")  # who owns the warehouse
    port = free_port()
    command = ("sfx", "--warehouse", warehouse.uri, "serve", "delays@production")
    with running(
        *options, f"--env=SFX_SERVE_PORT={port}", serve_image, *command, f"--port={port}"
    ) as container:
        ready = asked(port, "/readyz")
        assert (ready.status_code, ready.json()["model"]) == (200, f"delays/{delays.version}")
        url = f"http://127.0.0.1:{port}/predict"
        answer = requests.post(url, ROW, headers={"content-type": "application/json"}, timeout=60)
        assert answer.json()["predictions"][0]["prediction"] == 1
        docker("exec", container, "sfx-serve-healthy")
        assert "telemetry" not in docker("logs", container)
    assert int(docker("image", "inspect", "--format={{.Size}}", serve_image)) < 400 << 20
