"""Jobs on each runner: what they need, and what they have written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.contract import Job, Output
from airflow_sfx.jobs.run import new_job_id, run_job
from airflow_sfx.jobs.runners.base import Runner, Work, memory_size
from airflow_sfx.jobs.runners.factory import open_runner
from tests.jobs.ecs_server import Ecs, serve

SOLD = pd.DataFrame({"item": ["hat", "shoe", "hat"], "price": [19.5, 80.0, 1.5]})
TOTALS = """
import airflow_sfx as sfx
sales = sfx.job.inputs()["sales"]
sfx.job.store(sales.groupby("item", as_index=False)["price"].sum())
"""


@dataclass
class Bench:
    """A warehouse with a pinned input, and a runner for jobs on it."""

    warehouse: sfx.Warehouse
    sales: sfx.BatchPin
    runner: Runner
    image: str
    python: str
    database: str = "shop"

    def work(self, code: str, *, job_id: str = "", try_number: int = 1, **options: Any) -> Work:
        job_id = job_id or new_job_id()
        producer = sfx.Producer(
            dag_id="shop", run_id="r1", task_id="total", try_number=try_number, attempt_id=job_id
        )
        chosen = {
            name: options.pop(name)
            for name in ("parameters", "earlier", "inputs", "function")
            if name in options
        }
        chosen.setdefault("inputs", {"sales": self.sales})
        output = Output(
            f"{self.database}.totals", options.pop("partitions", ("20161031",)), ["day"]
        )
        job = Job(job_id, self.warehouse.uri, output, producer=producer, **chosen)
        memory = memory_size(options.pop("memory", None))
        command = options.pop("command", (self.python, "-c", code))
        return Work(job, tuple(command), options.pop("image", self.image), memory, **options)

    def run(self, code: str, **options: Any) -> sfx.BatchPin:
        return run_job(self.runner, self.work(code, **options), self.warehouse)

    def entries(self) -> list[sfx.LogEntry]:
        return list(self.warehouse.history("shop", "totals"))


def aws_of_platform(folder: Path) -> tuple[dict[str, str], str]:
    """The variables of AWS without keys, and a file of the keys, as a machine has them."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    keys = folder / "keys"
    lines = [f"{name.lower()} = {os.environ[name]}" for name in names]
    keys.write_text("\n".join(["[default]", *lines, ""]))
    keys.chmod(0o644)  # the container's user is another one
    folder.chmod(0o755)
    plain = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") and name not in names
    }
    return plain, str(keys)


@pytest.fixture
def shop(tmp_path) -> tuple[sfx.Warehouse, sfx.BatchPin]:
    warehouse = sfx.connect(f"embedded://{tmp_path}/warehouse")
    return warehouse, warehouse.store_dataframe(SOLD, "shop", "sold", ["20161031"])


@pytest.fixture
def process_bench(shop, tmp_path) -> Bench:
    runner = open_runner("process", {"directory": str(tmp_path / "jobs")})
    return Bench(*shop, runner, "", sys.executable)


@pytest.fixture
def docker_bench(shop, docker_engine, core_image) -> Bench:
    return Bench(*shop, open_runner("docker", {"network": "host"}), core_image, "python")


@pytest.fixture(params=["process", "docker", "ecs"])
def bench(request) -> Bench:
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found


@pytest.fixture
def ecs(docker_engine, monkeypatch) -> Iterator[tuple[Ecs, str]]:
    """ECS, whose tasks are containers of the engine, and its address."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")):
        monkeypatch.setenv(name, value)
    service = Ecs()
    server = serve(service)
    yield service, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    for task in service.tasks.values():
        if task.run is not None:
            task.run.remove(force=True, v=True)


@pytest.fixture
def ecs_bench(shop, ecs, core_image) -> Bench:
    warehouse, sales = shop
    service, url = ecs
    folder = warehouse.uri.removeprefix("embedded://")
    service.RegisterTaskDefinition(
        {
            "family": "jobs",
            "volumes": [{"name": "warehouse", "host": {"sourcePath": folder}}],
            "containerDefinitions": [
                {
                    "name": "job",
                    "image": core_image,
                    "user": "0",
                    "memory": 2048,
                    "mountPoints": [{"sourceVolume": "warehouse", "containerPath": folder}],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {"awslogs-group": "jobs", "awslogs-stream-prefix": "sfx"},
                    },
                }
            ],
        }
    )
    options = {"task_definition": "jobs", "endpoint_url": url, "region": "eu-west-1"}
    return Bench(warehouse, sales, open_runner("ecs", options), core_image, "python")
