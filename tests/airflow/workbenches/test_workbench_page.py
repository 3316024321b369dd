"""Workbenches on the page: who may start, open and stop which, and a notebook in a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from airflow_sfx.workbench.workbenches import Workbenches
from tests.airflow.pages import AMISS, go, picture
from tests.containers import docker

HEADER = {"X-SFX-Request": "test"}
HOSTILE = "../eve <b>"
READY_SECONDS = 150


@pytest.fixture(scope="module")
def allowed(scheduler, lab_image, open_folders) -> Iterator[dict[str, str]]:
    """The variables of an API server that allows workbenches, on a daemon that is not there yet."""
    socket = open_folders("daemon") / "docker.sock"
    before = dict(scheduler.environment)
    variables = {
        "DOCKER_HOST": f"unix://{socket}",
        "SFX_WORKBENCH_RUNNER": "docker",
        "SFX_WORKBENCH_NAME": "airflow",  # the page's own name for itself
        "SFX_WORKBENCH_OPTIONS": json.dumps({"network": "host"}),
        "SFX_WORKBENCH_IMAGES": lab_image,
        "SFX_WORKBENCH_MEMORY": "768m",
        "SFX_WORKBENCH_MOST_MEMORY": "1g",
        "SFX_WORKBENCH_MOST_HOURS": "2",
        "SFX_WORKBENCH_MOST_PER_OWNER": "1",
    }
    unnamed = {name: text for name, text in variables.items() if name != "SFX_WORKBENCH_NAME"}
    restarted(scheduler, before | unnamed)
    yield variables
    restarted(scheduler, before)


@pytest.fixture(scope="module")
def benches(allowed, docker_daemon) -> Iterator[Workbenches]:
    """The workbenches of that API server, whose daemon is there."""
    socket = Path(allowed["DOCKER_HOST"].removeprefix("unix://"))
    socket.symlink_to(docker_daemon.removeprefix("unix://"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_daemon)
        found = Workbenches.from_environment(allowed)
        yield found
        for one in found.all():
            found.stop(one.id)


def restarted(scheduler, environment: dict[str, str]) -> None:
    scheduler.stop_part("api-server", kill=True)
    scheduler.environment = environment
    scheduler.start_part("api-server")
    scheduler.until(scheduler.healthy, "the API server is healthy")


def started(user: httpx.Client, **asked: object) -> str:
    answer = user.post("workbenches/start", json={"image": None, **asked})
    assert answer.is_success, answer.text
    return answer.json()["id"]


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 403, answer.text
    return answer.json().get("message") or answer.json()["detail"]


def test_a_daemon_that_is_not_there_is_named(allowed, client) -> None:
    with client("viewer") as viewer:
        answer = viewer.get("workbenches")
    assert answer.status_code == 503
    assert allowed["DOCKER_HOST"] in answer.json()["message"]
    assert "start it" in answer.json()["message"]


def test_each_role_may_do_what_it_may_and_no_answer_has_a_token(scheduler, benches, client) -> None:
    with (
        client("viewer", **HEADER) as viewer,
        client("user", **HEADER) as user,
        client("admin", **HEADER) as admin,
        client("op", **HEADER) as op,
    ):
        id = started(user, memory="512m", hours=1)
        token = benches.address(id, "user").partition("token=")[2]
        assert len(token) > 20
        assert benches.wait(id, READY_SECONDS).state == "running"
        one = {"id": id}
        again = refused(user.post("workbenches/start", json={"image": None}))
        assert id in again
        assert "1 may run at a time" in again
        # everybody sees it, without its address
        answers = {
            "viewer": viewer.get("workbenches"),
            "user": user.get("workbenches"),
            "op": op.get("workbenches", params={"owner": "user"}),
        }
        seen = {
            who: next(it for it in answer.json()["workbenches"] if it["id"] == id)
            for who, answer in answers.items()
        }
        assert {who: (it["may_open"], it["may_stop"]) for who, it in seen.items()} == {
            "viewer": (False, False),
            "user": (True, True),
            "op": (False, True),
        }
        assert {it["owner"] for it in seen.values()} == {"user"}
        assert not {"host", "port", "home", "token", "address"} & seen["op"].keys()
        assert (seen["user"]["memory"], answers["viewer"].json()["may_start"]) == (512 << 20, False)
        assert 10 << 20 < seen["user"]["memory_used"] < 512 << 20
        # nobody but its owner opens it, and viewers do nothing
        for path in ("start", "open", "stop"):
            body = {"image": None} if path == "start" else one
            assert "permission to start DAG runs" in refused(
                viewer.post(f"workbenches/{path}", json=body)
            )
        for other in (op, admin):
            assert "is not yours" in refused(other.post("workbenches/open", json=one))
        assert "is not yours" in refused(viewer.get("workbenches/log", params=one))
        opened = user.post("workbenches/open", json=one)
        assert opened.headers["cache-control"] == "no-store"
        assert opened.json()["address"].endswith(f"/lab?token={token}")
        # those who may stop it read its log
        logs = [one_of.get("workbenches/log", params=one) for one_of in (user, op)]
        assert all("Jupyter Server" in " ".join(log.json()["lines"]) for log in logs)
        assert not any(token in answer.text for answer in (*answers.values(), *logs))
        assert token not in scheduler.log.read_text(errors="replace")
        # somebody else with the same role
        theirs = {"id": started(admin)}
        assert "is not yours" in refused(user.post("workbenches/stop", json=theirs))
        assert "is not yours" in refused(user.get("workbenches/log", params=theirs))
        assert op.post("workbenches/stop", json=theirs).json()["id"] == theirs["id"]
        assert op.post("workbenches/stop", json=one).is_success
        assert user.post("workbenches/open", json=one).status_code == 404
    assert benches.all() == []


def test_limits_names_and_other_sites_are_refused_by_the_server(
    scheduler, benches, allowed, client
) -> None:
    image = allowed["SFX_WORKBENCH_IMAGES"]
    with client("user", **HEADER) as user, client(HOSTILE, **HEADER) as hostile:
        for asked, words in (
            ({"image": "evil/lab:1"}, "'evil/lab:1' is not allowed"),
            ({"image": f"{image} --privileged"}, "is not allowed"),
            ({"memory": "64g"}, "above the most memory"),
            ({"memory": 64 << 30}, "above the most memory"),
            ({"cpus": 64}, "the most processors"),
            ({"cpus": 0}, "is not above 0"),
            ({"hours": 2.5}, "the most hours"),
            ({"hours": -1}, "is not above 0"),
        ):
            answer = user.post("workbenches/start", json={"image": None, **asked})
            assert words in refused(answer)
        assert (
            user.post("workbenches/start", json={"image": None, "memory": "x"}).status_code == 400
        )
        assert user.post("workbenches/start", json={"image": None, "home": "/"}).status_code == 422
        assert "begins with none" in refused(
            hostile.post("workbenches/start", json={"image": None})
        )
        for id in ("", "0" * 12, "../../containers", "x" * 512, "é\u202e"):
            for path in ("open", "stop"):
                assert user.post(f"workbenches/{path}", json={"id": id}).status_code == 404
            assert user.get("workbenches/log", params={"id": id}).status_code == 404
    body = {"image": None}
    with client("user") as bare, client("user", **HEADER, Origin="https://evil.example") as foreign:
        assert "X-SFX-Request" in refused(bare.post("workbenches/start", json=body))
        assert "is not Airflow's own" in refused(foreign.post("workbenches/start", json=body))
    assert benches.all() == []


def test_a_notebook_is_started_opened_in_airflows_frame_used_and_stopped(
    scheduler, benches, docker_daemon, scheduled_warehouse, client, as_user
) -> None:
    frame = pd.DataFrame({"day": "20130101", "n": range(42)})
    scheduled_warehouse.store_dataframe(frame, "bench", "items", partition_by=["day"])
    readable(Path(scheduler.environment["SFX_WAREHOUSE"].removeprefix("embedded://")))
    page = as_user("user", viewport={"width": 1280, "height": 440})
    page.goto("/plugin/batch-history#/workbenches")
    view = page.frame_locator("iframe")
    form = view.get_by_role("form", name="Start a workbench")
    expect(form).to_contain_text("at most 1 workbench of yours", timeout=60_000)
    form.get_by_role("spinbutton", name="Memory in GiB").fill("64")
    form.get_by_role("button", name="Start").click()
    assert form.evaluate("(form) => form.querySelector(':invalid').name") == "memory"
    form.get_by_role("spinbutton", name="Memory in GiB").fill("1")
    form.get_by_role("spinbutton", name="Hours").fill("1.5")
    form.get_by_role("button", name="Start").click()
    expect(view.get_by_role("status")).to_contain_text("Started: ")
    (one,) = benches.all()
    row = view.get_by_role("row").filter(has_text=one.id)
    for text in (one.id, "user", "running", "of 1.0 GiB", f"{one.ends:%Y-%m-%d %H:%M:%S} UTC"):
        expect(row).to_contain_text(text, timeout=READY_SECONDS * 1000)
    use = row.get_by_role("meter", name="use of memory")
    idle = float(use.get_attribute("value"))
    with page.context.expect_page() as opened:
        row.get_by_role("button", name="Open").click()
    runs_a_cell(opened.value)
    token = benches.address(one.id, "user").partition("token=")[2]
    expect(row).to_be_visible()  # Airflow may show its frame anew when its window comes back
    shown = page.url + "".join(one.content() for one in page.frames)
    assert one.id in shown
    assert token not in shown
    # the kernel uses more, which is shown without loading the page again
    page.wait_for_function(
        "([idle]) => document.querySelector('iframe').contentDocument"
        "?.querySelector('meter')?.value > idle",
        arg=[idle],
    )
    picture(page, "workbenches")
    row.get_by_role("button", name="Log").click()
    expect(view.get_by_label(f"log of {one.id}")).to_contain_text("Jupyter Server")
    reads_again_while_it_is_shown(as_user("op"), one.id)
    for look, width in (("light", 1280), ("dark", 360)):
        other = as_user("op", color_scheme=look, viewport={"width": width, "height": 860})
        assert go(other, "#/workbenches").evaluate(AMISS) == []
    removes_one_that_has_ended(other, killed(client, docker_daemon))
    row.get_by_role("button", name="Stop…").click()
    dialog = view.get_by_role("dialog", name=f"Stop the workbench {one.id}?")
    expect(dialog.get_by_role("textbox")).to_have_count(0)
    dialog.get_by_role("button", name="Stop").click()
    expect(view.get_by_role("status")).to_have_text(f"Stopped: {one.id}.")
    expect(row).to_have_count(0)
    assert benches.all() == []
    assert page.faults == []


def readable(warehouse: Path) -> None:
    """Give the files to the user of the image, as which the notebook runs."""
    for path in [warehouse, *warehouse.rglob("*")]:
        os.chown(path, 50000, 100)


def runs_a_cell(page: Page) -> None:
    """Run a cell in a new notebook of the JupyterLab that the page has opened."""
    card = page.locator(".jp-LauncherCard[data-category=Notebook]", has_text="Python 3")
    card.click(timeout=60_000)
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    expect(idle).to_be_visible(timeout=READY_SECONDS * 1000)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.fill(
        'import airflow_sfx as sfx\n\nsfx.load_dataframe("bench", "items").groupby("day").sum()'
    )
    page.keyboard.press("Shift+Enter")
    output = page.locator(".jp-OutputArea-output").first
    expect(output).to_contain_text("861", timeout=READY_SECONDS * 1000)
    picture(page, "notebook")


def killed(client, daemon: str) -> str:
    """A workbench of another person whose container was killed."""
    with client("admin", **HEADER) as admin:
        id = started(admin)
    docker("--host", daemon, "kill", f"sfx-workbench-{id}")
    return id


def removes_one_that_has_ended(page: Page, id: str) -> None:
    go(page, "#/workbenches")
    row = page.get_by_role("row").filter(has_text=id)
    expect(row).to_contain_text("it ended by itself")
    row.get_by_role("button", name="Remove…").click()
    dialog = page.get_by_role("dialog", name=f"Remove the workbench {id}?")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_have_text(f"Removed: {id}.")
    expect(row).to_have_count(0)


def reads_again_while_it_is_shown(page: Page, id: str) -> None:
    """The view asks again after a pause, keeps the focus, and asks no more once it is left."""
    page.clock.install()
    go(page, "#/workbenches")
    asked = []
    page.on("request", lambda one: asked.append(one.url) if "api/workbenches" in one.url else None)
    stop = page.get_by_role("row").filter(has_text=id).get_by_role("button", name="Stop…")
    stop.focus()
    with page.expect_response("**/api/workbenches?"):
        page.clock.run_for(3_500)
    expect(stop).to_be_focused()
    page.get_by_role("link", name="Holds").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Holds")
    asked.clear()
    page.clock.run_for(30_000)
    assert asked == []
