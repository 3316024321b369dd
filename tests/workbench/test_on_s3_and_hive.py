"""A workbench on S3 and a Hive Metastore: its keys are those of the platform."""

from __future__ import annotations

import json
import os
import uuid

import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbenches import Workbenches
from tests.jobs.conftest import aws_of_platform
from tests.workbench.conftest import ask, container_of


def test_a_workbench_reads_and_writes_s3_and_hive(
    stack, docker_engine, small_image, own_name, tmp_path
) -> None:
    place = f"s3://warehouse/{uuid.uuid4().hex}"
    warehouse = sfx.connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    database = f"lab_{uuid.uuid4().hex[:8]}"
    warehouse.store_dataframe(pd.DataFrame({"n": [1, 2]}), database, "sold", ["20161031"])
    environment, keys = aws_of_platform(tmp_path)
    options = {"network": "host", "credentials": keys}
    site = Site(Limits(images=(small_image,)), "docker", options, environment, name=own_name)
    some = Workbenches(site)
    one = some.start(owner="alice", warehouse=warehouse.uri)
    try:
        assert some.wait(one.id).state == "running", some.log(one.id)
        loaded = f'sfx.load_dataframe("{database}", "sold", ["20161031"])'
        stored = f'str(sfx.store_dataframe({loaded}, "{database}", "noted", ["1"]))'
        assert database in ask(some.address(one.id, "alice"), stored)
        attributes = json.dumps(container_of(one).attrs)
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in attributes
    finally:
        some.stop(one.id)
    assert warehouse.load_dataframe(database, "noted")["n"].tolist() == [1, 2]
    (entry,) = warehouse.history(database, "noted")
    assert entry.producer.user == "alice"
