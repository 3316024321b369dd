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


def test_a_feed_goes_on_from_a_version_and_follows(warehouse, command) -> None:
    warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161101"], reason="the newest")
    (last,) = [one.version for one in warehouse.history("sales", "sold_items", limit=1)]
    since = ("changes", "sales.sold_items", "--since", str(last - 1))
    assert "the newest" in command(*since).stdout
    (one,) = json.loads(command(*since, "--json").stdout)
    assert (one["version"], one["changes"][0]["partition"]) == (last, "20161101")
    assert "no changes after version" in command(*since[:3], str(last)).stdout
    assert command(*since, "--follow", "--limit", "1").returncode == 2
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", *since, "--follow", "--json"],
        env={**os.environ, "SFX_WAREHOUSE": warehouse.uri},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert json.loads(running.stdout.readline())["version"] == last
            warehouse.drop("sales", "sold_items", ["20161101"])
            line = json.loads(running.stdout.readline())
            assert (line["version"], line["operation"]) == (last + 1, "drop")
        finally:
            running.terminate()
