"""The image `lab`, on which `notebook` is built: cells of Python and R, and a home that hangs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

import airflow_sfx as sfx
from tests.containers import asked, docker, running
from tests.faults.hung_folder import hung_folder
from tests.services import free_port

TOKEN = "a-token-of-a-test"
PYTHON = """
import airflow_sfx as sfx, pandas as pd
pin = sfx.store_dataframe(pd.DataFrame({"n": [1.5, 2.0]}), "lab", "python", ["1"])
print(pin.batch_id)
"""
R = """
library(sfx)
got <- sf_reader(namespace = "lab", resource = "python", partitions = c(1L))
sf_writer(data = data.frame(n = got$n * 2), namespace = "lab", resource = "r", partitions = c(1L))
cat(sum(got$n))
"""

pytestmark = pytest.mark.usefixtures("docker_engine")


def notebook(kernel: str, code: str) -> str:
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return json.dumps(
        {
            "cells": [{**cell, "id": "first", "source": code.strip()}],
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def printed(path: Path) -> str:
    outputs = json.loads(path.read_text())["cells"][0]["outputs"]
    return "".join("".join(one.get("text", "")) for one in outputs).strip()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that anybody can write, for the container's user."""
    tmp_path.chmod(0o777)
    for name in ("warehouse", "home"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    return tmp_path


def test_cells_of_python_and_r_share_a_warehouse(lab_image: str, shared: Path) -> None:
    for name, code in {"python3": PYTHON, "ir": R}.items():
        written = shared / "home" / f"{name}.ipynb"
        written.write_text(notebook(name, code))
        written.chmod(0o666)
    docker(
        *("run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"),
        *(f"--volume={shared}/home:/home/sfx", f"--volume={shared}/warehouse:/warehouse"),
        *("--env=SFX_WAREHOUSE=embedded:///warehouse", "--workdir=/home/sfx", lab_image),
        *("jupyter", "execute", "--inplace", "python3.ipynb", "ir.ipynb"),
    )
    warehouse = sfx.connect(f"embedded://{shared}/warehouse")
    assert printed(shared / "home/python3.ipynb") == warehouse.pin("lab", "python").batch_id
    assert printed(shared / "home/ir.ipynb") == "3.5"
    assert warehouse.load_dataframe("lab", "r")["n"].tolist() == [3.0, 4.0]


def test_a_home_that_hangs_does_not_keep_jupyterlab_from_starting(
    lab_image: str, shared: Path
) -> None:
    port = free_port()
    options = (f"--env=JUPYTER_TOKEN={TOKEN}", f"--env=SFX_WORKBENCH_PORT={port}")
    with (
        hung_folder(shared / "hung") as give_up,
        running(*options, f"--volume={shared}/hung:/home/sfx", lab_image) as name,
    ):
        assert asked(port, "/api/status", TOKEN).ok
        warning = docker("logs", "--timestamps", name).splitlines()[0]
        assert "WARNING: the home /home/sfx has not answered for 5 seconds" in warning
        begun = docker("inspect", "--format={{.State.StartedAt}}", name).strip()
        waited = datetime.fromisoformat(warning.split()[0]) - datetime.fromisoformat(begun)
        assert 5 <= waited.total_seconds() < 7

        docker("exec", name, "sfx-notebook-healthy")
        assert asked(port, "/api/status", "another").status_code == 403
        kernels = asked(port, "/api/kernelspecs", TOKEN).json()["kernelspecs"]
        assert kernels.keys() == {"python3", "ir"}
        assert TOKEN not in docker("logs", name)
        give_up()  # or the container cannot be ended
