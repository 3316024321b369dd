"""``make demo`` in a copy of the examples, and what it prints."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import airflow_sfx as sfx
from airflow_sfx.stack import down
from dags_examples.local import demo_folder
from tests.airflow.conftest import airflow_environment

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def demo(open_folders):
    folder = open_folders("demo")
    shutil.copytree(REPO / "dags_examples", folder / "dags_examples")
    (folder / ".demo").mkdir()
    (folder / ".demo" / "left-over").write_text("of the last time")
    environment = airflow_environment(folder / "other", folder) | {
        "AIRFLOW__CORE__EXECUTOR": "of the machine"
    }
    done = subprocess.run(
        [sys.executable, "-m", "dags_examples.demo"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_the_demo_tells_its_story(demo):
    folder, told = demo
    assert "\x1b[" not in told
    for line in (
        "What happened to nyc.carrier_delays",
        "Which batches each task",
        "UA, before and after",
    ):
        assert line in told
    assert len(re.findall(r"nightly load", told)) == 3
    assert len(re.findall(r"late correction: \{", told)) == 2
    assert len(re.findall(r"rollback", told)) == 1
    assert (folder / ".demo" / "airflow" / "airflow.log").stat().st_size > 10_000


def test_the_demo_keeps_what_it_did_not_make(demo):
    folder, told = demo
    assert not (folder / ".demo" / "left-over").exists()
    (kept,) = folder.glob(".demo-*")
    assert (kept / "left-over").read_text() == "of the last time"
    assert str(kept) in told.replace("\n", "")


def test_the_demo_s_numbers_are_the_real_ones(demo):
    _, told = demo
    delays = {
        (night, current): float(delay)
        for night, delay, current in re.findall(
            r"(2013-01-0\d) .* (-?\d+\.\d) min [^\w\n]*(\w*)", told
        )
    }
    assert delays["2013-01-02", "current"] == pytest.approx(delays["2013-01-02", ""] + 10, abs=0.11)
    assert delays["2013-01-03", ""] == pytest.approx(
        delays["2013-01-03", "current"] + 1000, abs=0.11
    )


def test_the_commands_to_try_next_work(demo):
    folder, told = demo
    lines = [line.strip() for line in told.splitlines()]
    exports = [line for line in lines if line.startswith("export ")]
    looks = [line for line in lines if " -c " in line]
    assert len(exports) == 1
    assert len(looks) == 1
    script = "\n".join(["set -e", *exports, *looks])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "mean_delay" in done.stdout


def test_a_restarted_airflow_has_its_warehouse_and_address_and_the_next_demo_keeps_it(demo):
    folder, _ = demo
    home = folder / ".demo"
    address = re.compile(r"Airflow runs at (http://\S+), .* the warehouse (\S+)\. ")
    before = shlex.split((home / "airflow" / "environment").read_text())
    environment = airflow_environment(folder / "other", folder)
    del environment["SFX_WAREHOUSE"]
    with subprocess.Popen(
        [sys.executable, "-m", "dags_examples.local_airflow", home / "airflow", home / "dags"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        try:
            found = next(found for line in running.stdout if (found := address.match(line)))
            url, warehouse = found.groups()
            assert f"AIRFLOW__API__BASE_URL={url}" in before
            assert warehouse == f"embedded://{home}/warehouse"
            login = {"username": "admin", "password": "admin"}
            token = httpx.post(f"{url}/auth/token", json=login).json()["access_token"]
            asked = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 60}
            tables = httpx.get(f"{url}/sfx/api/tables", **asked).json()
            assert "carrier_delays" in json.dumps(tables)
            with pytest.raises(RuntimeError, match="an Airflow runs in"):
                demo_folder.check_unused(home)
        finally:
            running.send_signal(signal.SIGINT)
            running.stdout.read()
    demo_folder.check_unused(home)
    moved = demo_folder.recreate(home)
    try:
        assert not list(home.iterdir())
        assert sfx.connect(f"embedded://{moved}/warehouse").pin("nyc", "carrier_delays")
    finally:
        home.rmdir()
        moved.rename(home)


def test_an_untouched_folder_of_the_demo_is_deleted_and_a_used_one_kept(tmp_path):
    folder = tmp_path / ".demo"
    assert demo_folder.recreate(folder) is None
    (folder / "airflow" / "postgres").mkdir(parents=True)
    (folder / "airflow" / "postgres" / "wal").write_text("1")
    (folder / "dags").mkdir()
    (folder / "dags" / "one.py").write_text("1")
    demo_folder.record(folder)
    (folder / "airflow" / "postgres" / "wal").write_text("changed by PostgreSQL itself")
    assert demo_folder.recreate(folder) is None
    assert not list(folder.iterdir())

    demo_folder.record(folder)
    (folder / "my_own.py").write_text("1")
    moved = demo_folder.recreate(folder)
    assert (moved / "my_own.py").exists()
    assert not list(folder.iterdir())


def test_a_folder_is_recorded_while_its_databases_delete_files(tmp_path, monkeypatch):
    folder, listed = tmp_path / ".demo", demo_folder._walk
    demo_folder.recreate(folder)
    (folder / "kept").write_text("1")
    gone = folder / "metastore.sqlite-shm"
    monkeypatch.setattr(demo_folder, "_walk", lambda where: [*listed(where), gone])
    demo_folder.record(folder)
    assert demo_folder.recreate(folder) is None


def test_a_failing_demo_shows_the_log_and_fails(open_folders):
    tmp_path = open_folders("failing")
    shutil.copytree(REPO / "dags_examples", tmp_path / "dags_examples")
    broken = "import airflow.sdk\n\nraise RuntimeError('the DAG file is broken')\n"
    (tmp_path / "dags_examples" / "nightly_flights.py").write_text(broken)
    done = subprocess.run(
        [sys.executable, "-m", "dags_examples.demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nightly_flights cannot be imported" in done.stdout
    assert "the DAG file is broken" in done.stdout


@pytest.fixture(scope="module")
def demo_on_stack(open_folders):
    """The demo on S3 and Hive with ``--ui``: its output so far, and its process."""
    folder = open_folders("demo-stack")
    shutil.copytree(REPO / "dags_examples", folder / "dags_examples")
    with subprocess.Popen(
        [sys.executable, "-m", "dags_examples.demo", "--stack", "--ui"],
        cwd=folder,
        env=airflow_environment(folder / "other", folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            told = []
            for line in running.stdout:
                told.append(line)
                if "Ctrl-C ends it" in line:
                    break
            yield folder, running, "".join(told)
        finally:
            running.send_signal(signal.SIGINT)
            down(folder / ".demo" / "stack")


@pytest.mark.timeout(600)
def test_the_demo_on_s3_and_hive_can_be_looked_at_and_leaves_a_warehouse_that_its_commands_show(
    demo_on_stack,
):
    folder, running, told = demo_on_stack
    assert "user admin, password admin" in told, told
    assert 'eval "$(' in told, "the environment's file has no keys"
    (url,) = re.findall(r"(http://\S+)/plugin/batch-history", told)
    token = httpx.post(f"{url}/auth/token", json={"username": "admin", "password": "admin"}).json()[
        "access_token"
    ]
    asked = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 60}
    assert httpx.get(f"{url}/sfx/api/tables/nyc/carrier_delays", **asked).json()["partitions"] == 3

    running.send_signal(signal.SIGINT)
    told += running.stdout.read()
    assert running.wait() == 0, told
    assert "Done" in told
    assert len(re.findall(r"rollback", told)) == 1
    secret = json.loads((folder / ".demo" / "stack" / "s3.json").read_text())["identities"][0][
        "credentials"
    ][0]["secretKey"]
    assert secret not in told
    lines = [line.strip() for line in told.splitlines()]
    # Printed twice: for the UI, and at the end.
    setting = sorted({line for line in lines if line.startswith(("export ", "eval "))})
    shown = [line for line in lines if " history nyc" in line]
    ending = [line for line in lines if " stack down " in line]
    assert (len(setting), len(shown), len(ending)) == (1, 1, 1)
    script = "\n".join(["set -e", *setting, *shown, "echo $SFX_WAREHOUSE", *ending])
    tried = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr
    assert "hive://127.0.0.1:" in tried.stdout
    assert len(re.findall("late correction", tried.stdout)) == 1
    assert "stopped: " in tried.stderr
