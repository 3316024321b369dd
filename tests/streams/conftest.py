"""Servers of streams, started once for the tests of a process that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.streams.servers import processes
from tests.streams.servers.processes import Server


@pytest.fixture(scope="session")
def kinesalite(tmp_path_factory, aws_keys) -> Iterator[Server]:
    """A server of Kinesis: fast, its iterators and records expire."""
    with processes.kinesalite(tmp_path_factory.mktemp("kinesalite")) as server:
        yield server


@pytest.fixture(scope="session")
def kinesis_local(tmp_path_factory, aws_keys) -> Iterator[Server]:
    """A server of Kinesis: slow, and most like Amazon's."""
    with processes.kinesis_local(tmp_path_factory.mktemp("kinesis-local")) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory) -> Iterator[str]:
    """The address of a broker of Kafka."""
    with processes.tansu(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(scope="session")
def aws_keys() -> Iterator[None]:
    """Keys that the servers accept, as they do all."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            if name not in os.environ:  # those of the stack, if it runs in this process
                patch.setenv(name, "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture
def embedded_uri(tmp_path) -> str:
    """An empty warehouse in a directory."""
    return f"embedded://{tmp_path}/warehouse"


@pytest.fixture(params=["embedded", "stack"])
def uri(request) -> str:
    """An empty warehouse of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_uri")
    return found
