"""Scripts in R as jobs in containers: what they read and give, and what they say when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import JobFailed
from airflow_sfx.jobs.runners.factory import open_runner
from tests.jobs.conftest import Bench

REPORT = """
library(sfx)
sales <- sf_job_inputs()$sales
totals <- aggregate(price ~ item, sales, sum)
totals$price <- totals$price * sf_job_parameters()$rate
sf_job_store(totals)
"""
GROWS = "held <- list(); for (i in 1:200) held[[i]] <- runif(5e6)"


def test_a_script_in_r_runs_in_a_container_on_the_pinned_batch(
    shop: tuple[sfx.Warehouse, sfx.BatchPin], docker_engine: str, lab_image: str, tmp_path: Path
) -> None:
    warehouse, read = shop
    (tmp_path / "report.R").write_text(REPORT)
    command = [Path(sys.executable).parent / "sfx", "-w", warehouse.uri, "job", "run", lab_image]
    command += ["--here", "--input", "sales=shop.sold/20161031", "--param", "rate=2"]
    command += ["--into", "shop.totals/day=20161031", "--memory", "1g", "--", "Rscript", "report.R"]
    environment = {**os.environ, "DOCKER_HOST": docker_engine}
    done = subprocess.run(
        command, cwd=tmp_path, check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pin = warehouse.pin("shop", "totals", ["20161031"])
    assert warehouse.load_dataframe(pin)["price"].tolist() == [42.0, 160.0]
    (manifest,) = warehouse.manifests(pin)
    assert manifest.inputs == (read,)
    assert manifest.producer.image == lab_image


@pytest.mark.parametrize(
    ("code", "said", "out_of_memory"),
    [
        ('rate <- NULL; stop("the rate is missing")', "Error: the rate is missing", False),
        ("library(sfx); library(lme4)", "there is no package called .lme4.", False),
        (f"library(sfx); sales <- sf_job_inputs(); {GROWS}", "memory", True),
        ("library(sfx); sf_job_store(list(1))", "a list is not a data frame", False),
    ],
    ids=["an error", "a missing package", "out of memory", "no data frame"],
)
def test_what_goes_wrong_in_r_is_said_with_its_last_lines(
    code: str, said: str, out_of_memory: bool, shop, docker_engine: str, lab_image: str
) -> None:
    bench = Bench(*shop, open_runner("docker", {"network": "host"}), lab_image, "")
    with pytest.raises(JobFailed, match=said) as failed:
        bench.run("", command=("Rscript", "-e", code), memory="400m")
    assert failed.value.out_of_memory is out_of_memory
    assert [str(one) for one in bench.warehouse.tables()] == ["shop.sold"]
