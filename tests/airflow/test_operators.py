"""The operators in real DAG runs."""

from __future__ import annotations

import sys
from pathlib import Path

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
    airflow.succeed("undo")
    assert warehouse.pin("classic", "numbers", [DAY]).batch_id == published.batch_id
    entry = warehouse.history("classic", "numbers", [DAY])[0]
    assert (entry.operation.value, entry.reason, entry.producer.dag_id) == ("rollback", "asked for", "undo")
    airflow.succeed("undo", conf={"to": moved.batch_id})
    assert warehouse.pin("classic", "numbers", [DAY]).batch_id == moved.batch_id


def test_a_run_is_undone_as_one(classic, airflow, warehouse):
    run = airflow.succeed("classic", "2013-01-02")
    assert warehouse.pin("classic", "total", ["20130102"])
    airflow.succeed("undo_run", conf={"dag": "classic", "run": run.run_id})
    for table in ("total", "numbers"):
        with pytest.raises(sfx.PartitionNotFound):
            warehouse.pin("classic", table, ["20130102"])


def test_a_rollback_without_a_target_is_refused_when_the_dag_is_parsed(airflow):
    kind, message = airflow.probe("operator_error", operator="RollbackBatchOperator", arguments={})
    assert kind == "InvalidName"
    assert "table= with partitions=" in message


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
    assert told == {**plain, "dry_run": True, "retired": 1, "bytes": told["bytes"]}
    assert told["bytes"] > 0
    assert retired == {**told, "dry_run": False}
    assert deleted == {**plain, "deleted": 1}
    entry, _, first = warehouse.history("kept", "numbers")
    assert (entry.operation.value, entry.reason, entry.producer.dag_id) == ("retire", "by given_up", "given_up")
    with pytest.raises(sfx.BatchNotFound, match=r"was retired on .* \(by given_up\)"):
        warehouse.load_dataframe("kept", "numbers", batch_id=first.batch_id)


@pytest.fixture
def spark_connection(airflow, java_home):
    return airflow.probe(
        "set_environment",
        values={
            "JAVA_HOME": str(java_home),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "AIRFLOW_CONN_SPARK_TRIED": '{"conn_type": "spark", "host": "local[1]", "extra": {"deploy-mode": "client"}}',
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        },
    )


def test_a_spark_job_reads_its_pinned_inputs_and_its_output_is_a_batch(airflow, warehouse, spark_connection):
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
