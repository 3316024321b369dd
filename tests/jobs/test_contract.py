"""The contract: what ``job.json`` has, and what a process without one is told."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.contract import Function, Job, Output, read_job
from airflow_sfx.jobs.memory import EarlierRun, memory_for, memory_of_job
from airflow_sfx.jobs.run import new_job_id
from airflow_sfx.jobs.runners.base import memory_size
from airflow_sfx.jobs.runners.factory import open_runner

PIN = sfx.BatchPin.of(sfx.TableRef("shop", "sold"), "s3://b/shop.db/sold", {"d": "20161101002256"})
JOB = Job(
    id="01932c07-209c-7cf4-bb9e-b83cd3d1d0a8",
    warehouse="embedded:///warehouse",
    output=Output("shop.totals", ("20161031",), {"day": "date"}, reason="why", types={"n": "int"}),
    inputs={"sales": PIN},
    parameters={"rate": 1.5, "names": ["a"]},
    producer=sfx.Producer(dag_id="shop", run_id="r", task_id="t", image="i:1"),
    earlier=("01932c07-209c-7cf4-bb9e-b83cd3d1d0a7",),
    function=Function("def f(): ...", {"sales": "polars"}),
)


def test_a_job_comes_back_as_it_was_written() -> None:
    assert Job.from_text(JOB.to_text()) == JOB
    document = json.loads(JOB.to_text())
    assert document["version"] == 1
    assert document["inputs"]["sales"]["batches"] == {"d": "20161101002256"}
    assert document["output"]["partitions"] == ["20161031"]


def test_members_of_later_versions_are_ignored_and_later_versions_refused() -> None:
    document = json.loads(JOB.to_text())
    assert Job.from_text(json.dumps({**document, "new": 1})) == JOB
    with pytest.raises(sfx.InvalidName, match="version 2 of the contract"):
        Job.from_text(json.dumps({**document, "version": 2}))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version":1,"id":7}', "null"])
def test_what_is_not_a_job_is_refused(text) -> None:
    with pytest.raises(sfx.InvalidName):
        Job.from_text(text)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"inputs": {"sales": "sales"}}, "not a pin"),
        ({"parameters": {"frame": pd.DataFrame()}}, "pass JSON values"),
        ({"parameters": {"rate": float("nan")}}, "pass JSON values"),
    ],
)
def test_what_cannot_be_sent_is_refused(arguments, told) -> None:
    with pytest.raises(sfx.InvalidName, match=told):
        Job("1", "embedded:///w", Output("a.b"), **arguments)


def test_a_process_that_is_not_a_job_is_told_how_to_start_one(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("SFX_JOB", raising=False)
    with pytest.raises(sfx.InvalidName, match="sfx job run"):
        sfx.job.inputs()
    with pytest.raises(sfx.InvalidName, match="no readable job"):
        read_job({"SFX_JOB": str(tmp_path / "missing.json")})


def test_a_large_job_is_read_from_the_store(tmp_path) -> None:
    warehouse = sfx.connect(f"embedded://{tmp_path}/w")
    path = f"_sfx/jobs/{JOB.id}.json"
    warehouse.store.put_if_absent(path, JOB.to_text().encode())
    assert read_job({"SFX_JOB": path, "SFX_WAREHOUSE": warehouse.uri}) == JOB


def test_the_variables_of_a_job_name_its_task(tmp_path) -> None:
    found = JOB.environment()
    assert found["SFX_WAREHOUSE"] == "embedded:///warehouse"
    assert (found["AIRFLOW_CTX_DAG_ID"], found["SFX_ATTEMPT_ID"]) == ("shop", JOB.id)


@pytest.mark.parametrize("given", ["much", "2.5g", True, 1.5, "1m", "-1g"])
def test_a_limit_of_memory_that_is_none_is_refused(given) -> None:
    with pytest.raises(sfx.InvalidName, match="memory="):
        memory_size(given)


@pytest.mark.parametrize(
    ("runner", "options", "told"),
    [
        ("kubernetes", {}, "process, docker, ecs"),
        ("docker", {"netwrok": "host"}, "no option 'netwrok'"),
        ("docker", {"volumes": ["data:/data"]}, "the volume"),
        ("docker", {"volumes": "/a:/b"}, "not a list"),
    ],
)
def test_a_wrong_runner_or_option_is_refused_at_once(runner, options, told) -> None:
    with pytest.raises(sfx.InvalidName, match=told):
        open_runner(runner, options)


def test_memory_follows_the_inputs_and_never_falls_below_what_was_used() -> None:
    megabyte = 1 << 20
    runs = [EarlierRun(size * megabyte, (300 + 5 * size) * megabyte) for size in (10, 50, 100)]
    assert memory_for(200 * megabyte, runs) >= 1300 * megabyte
    assert memory_for(200 * megabyte, runs) <= 1.4 * 1300 * megabyte
    assert memory_for(0, runs) >= 350 * megabyte
    alike = [EarlierRun(10 * megabyte, peak * megabyte) for peak in (400, 500)]
    assert memory_for(10 * megabyte, alike) >= 500 * megabyte


def test_memory_comes_from_the_runs_of_the_same_task(tmp_path) -> None:
    warehouse = sfx.connect(f"embedded://{tmp_path}/w")
    sold = warehouse.store_dataframe(pd.DataFrame({"n": range(1000)}), "shop", "sold")
    first = Job("1", warehouse.uri, Output("shop.totals"), {"sold": sold})
    unknown = memory_of_job(warehouse, first)
    task = sfx.Producer(dag_id="shop", run_id="r", task_id="t", try_number=1)
    for name, peak in (("t", 3 << 30), ("other", 30 << 30)):
        writer = sfx.Producer(
            dag_id="shop", run_id="r", task_id=name, try_number=1, peak_memory=peak
        )
        warehouse.store_dataframe(
            pd.DataFrame({"n": [1]}), "shop", "totals", inputs=[sold], producer=writer
        )
    again = Job("2", warehouse.uri, Output("shop.totals"), {"sold": sold}, producer=task)
    assert unknown < 1 << 30 < 3 << 30 < memory_of_job(warehouse, again) < 4 << 30


def test_ids_of_jobs_grow_with_time() -> None:
    assert new_job_id()[:8] <= new_job_id()[:8]
