"""The image `lambda` with a handler inside: in Docker, sealed as on Lambda, on S3 and Hive."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.containers import docker
from tests.streams.on_lambda import app
from tests.streams.on_lambda.deployed import (
    DONE,
    dead_letters,
    environment,
    event,
    mappings_of,
    stored,
)
from tests.streams.on_lambda.runtime import FunctionFailed, LambdaContainer

DOCKERFILE = 'FROM {}\nCOPY app.py /var/task/\nCMD ["app.handler"]\n'


@pytest.fixture
def deployed_image(docker_engine, lambda_image, tmp_path) -> Iterator[str]:
    """The image of a function, as docker/README.md says to make it."""
    name = f"sfx-scores:{uuid.uuid4().hex[:12]}"
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(lambda_image))
    shutil.copy(Path(app.__file__), tmp_path / "app.py")
    docker("build", "--quiet", "--tag", name, str(tmp_path))
    yield name
    docker("image", "rm", "--force", name)


@contextmanager
def started(image: str, uri: str, **env: str) -> Iterator[LambdaContainer]:
    with mappings_of(FunctionResponseTypes=["ReportBatchItemFailures"]) as address:
        given = {**environment(uri, address), **env}
        with LambdaContainer(image, env=given, timeout=60.0) as running:
            yield running


def test_a_function_in_the_image_brings_each_record_into_the_table_once(
    stack_uri, deployed_image
) -> None:
    with started(deployed_image, stack_uri) as function:
        for numbers in ((1, 2, 13), (1, 2, 13, 14), (15,)):
            assert function.invoke(event(*numbers)) == DONE
        function.kill()
        with pytest.raises(FunctionFailed, match="ExitError"):
            function.invoke(event(15, 16))
    with started(deployed_image, stack_uri) as function:
        assert function.invoke(event(15, 16)) == DONE
    assert stored(stack_uri) == Counter([1, 2, 14, 15, 16])
    assert dead_letters(stack_uri)["error"].tolist() == ["ValueError: n is 13"]


def test_a_function_that_cannot_reach_its_warehouse_says_so(stack_uri, deployed_image) -> None:
    away = {"SFX_WAREHOUSE": "hive://127.0.0.1:9?location=s3://warehouse/none"}
    with started(deployed_image, stack_uri, **away) as function:
        function.timeout = 14.0
        with pytest.raises(FunctionFailed, match=r"WarehouseUnavailable.*127\.0\.0\.1:9"):
            function.invoke(event(1))
