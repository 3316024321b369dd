"""The real services, started once for all tests that need them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_sfx.stack import Stack, down, s3_server, up
from airflow_sfx.stack.hive_metastore import java_program, spark_settings
from airflow_sfx.storage.s3 import S3Store

_VISIBLE_WITHIN_SECONDS = 0.3


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """A running S3 server and Hive Metastore.

    The AWS environment of this process points at them from then on.
    """
    folder: Path = tmp_path_factory.mktemp("stack")
    running = up(folder)
    names = {
        name: value for name, value in running.environment().items() if name.startswith("AWS_")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        # This server shows objects at once, so tests need not wait for those that are not there.
        patch.setattr(S3Store, "visibility_seconds", _VISIBLE_WITHIN_SECONDS)
        yield running
    down(folder)


@pytest.fixture(scope="session")
def hive_address(stack) -> str:
    """Host and port of a running Hive Metastore."""
    return f"127.0.0.1:{stack.metastore_port}"


@pytest.fixture
def new_stack_uri(hive_address) -> Callable[[], str]:
    """Create empty warehouses on S3 and Hive, and drop the one before."""
    from tests.metastore.hive_server import drop_databases

    def new() -> str:
        drop_databases(hive_address)
        return f"hive://{hive_address}?location=s3://warehouse/tests/{uuid.uuid4().hex}"

    return new


@pytest.fixture
def stack_uri(new_stack_uri) -> str:
    """An empty warehouse on S3 and Hive."""
    return new_stack_uri()


@pytest.fixture(scope="session")
def glue_endpoint() -> Iterator[str]:
    """The URL of a running server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def mounted_bucket(stack, tmp_path_factory) -> Iterator[Path]:
    """A mounted directory of the S3 server's buckets.

    Spark reads their objects from it without Hadoop's S3 libraries.
    """
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("mounting the bucket needs root and /dev/fuse")
    place = tmp_path_factory.mktemp("mounted")
    weed = Path(sys.executable).with_name("weed")
    filer = f"127.0.0.1:{stack.ports['filer']}.{stack.ports['filer_grpc']}"
    options = [
        f"-filer={filer}",
        "-filer.path=/buckets",
        f"-dir={place}",
        "-readOnly",
        "-cacheDir",
        str(place.parent),
    ]
    with (place.parent / "mount.log").open("wb") as log:
        environment = {**os.environ, **s3_server.environment(stack)}
        mount = subprocess.Popen([weed, "mount", *options], stdout=log, stderr=log, env=environment)
    give_up = time.monotonic() + 30
    while not (place / "warehouse").is_dir():
        assert mount.poll() is None, (place.parent / "mount.log").read_text()
        assert time.monotonic() < give_up, "the bucket was not mounted in 30 s"
        time.sleep(0.1)
    yield place / "warehouse"
    subprocess.run(["umount", "--lazy", place], check=True)
    mount.wait(30)


@pytest.fixture(scope="session")
def java_home(tmp_path_factory) -> Path:
    """A Java on which Spark starts: the packaged one.

    It lacks the incubating module that Spark asks for, so that option is removed. A session lives
    for seconds here, too short for the second compiler and threads of a collector to pay.
    """
    home: Path = tmp_path_factory.mktemp("java")
    (home / "bin").mkdir()
    program = home / "bin" / "java"
    program.write_text(
        "#!/bin/bash\nargs=()\n"
        'for one in "$@"; do\n'
        '  [ "$one" = "--add-modules=jdk.incubator.vector" ] || args+=("$one")\ndone\n'
        f'exec {java_program({})} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "${{args[@]}}"\n'
    )
    program.chmod(0o755)
    return home


@pytest.fixture(scope="session")
def spark(stack, mounted_bucket, java_home, tmp_path_factory) -> Iterator[Any]:
    """A Spark session on the stack's metastore. A task that fails is tried again once."""
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = str(java_home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2,2]")
    settings = {
        **spark_settings(stack, mounted_bucket),
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark")),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
    del os.environ["JAVA_HOME"], os.environ["PYSPARK_PYTHON"]
