"""Workbenches in Docker: what they are, whose they are, and when they end."""

from __future__ import annotations

import json
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.runners.base import RunnerUnavailable
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.workbench.errors import WorkbenchNotFound, WorkbenchRefused
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbench import Order, Workbench
from airflow_sfx.workbench.workbenches import Workbenches
from tests.faults.hung_folder import hung_folder
from tests.workbench.conftest import INSIDE, ask, container_of

STORE = """(
    __import__("airflow_sfx").store_dataframe(
        __import__("pandas").DataFrame({"n": [3]}), "shop", "noted", ["1"]
    ),
    len(__import__("airflow_sfx").load_dataframe("shop", "sold")),
)[1]"""
RIGHTS = """[
    os.getuid(), os.access("/opt", os.W_OK), os.access("/tmp", os.W_OK),
    [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNew"))],
]"""
FILES = "[p.read_text(errors='replace') for p in pathlib.Path.home().rglob('*') if p.is_file()]"


def started(some: Workbenches, warehouse: sfx.Warehouse, **options: object) -> Workbench:
    one = some.start(owner="alice", warehouse=warehouse.uri, **options)
    ready = some.wait(one.id)
    assert ready.state == "running", (ready, some.log(one.id))
    return one


def test_a_workbench_serves_its_owner_within_its_limits(benches, warehouse) -> None:
    some = benches()
    one = started(some, warehouse, memory="300m", cpus=0.5, hours=2)
    address = some.address(one.id, "alice")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(address.replace("token=", "token=x"), "1")
    assert ask(address, STORE) == 2
    (entry,) = warehouse.history("shop", "noted")
    assert entry.producer.user == "alice"
    assert ask(address, RIGHTS) == [INSIDE, False, True, ["0000000000000000", "1"]]
    # another process finds it by its labels
    (found,) = benches().all()
    assert (found.id, found.owner, found.state) == (one.id, "alice", "running")
    assert (found.memory, found.cpus, found.image) == (300 << 20, 0.5, one.image)
    assert 3600 < (found.ends - found.started).total_seconds() == 7200
    before = found.memory_used
    ask(address, "held.append(bytearray(os.urandom(100 << 20)))")
    grown = some.get(one.id).memory_used
    # of what ran before, the allocators give some back meanwhile
    assert 50 << 20 < grown - before < 200 << 20 > before > 1 << 20
    assert container_of(one).attrs["HostConfig"]["NanoCpus"] == 500_000_000
    with pytest.raises((urllib.error.URLError, OSError)):
        ask(address, "held.append(bytearray(os.urandom(300 << 20)))")
    container_of(one).wait(timeout=60)
    ended = some.get(one.id)
    assert (ended.state, ended.reason) == ("ended", "it was out of memory: start one with more")
    with pytest.raises(WorkbenchRefused, match="has no address .it was out of memory"):
        some.address(one.id, "alice")
    some.stop(one.id, "alice")
    assert some.all() == []


def test_only_its_owner_gets_the_token(benches, warehouse, homes: Path) -> None:
    some = benches(home=f"{homes}/{{owner}}")
    one = started(some, warehouse)
    address = some.address(one.id, "alice")
    token = address.partition("token=")[2]
    assert len(token) >= 43
    listed = some.all()
    container = container_of(one)
    assert any(token in line for line in container.logs().decode().splitlines())
    printed = json.dumps([plain(listed), some.log(one.id), container.labels, ask(address, FILES)])
    assert token not in printed + repr(listed) + repr(one)
    assert "served at" in printed
    with pytest.raises(WorkbenchRefused, match=f"{one.id} is not yours .bob. but alice's: ask"):
        some.address(one.id, "bob")
    with pytest.raises(WorkbenchRefused, match="not yours"):
        some.log(one.id, owner="bob")
    with pytest.raises(WorkbenchRefused, match="not yours"):
        some.stop(one.id, "bob")
    assert some.all("bob") == []
    order = Order("1", "alice", "image", 1, 1, one.started, one.ends, token="secret")
    assert "secret" not in repr(order)
    some.stop(one.id)  # an administrator may
    with pytest.raises(WorkbenchNotFound, match=f"no workbench '{one.id}'"):
        some.stop(one.id)


def test_a_workbench_ends_after_its_time_even_if_no_process_looks(benches, warehouse) -> None:
    some = benches()
    one = some.start(owner="alice", warehouse=warehouse.uri, hours=2 / 3600)
    container = container_of(one)
    assert container.wait(timeout=60)["StatusCode"] == 124
    (found,) = some.all()
    assert (found.state, found.reason) == ("ended", "its time was over")
    assert "served at" in some.log(one.id)[-1]
    # one that an administrator has started again by hand is ended at the next look
    container.start()
    assert [ended.id for ended in some.end_expired()] == [one.id]
    assert some.all() == []


def test_the_home_stays_and_belongs_to_one_owner(benches, warehouse, homes: Path) -> None:
    some = benches(home=f"{homes}/{{owner}}")
    one = started(some, warehouse)
    assert one.home == f"{homes}/alice"
    write = "(pathlib.Path.home() / 'kept').write_text(os.environ['HOME'])"
    assert ask(some.address(one.id, "alice"), write) == 9
    some.stop(one.id)
    assert (homes / "alice/kept").read_text() == "/home/sfx"
    there = (homes / "alice").stat()
    assert (there.st_uid, there.st_mode & 0o777) == (INSIDE, 0o700)
    for hostile in ("../root", "/etc", "", ".", "..", "a/b", "a\0b", "-x", "é", "a" * 64, "a\n"):
        with pytest.raises(WorkbenchRefused, match="of a workbench is not a name of up to 63"):
            some.start(owner=hostile, warehouse=warehouse.uri)
    for home in ("homes", "/", "//", "/homes/../etc", "/homes/\0"):
        with pytest.raises(WorkbenchRefused, match="not an absolute path of a directory"):
            some.start(owner="alice", warehouse=warehouse.uri, home=home)
    with pytest.raises(WorkbenchRefused, match="cannot be used .*No such file"):
        some.start(owner="alice", warehouse=warehouse.uri, home=f"{homes}/missing")
    (homes / "file").touch()
    with pytest.raises(WorkbenchRefused, match="cannot be used .*Not a directory"):
        some.start(owner="alice", warehouse=warehouse.uri, home=f"{homes}/file")
    (homes / "roots").mkdir()
    with pytest.raises(WorkbenchRefused, match="belongs to root"):
        some.start(owner="alice", warehouse=warehouse.uri, home=f"{homes}/roots")
    (homes / "new").mkdir(mode=0o755)
    of_root = benches(home=f"{homes}/new/{{owner}}")
    with pytest.raises(WorkbenchRefused, match="homes/new belongs to root: no new home"):
        of_root.start(owner="alice", warehouse=warehouse.uri)
    assert (list((homes / "new").iterdir()), some.all()) == ([], [])
    away = Workbenches(replace(some.site, bind="192.0.2.1"))
    with pytest.raises(sfx.InvalidName, match="'192.0.2.1' is not an address of this machine"):
        away.start(owner="bob", warehouse=warehouse.uri, home=f"{homes}/alice")


def test_a_home_that_hangs_does_not_hold_the_start(benches, warehouse, homes: Path) -> None:
    some = benches(home=f"{homes}/{{owner}}")
    with hung_folder(homes / "alice", silent=True):
        before = time.monotonic()
        one = some.start(owner="alice", warehouse=warehouse.uri)
        seconds = time.monotonic() - before
        assert one.reason == f"the home {homes}/alice did not answer within 4 s"
        assert (one.home, seconds < 5.5) == ("", True), seconds
        assert some.wait(one.id).state == "running"
        write = "(pathlib.Path.home() / 'lost').write_text('x')"
        assert ask(some.address(one.id, "alice"), write) == 1
    assert list((homes / "alice").iterdir()) == []


def test_the_administrators_limits_hold(benches, warehouse, small_image) -> None:
    some = benches(
        images=(small_image, "registry.example.com/lab/*"),
        most_memory=1 << 30,
        most_cpus=1,
        most_hours=4,
        most_per_owner=1,
    )

    def start(**options: object) -> Workbench:
        return some.start(owner="alice", warehouse=warehouse.uri, **options)

    for options, words in (
        ({"image": "debian"}, "the image 'debian' is not allowed for workbenches: choose one of"),
        ({"image": "registry.example.com/lab/x y"}, "is not allowed"),
        ({"memory": "2g"}, "memory='2g' is above the most memory of a workbench, 1,024 MiB: ask"),
        ({"cpus": 1.5}, "cpus=1.5 is not above 0 and at most 1"),
        ({"cpus": float("nan")}, "cpus=nan is not above 0"),
        ({"cpus": 0}, "cpus=0 is not above 0"),
        ({"hours": 5}, "hours=5 is not above 0 and at most 4, the most hours of a workbench: ask"),
        ({"hours": -1}, "hours=-1 is not above 0"),
    ):
        with pytest.raises(WorkbenchRefused) as refused:
            start(**options)
        assert words in str(refused.value)
    with pytest.raises(sfx.InvalidName, match="memory='much' is not a size"):
        start(memory="much")
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(start) for _ in range(4)]
    errors = [one.exception() for one in results if one.exception()]
    problems = [str(one) for one in errors if not isinstance(one, WorkbenchRefused)]
    assert not problems
    assert "and 1 may run at a time: stop one of them" in str(errors[0])
    (running,) = some.all()
    assert running.id in str(errors[-1])


def test_what_is_missing_is_named(benches, warehouse, small_image) -> None:
    some = benches(images=("localhost:1/nowhere:1",))
    with pytest.raises(WorkbenchRefused, match="localhost:1/nowhere:1 is neither on the Docker"):
        some.start(owner="alice", warehouse=warehouse.uri)
    assert some.all() == []
    gone = Workbenches(Site(Limits(), options={"url": "unix:///nowhere/docker.sock"}))
    with pytest.raises(RunnerUnavailable, match="/nowhere/docker.sock cannot be used .*: start it"):
        gone.all()
    with pytest.raises(WorkbenchNotFound, match="there is no workbench 'sfx'"):
        some.log("sfx")
    with pytest.raises(sfx.InvalidName, match="lines=0 of a log"):
        some.log("sfx", 0)


def test_the_variables_of_the_administrator_are_read_and_checked() -> None:
    site = Site.of(
        {
            "SFX_WORKBENCH_IMAGES": "lab:1, registry.example.com/lab/*",
            "SFX_WORKBENCH_MOST_MEMORY": "16g",
            "SFX_WORKBENCH_HOME": "/homes/{owner}",
            "SFX_WORKBENCH_OPTIONS": '{"network": "host"}',
            "SFX_WORKBENCH_ENVIRONMENT": '{"AWS_REGION": "eu-west-1"}',
            "SFX_WORKBENCH_URL": "https://{port}.lab.example.com/",
            "SFX_WORKBENCH_PORT": "8888",  # of a container
            "HOME": "/root",
        }
    )
    assert site.limits.images == ("lab:1", "registry.example.com/lab/*")
    assert site.limits.most_memory == 16 << 30
    assert (site.options, site.environment["AWS_REGION"]) == ({"network": "host"}, "eu-west-1")
    for name, value, words in (
        ("MOST_MEMMORY", "1g", "no variable SFX_WORKBENCH_MOST_MEMMORY of workbenches: use"),
        ("MOST_CPUS", "many", "SFX_WORKBENCH_MOST_CPUS='many' is not valid: could not convert"),
        ("MOST_HOURS", "0", "most_hours=0.0 of workbenches is not above 0"),
        ("IMAGES", "*", "no images of workbenches are allowed, or all"),
        ("HOME", "/homes/shared", "is not an absolute path with {owner}"),
        ("OPTIONS", "[]", "it is not a JSON object"),
        ("ENVIRONMENT", '{"JUPYTER_TOKEN": "x"}', "the variable 'JUPYTER_TOKEN' of workbenches"),
        ("URL", "javascript:{port}", "does not begin with http"),
        ("BIND", "::1", "SFX_WORKBENCH_BIND='::1': Expected 4 octets"),
        ("BIND", "0.0.0.0", "is no address to reach them at: set SFX_WORKBENCH_URL"),
        ("NAME", "a b", "the name 'a b' of this installation is not up to 63 letters"),
        ("RUNNER", "cloud", "there is no runner 'cloud' of workbenches"),
    ):
        with pytest.raises(sfx.InvalidName) as refused:
            Workbenches.from_environment({f"SFX_WORKBENCH_{name}": value})
        assert words in str(refused.value)


def test_a_start_that_died_before_its_container_ran_leaves_nothing_for_long(
    benches, warehouse, monkeypatch
) -> None:
    some = benches()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    containers = import_module("docker").models.containers.Container
    monkeypatch.setattr(containers, "start", die)
    with pytest.raises(KeyboardInterrupt):
        some.start(owner="alice", warehouse=warehouse.uri)
    (left,) = some.all()
    assert left.state == "starting"
    monkeypatch.setattr("airflow_sfx.jobs.runners.daemon._LONGEST_START", left.ends - left.ends)
    (left,) = some.all()
    assert (left.state, left.reason) == ("ended", "it ended by itself: it was never started")
