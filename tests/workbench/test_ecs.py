"""Workbenches as tasks of ECS, whose containers are real."""

from __future__ import annotations

import json
import time
import urllib.error
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.runners.base import RunnerUnavailable
from airflow_sfx.workbench.errors import WorkbenchNotFound, WorkbenchRefused
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbench import Workbench
from airflow_sfx.workbench.workbenches import Workbenches
from tests.jobs.conftest import ecs as ecs  # noqa: PLC0414  a fixture
from tests.workbench.conftest import INSIDE, SERVER, ask

URL = "http://127.0.0.1:{port}"


@pytest.fixture
def cluster(ecs, warehouse: sfx.Warehouse, core_image: str, own_name: str):
    """Makes workbenches of a task definition."""
    service, endpoint = ecs
    folder = warehouse.uri.removeprefix("embedded://")

    def make(mode: str = "host", url: str = URL, **limits: object) -> Workbenches:
        log = {"awslogs-group": "labs", "awslogs-stream-prefix": "sfx"}
        container = {
            "name": "lab",
            "image": "replaced:1",
            "user": str(INSIDE),
            "memory": 2048,
            "command": ["python", "-c", SERVER],
            "mountPoints": [{"sourceVolume": "warehouse", "containerPath": folder}],
            "logConfiguration": {"logDriver": "awslogs", "options": log},
        }
        volumes = [{"name": "warehouse", "host": {"sourcePath": folder}}]
        service.RegisterTaskDefinition(
            {
                "family": "labs",
                "networkMode": mode,
                "volumes": volumes,
                "containerDefinitions": [container],
            }
        )
        options = {"task_definition": "labs", "endpoint_url": endpoint, "region": "eu-west-1"}
        allowed = Limits(images=(core_image, "localhost:1/nowhere:1"), **limits)
        return Workbenches(Site(allowed, "ecs", options, url=url, name=own_name))

    return make


def until_ended(some: Workbenches, one: Workbench) -> str:
    give_up = time.monotonic() + 60
    while (found := some.get(one.id)).is_running:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return found.reason


def test_a_task_serves_its_owner_and_is_found_again(cluster, warehouse, homes: Path, ecs) -> None:
    some = cluster(home=f"{homes}/{{owner}}", most_per_owner=1)
    (homes / "alice").mkdir()
    (homes / "alice").chmod(0o777)
    one = some.start(owner="alice", warehouse=warehouse.uri, memory="300m", cpus=0.5)
    assert some.wait(one.id).state == "running", some.log(one.id)
    address = some.address(one.id, "alice")
    token = address.partition("token=")[2]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(address.replace("token=", "token=x"), "1")
    assert ask(address, "(pathlib.Path.home() / 'kept').write_text('here')") == 4
    assert ask(address, "os.environ['SFX_WAREHOUSE']") == warehouse.uri
    # another process finds it by its tags
    again = cluster(home=f"{homes}/{{owner}}", most_per_owner=1)
    (found,) = again.all()
    assert (found.id, found.owner, found.state) == (one.id, "alice", "running")
    assert (found.memory, found.cpus, found.memory_used) == (300 << 20, 0.5, None)
    assert found.home == f"{homes}/alice"
    (override,) = [body["overrides"] for name, body in ecs[0].requests if name == "RunTask"]
    assert override["containerOverrides"][0]["memory"] == 300
    assert token not in json.dumps([repr(found), again.log(one.id)])
    assert "served at" in again.log(one.id)[0]
    with pytest.raises(WorkbenchRefused, match="alice has 1 workbench "):
        again.start(owner="alice", warehouse=warehouse.uri)
    with pytest.raises(WorkbenchRefused, match="not yours .bob."):
        again.address(one.id, "bob")
    again.stop(one.id, "alice")
    assert some.all() == []
    assert (homes / "alice/kept").read_text() == "here"


def test_a_task_ends_after_its_time_and_when_it_is_out_of_memory(cluster, warehouse) -> None:
    some = cluster()
    one = some.start(owner="alice", warehouse=warehouse.uri, hours=2 / 3600)
    assert until_ended(some, one) == "its time was over"
    two = some.start(owner="alice", warehouse=warehouse.uri, memory="100m")
    assert some.wait(two.id).state == "running"
    with pytest.raises((urllib.error.URLError, OSError)):
        ask(some.address(two.id, "alice"), "held.append(bytearray(os.urandom(300 << 20)))")
    assert until_ended(some, two) == "it was out of memory: start one with more"


def test_a_task_with_a_network_of_its_own_has_the_address_of_its_interface(
    cluster, warehouse, monkeypatch
) -> None:
    monkeypatch.setattr("airflow_sfx.workbench.ecs.INSIDE_PORT", 18_931)
    some = cluster("awsvpc", "http://{host}:{port}")
    one = some.start(owner="alice", warehouse=warehouse.uri)
    assert some.wait(one.id).state == "running", some.log(one.id)
    address = some.address(one.id, "alice")
    assert address.startswith("http://127.0.0.1:18931/lab?token=")
    assert ask(address, "1 + 1") == 2
    some.stop(one.id)


def test_what_ecs_cannot_run_is_named(cluster, warehouse, own_name) -> None:
    some = cluster()
    one = some.start(owner="alice", warehouse=warehouse.uri, image="localhost:1/nowhere:1")
    assert (one.state, one.reason[:39]) == ("ended", "it ended by itself: CannotPullContainer")
    with pytest.raises(sfx.InvalidName, match="network mode 'bridge' of the task definition gives"):
        cluster("bridge").start(owner="alice", warehouse=warehouse.uri)
    with pytest.raises(sfx.InvalidName, match="the runner ecs has no task definition"):
        Workbenches(Site(runner="ecs"))
    with pytest.raises(WorkbenchNotFound):
        some.get("nothing")
    options = {"task_definition": "x", "endpoint_url": "http://127.0.0.1:1", "region": "eu-west-1"}
    gone = Workbenches(Site(Limits(images=("a",)), "ecs", options, url=URL, name=own_name))
    with pytest.raises(RunnerUnavailable, match="ECS cannot be used .*: check the network"):
        gone.all()
