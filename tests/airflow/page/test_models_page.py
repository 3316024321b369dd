"""Models on the page: versions and their metrics, cards and inputs, two compared, undone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from playwright.sync_api import expect

import airflow_sfx as sfx
from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.table import TableRef
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.plugin.web.routes.models import artifacts
from airflow_sfx.warehouse.table.log_only import log_only_table
from tests.airflow.pages import go, picture

NAME = "page_delays"
HOSTILE = "<img src=x onerror=alert(1)>"
HEADER = {"X-SFX-Request": "test"}
DAYS = ["20161030", "20161031", "20161031"]


@pytest.fixture(scope="module")
def story(scheduler) -> SimpleNamespace:
    """A model for each of two nights, and one for the second night's rows, stored again."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    models = ModelRegistry(warehouse)
    ida = sfx.Producer(user="ida")
    pins, versions = [], []
    for number, slope, mae in ((1, 0.02, 4.5), (2, 0.021, 4.25), (3, 0.2, 31.0)):
        day = DAYS[number - 1]
        frame = pd.DataFrame({"distance": [1400.0, 200.0, 740.0], "delay": [28.0, 4.0, slope]})
        pins.append(warehouse.store_dataframe(frame, "modelled", "flights", [day]))
        versions.append(
            models.save(
                sfx.models.Coefficients({"distance": slope, "wind[high]": 1.0}),
                NAME,
                inputs={"train": pins[-1]},
                example=pd.DataFrame({"distance": [1400.0, 200.0], "wind": ["high", "low"]}),
                target="delay",
                params={"trial": number},
                metrics={"mae": mae, "rows": 3},
                card={"owner": "Ada", "limits": HOSTILE},
                reason=f"trial {number}",
                producer=ida,
            )
        )
    for version in versions[:2]:
        models.promote(NAME, version, reason="better", producer=ida)
    return SimpleNamespace(warehouse=warehouse, models=models, pins=pins, versions=versions)


def test_a_model_that_got_worse_is_found_compared_and_rolled_back(story, as_user) -> None:
    _, good, bad = (one.version for one in story.versions)
    page = go(as_user("op"))
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("searchbox").fill(NAME)
    page.keyboard.press("Enter")
    listed = page.get_by_role("row").filter(has_text=NAME)
    for text in (good, bad, "mae 31"):
        expect(listed).to_contain_text(text)
    listed.get_by_role("link", name=NAME).click()

    page.get_by_role("row").filter(has_text=bad).get_by_role("button", name="Promote…").click()
    dialog = page.get_by_role("dialog", name=f"Promote {NAME}/{bad}?")
    expect(dialog.get_by_role("row", name=f"now {good} mae 4.25")).to_be_visible()
    expect(dialog.get_by_role("row", name=f"then {bad} mae 31")).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("nightly")
    for part in ("Purpose", "Ethical risks and known failures"):  # the others were stated
        dialog.get_by_role("textbox", name=part).fill(f"told on the page: {part}")
    picture(page, "promote")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(page.get_by_role("status")).to_have_text(f"Promoted: {bad}.")
    assert "### Purpose\n\ntold on the page: Purpose\n\nBy op," in story.models.card(
        f"{NAME}@production"
    )
    plot = page.get_by_role("group", name="mae; move with the arrow keys")
    said = f"mae from {story.versions[0].version} to {bad}; {bad}: 31, latest, production"
    expect(plot.get_by_role("img", name=said)).to_be_visible()
    picture(page, "model")

    page.get_by_role("link", name="production", exact=True).first.click()
    newest = page.get_by_role("row").filter(has_text="nightly")
    expect(newest).to_contain_text("op")
    newest.get_by_role("link", name="Compare").click()
    for row in ("mae 4.25 31 26.75", "trial 2 3", "distance 0.021 0.2 0.179"):
        expect(page.get_by_role("row", name=row)).to_be_visible()
    data = page.get_by_role("table", name="batches of train that differ")
    expect(data.get_by_role("link", name=story.pins[2].batch_id)).to_be_visible()
    expect(page.get_by_text("Predictions for 2 golden rows: mean difference")).to_be_visible()
    picture(page, "model_diff")
    data.get_by_role("link", name="Compare rows").click()
    expect(page.get_by_text("Rows 3: 1 added, 1 removed.")).to_be_visible()

    page.go_back()
    expect(data).to_be_visible()
    page.go_back()
    page.get_by_role("row").filter(has_text="better").first.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name=f"Roll back {NAME}@production?")
    dialog.get_by_role("textbox", name="Reason").fill("mae rose")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Rolled back: {NAME}@production is {good}.")
    (entry, promoted) = story.models.history(NAME, limit=2)
    assert (entry.batch_id, entry.producer.user, entry.reason) == (good, "op", "mae rose")
    assert (promoted.batch_id, promoted.producer.user, promoted.reason) == (bad, "op", "nightly")
    assert page.faults == []


def test_a_version_shows_its_card_and_what_became_of_its_batches(story, as_user) -> None:
    bad = story.versions[2]
    said = {"purpose": "shown", "risks": "told at the promotion"}
    story.models.promote(NAME, bad, to="audited", card=said)
    story.warehouse.store_dataframe(
        pd.DataFrame({"distance": [1.0], "delay": [1.0]}), "modelled", "flights", [DAYS[2]]
    )
    page = go(as_user("viewer"), f"#/batch/modelled.flights/{DAYS[2]}/{story.pins[2].batch_id}")
    lineage = page.get_by_role("region", name="lineage")
    lineage.get_by_role("link", name=f"models.{NAME}").click()  # in the log a model is a table
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NAME} {bad.version}")
    assert page.url.endswith(f"/version/{NAME}/{bad.version}")
    trained = page.get_by_role("table", name="trained on").get_by_role("row")
    expect(trained.filter(has_text="train")).to_contain_text("replaced")
    card = page.get_by_role("region", name="Card")
    expect(card.get_by_role("heading", name="Owner")).to_be_visible()
    for text in (HOSTILE, "told at the promotion"):
        expect(card.get_by_text(text)).to_be_visible()
    expect(card.get_by_role("row").filter(has_text="mae")).to_contain_text("31")
    picture(page, "version")
    trained.get_by_role("link", name=story.pins[2].batch_id).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(story.pins[2].batch_id)
    assert page.faults == []


def test_a_viewer_promotes_nothing_and_another_person_may_be_faster(story, client) -> None:
    first, good = story.versions[:2]
    path = f"models/{NAME}"
    body = {"alias": "candidate", "version": first.version, "expected": None}
    with client("viewer", **HEADER) as viewer, client("op", **HEADER) as op:
        assert viewer.post(f"{path}/promote", json=body).status_code == 403
        assert op.post(f"{path}/promote", json=body).json()["version"] == first.version
        faster = op.post(f"{path}/promote", json={**body, "version": good.version})
        assert faster.status_code == 409
        assert "another writer has changed it" in faster.json()["message"]
        back = {"alias": "candidate", "expected": first.version}
        assert viewer.post(f"{path}/rollback", json=back).status_code == 403
        assert op.post(f"{path}/rollback", json=back).status_code == 404, "it had no version before"
        latest = op.post(f"{path}/promote", json={**body, "alias": "latest"})
        assert latest.status_code == 400
        gone = viewer.get(f"{path}/version", params={"version": "20010101000000"})
        assert gone.status_code == 404
    assert story.models.aliases(NAME)["candidate"] == first.version


def test_a_card_that_is_not_complete_is_asked_for_or_left_out_on_purpose(
    story, as_user, client
) -> None:
    pin = story.models.save(
        sfx.models.Coefficients({"distance": 5.0}), "page_card", inputs={"train": story.pins[0]}
    )
    story.models.promote("page_card", pin, to="candidate", card={"owner": "Ada", "limits": "land"})
    page = go(as_user("op"), f"#/version/page_card/{pin.version}")
    page.get_by_role("button", name="Promote…").click()
    dialog = page.get_by_role("dialog")
    asked = dialog.get_by_role("group", name="Its card does not state").get_by_role("textbox")
    expect(asked).to_have_count(2)
    promote = dialog.get_by_role("button", name="Promote", exact=True)
    promote.click()
    expect(dialog).to_be_visible()  # the empty parts are required
    dialog.get_by_role("textbox", name="Purpose").fill("plan gates")
    dialog.get_by_role("checkbox", name="Promote it without what is left empty").check()
    promote.click()
    expect(page.get_by_role("status")).to_have_text(f"Promoted: {pin.version}.")
    card = page.get_by_role("region", name="Card")
    for text in ("plan gates", "Without risks: by op, who promoted it to production"):
        expect(card.get_by_text(text)).to_be_visible()
    assert story.models.missing_card_parts(pin) == ["risks"]
    body = {"alias": "other", "version": pin.version, "expected": None, "complete": True}
    with client("op", **HEADER) as op:
        refused = op.post("models/page_card/promote", json=body)
        assert (refused.status_code, "does not state risks" in refused.text) == (409, True)
        unknown = op.post("models/page_card/promote", json={**body, "card": {"ower": "Ada"}})
        assert unknown.status_code == 400
    assert "other" not in story.models.aliases("page_card")
    assert page.faults == []


def test_a_damaged_version_is_shown_and_not_promoted(story, as_user, client) -> None:
    pin = story.models.save(
        sfx.models.Coefficients({"distance": 7.0}), "page_torn", inputs={"train": story.pins[0]}
    )
    root = Path(story.warehouse.uri.removeprefix("embedded://"))
    artifact = next(root.rglob(f"{pin.name}-{pin.version}.zip"))
    artifact.write_bytes(artifact.read_bytes()[:-9] + b"altered!!")
    page = go(as_user("op"), f"#/version/{pin.name}/{pin.version}")
    expect(page.get_by_text("Its artifact was not read: ")).to_be_visible()
    expect(page.get_by_role("link", name=story.pins[0].batch_id)).to_be_visible()
    page.get_by_role("button", name="Promote…").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("is not a model artifact, or was altered")
    assert "production" not in story.models.aliases(pin.name)
    assert page.faults == []


def test_a_large_artifact_is_left_to_the_command_line(story, monkeypatch) -> None:
    pin = story.versions[0]
    table = log_only_table(TableRef("models", NAME), story.warehouse.store)
    assert artifacts.require_small(table, pin, "") is None
    monkeypatch.setattr(artifacts, "MOST_BYTES", 1000)
    with pytest.raises(ModelRefused, match=r"the page reads at most 1000: use `sfx model show x`"):
        artifacts.artifact(table, pin, "sfx model show x")


def test_rollbacks_name_the_models_that_were_trained_on_what_they_end(story, as_user) -> None:
    run = sfx.Producer(dag_id="modelled", run_id="r1", task_id="load")
    for rows in (3, 4):
        frame = pd.DataFrame({"n": range(rows)})
        pin = story.warehouse.store_dataframe(frame, "modelled", "nightly", ["a"], producer=run)
    made = story.warehouse.store_dataframe(frame, "modelled", "features", ["a"], inputs=[pin])
    version = story.models.save(
        sfx.models.Coefficients({"n": 3.0}), "page_trained", inputs={"train": made}
    )
    story.models.promote("page_trained", version)
    for where, button in (
        ("#/partition/modelled.nightly/a", "Roll back to this…"),
        ("?dag_id=modelled&run_id=r1", "Undo this run…"),
    ):
        page = go(as_user("op"), where)
        page.get_by_role("button", name=button).click()
        named = page.get_by_role("dialog").get_by_role("list", name="Models")
        expect(named).to_have_text(f"{version} (latest, production)")
    named.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"page_trained {version.version}")
    assert page.faults == []
