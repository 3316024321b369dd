"""A warehouse with a good and a bad night, and the command as a user runs it."""

from __future__ import annotations

import inspect
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pandas as pd
import pytest

import airflow_sfx as sfx

_ARGUMENTS = {
    name
    for method in vars(sfx.Warehouse).values()
    if inspect.isfunction(method)
    for name in inspect.signature(method).parameters
}
_PYTHON = re.compile(
    rf"\b({'|'.join(sorted(_ARGUMENTS))})=|\b(set_checks|{'|'.join(vars(sfx.Warehouse))})\("
)
_NOT_SAID = re.compile(r"\S+://\S+|'[^']*'|`[^`]*`|\"[^\"]*\"")  # URIs, and what is quoted


def speaks_python(message: str) -> str:
    """What a message says in Python, which a user of the command cannot type."""
    plain = _NOT_SAID.sub("", " ".join(message.split()))
    return next((found[0] for found in _PYTHON.finditer(plain)), "")


Sfx = Callable[..., subprocess.CompletedProcess]
SOLD = pd.DataFrame({"item": ["hat", "shoe"], "price": [19.5, 80.0]})


def on_a_terminal(
    warehouse: sfx.Warehouse, answer: bytes, *arguments: str
) -> subprocess.CompletedProcess:
    """Run the command in a terminal, with answers to its questions."""
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", *arguments],
        env={**os.environ, "SFX_WAREHOUSE": warehouse.uri, "TERM": "xterm", "COLUMNS": "200"},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(terminal)
        os.write(master, answer)
        out, told = process.communicate(timeout=120)
        os.close(master)
    return subprocess.CompletedProcess(arguments, process.returncode, out, told)


@pytest.fixture
def warehouse(tmp_path) -> sfx.Warehouse:
    warehouse = sfx.connect(f"embedded://{tmp_path}/warehouse")
    warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161031"], reason="a good night")
    bad = sfx.Producer(dag_id="nightly", run_id="manual__1", task_id="load", try_number=1)
    warehouse.store_dataframe(
        SOLD.assign(price=0.0),
        "sales",
        "sold_items",
        ["20161031"],
        producer=bad,
        reason="[b]bad[/b]",
    )
    return warehouse


@pytest.fixture
def command(warehouse) -> Sfx:
    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "SFX_WAREHOUSE": warehouse.uri, "COLUMNS": "80"}
        done = subprocess.run(
            [sys.executable, "-m", "airflow_sfx.cli", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )
        assert not speaks_python(done.stderr), done.stderr
        return done

    return run
