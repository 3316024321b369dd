"""The page's views across tables, and its accessibility.

A run is undone as one, the changes of a day are listed, and everything works without a mouse and
without seeing colours.
"""

from __future__ import annotations

import re

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.models.registry import ModelRegistry
from tests.airflow.pages import AMISS, go, picture

RUN = {"dag_id": "weekly", "run_id": "manual__2013-01-07T00:00:00+00:00"}
DAYS = ["20130105", "20130106", "20130107"]


def of(day: str, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows), "note": "x" * 300})


@pytest.fixture(scope="module")
def shop(scheduler) -> sfx.Warehouse:
    """Days that a run has changed in two tables, with each state, and a name that is long."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for day in DAYS:
        warehouse.store_dataframe(of(day, 5), "all", "orders", partition_by=["day"], reason="first")
    source = warehouse.pin("all", "orders")
    producer = sfx.Producer(**RUN, task_id="load", try_number=1, backfill_id="7")
    for table in ("orders", "totals"):
        made = warehouse.store_dataframe(
            of(DAYS[0], 50),
            "all",
            table,
            partition_by=["day"],
            producer=producer,
            inputs=[source],
            reason="late corrections of three carriers, " * 12,
        )
    warehouse.hold(
        made,
        "the annual report of everything that was ever ordered by anybody anywhere",
        until=None,
    )
    warehouse.store_dataframe(of(DAYS[1], 9), "all", "orders", partition_by=["day"])
    warehouse.rollback("all", "orders", [DAYS[1]])
    with pytest.raises(sfx.CheckFailed):
        checks = [rows_between(50, 200)]
        warehouse.store_dataframe(
            of(DAYS[2], 3), "all", "orders", partition_by=["day"], checks=checks
        )
    models = ModelRegistry(warehouse)
    for slope in (1.0, 2.0):
        saved = models.save(
            sfx.models.Coefficients({"n": slope}),
            "all_delays",
            inputs={"train": source},
            metrics={"mae": slope},
            reason="nightly",
        )
        models.promote("all_delays", saved)
    return warehouse


def views(warehouse: sfx.Warehouse) -> dict[str, str]:
    after, before = (one.batch_id for one in warehouse.history("all", "orders", [DAYS[1]])[1:3])
    made = warehouse.history("all", "orders", [DAYS[0]])[0]
    versions = sorted(one.pin.version for one in ModelRegistry(warehouse).versions("all_delays"))
    return {
        "the night": "",
        "tables": "#/tables",
        "changes": "#/changes",
        "stale": "#/stale",
        "holds": "#/holds",
        "streams": "#/streams",
        "a commit": f"#/commit/all.orders/{made.commit.replace('/', '%2F')}",
        "a backfill": f"#/backfill/{RUN['dag_id']}/7",
        "a table": "#/table/all.orders",
        "a partition": f"#/partition/all.orders/{DAYS[2]}",
        "a batch": f"#/batch/all.orders/{DAYS[0]}/{made.batch_id}",
        "two batches": f"#/diff/all.orders/{DAYS[1]}/{before}/{after}",
        "a run": f"?dag_id={RUN['dag_id']}&run_id={RUN['run_id'].replace('+', '%2B')}",
        "models": "#/models",
        "a model": "#/model/all_delays",
        "an alias": "#/alias/all_delays/production",
        "a version": f"#/version/all_delays/{versions[0]}",
        "two versions": f"#/compare/all_delays/{'/'.join(versions)}",
        "workbenches, not set up": "#/workbenches",
        "nothing": "#/table/all.gone",
    }


def filled(page: Page) -> Page:
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    return page


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_view_can_be_read_and_has_names_for_everything(
    shop, as_user, look: str, width: int
) -> None:
    page = as_user("op", color_scheme=look, viewport={"width": width, "height": 860})
    found = {}
    for name, where in views(shop).items():
        page.goto("about:blank")
        filled(go(page, where))
        found[name] = page.evaluate(AMISS)
    assert ("dark" in (page.locator("html").get_attribute("class") or "")) == (look == "dark")
    assert {name: amiss for name, amiss in found.items() if amiss} == {}
    assert page.faults == []


def test_changes_of_a_time_are_listed_across_tables(shop, as_user) -> None:
    page = go(as_user("viewer"), "#/changes")
    page.get_by_role("combobox", name="Period").select_option("last hour")
    expect(page.get_by_role("row").filter(has_text="all.totals").first).to_be_visible()
    picture(page, "changes")
    page.get_by_role("row").filter(has_text="all.totals").first.get_by_role(
        "link", name=DAYS[0]
    ).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"all.totals {DAYS[0]}")


def test_changes_of_a_commit_are_one_line_filtered_and_opened(shop, as_user) -> None:
    many = pd.DataFrame({"part": [f"{number:04d}" for number in range(140)], "n": 1})
    cleo = sfx.Producer(user="cleo")
    shop.store_dataframe(many, "all", "thousands", partition_by=["part"], producer=cleo)
    page = go(as_user("op"), "#/changes")
    page.get_by_role("textbox", name="Person").fill("cleo")
    page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text="all.thousands")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("140 partitions")
    expect(page.get_by_role("row").filter(has_text="all.orders")).to_have_count(0)
    page.get_by_role("combobox", name="Kind").select_option("rollback")
    expect(page.get_by_text("No such changes in the last day.")).to_be_visible()
    page.get_by_role("combobox", name="Kind").select_option("all kinds")
    row.get_by_role("link", name="Open").click()
    expect(page.get_by_text("1–50 of 140")).to_be_visible()
    page.get_by_role("button", name="Undo this commit…").click()
    dialog = page.get_by_role("dialog", name="Undo everything that the commit")
    expect(dialog.get_by_text("140 partitions will have no batch.")).to_be_visible()
    dialog.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_have_text("Undone: 140 partitions rolled back.")
    undo = shop.history("all", "thousands", ["0000"])[0].commit
    go(page, f"#/commit/all.thousands/{undo.replace('/', '%2F')}")
    page.get_by_role("button", name="Undo this rollback…").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_have_text("Undone: 140 partitions rolled back.")
    assert len(shop.pin("all", "thousands").batches) == 140
    assert page.faults == []


def test_a_backfill_and_its_last_attempt_are_undone_on_the_page(shop, as_user) -> None:
    first = shop.store_dataframe(of("20130101", 1), "all", "filled", partition_by=["day"])
    for number in (1, 2):
        producer = sfx.Producer(
            dag_id="refilled",
            run_id="backfill__1",
            task_id="load",
            try_number=number,
            run_type="backfill",
            backfill_id="12",
        )
        night = of("20130101", 1 + number)
        shop.store_dataframe(night, "all", "filled", partition_by=["day"], producer=producer)
    second = shop.history("all", "filled", ["20130101"])[1].batch_id
    page = go(as_user("op"), "#/partition/all.filled/20130101")
    page.get_by_role("link", name="backfill 12").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes by backfill 12 of refilled")
    page.get_by_role("button", name="Undo this backfill…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It ran 2 times")).to_be_visible()
    expect(dialog.get_by_role("row").filter(has_text=first.batch_id)).to_be_visible()
    dialog.get_by_role("button", name="Undo only the last attempt…").click()
    expect(dialog.get_by_text("Only what the last attempt changed is undone.")).to_be_visible()
    expect(dialog.get_by_role("row").filter(has_text=second)).to_contain_text("refilled")
    picture(page, "undo_attempt")
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Undone: 1 partition rolled back.")
    assert shop.pin("all", "filled").batch_id == second
    assert page.faults == []


def test_the_night_is_the_first_view_and_leads_to_what_needs_attention(shop, as_user) -> None:
    for day in range(1, 10):
        shop.store_dataframe(of(f"201302{day:02d}", 100), "all", "nightly", partition_by=["day"])
    shop.store_dataframe(of("20130210", 4), "all", "nightly", partition_by=["day"])
    page = filled(go(as_user("op")))
    expect(page.get_by_role("heading", level=1)).to_have_text("The night")
    refused = page.get_by_role("row").filter(has_text="all.orders").filter(has_text="refused")
    expect(refused).to_contain_text("rows_between(50, 200): 3 rows, not between 50 and 200")
    small = page.get_by_role("row").filter(has_text="all.nightly")
    expect(small).to_contain_text("4 rows, usually 90 to 110")
    expect(
        page.get_by_role("row").filter(has_text=DAYS[1]).filter(has_text="rolled back")
    ).to_have_count(1)
    picture(page, "night")
    page.locator("a.concern").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("a.concern").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    small.locator("a.concern").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("all.nightly 20130210")
    page.get_by_role("link", name="Night", exact=True).click()
    page.get_by_role("combobox", name="Period").select_option("last week")
    expect(page).to_have_url(re.compile("#/night/168$"))
    assert page.faults == []


def test_a_run_of_many_changes_is_turned_in_pages(shop, as_user) -> None:
    many = pd.DataFrame({"part": [f"{number:03d}" for number in range(60)], "n": 1})
    producer = sfx.Producer(dag_id="many", run_id="r", task_id="load")
    shop.store_dataframe(many, "all", "many", partition_by=["part"], producer=producer)
    page = go(as_user("viewer"), "?dag_id=many&run_id=r")
    expect(page.get_by_text("1–50 of 60")).to_be_visible()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("51–60 of 60")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes by this run")
    page.get_by_role("link", name="This run").click()
    expect(page.get_by_text("1–50 of 60")).to_be_visible()


def test_a_run_is_undone_with_the_keyboard_alone(shop, as_user) -> None:
    page = go(as_user("op"), views(shop)["a run"])
    expect(page.get_by_role("row").filter(has_text="all.totals")).to_be_visible()
    page.get_by_role("button", name="Undo this run…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Undo everything that run")
    expect(dialog.get_by_role("row").filter(has_text="all.totals")).to_contain_text(
        "no batch, as before"
    )
    picture(page, "undo")
    page.keyboard.type("a bad week")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Undone: 2 partitions rolled back.")
    newest = shop.history("all", "orders", [DAYS[0]])[0]
    assert (newest.operation.value, newest.rows, newest.producer.user, newest.reason) == (
        "rollback",
        5,
        "op",
        "a bad week",
    )
    page.get_by_role("button", name="Undo this run…").click()
    expect(dialog.get_by_text("there is nothing to undo")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.faults == []
