"""A script in R as a job: it gets pins, and gives one batch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from tests.r.conftest import SFX, RunR


def test_a_job_in_r_reads_its_input_and_stores_its_result(
    environment, warehouse: sfx.Warehouse, tmp_path: Path
) -> None:
    sold = pd.DataFrame({"item": ["hat", "shoe", "hat"], "price": [19.5, 80.0, 1.5]})
    read = warehouse.store_dataframe(sold, "sales", "sold_items", ["20161031"])
    script = tmp_path / "totals.R"
    script.write_text("""
        library(sfx)
        sales <- sf_job_inputs()$sales
        totals <- aggregate(price ~ item, sales, sum)
        totals$price <- totals$price * sf_job_parameters()$rate
        sf_job_store(totals)
    """)
    command = [SFX, "job", "run", "-", "--input", "sales=sales.sold_items/20161031"]
    command += ["--into", "sales.totals/20161031", "--param", "rate=2", "--", "Rscript", script]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pin = warehouse.pin("sales", "totals", ["20161031"])
    assert warehouse.load_dataframe(pin)["price"].tolist() == [42.0, 160.0]
    (manifest,) = warehouse.manifests(pin)
    assert manifest.inputs == (read,)


def test_a_script_that_is_no_job_is_refused(run_r: RunR) -> None:
    done = run_r("""
        error <- tryCatch(sf_job_inputs(), sfx_error = identity)
        cat(class(error)[1], nzchar(error$remedy))
    """)
    assert done.stdout == "sfx_invalid_name TRUE"
