"""No secret of the worker reaches a job, its log, its image or the history."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import airflow_sfx as sfx
from airflow_sfx.jobs.run import await_end, conclude
from airflow_sfx.jobs.runners.factory import open_runner
from tests.jobs.conftest import Bench

PLANTED = "planted-7f3a"
DUMP = """
import os, airflow_sfx as sfx
print(dict(os.environ))
given = os.environ["SFX_JOB"]
print(given if given.startswith("{") else open(given).read())
sfx.job.store(sfx.job.inputs()["sales"])
"""
WITH_KEYS = f"""
import os
assert "aws_secret_access_key" in open(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).read()
{DUMP}
"""
SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY": PLANTED,
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql://airflow:{PLANTED}@db/airflow",
    "AIRFLOW_CONN_SHOP": f"postgresql://shop:{PLANTED}@db/shop",
    "SHOP_PASSWORD": PLANTED,
    "GITHUB_TOKEN": PLANTED,
}


def written(warehouse: sfx.Warehouse) -> str:
    folder = Path(warehouse.uri.removeprefix("embedded://"))
    files = (path for path in folder.rglob("*") if path.is_file())
    return "".join(path.read_bytes().decode(errors="replace") for path in files)


def test_no_secret_of_the_worker_is_passed(bench: Bench, monkeypatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    work = bench.work(DUMP)
    bench.runner.start(work)
    status = await_end(bench.runner, work.job.id, seconds=120)
    log = "\n".join(bench.runner.log(work.job.id, 1000))
    conclude(bench.runner, work, bench.warehouse, status)
    bench.runner.remove(work.job.id)
    assert "SFX_WAREHOUSE" in log
    for place in (log, work.job.to_text(), written(bench.warehouse)):
        assert PLANTED not in place


def test_the_keys_of_a_container_are_a_file_and_nothing_else(docker_bench: Bench, tmp_path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"[default]\naws_access_key_id = a\naws_secret_access_key = {PLANTED}\n")
    options = {"network": "host", "credentials": str(keys)}
    docker_bench.runner = open_runner("docker", options)
    work = docker_bench.work(WITH_KEYS)
    docker_bench.runner.start(work)
    status = await_end(docker_bench.runner, work.job.id, seconds=120)
    log = "\n".join(docker_bench.runner.log(work.job.id, 1000))
    client = import_module("docker").from_env()
    container = client.containers.get(f"sfx-{work.job.id}")
    seen = json.dumps([container.attrs, container.image.attrs, container.image.history()])
    conclude(docker_bench.runner, work, docker_bench.warehouse, status)
    docker_bench.runner.remove(work.job.id)
    for place in (log, seen, work.job.to_text(), written(docker_bench.warehouse)):
        assert PLANTED not in place
    volumes = {one["Name"] for one in container.attrs["Mounts"] if one["Type"] == "volume"}
    assert volumes, "the job's description is in one"
    assert not volumes & {one.id for one in client.volumes.list()}
