"""A job on S3 and a Hive Metastore: its keys are those of the platform."""

from __future__ import annotations

import sys
import uuid

import airflow_sfx as sfx
from airflow_sfx.jobs.runners.factory import open_runner
from tests.jobs.conftest import SOLD, TOTALS, Bench, aws_of_platform


def test_a_process_and_a_container_read_and_write_s3_and_hive(
    stack, docker_engine, core_image, tmp_path
) -> None:
    place = f"s3://warehouse/{uuid.uuid4().hex}"
    warehouse = sfx.connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    database = f"jobs_{uuid.uuid4().hex[:8]}"
    sales = warehouse.store_dataframe(SOLD, database, "sold", ["20161031"])
    plain, keys = aws_of_platform(tmp_path)
    options = {"network": "host", "credentials": keys}
    benches = {
        "process": Bench(warehouse, sales, open_runner("process"), "", sys.executable),
        "docker": Bench(warehouse, sales, open_runner("docker", options), core_image, "python"),
    }
    for day, bench in benches.items():
        bench.database = database
        pin = bench.run(TOTALS, partitions=(day,), environment=plain)
        assert warehouse.load_dataframe(pin)["price"].tolist() == [21.0, 80.0]
        (entry,) = warehouse.history(database, "totals", [day])
        assert entry.producer.task_id == "total"
