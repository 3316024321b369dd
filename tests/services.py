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
