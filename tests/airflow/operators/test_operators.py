"""The operators in real DAG runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyspark
import pytest

import airflow_sfx as sfx

DAY = "20130101"


@pytest.fixture(scope="module")
def classic(airflow):
    return airflow.succeed("classic", "2013-01-01")


def test_a_staged_batch_is_verified_published_and_pinned_for_the_next_task(classic, warehouse):
    moved, published = warehouse.history("classic", "numbers", [DAY])
    assert published.reason == "verified 2013-01-01"
    assert (published.producer.dag_id, published.producer.task_id) == ("classic", "publish")
    assert warehouse.load_dataframe("classic", "numbers", [DAY])["n"].tolist() == [-1]
    assert moved.previous == published.batch_id
    assert warehouse.load_dataframe("classic", "total", [DAY])["n"].tolist() == [60]
    (manifest,) = warehouse.manifests(warehouse.pin("classic", "total", [DAY]))
    assert [pin.batch_id for pin in manifest.inputs] == [published.batch_id]


def test_a_rollback_goes_to_the_batch_before_and_to_any_by_name(classic, airflow, warehouse):
    moved, published = warehouse.history("classic", "numbers", [DAY])[:2]
    log = airflow.succeed("undo").log
    assert f"to the batch {published.batch_id}, published at {published.at}" in log
    assert f"by classic {published.producer.run_id} publish" in log
    assert warehouse.pin("classic", "numbers", [DAY]).batch_id == published.batch_id
    entry = warehouse.history("classic", "numbers", [DAY])[0]
    assert (entry.operation.value, entry.reason, entry.producer.dag_id) == (
        "rollback",
        "asked for",
        "undo",
    )
    airflow.succeed("undo", conf={"to": moved.batch_id})
    assert warehouse.pin("classic", "numbers", [DAY]).batch_id == moved.batch_id


def test_a_run_is_undone_as_one(classic, airflow, warehouse):
    run = airflow.succeed("classic", "2013-01-02")
    assert warehouse.pin("classic", "total", ["20130102"])
    airflow.succeed("undo_run", conf={"dag": "classic", "run": run.run_id})
    for table in ("total", "numbers"):
        with pytest.raises(sfx.PartitionNotFound):
            warehouse.pin("classic", table, ["20130102"])


def test_only_the_last_attempt_of_a_run_is_undone(airflow, warehouse):
    pins = []
    for number in (1, 2):
        producer = sfx.Producer(dag_id="cleared", run_id="r1", task_id="load", try_number=number)
        frame = pd.DataFrame({"n": [number]})
        pins.append(warehouse.store_dataframe(frame, "cleared", "items", producer=producer))
    conf = {"dag": "cleared", "run": "r1"}
    log = airflow.succeed("undo_run", conf={**conf, "attempt": "last"}).log
    assert warehouse.pin("cleared", "items") == pins[0]
    assert f"cleared.items: to the batch {pins[0].batch_id}, published at" in log
    log = airflow.succeed("undo_run", conf=conf).log
    assert "cleared.items: to no batch" in log


def test_all_that_came_after_a_version_is_undone_in_the_whole_table(airflow, warehouse):
    def store(n: int, day: str) -> sfx.BatchPin:
        return warehouse.store_dataframe(pd.DataFrame({"n": [n]}), "since", "items", [day])

    first = store(1, "a")
    store(2, "a")
    store(2, "b")
    log = airflow.succeed("undo_since").log
    assert f"since.items a: to the batch {first.batch_id}, published at" in log
    assert "since.items b: to no batch" in log
    assert warehouse.pin("since", "items") == first
    (undo,) = warehouse.changes("since", "items", since=3)
    assert (undo.operation.value, undo.reason, len(undo.changes)) == ("rollback", "a bad day", 2)
    assert undo.producer.dag_id == "undo_since"
    airflow.succeed("undo_since")  # nothing is left to do
    run = airflow.run("undo_since", conf={"version": "newest"})
    assert "has to_version='newest': pass a number, as `sfx history` lists them" in run.log
    assert len(warehouse.changes("since", "items")) == 4


def test_a_rollback_without_a_target_is_refused_when_the_dag_is_parsed(airflow):
    kind, message = airflow.probe("operator_error", operator="RollbackBatchOperator", arguments={})
    assert kind == "InvalidName"
    assert "table= with partitions=" in message


@pytest.mark.parametrize("name", ["durable", "reconnect_on_retry"])
def test_a_spark_job_that_is_to_outlive_its_try_is_refused_when_the_dag_is_parsed(
    airflow, name: str
):
    arguments = {"table": "spark.counts", name: True}
    kind, message = airflow.probe(
        "operator_error", operator="SparkBatchOperator", arguments=arguments
    )
    assert kind == "InvalidName"
    assert f"the task tried has {name}=True" in message
    assert f"leave {name} out" in message


def test_old_batches_are_told_retired_and_deleted(airflow, warehouse):
    run = airflow.succeed("given_up")
    plain = {
        "table": "kept.numbers",
        "dry_run": False,
        "retired": 0,
        "bytes": 0,
        "deleted": 0,
        "waiting": 0,
        "pinned": 0,
    }
    told, retired, deleted = (run.xcoms[task] for task in ("told", "retired", "deleted"))
    assert told == {**plain, "dry_run": True, "retired": 2, "bytes": told["bytes"]}
    assert told["bytes"] > 0
    assert retired == {**told, "dry_run": False}
    assert deleted == {**plain, "deleted": 2}
    entry, ended, _, first = warehouse.history("kept", "numbers")
    assert (entry.operation.value, entry.reason, entry.producer.dag_id) == (
        "retire",
        "by given_up",
        "given_up",
    )
    assert (ended.operation.value, ended.reason) == (
        "discard",
        "staged for more than 0 seconds: by given_up",
    )
    with pytest.raises(sfx.BatchNotFound, match=r"was retired on .* \(by given_up\)"):
        warehouse.load_dataframe("kept", "numbers", batch_id=first.batch_id)


def test_the_windows_of_a_stream_become_one_batch_with_an_asset_event(airflow, warehouse):
    run = airflow.succeed("windows", "2013-01-01")
    pin = warehouse.pin("streamed", "numbers")
    assert list(pin.batches) == [f"{DAY}/compacted"]
    assert sorted(warehouse.load_dataframe(pin)["n"]) == [1, 2]
    (entry,) = warehouse.history("streamed", "numbers", partition=[DAY, "compacted"])
    assert (entry.reason, entry.producer.task_id) == ("the day 2013-01-01 is over", "compact")
    assert f"Compacted {pin}" in run.log


@pytest.fixture
def spark_connection(airflow, java_home):
    return airflow.probe(
        "set_environment",
        values={
            "JAVA_HOME": str(java_home),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "AIRFLOW_CONN_SPARK_TRIED": json.dumps(
                {"conn_type": "spark", "host": "local[1]", "extra": {"deploy-mode": "client"}}
            ),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        },
    )


@pytest.fixture
def spark_cluster(java_home, tmp_path):
    """The ports of a standalone cluster's master and of its REST API."""
    settings = tmp_path / "spark.conf"
    settings.write_text("spark.master.rest.enabled true\nspark.master.rest.port 0\n")
    environment = {**os.environ, "JAVA_HOME": str(java_home), "PYSPARK_PYTHON": sys.executable}
    started, home = [], Path(pyspark.__file__).parent

    def start(part: str, *arguments: object) -> Path:
        log = tmp_path / f"{part}.log"
        with log.open("w") as output:
            command = [home / "bin/spark-class", f"org.apache.spark.deploy.{part.lower()}.{part}"]
            more = [
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--webui-port",
                "0",
                "--properties-file",
                settings,
            ]
            started.append(
                subprocess.Popen(
                    [*command, *more, *arguments],
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # so that it is ended with its drivers
                )
            )
        return log

    def told(log: Path, pattern: str) -> str:
        for _ in range(240):
            if found := re.search(pattern, log.read_text()):
                return found.group(1)
            time.sleep(0.25)
        raise AssertionError(log.read_text()[-4000:])

    try:
        master = start("Master")
        port = told(master, r"Starting Spark master at spark://127.0.0.1:(\d+)")
        worker = start(
            "Worker",
            "--cores",
            "1",
            "--memory",
            "1g",
            "--work-dir",
            tmp_path,
            f"spark://127.0.0.1:{port}",
        )
        told(worker, "(Successfully registered)")
        yield (
            int(port),
            int(told(master, r"REST server for submitting applications on .*port (\d+)")),
        )
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_each_try_submits_a_spark_job_of_its_own(scheduler, scheduled_warehouse, spark_cluster):
    port, rest_port = spark_cluster
    extra = json.dumps({"deploy-mode": "cluster", "rest-port": rest_port})
    body = {
        "connection_id": "spark_cluster",
        "conn_type": "spark",
        "host": "spark://127.0.0.1",
        "port": port,
    }
    scheduler.send("POST", "connections", {**body, "extra": extra})
    scheduler.ready("spark_job_in_a_cluster")
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("spark-launcher_*.jar")
    run_id = scheduler.succeed("spark_job_in_a_cluster", conf={"jar": str(jar)})
    drivers = [
        re.search(r"identified spark driver id: (driver-\S+?)[\"\s]", log).group(1)
        for number in (1, 2)
        if (log := scheduler.task_log("spark_job_in_a_cluster", run_id, "count", number))
    ]
    assert len(set(drivers)) == 2
    assert len(scheduled_warehouse.load_dataframe("spark", "tried")) == 3
    (entry,) = scheduled_warehouse.history("spark", "tried")
    assert entry.producer.try_number == 2


def test_a_spark_job_reads_its_pinned_inputs_and_its_output_is_a_batch(
    airflow, warehouse, spark_connection
):
    airflow.succeed("spark_job", "2013-01-01", conf={"write": True})
    found = warehouse.load_dataframe("spark", "counts", [DAY])
    assert dict(zip(found["item"], found["count"], strict=True)) == {"hat": 2, "shoe": 1}
    pin = warehouse.pin("spark", "counts", [DAY])
    warehouse.verify(pin)
    (manifest,) = warehouse.manifests(pin)
    assert [one.table for one in manifest.inputs] == ["items"]
    (entry,) = warehouse.history("spark", "counts", [DAY])
    assert (entry.reason, entry.producer.task_id) == ("counted by Spark", "count")
    run = airflow.run("spark_job", "2013-01-02", conf={"write": False})
    assert run.tasks["count"][0] == "failed"
    assert warehouse.pin("spark", "counts", [DAY]) == pin, "a job that failed has published nothing"
