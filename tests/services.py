"""The real services, started once for all tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_sfx.stack import Stack, down, up


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """A running S3 server and Hive Metastore; the AWS environment of this process names them from now on."""
    folder: Path = tmp_path_factory.mktemp("stack")
    running = up(folder)
    names = {name: value for name, value in running.environment().items() if name.startswith("AWS_")}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    yield running
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    down(folder)


@pytest.fixture(scope="session")
def hive_address(stack) -> str:
    """Host and port of a running Hive Metastore."""
    return f"127.0.0.1:{stack.metastore_port}"


@pytest.fixture(scope="session")
def glue_endpoint() -> Iterator[str]:
    """The URL of a running server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}"
    server.stop()
