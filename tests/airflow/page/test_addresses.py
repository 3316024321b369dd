"""The address of a view: copied, reloaded, opened after a login, and on a phone."""

from __future__ import annotations

import pandas as pd
import pytest
from playwright.sync_api import FrameLocator, Page, expect

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from tests.airflow.pages import go

DAY = "20130101"
VIEW = f"#/partition/links.items/{DAY}"
OUTSIDE = """
() => [...document.querySelectorAll("button, select, input")]
  .filter((one) => one.checkVisibility())
  .map((one) => [one.textContent || one.name, one.getBoundingClientRect()])
  .filter(([, box]) => box.left < 0 || box.right > innerWidth || box.width === 0)
  .map(([text, box]) => `${text} ${box.left}–${box.right}`)
"""


@pytest.fixture(scope="module")
def items(scheduler) -> sfx.Warehouse:
    """A partition with an earlier batch, and one that failed its check."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for rows in (90, 80):
        frame = pd.DataFrame({"day": [DAY] * rows, "n": range(rows)})
        warehouse.store_dataframe(frame, "links", "items", partition_by=["day"], reason="nightly")
    with pytest.raises(sfx.CheckFailed):
        warehouse.store_dataframe(
            frame.head(3), "links", "items", partition_by=["day"], checks=[rows_between(50, 200)]
        )
    return warehouse


def heading(where: Page | FrameLocator):
    return where.get_by_role("heading", level=1)


def test_airflows_own_address_names_the_view_and_is_reloaded(items, as_user) -> None:
    page = as_user()
    page.goto("/plugin/batch-history")
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Tables").click(timeout=60_000)
    expect(heading(frame)).to_have_text("Tables")
    frame.get_by_role("searchbox").fill("links.")
    frame.get_by_role("button", name="Search").click()
    frame.get_by_role("link", name="links.items").click()
    expect(heading(frame)).to_have_text("links.items")
    expect(page).to_have_url(page.url.partition("#")[0] + "#/table/links.items")
    page.go_back()
    expect(heading(frame)).to_have_text("Tables")
    expect(page).to_have_url(page.url.partition("#")[0] + "#/tables/links.")
    page.go_forward()
    expect(heading(frame)).to_have_text("links.items")
    page.reload()
    expect(heading(frame)).to_have_text("links.items", timeout=30_000)
    page.goto(f"/plugin/batch-history{VIEW}")
    expect(heading(frame)).to_have_text(f"links.items {DAY}", timeout=30_000)
    assert page.faults == []


def test_the_link_is_copied_and_opens_the_view_for_another_person(
    scheduler, items, as_user, window
) -> None:
    page = go(as_user(), VIEW)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status")).to_have_text("The link is copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{scheduler.url}/plugin/batch-history{VIEW}"
    other = window(scheduler, "viewer")
    other.goto(link)
    expect(heading(other.frame_locator("iframe"))).to_have_text(
        f"links.items {DAY}", timeout=30_000
    )


def test_the_link_is_shown_where_a_browser_gives_no_access_to_the_clipboard(items, as_user) -> None:
    page = go(as_user(), VIEW)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy link").click()
    field = page.get_by_role("textbox", name="Link to this view")
    expect(field).to_have_value(f"{page.url.partition('/sfx/')[0]}/plugin/batch-history{VIEW}")


@pytest.mark.parametrize("where", ["/plugin/batch-history", "/sfx/"])
def test_a_deep_link_survives_the_login(scheduler, items, browser, as_user, where: str) -> None:
    link = f"{scheduler.url}{where}{VIEW}"
    if where == "/sfx/":  # the address of the page alone, as its own bar has it
        link = go(as_user(), VIEW).url
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Username").fill("op")
    page.get_by_label("Password").fill("op")
    page.get_by_role("button", name="Sign in").click()
    shown = page if where == "/sfx/" else page.frame_locator("iframe")
    expect(heading(shown)).to_have_text(f"links.items {DAY}", timeout=30_000)
    context.close()


def test_colours_are_part_of_the_address(items, as_user) -> None:
    frame = pd.DataFrame({"day": [f"201302{day:02d}" for day in range(1, 29)], "n": 1})
    items.store_dataframe(frame, "links", "month", partition_by=["day"])
    page = go(as_user(), "#/table/links.month")
    page.get_by_role("radio", name="size").check()
    page.reload()
    expect(page.get_by_role("radio", name="size")).to_be_checked(timeout=30_000)
    assert page.url.endswith("/links.month//0/size")


def test_a_phone_shows_every_button_without_scrolling_sideways(items, as_user) -> None:
    page = as_user("op", viewport={"width": 390, "height": 844}, has_touch=True)
    staged = items.show("links", "items").staged[0].batch_id
    run = "?dag_id=none&run_id=none"
    for where in (
        *("", "#/tables", "#/changes", "#/table/links.items", VIEW),
        *(f"#/batch/links.items/{DAY}/{staged}", run),
    ):
        page.goto("about:blank")
        go(page, where)
        expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
        assert page.evaluate(OUTSIDE) == [], where
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
    for button in ("Roll back to this…", "Publish…", "Discard…"):
        page.goto("about:blank")
        go(page, VIEW)
        page.get_by_role("button", name=button).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate(OUTSIDE) == [], button
    assert page.faults == []
