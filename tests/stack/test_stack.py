"""The local services start, report their state, and keep their data.

A failed start says why.
"""

from __future__ import annotations

import configparser
import ipaddress
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import httpx
import pandas as pd
import psutil
import pytest
from obstore.store import S3Store

import airflow_sfx as sfx
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.stack import down, hive_metastore, process, s3_server, settings, status, up

SFX = [sys.executable, "-m", "airflow_sfx.cli"]


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "a stack's folder"
    down(tmp_path / "a stack's folder")


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SFX, *words], capture_output=True, text=True, check=False, timeout=180, env=env
    )


def exported(text: str) -> dict[str, str]:
    words = [shlex.split(line) for line in text.splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    return dict(word[1].split("=", 1) for word in words)


def test_the_commands_start_a_stack_that_serves_another_program_and_keeps_its_data(folder) -> None:
    first = run("stack", "up", "--dir", str(folder))
    assert first.returncode == 0, first.stderr
    environment = exported(first.stdout)
    assert environment["AWS_SECRET_ACCESS_KEY"] not in first.stderr
    program = (
        "import airflow_sfx as sfx, pandas as pd;"
        "frame = pd.DataFrame({'n': [1, 2]});"
        "sfx.store_dataframe(frame, 'sales', 'items', partitions=['20161031'])"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, **environment}, timeout=60
    )

    again = run("stack", "up", "--dir", str(folder))
    assert exported(again.stdout) == environment
    told = json.loads(run("stack", "status", "--dir", str(folder), "--json").stdout)
    assert [one["ready"] for one in told] == [True, True]

    assert "stopped: hive-metastore, s3-server" in run("stack", "down", "--dir", str(folder)).stderr
    assert "nothing was running" in run("stack", "down", "--dir", str(folder)).stderr
    assert run("stack", "status", "--dir", str(folder)).returncode == 1

    assert exported(run("stack", "up", "--dir", str(folder)).stdout) == environment
    shown = run("show", "sales.items", env={**os.environ, **environment})
    assert "20161031" in shown.stdout, shown.stderr


def test_a_stack_that_runs_in_the_foreground_ends_with_its_process_or_with_its_service(
    folder, tmp_path
) -> None:
    keys = tmp_path / "credentials"
    for end in (signal.SIGTERM, signal.SIGKILL):
        keys.unlink(missing_ok=True)
        with subprocess.Popen(
            [*SFX, "stack", "run", "--dir", str(folder), "--credentials", str(keys)],
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            give_up = time.monotonic() + 120
            while not keys.exists():
                assert running.poll() is None, running.stderr.read()
                assert time.monotonic() < give_up
                time.sleep(0.1)
            services = {one.name: one for one in status(folder)}
            assert all(one.ready for one in services.values())
            ended = end == signal.SIGTERM
            os.kill(running.pid if ended else services["s3-server"].pid, end)
            said = running.stderr.read()
        assert (running.returncode == 0) == ended
        assert ("the s3-server has ended; the end of its log:" in said) != ended
        assert [one.pid for one in status(folder)] == [None, None]
    assert keys.stat().st_mode & 0o077 == 0
    written = configparser.ConfigParser()
    written.read(keys)
    made = settings.load(folder)
    assert made is not None
    assert dict(written["default"]) == {
        "aws_access_key_id": made.access_key,
        "aws_secret_access_key": made.secret_key,
    }
    assert made.secret_key not in said


def test_the_directories_of_the_metastore_are_writable_by_a_user_who_is_not_root(stack) -> None:
    address = f"127.0.0.1:{stack.metastore_port}"
    warehouse = sfx.connect(f"hive://{address}?location=s3://warehouse/{uuid.uuid4().hex}")
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "writable", "items", ["20161031"])
    made = [path for path in stack.files.rglob("*") if path.is_dir()]
    assert made
    assert all(path.stat().st_mode & 0o700 == 0o700 for path in made)


def test_secrets_are_in_files_of_this_user_only_and_in_no_log(stack) -> None:
    for name in ("stack.json", "s3.json"):
        assert (stack.directory / name).stat().st_mode & 0o077 == 0
    assert stack.secret_key not in repr(stack)
    for log in stack.directory.glob("*.log"):
        assert stack.secret_key not in log.read_text(errors="replace")


def test_nothing_of_the_stack_listens_for_other_machines(stack) -> None:
    processes = [psutil.Process(one.pid) for one in status(stack.directory)]
    doors = {
        door.laddr
        for one in processes
        for door in one.net_connections("tcp")
        if door.status == "LISTEN"
    }
    assert {door.port for door in doors} >= set(stack.ports.values())
    assert all(
        ipaddress.ip_address(door.ip.removeprefix("::ffff:")).is_loopback for door in doors
    ), doors
    for host in other_addresses():
        for port in {door.port for door in doors}:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port), 5).close()


def other_addresses() -> list[str]:
    """The addresses at which other machines can reach this one."""
    found = [address for interface in psutil.net_if_addrs().values() for address in interface]
    return [
        one.address
        for one in found
        if one.family == socket.AF_INET and not ipaddress.ip_address(one.address).is_loopback
    ]


@pytest.mark.parametrize(
    ("part", "method", "path"),
    [
        ("filer", "GET", "/buckets/"),
        ("filer", "GET", "/buckets/warehouse/doors/kept"),
        ("filer", "PUT", "/buckets/warehouse/doors/kept"),
        ("filer", "DELETE", "/buckets/warehouse/doors/kept"),
        ("filer", "DELETE", "/buckets/warehouse?recursive=true"),
        ("master", "GET", "/dir/assign"),
        ("master", "GET", "/col/delete?collection=warehouse"),
        ("master", "POST", "/submit"),
        ("volume", "POST", "/3,01637037d6"),
        ("volume", "GET", "/3,01637037d6"),
        ("s3", "GET", "/warehouse/doors/kept"),
        ("s3", "DELETE", "/warehouse/doors/kept"),
        ("s3", "PUT", "/warehouse/doors/kept"),
    ],
)
def test_who_has_no_key_neither_reads_nor_writes_by_any_port_of_the_s3_server(
    stack, part, method, path
) -> None:
    store = S3Store("warehouse", endpoint=stack.endpoint, client_options={"allow_http": True})
    store.put("doors/kept", b"kept")
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.ports[part]}") as nobody:
        answer = nobody.request(
            method, path, content=b"forged" if method in ("PUT", "POST") else None
        )
    assert 400 <= answer.status_code < 500, answer.text
    assert bytes(store.get("doors/kept").bytes()) == b"kept"


def test_the_folder_of_a_stack_is_its_users_alone(folder) -> None:
    up(folder)
    assert folder.stat().st_mode & 0o077 == 0


def test_two_that_start_the_same_stack_at_once_get_one(folder) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run("stack", "up", "--dir", str(folder))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in found] == [0, 0]
    assert found[0].stdout == found[1].stdout
    assert sum("starting the hive-metastore" in one.stderr for one in found) == 1


def test_a_taken_port_is_named_and_not_remembered_and_nothing_stays_running(folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            WarehouseUnavailable, match=rf"the port {port} .*hive-metastore.*--metastore-port"
        ):
            up(folder, metastore_port=port)
        assert settings.settle(folder, {}).metastore_port != port
    told = run("stack", "status", "--dir", str(folder))
    assert (told.returncode, told.stdout) == (1, "")
    assert (
        f"no stack exists in {folder}: "
        f"`sfx stack up --dir {shlex.quote(str(folder))}` starts one" in told.stderr
    )


def test_a_port_that_only_the_services_know_is_another_one_where_it_was_taken_meanwhile(
    tmp_path,
) -> None:
    first = settings.settle(tmp_path, {})
    settings.save(first)
    with socket.create_server(("127.0.0.1", first.ports["volume"])):
        again = settings.settle(tmp_path, {})
    changed = {name for name, port in again.ports.items() if port != first.ports[name]}
    assert (changed, again.secret_key) == ({"volume"}, first.secret_key)
    with socket.create_server(("127.0.0.1", first.ports["s3"])):
        assert settings.settle(tmp_path, {}).ports == first.ports, (
            "programs have this one in their settings"
        )


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(WarehouseUnavailable, match=r"/dev/null/x cannot be created .*--dir"):
        up(Path("/dev/null/x"))


def test_a_service_that_ends_while_it_starts_tells_why_and_the_others_are_ended(folder) -> None:
    folder.mkdir()
    (folder / "derby").mkdir()
    (folder / "derby" / "db.lck").write_text("no database")
    with pytest.raises(
        WarehouseUnavailable, match=r"the hive-metastore ended while it started(.|\n)*derby"
    ):
        up(folder)
    assert [one.pid for one in status(folder)] == [None, None]


def test_a_process_that_only_has_the_same_number_is_not_ended(tmp_path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "s3-server.pid").write_text(
        json.dumps({"name": "s3-server", "pid": other.pid, "started": "1"})
    )
    assert down(tmp_path) == []
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_child_that_ended_is_not_alive(tmp_path) -> None:
    daemon = process.start("short", [sys.executable, "-c", "pass"], tmp_path, {})
    for _ in range(200):
        if not daemon.alive:
            break
        threading.Event().wait(0.05)
    assert not daemon.alive


def test_java_of_another_version_and_no_java_are_refused_with_the_remedy(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(hive_metastore.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WarehouseUnavailable, match=r"airflow-sfx\[stack\].*JAVA_HOME"):
        hive_metastore.java_program({"PATH": str(tmp_path)})
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.1\"' >&2\n")
    program.chmod(0o755)
    with pytest.raises(WarehouseUnavailable, match=r"is not Java 17 or 21 .*11\.0\.1"):
        hive_metastore.java_program({"JAVA_HOME": str(tmp_path)})


def test_settings_that_cannot_be_read_are_named(tmp_path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(
        WarehouseUnavailable, match=r"stack\.json does not hold the settings of a stack"
    ):
        settings.load(tmp_path)


def test_wrong_keys_are_not_ready(stack) -> None:
    wrong = settings.Stack(Path(stack.directory), stack.ports, stack.access_key, "wrong")
    assert s3_server.ready(stack)
    assert not s3_server.ready(wrong)


def test_the_warehouse_of_the_environment_is_the_stack(stack, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", f"{stack.uri}/environment")
    frame = pd.DataFrame({"n": [1, 2]})
    pin = sfx.store_dataframe(frame, "environment", "items", partitions=["20161031"])
    assert pin.location.startswith("s3://warehouse/sfx/environment/")
    pd.testing.assert_frame_equal(sfx.load_dataframe(pin), frame)
