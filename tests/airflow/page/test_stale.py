"""Stale batches on the page: marks, what made them so, and the announcement of their inputs."""

from __future__ import annotations

import re
from datetime import date, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from tests.airflow.pages import AMISS, go, picture

DAYS = [f"{date(2016, 10, 1) + timedelta(number):%Y%m%d}" for number in range(30)]
BAD = DAYS[20]
MADE = "event_reader_of_prices"
HEADER = {"X-SFX-Request": "test"}


def prices(days: list[str], price: float) -> pd.DataFrame:
    return pd.DataFrame({"day": days, "price": price})


@pytest.fixture(scope="module")
def story(scheduler) -> SimpleNamespace:
    """A month of prices; one day was in cents and is undone, but two tables were made from it."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    warehouse.store_dataframe(prices(DAYS, 1.0), "stale", "prices", partition_by=["day"])
    bad = warehouse.store_dataframe(prices([BAD], 100.0), "stale", "prices", partition_by=["day"])
    others = prices([day for day in DAYS if day != BAD], 1.0)
    others["partition"] = others["day"]
    warehouse.store_dataframe(others, "seen", MADE, partition_by=["partition"])
    made = warehouse.store_dataframe(prices([BAD], 100.0), "seen", MADE, [BAD], inputs=[bad])
    few = prices(DAYS[:2], 1.0)
    warehouse.store_dataframe(few, "stale", "few", partition_by=["day"], inputs=[bad])
    report = warehouse.store_dataframe(
        pd.DataFrame({"total": [100.0]}), "stale", "report", inputs=[made]
    )
    ida = sfx.Producer(user="ida")
    warehouse.rollback("stale", "prices", [BAD], reason="it was in cents", producer=ida)
    return SimpleNamespace(warehouse=warehouse, bad=bad, made=made, report=report)


def filled(page: Page, where: str) -> Page:
    expect(go(page, where).locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    return page


def test_stale_batches_are_marked_with_text_and_lead_to_what_made_them_so(story, as_user) -> None:
    page = filled(as_user("viewer"), f"#/tables/seen.{MADE}")
    page.get_by_role("row").filter(has_text=f"seen.{MADE}").locator("a.stale").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Stale batches of seen.{MADE}")
    row = page.get_by_role("row").filter(has_text=story.made.batch_id)
    expect(row).to_contain_text(f"stale.prices {BAD} {story.bad.batch_id} rolled back")
    expect(row).to_contain_text("it was in cents")
    row.get_by_role("link", name=f"seen.{MADE}").click()

    because = f"stale: stale.prices {BAD} {story.bad.batch_id} rolled back"
    cell = page.get_by_role("link", name=f"{BAD}, current, {because}, 1 row")
    expect(cell).to_have_class(re.compile("cell current stale shade-"))
    expect(page.locator(".cell.stale:not([aria-hidden])")).to_have_count(1)
    expect(page.get_by_text("stale: an input is no longer current")).to_be_visible()
    expect(page.get_by_role("table", name="1 stale batch")).to_be_visible()
    cell.click()

    notice = page.get_by_role("region", name="Stale batch")
    expect(notice).to_contain_text(f"made from stale.prices {BAD} {story.bad.batch_id}, which was")
    expect(notice).to_contain_text(re.compile("rolled back .* UTC by ida: it was in cents"))
    expect(page.locator(".now a.stale")).to_have_text("stale")
    notice.get_by_role("link", name=story.bad.batch_id).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(story.bad.batch_id)
    assert page.faults == []


def test_what_is_stale_through_another_batch_names_that_batch(story, as_user) -> None:
    page = filled(as_user("viewer"), f"#/batch/stale.report//{story.report.batch_id}")
    notice = page.get_by_role("region", name="Stale batch")
    expect(notice).to_contain_text(f"through seen.{MADE} {BAD} {story.made.batch_id}")
    few = filled(page, "#/partition/stale.prices/" + BAD)
    expect(few.get_by_role("region", name="Stale batch")).to_have_count(0)
    filled(page, "#/tables/stale.prices")
    expect(page.locator("a.stale")).to_have_count(0)
    assert page.faults == []


def test_a_list_of_few_partitions_has_the_mark_too(story, as_user) -> None:
    page = filled(as_user("viewer"), "#/table/stale.few")
    row = page.get_by_role("table", name="partitions").get_by_role("row").filter(has_text=DAYS[0])
    expect(row.locator("a.stale")).to_have_attribute("title", re.compile("rolled back$"))
    assert page.faults == []


def test_an_undo_names_what_becomes_stale_before_it_is_done(story, as_user, client) -> None:
    warehouse = story.warehouse
    run = {"dag_id": "priced", "run_id": "r1"}
    producer = sfx.Producer(**run, task_id="load")
    made = {}
    for table, inputs in (("first", ()), ("second", ("first",)), ("third", ("second",))):
        made[table] = warehouse.store_dataframe(
            prices([BAD], 1.0),
            "undone",
            table,
            partition_by=["day"],
            inputs=[made[name] for name in inputs],
            producer=None if table == "third" else producer,
        )
    third = f"undone.third {BAD} {made['third'].batch_id}"
    page = go(as_user("viewer"), "?dag_id=priced&run_id=r1")
    page.get_by_role("button", name="Undo this run…").click()
    stale = page.get_by_role("dialog").get_by_role("list", name="Becomes stale")
    expect(stale.get_by_role("listitem")).to_have_text([third])
    with client("viewer") as viewer:
        first = {"partition": BAD, "batch_id": made["first"].batch_id}
        found = viewer.get("tables/undone/first/downstream", params=first).json()["batches"]
        assert [one["table"] for one in found] == ["undone.second", "undone.third"]
    warehouse.store_dataframe(prices([BAD], 2.0), "undone", "first", partition_by=["day"])
    go(page, f"#/partition/undone.first/{BAD}")
    page.get_by_role("button", name="Roll back to this…").click()
    dialog = page.get_by_role("dialog", name=f"Roll back undone.first {BAD}?")
    expect(dialog.get_by_text("Nothing becomes stale.")).to_be_visible()
    assert page.faults == []


def test_a_viewer_announces_nothing_and_the_dialog_fits_a_phone(
    scheduler, story, as_user, client
) -> None:
    scheduler.ready(MADE)
    page = as_user("viewer", viewport={"width": 390, "height": 800})
    filled(page, f"#/partition/seen.{MADE}/{BAD}")
    assert page.evaluate(AMISS) == []
    page.get_by_role("button", name=f"Announce stale.prices {BAD} again…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Announce stale.prices {BAD} again?")
    expect(dialog.get_by_role("listitem")).to_have_text(MADE)
    good = story.warehouse.pin("stale", "prices", [BAD]).batch_id
    expect(dialog.get_by_role("link", name=good)).to_be_visible()
    picture(page, "announce_phone")
    assert page.evaluate(AMISS) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("your role does not permit this")
    assert len(story.warehouse.history("seen", MADE, [BAD])) == 1
    with client("op", **HEADER) as op:
        old = op.post("tables/stale/prices/announce", json={"batches": {BAD: story.bad.batch_id}})
        assert old.status_code == 409
        assert f"{good} is; another writer may have changed it" in old.json()["message"]
        report = {"batches": {"": story.report.batch_id}}
        unknown = op.post("tables/stale/report/announce", json=report)
        assert unknown.status_code == 404
        assert "does not know the asset sfx://stale/report" in unknown.json()["message"]
        many = {"batches": {f"{number}": good for number in range(101)}}
        assert op.post("tables/stale/prices/announce", json=many).status_code == 422
        found = op.get("tables/stale/prices/consumers", params={"partition": [BAD, "none"]}).json()
        assert found == {
            "asset": "sfx://stale/prices",
            "known": True,
            "consumers": [{"dag_id": MADE, "paused": False}],
            "batches": {BAD: good, "none": None},
        }


def test_an_announcement_has_the_stale_batch_made_again(scheduler, story, as_user) -> None:
    scheduler.ready(MADE)
    page = filled(as_user("op"), "#/stale")
    picture(page, "stale")
    page.get_by_role("button", name=f"Announce stale.prices {BAD} again…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Reason").fill("make it again")
    dialog.get_by_role("button", name="Announce").click()
    expect(page.get_by_role("status")).to_have_text("Announced: 1 asset event of stale.prices.")
    (asset,) = scheduler.get("assets", uri_pattern="sfx://stale/prices")["assets"]
    (event,) = scheduler.get("assets/events", asset_id=asset["id"])["asset_events"]
    assert event["partition_key"] == BAD
    said = event["extra"]["sfx"]
    assert (said["operation"], said["user"], said["reason"]) == ("announce", "op", "make it again")
    logged = scheduler.get("eventLogs", event="sfx_announce", limit=10)["event_logs"]
    assert "op" in {one["owner"] for one in logged}
    scheduler.until(
        lambda: len(story.warehouse.history("seen", MADE, [BAD])) == 2,
        "the consumer has run again",
        seconds=300,
    )
    made = story.warehouse.load_dataframe("seen", MADE, [BAD])
    assert made["price"].tolist() == [1.0]
    assert f"seen.{MADE}" not in {one.table for one in story.warehouse.stale()}
    filled(page, f"#/partition/seen.{MADE}/{BAD}")
    page.reload()
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    expect(page.get_by_role("region", name="Stale batch")).to_have_count(0, timeout=30_000)
    assert page.faults == []
