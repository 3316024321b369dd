"""``sfx history --follow`` prints changes as they come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.conftest import SOLD


@contextmanager
def following(warehouse, *words: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", "history", "sales.sold_items", *words],
        env={**os.environ, "SFX_WAREHOUSE": warehouse.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert "waiting for changes" in running.stderr.readline()
            yield running
        finally:
            running.terminate()


def test_new_changes_are_printed_as_they_come_and_ctrl_c_ends_it(warehouse) -> None:
    with following(warehouse, "20161031", "--follow") as running:
        warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161101"], reason="other")
        pin = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161031"], reason="one")
        assert pin.batch_id in running.stdout.readline()
        warehouse.rollback("sales", "sold_items", ["20161031"], reason="two")
        line = running.stdout.readline()
        assert "20161031  rollback" in line
        assert line.rstrip().endswith("two")
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == ""
        assert running.wait(30) == 0


def test_followed_changes_are_a_line_of_json_each(warehouse) -> None:
    with following(warehouse, "-f", "--json") as running:
        pin = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161101"])
        entry = json.loads(running.stdout.readline())
        assert (entry["partition"], entry["batch_id"]) == ("20161101", pin.batch_id)
