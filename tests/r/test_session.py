"""The process behind the R package: kills, interrupts, full disks, hostile requests."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.r.conftest import RunR

SLOW = "big <- data.frame(x = runif(8e6), y = runif(8e6))"
"""A frame that takes seconds to store."""


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def wait_until_busy(process: psutil.Process) -> None:
    """Wait until a process that was idle is in the middle of a call."""
    begun = process.cpu_times().user
    wait_until(lambda: process.cpu_times().user > begun + 0.2)


def sessions(folder: Path) -> list[psutil.Process]:
    """The processes that serve a script, by the temporary directory that they were given."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "session" in line and any(str(folder) in part for part in line) and "python" in line[0]:
            found.append(process)
    return found


@contextmanager
def started(script: str, environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        ["Rscript", "-e", f"library(sfx)\n{script}"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_the_child_ends_when_r_is_killed_and_leaves_no_files(environment, warehouse) -> None:
    folder = Path(environment["TMPDIR"])
    script = 'sf_writer(data.frame(n = 1:3), "a", "b"); cat("stored\\n"); Sys.sleep(600)'
    with started(script, environment) as r:
        assert r.stdout.readline() == "stored\n"
        (child,) = sessions(folder)
        r.kill()
        child.wait(30)
    assert [path.name for path in folder.glob("*/sfx-*")] == []
    assert warehouse.load_dataframe("a", "b")["n"].tolist() == [1, 2, 3]


def test_a_child_that_is_killed_in_the_middle_is_one_condition(environment, warehouse) -> None:
    """The batch was stored whole, or not at all, and the next call works."""
    script = f"""
        sf_writer(data.frame(x = 0), "a", "b")
        {SLOW}
        cat("begin\\n")
        error <- tryCatch(sf_writer(big, "a", "other"), sfx_error = identity)
        cat(class(error)[1], "\\n")
        cat(list.files(tempdir(), pattern = "^(sfx-|frame)"), "\\n")
        cat(nrow(sf_reader("a", "b")), "\\n")
    """
    folder = Path(environment["TMPDIR"])
    with started(script, environment) as r:
        assert r.stdout.readline() == "begin\n"
        (child,) = sessions(folder)
        wait_until_busy(child)
        child.kill()
        said, errors = r.communicate(timeout=120)
    assert said.split() == ["sfx_session_died", "1"], said + errors
    assert [str(table) for table in warehouse.tables()] in (["a.b"], ["a.b", "a.other"])


def test_ctrl_c_ends_the_call_and_leaves_nothing(environment) -> None:
    """An interrupt reaches R and the child alike, as in a terminal."""
    script = f"""
        sf_writer(data.frame(x = 0), "a", "b")
        {SLOW}
        cat("begin\\n")
        tryCatch(
          withCallingHandlers(sf_writer(big, "a", "other"),
            sfx_interrupted = function(c) cat(c$what, "\\n")),
          interrupt = function(c) cat("interrupted\\n"))
        cat(list.files(tempdir(), pattern = "^(sfx-|frame)"), "\\n")
        cat(nrow(sf_reader("a", "b")), "\\n")
    """
    folder = Path(environment["TMPDIR"])
    with started(script, environment) as r:
        assert r.stdout.readline() == "begin\n"
        (child,) = sessions(folder)
        wait_until_busy(child)
        os.killpg(r.pid, signal.SIGINT)
        said, errors = r.communicate(timeout=120)
        child.wait(30)
    lines = [line.strip() for line in said.splitlines()]
    assert lines[0].startswith("interrupted; `store` may have been carried out"), said + errors
    assert lines[1:] == ["interrupted", "", "1"]
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_one_condition_and_the_session_goes_on(environment, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        script = """
            small <- data.frame(n = 1:3)
            big <- data.frame(x = runif(1e6))
            first <- function(e) class(e)[1]
            class_of <- function(code) tryCatch({ code; "done" }, sfx_error = first)
            cat(class_of(sf_writer(big, "a", "big")), "\\n")
            cat(class_of(sf_writer(small, "a", "small")), "\\n")
            cat(class_of(sf_reader("there", "big")), "\\n")
            cat(identical(sf_reader("a", "small"), small), "\\n")
            cat(list.files(tempdir(), pattern = "rds$", recursive = TRUE), "\\n")
        """
        import pandas as pd

        import airflow_sfx as sfx

        sfx.connect(environment["SFX_WAREHOUSE"]).store_dataframe(
            pd.DataFrame({"x": [0.5] * 1_000_000}), "there", "big"
        )
        done = subprocess.run(
            ["Rscript", "-e", f"library(sfx)\n{script}"],
            check=False,
            env={**environment, "TMPDIR": str(disk)},
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == ["sfx_disk_full", "done", "sfx_disk_full", "TRUE"], done
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_child_is_of_the_python_that_the_command_names(run_r: RunR) -> None:
    """R sets LD_LIBRARY_PATH, with which Python would load the library of another version."""
    assert run_r("cat(sf_sitrep()$python)").stdout == platform.python_version()


def test_a_fork_has_a_session_of_its_own(run_r: RunR) -> None:
    done = run_r("""
        sf_writer(data.frame(n = 1:3), "a", "b")
        found <- parallel::mclapply(1:2, function(i) sum(sf_reader("a", "b")$n), mc.cores = 2)
        cat(unlist(found), sum(sf_reader("a", "b")$n))
    """)
    assert done.stdout.split() == ["6", "6", "6"]


class Client:
    """The other end of a session, without R."""

    def __init__(self, folder: Path, uri: str) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airflow_sfx.cli", "-w", uri, "session", folder]
        )
        wait_until((folder / "address").exists)
        port, self.token, _ = (folder / "address").read_text().split()
        self.port = int(port)

    def connect(self, token: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(token.encode() + b"\n")
        return connection


def test_only_who_knows_the_token_is_answered_and_bad_requests_are_errors(tmp_path) -> None:
    client = Client(tmp_path / "session", f"embedded://{tmp_path}/warehouse")
    assert (client.folder / "address").stat().st_mode & 0o077 == 0
    with client.connect("0" * 32) as stranger:
        assert stranger.recv(1) == b""
    with client.connect(client.token) as connection, connection.makefile("rw") as lines:
        assert json.loads(lines.readline())["protocol"] == 1

        def ask(text: str) -> dict[str, object]:
            lines.write(text + "\n")
            lines.flush()
            return json.loads(lines.readline())

        for text in (
            "no json",
            "[]",
            '{"call": "nothing"}',
            '{"call": "tables", "other": 1}',
            '{"call": "load", "args": {"file": "../x.rds", "db": "a", "table": "b"}}',
            '{"call": "store", "args": {"file": "absent.rds", "db": "a", "table": "b"}}',
            '{"call": "sitrep", "args": {"other": 1}}',
            '{"call": "publish"}',
        ):
            error = ask(text)["error"]
            assert error["class"] == "invalid_name", text
            assert error["remedy"]
        assert ask('{"call": "sitrep"}')["result"]["tables"] == 0
    assert client.process.wait(30) == 0
    assert not client.folder.exists()


def test_a_directory_that_others_can_write_to_is_refused(tmp_path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", "session", open_to_all],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "that only you can write to" in done.stderr
