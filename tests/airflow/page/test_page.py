"""The page inside Airflow, in a real browser: what changed, who did it, put it back."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest
from playwright.sync_api import FrameLocator, Page, expect

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.core.producer import Producer
from dags_examples.local_airflow import local_airflow
from tests.airflow.conftest import airflow_environment
from tests.airflow.pages import go, picture
from tests.faults.proxy import FaultProxy

YEAR = [(date(2013, 1, 1) + timedelta(days)).strftime("%Y%m%d") for days in range(300)]
BAD = YEAR[-1]


def of(day: str, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"day": [day] * rows, "delay": [float(n % 50) for n in range(rows)], "carrier": "UA"}
    )


@pytest.fixture(scope="module")
def story(scheduler) -> sfx.Warehouse:
    """Nights of flights; the last one was published, and then half of it was lost."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    nights = pd.concat(
        [of(day, 90 + index % 30) for index, day in enumerate(YEAR)], ignore_index=True
    )
    run = Producer(
        dag_id="nightly", run_id="scheduled__2013", task_id="load", try_number=1, user="airflow"
    )
    warehouse.store_dataframe(
        nights, "story", "flights", partition_by=["day"], producer=run, reason="nightly"
    )
    source = warehouse.pin("story", "flights", [BAD])
    bad = warehouse.store_dataframe(
        of(BAD, 12), "story", "flights", partition_by=["day"], reason="correction", inputs=[source]
    )
    report = Producer(dag_id="report", run_id="scheduled__2013", task_id="sum", try_number=1)
    warehouse.store_dataframe(
        pd.DataFrame({"total": [1]}), "story", "totals", inputs=[bad], producer=report
    )
    warehouse.hold(bad, "report of October")
    with pytest.raises(sfx.CheckFailed):
        checks = [rows_between(50, 200)]
        warehouse.store_dataframe(
            of("20131231", 3), "story", "flights", partition_by=["day"], checks=checks
        )
    text = {"note": ["<img src=x onerror=alert(1)>"]}
    warehouse.store_dataframe(
        pd.DataFrame(text), "story", "hostile", reason="<script>alert(1)</script>"
    )
    return warehouse


def search(where: Page | FrameLocator, text: str) -> None:
    where.get_by_role("searchbox").fill(text)
    where.get_by_role("button", name="Search").click()


def test_the_page_is_in_airflows_menu_and_looks_like_it(story, as_user) -> None:
    page = as_user(color_scheme="dark")
    page.goto("/plugin/batch-history")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="The night")).to_be_visible(timeout=30_000)
    frame.get_by_role("link", name="Tables").click()
    expect(frame.get_by_role("heading", name="Tables")).to_be_visible(timeout=30_000)
    search(frame, "story.")  # other tests have made tables, too, more than a page of them
    expect(frame.get_by_role("link", name="story.flights")).to_be_visible()
    outer = page.locator("html").get_attribute("class") or ""
    assert ("dark" in outer) == ("dark" in (frame.locator("html").get_attribute("class") or ""))
    picture(page, "tables")
    assert page.faults == []


def test_the_story_of_a_bad_night(story, as_user) -> None:
    page = go(as_user("op"), "#/tables")
    search(page, "story.fl")
    page.get_by_role("link", name="story.flights").click()
    bad = page.get_by_role("link", name=f"{BAD}, current, 12 rows")
    expect(bad).to_have_class(re.compile("cell current shade-0$"))
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    picture(page, "table")
    bad.click()
    expect(page.get_by_role("row", name="correction")).to_be_visible()
    picture(page, "partition")
    page.get_by_role("row", name="correction").get_by_role("link", name="Compare").click()
    expect(page.get_by_text("Rows 119 → 12")).to_be_visible()
    expect(
        page.get_by_role("row", name="carrier").get_by_role("img", name="UA: 119 → 12")
    ).to_be_visible()
    delays = page.get_by_role("row", name="delay").get_by_role("img")
    expect(delays).to_have_attribute("aria-label", re.compile("^0: 9 → 3, 2.45: 6 → 2, "))
    picture(page, "diff")
    page.go_back()
    page.get_by_role("button", name="Roll back to this…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name="now")).to_contain_text("12")
    expect(dialog.get_by_role("row", name="then")).to_contain_text("119")
    expect(
        dialog.get_by_text("Holds of the current batch, which stay: report of October.")
    ).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_contain_text("story.totals")
    picture(page, "confirm")
    dialog.get_by_role("textbox", name="Reason").fill("half of the night was lost")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("row", name="half of the night was lost")).to_contain_text("op")
    newest = story.history("story", "flights", [BAD])[0]
    assert (newest.rows, newest.producer.user, newest.reason) == (
        119,
        "op",
        "half of the night was lost",
    )
    assert page.faults == []


def test_a_batch_shows_its_schema_checks_and_origin(story, as_user) -> None:
    newest = next(entry for entry in story.history("story", "flights", [BAD]) if entry.rows == 12)
    page = go(as_user("viewer"), f"#/batch/story.flights/{BAD}/{newest.batch_id}")
    expect(page.get_by_role("row", name="delay double")).to_be_visible()
    lineage = page.get_by_role("region", name="lineage")
    expect(lineage.get_by_role("link", name=f"story.flights {BAD}")).to_be_visible()
    expect(lineage.get_by_role("link", name="story.totals")).to_be_visible()
    expect(lineage.get_by_text("report of October", exact=True)).to_be_visible()
    picture(page, "batch")


def test_a_batch_shows_its_first_rows_when_asked(story, as_user) -> None:
    frame = pd.DataFrame({"item": ["<b>hat</b>", None], "sold": [3, 4]})
    pin = story.store_dataframe(frame, "story", "rows", ["a"])
    page = go(as_user("viewer"), f"#/batch/story.rows/a/{pin.batch_id}")
    region = page.get_by_role("region", name="rows")
    expect(region.get_by_role("table")).to_have_count(0)
    region.get_by_role("button", name="Show rows").click()
    rows = region.get_by_role("table", name="2 rows")
    expect(rows.get_by_role("columnheader", name="item (string)")).to_be_visible()
    expect(rows.get_by_role("cell", name="<b>hat</b>", exact=True)).to_be_visible()
    expect(rows.get_by_role("row")).to_have_count(3)
    assert page.faults == []


def test_a_failed_check_is_seen_and_may_be_published_all_the_same(story, as_user) -> None:
    page = go(as_user("op"), "#/partition/story.flights/20131231")
    failed = page.get_by_role("list", name="Failed checks")
    expect(failed).to_contain_text("rows_between(50, 200) failed: 3 rows, not between 50 and 200")
    page.get_by_role("button", name="Publish…").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Current:")).to_be_visible()
    assert story.pin("story", "flights", ["20131231"])


def test_a_batch_that_is_damaged_can_be_left(story, as_user) -> None:
    good = story.store_dataframe(of("good", 9), "story", "damaged", partition_by=["day"])
    bad = story.store_dataframe(of("good", 2), "story", "damaged", partition_by=["day"])
    layout = story.overview("story", "damaged").table.layout
    Path(story.uri.removeprefix("embedded://"), layout.manifest(bad.batch_id)).write_bytes(b"{}")
    page = go(as_user("op"), "#/partition/story.damaged/good")
    page.get_by_role("button", name="Roll back to this…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The current batch cannot be read")).to_be_visible()
    dialog.get_by_role("textbox", name="Reason").fill("its manifest is broken")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="its manifest is broken")).to_be_visible()
    assert story.pin("story", "damaged") == good


def test_a_viewer_is_told_that_the_role_may_not_and_nothing_changes(story, as_user) -> None:
    before = story.pin("story", "flights")
    page = go(as_user("viewer"), f"#/partition/story.flights/{BAD}")
    page.get_by_role("button", name="Roll back to this…").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("alert")).to_contain_text("your role does not permit this")
    assert story.pin("story", "flights") == before


def test_somebody_was_faster_and_the_page_says_so(story, as_user) -> None:
    page = go(as_user("op"), f"#/partition/story.flights/{BAD}")
    page.get_by_role("button", name="Roll back to this…").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    meanwhile = story.store_dataframe(of(BAD, 77), "story", "flights", partition_by=["day"])
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("alert")).to_contain_text("another writer has changed it")
    assert story.pin("story", "flights", [BAD]) == meanwhile


def test_what_is_not_there_is_told_and_leads_back(story, as_user) -> None:
    page = go(as_user(), "#/table/story.gone")
    expect(page.get_by_role("alert")).to_contain_text("there is no table story.gone")
    page.get_by_role("link", name="Tables").click()
    search(page, "story.")
    expect(page.get_by_role("link", name="story.flights")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_history_that_is_damaged_is_told_and_not_taken_for_none(story, as_user) -> None:
    for rows in (9, 8):
        story.store_dataframe(of("torn", rows), "story", "torn", partition_by=["day"])
    layout = story.overview("story", "torn").table.layout
    Path(story.uri.removeprefix("embedded://"), layout.log_entry(1)).write_bytes(b"{}")
    page = go(as_user(), "#/partition/story.torn/torn")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_text("This partition has no history.")).to_have_count(0)
    go(page, "#/changes")
    expect(page.get_by_text("The history of story.torn cannot be read")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="story.flights").first).to_be_visible()


def test_a_run_with_a_damaged_table_is_shown_and_cannot_be_undone(story, as_user) -> None:
    run = sfx.Producer(dag_id="ripped", run_id="r1", task_id="load")
    for table in ("whole", "ripped"):
        for producer in (None, run):
            story.store_dataframe(
                of("d", 9 if producer else 8),
                "story",
                table,
                partition_by=["day"],
                producer=producer,
            )
    layout = story.overview("story", "ripped").table.layout
    Path(story.uri.removeprefix("embedded://"), layout.log_entry(2)).write_bytes(b"{}")
    page = go(as_user(), "?dag_id=ripped&run_id=r1")
    expect(page.get_by_text("The history of story.ripped cannot be read")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="story.whole")).to_be_visible()
    page.get_by_role("button", name="Undo this run…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("This run cannot be undone: ")).to_be_visible()
    expect(dialog.get_by_role("button", name="Undo")).to_have_count(0)
    assert page.faults == []


def test_an_address_that_is_none_is_told(story, as_user) -> None:
    page = go(as_user(), "#/table/%E0%A4%A")
    expect(page.get_by_role("alert")).to_contain_text(
        "is not a valid part of an address of this page"
    )
    assert page.faults == []


def test_an_answer_that_ends_early_is_told_and_is_no_empty_one(story, as_user) -> None:
    page = as_user()
    page.route("**/api/tables?*", lambda route: route.fulfill(body='{"tables": ['))
    go(page, "#/tables")
    expect(page.get_by_role("alert")).to_contain_text("Airflow's answer cannot be read")
    page.unroute("**/api/tables?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tables")
    assert page.faults == []


def test_text_from_data_is_text(story, as_user) -> None:
    page = go(as_user(), "#/partition/story.hostile/")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    page.get_by_role("link").filter(has_text="20").first.click()
    expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="<img").first).to_be_visible()
    assert page.faults == []


def test_colours_show_the_age_instead_of_the_rows(story, as_user) -> None:
    page = go(as_user(), "#/table/story.flights")
    bad = page.get_by_role("link", name=BAD)
    by_rows = bad.evaluate("cell => getComputedStyle(cell).backgroundColor")
    page.get_by_role("radio", name="age").check()
    expect(page.get_by_text("under a day")).to_be_visible()
    assert bad.evaluate("cell => getComputedStyle(cell).backgroundColor") != by_rows


def test_the_calendar_is_walked_with_the_keyboard(story, as_user) -> None:
    page = go(as_user(), "#/table/story.flights")
    page.locator(".cell[tabindex='0']").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".cell:focus")).to_have_attribute(
        "href", f"#/partition/story.flights/{BAD}"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"story.flights {BAD}")


def test_a_runs_tab_shows_what_the_run_changed(scheduler, story, as_user) -> None:
    scheduler.ready("killed")
    run_id = scheduler.succeed("killed")
    page = as_user()
    page.goto(f"/dags/killed/runs/{run_id}/plugin/batches-of-run")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Changes by this run")).to_be_visible(timeout=30_000)
    expect(frame.get_by_role("link", name="killed.sum", exact=True)).to_be_visible()
    picture(page, "run")
    frame.get_by_role("row", name="killed.sum").get_by_role(
        "link", name="killed", exact=True
    ).click()
    expect(page).to_have_url(
        f"{scheduler.url}/dags/killed/runs/{run_id.replace('+', '%2B').replace(':', '%3A')}"
    )


def test_ten_thousand_partitions_are_turned_in_pages(scheduler, as_user) -> None:
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    days = [f"{number:05d}" for number in range(10_000)]
    warehouse.store_dataframe(
        pd.DataFrame({"part": days, "n": 1}), "story", "large", partition_by=["part"]
    )
    page = as_user()
    took = []
    page.on(
        "requestfinished",
        lambda request: (
            took.append(request.timing["responseEnd"]) if "/api/" in request.url else None
        ),
    )
    go(page, "#/table/story.large")
    expect(page.get_by_text("1–366 of 10,000")).to_be_visible()
    expect(page.locator(".calendar .cell")).to_have_count(366)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("367–732 of 10,000")).to_be_visible()
    assert took, "the page asked the API"
    for where, heading in (("", "The night"), ("#/changes", "Changes")):
        page.goto("about:blank")
        began = time.monotonic()
        page.goto(f"/sfx/{where}")
        expect(page.get_by_role("heading", name=heading)).to_be_visible(timeout=30_000)
        print(f"{heading}: shown in {time.monotonic() - began:.2f} s")
    print("10,000 partitions: API answers in ms:", sorted(round(one) for one in took))


@pytest.fixture(scope="module")
def far_away(open_folders, stack):
    """An Airflow whose warehouse is on S3 and a Hive Metastore, which can be cut off."""
    proxy = FaultProxy(stack.metastore_port, {"reset": 1.0}, seed=1)
    proxy.quiet = True
    uri = f"hive://127.0.0.1:{proxy.port}?location=s3://warehouse/far"
    home = open_folders("far")
    (home / "dags").mkdir()
    environment = (
        airflow_environment(home, home / "dags") | stack.environment() | {"SFX_WAREHOUSE": uri}
    )
    with local_airflow(home / "home", home / "dags", environment) as running:
        yield running, sfx.connect(uri.replace(str(proxy.port), str(stack.metastore_port))), proxy
    proxy.close()


def test_a_warehouse_that_is_down_is_told_and_nothing_is_changed(far_away, window) -> None:
    airflow, warehouse, proxy = far_away
    for rows in (5, 3):
        warehouse.store_dataframe(of(BAD, rows), "far", "flights", partition_by=["day"])
    before = warehouse.pin("far", "flights")
    page = go(window(airflow), f"#/partition/far.flights/{BAD}")
    expect(page.get_by_role("row", name="publish")).to_have_count(2)
    page.get_by_role("button", name="Roll back to this…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name="then")).to_contain_text("5")
    proxy.quiet = False
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be used", timeout=45_000)
    assert warehouse.pin("far", "flights") == before
    proxy.quiet = True
    page.close()
    page = go(window(airflow), f"#/partition/far.flights/{BAD}")
    page.get_by_role("button", name="Roll back to this…").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("row", name="rollback")).to_be_visible()
    assert len(warehouse.load_dataframe("far", "flights")) == 5
    assert page.faults == []


def test_a_warehouse_that_is_down_does_not_hold_up_airflow(far_away) -> None:
    airflow, warehouse, proxy = far_away
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "far", "totals")
    login = {"Authorization": f"Bearer {airflow.login('admin')}"}

    def look(_: int) -> int:
        return httpx.get(
            f"{airflow.url}/sfx/api/tables/far/totals", headers=login, timeout=120
        ).status_code

    proxy.quiet = False
    with ThreadPoolExecutor(60) as pool:  # more than Airflow has threads
        looks = [pool.submit(look, number) for number in range(60)]
        time.sleep(2)
        airflow.get("dags", limit=1)
        assert not all(one.done() for one in looks), "Airflow answered while they waited"
        proxy.quiet = True
        assert {one.result() for one in looks} <= {200, 503}
