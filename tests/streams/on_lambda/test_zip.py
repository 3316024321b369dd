"""The zip of a function: it fits, and runs without any other package."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import airflow_sfx as sfx
from tests.streams.on_lambda.runtime import (
    LambdaFunction,
    bare_python,
    kinesis_event,
    runtime_client,
)
from tools import lambda_zip

MOST = 240_000_000


def test_only_packages_of_the_image_are_left_out() -> None:
    lock = (lambda_zip.ROOT / "docker/requirements/core.txt").read_text()
    left = lambda_zip.requirements(lock)
    names = {line.partition("==")[0] for line in lock.splitlines() if "==" in line}
    kept = {line.partition("==")[0] for line in left.splitlines() if "==" in line}
    assert names - kept == lambda_zip.LEFT_OUT
    assert left.count("--hash=") > len(kept)


def test_the_zip_has_the_files_of_the_folder(tmp_path) -> None:
    (tmp_path / "task" / "library").mkdir(parents=True)
    (tmp_path / "task" / "app.py").write_text("handler = print")
    (tmp_path / "task" / "library" / "one.pyc").write_bytes(b"1")
    lambda_zip.pack(tmp_path / "task", tmp_path / "function.zip")
    with ZipFile(tmp_path / "function.zip") as archive:
        assert archive.namelist() == ["app.py", "library/one.pyc"]


@pytest.mark.timeout(300)
def test_the_zip_fits_and_has_all_that_a_handler_needs(tmp_path) -> None:
    app = Path(shutil.copy(Path(__file__).with_name("app.py"), tmp_path / "app.py"))
    version = ".".join(map(str, sys.version_info[:2]))
    folder = tmp_path / "task"
    folder.mkdir()
    assert lambda_zip.prepare(folder, [app], version) < MOST
    uri = f"embedded://{tmp_path}/warehouse"
    env = {
        "SFX_WAREHOUSE": uri,
        "PYTHONPATH": f"{folder}:{runtime_client(tmp_path / 'runtime')}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    event = kinesis_event(
        "clicks", "shardId-0", [{"sequence": 7, "data": b'{"n": 1, "at": "2016-10-31T22:00:00Z"}'}]
    )
    with LambdaFunction("app.handler", folder, env=env, python=bare_python()) as function:
        assert function.invoke(event) == {"batchItemFailures": []}
    assert sfx.connect(uri).load_dataframe("web", "doubles")["double"].tolist() == [2]
