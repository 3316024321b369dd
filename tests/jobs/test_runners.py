"""The same jobs on every runner: as processes, in Docker, and as tasks of ECS."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs import run
from airflow_sfx.jobs.run import await_end, conclude, new_job_id, run_job
from airflow_sfx.jobs.runners.base import Runner, Work
from airflow_sfx.jobs.runners.factory import open_runner
from tests.jobs.conftest import SOLD, TOTALS, Bench

SLEEP = "import time; print('begun', flush=True); time.sleep(120)"
OTHER = """
import airflow_sfx as sfx, pandas as pd
sfx.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "other", ["1"])
"""


def until_printed(runner: Runner, job_id: str, text: str) -> None:
    give_up = time.monotonic() + 60
    while text not in "\n".join(runner.log(job_id, 10)):
        assert time.monotonic() < give_up, runner.log(job_id, 10)
        time.sleep(0.05)


def test_a_job_gets_its_pins_and_gives_its_batch(bench: Bench) -> None:
    bench.warehouse.store_dataframe(SOLD.assign(price=0.0), "shop", "sold", ["20161031"])
    pin = bench.run(TOTALS)
    frame = bench.warehouse.load_dataframe(pin)
    assert dict(zip(frame["item"], frame["price"], strict=True)) == {"hat": 21.0, "shoe": 80.0}
    (manifest,) = bench.warehouse.manifests(pin)
    assert manifest.inputs == (bench.sales,)
    writer = manifest.producer
    assert (writer.dag_id, writer.task_id, writer.try_number) == ("shop", "total", 1)
    assert 50 << 20 < writer.peak_memory < 1 << 30
    assert ("apache-airflow" in writer.packages) == (bench.image == "")


def test_each_way_to_fail_has_an_error_of_its_own(bench: Bench) -> None:
    with pytest.raises(sfx.JobFailed, match="exit code 3") as failed:
        bench.run("import sys; print('the reason'); sys.exit(3)")
    assert (failed.value.exit_code, failed.value.last_lines) == (3, ("the reason",))
    assert failed.value.table == "shop.totals"
    with pytest.raises(sfx.JobFailed, match="ended without a batch"):
        bench.run("print('nothing')")
    with pytest.raises(sfx.JobFailed, match="wrote shop.other instead"):
        bench.run(OTHER)
    with pytest.raises(sfx.JobFailed, match="its limit of 150 MiB") as failed:
        bench.run("held = bytearray(600 << 20)", memory="150m")
    assert failed.value.out_of_memory
    with pytest.raises(sfx.JobFailed, match='no command "no-such-command"') as failed:
        bench.run("", command=("no-such-command",))
    assert failed.value.exit_code == 127
    with pytest.raises(sfx.TableNotFound):
        bench.entries()


def test_what_was_published_counts_however_the_job_ends(bench: Bench) -> None:
    pin = bench.run(f"{TOTALS}\nimport sys; sys.exit(5)")
    assert pin == bench.warehouse.pin("shop", "totals", ["20161031"])
    twice = bench.run(f"{TOTALS}\nsfx.job.store(sales)")
    assert [entry.batch_id for entry in bench.entries()] == [twice.batch_id, pin.batch_id]


def test_a_running_job_is_found_again_and_killed(bench: Bench) -> None:
    work = bench.work(SLEEP)
    bench.runner.start(work)
    until_printed(bench.runner, work.job.id, "begun")
    bench.runner.start(work)  # another process of the same attempt
    again = type(bench.runner)(bench.runner._options)
    assert again.status(work.job.id).is_running
    again.kill(work.job.id)
    status = await_end(again, work.job.id, seconds=60)
    assert not status.is_running
    with pytest.raises(sfx.JobFailed, match="exit code|lost"):
        conclude(again, work, bench.warehouse, status)
    again.remove(work.job.id)
    assert again.status("never-started").state == "missing"


@pytest.mark.parametrize("moment", ["worker", "container", "service"])
def test_a_retry_after_the_publish_finds_the_batch(bench: Bench, moment) -> None:
    """The worker dies after the publish; or the container; or both are gone, with their service."""
    first = bench.work(f"{TOTALS}\nprint('published', flush=True)\nimport time; time.sleep(60)")
    bench.runner.start(first)
    until_printed(bench.runner, first.job.id, "published")
    if moment == "container":
        bench.runner.kill(first.job.id)
    if moment == "service":
        bench.runner.kill(first.job.id)
        bench.runner.remove(first.job.id)
    published = bench.warehouse.pin("shop", "totals", ["20161031"])
    retried = bench.run(TOTALS, earlier=(first.job.id,))
    assert retried == published
    assert len(bench.entries()) == 1
    bench.runner.kill(first.job.id)
    bench.runner.remove(first.job.id)


def test_a_daemon_that_is_gone_after_the_publish_loses_nothing(
    docker_bench: Bench, monkeypatch
) -> None:
    work = docker_bench.work(TOTALS)
    docker_bench.runner.start(work)
    await_end(docker_bench.runner, work.job.id, seconds=120)
    gone = open_runner("docker", {"url": "unix:///nowhere/docker.sock"})
    with pytest.raises(sfx.JobFailed, match="/nowhere/docker.sock cannot be used"):
        gone.start(work)
    monkeypatch.setattr(run, "_PATIENCE_SECONDS", 0.1)
    status = await_end(gone, work.job.id)
    pin = conclude(gone, work, docker_bench.warehouse, status)
    assert pin == docker_bench.warehouse.pin("shop", "totals", ["20161031"])
    lost = docker_bench.work(TOTALS, partitions=("20161101",))
    with pytest.raises(sfx.JobFailed, match="was lost"):
        conclude(gone, lost, docker_bench.warehouse, status)
    docker_bench.runner.remove(work.job.id)


def test_a_job_too_large_for_a_task_of_ecs_is_read_from_the_store(ecs_bench: Bench) -> None:
    pin = ecs_bench.run(TOTALS, parameters={"long": "x" * 9000})
    assert ecs_bench.warehouse.load_dataframe(pin)["price"].sum() == 101.0


def test_another_image_of_a_task_definition_is_registered_once(
    ecs, ecs_bench: Bench, docker_engine
) -> None:
    service, _ = ecs
    for _ in range(2):
        with pytest.raises(sfx.JobFailed, match="localhost:1/nowhere:1 .* cannot be pulled"):
            ecs_bench.run(TOTALS, image="localhost:1/nowhere:1")
    assert len(service.definitions) == 2


def test_an_image_that_is_missing_is_named(docker_bench: Bench) -> None:
    with pytest.raises(sfx.JobFailed, match="localhost:1/nowhere:1 is neither on the Docker"):
        docker_bench.run(TOTALS, image="localhost:1/nowhere:1")


def test_a_directory_of_jobs_that_others_can_change_is_refused(process_bench: Bench) -> None:
    place = Path(process_bench.runner._options.directory)
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    with pytest.raises(sfx.JobFailed, match="not yours alone"):
        process_bench.run(TOTALS)


def test_a_job_that_runs_again_with_the_same_rows_gives_the_same_batch(bench: Bench) -> None:
    pin = bench.run(TOTALS)
    # as of a task that was cleared after it had succeeded
    assert bench.run(TOTALS, try_number=2) == pin
    assert len(bench.entries()) == 1


def test_a_zombie_of_an_earlier_attempt_is_fenced(bench: Bench) -> None:
    """The older attempt comes to its store after a newer one has published."""
    older = new_job_id()
    newest = bench.run(TOTALS)
    with pytest.raises(sfx.JobFailed, match="StaleAttempt"):
        bench.run(TOTALS, job_id=older)
    assert bench.warehouse.pin("shop", "totals", ["20161031"]) == newest


def test_a_retry_of_a_batch_that_was_rolled_back_runs_again(process_bench: Bench) -> None:
    process_bench.warehouse.store_dataframe(
        SOLD, "shop", "totals", ["20161031"], partition_keys=["day"]
    )
    first = process_bench.work(TOTALS)
    pin = run_job(process_bench.runner, first, process_bench.warehouse)
    assert process_bench.run(TOTALS, earlier=(first.job.id,)) == pin
    process_bench.warehouse.rollback("shop", "totals", ["20161031"])
    assert process_bench.run(TOTALS, earlier=(first.job.id,)) != pin


def test_a_job_can_stage_its_batch_and_a_retry_finds_it(process_bench: Bench) -> None:
    def staging(**options: object) -> Work:
        work = process_bench.work(TOTALS, **options)
        output = replace(work.job.output, publish=False)
        return replace(work, job=replace(work.job, output=output))

    first, warehouse = staging(), process_bench.warehouse
    pin = run_job(process_bench.runner, first, warehouse)
    (staged,) = warehouse.staged("shop", "totals")
    assert staged.batch_id == pin.batch_id
    assert run_job(process_bench.runner, staging(earlier=(first.job.id,)), warehouse) == pin
    assert len(warehouse.staged("shop", "totals")) == 1
