"""The page's views across tables, and its accessibility.

A run is undone as one, the changes of a day are listed, and everything works without a mouse and
without seeing colours.
"""

from __future__ import annotations

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from tests.airflow.pages import go, picture

RUN = {"dag_id": "weekly", "run_id": "manual__2013-01-07T00:00:00+00:00"}
DAYS = ["20130105", "20130106", "20130107"]

AMISS = """
() => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = (rgb) => {
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      const fill = () => getComputedStyle(one.querySelector("rect")).fill;
      const found = channels(one.tagName === "g" ? fill() : style.backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const amiss = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
    const told = [...element.childNodes].some(hasText);
    if (!element.checkVisibility() || element.closest("script, title")) continue;
    if (told) {
      const style = getComputedStyle(element);
      const colour = element.tagName === "text" ? style.fill : style.color;
      const text = luminance(channels(colour).slice(0, 3));
      const ground = luminance(behind(element));
      const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      const shown = element.outerHTML.slice(0, 120);
      if (contrast < 4.5) amiss.push(`${contrast.toFixed(2)} contrast: ${shown}`);
    }
    const own = element.getAttribute("aria-label") || element.textContent.trim();
    const named = own || element.closest("label");
    const needsName = element.matches("a, button, input, select, [role=img], [tabindex='0']");
    if (needsName && !named) amiss.push(`no name: ${element.outerHTML.slice(0, 120)}`);
    const alike = element.id ? document.querySelectorAll(`#${element.id}`).length : 1;
    if (alike > 1) amiss.push(`twice: ${element.id}`);
    const empty = !told && !element.textContent.trim();
    if (element.tagName === "TH" && empty) amiss.push("a heading without a text");
  }
  const heads = document.querySelectorAll("h1").length;
  if (heads !== 1) amiss.push(`${heads} headings of the first level`);
  if (document.documentElement.scrollWidth > innerWidth) amiss.push("wider than the window");
  return amiss;
}
"""


def of(day: str, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows), "note": "x" * 300})


@pytest.fixture(scope="module")
def shop(scheduler) -> sfx.Warehouse:
    """Days that a run has changed in two tables, with each state, and a name that is long."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for day in DAYS:
        warehouse.store_dataframe(of(day, 5), "all", "orders", partition_by=["day"], reason="first")
    source = warehouse.pin("all", "orders")
    producer = sfx.Producer(**RUN, task_id="load", try_number=1)
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
    return warehouse


def views(warehouse: sfx.Warehouse) -> dict[str, str]:
    after, before = (one.batch_id for one in warehouse.history("all", "orders", [DAYS[1]])[1:3])
    made = warehouse.history("all", "orders", [DAYS[0]])[0]
    return {
        "tables": "",
        "changes": "#/changes",
        "a table": "#/table/all.orders",
        "a partition": f"#/partition/all.orders/{DAYS[2]}",
        "a batch": f"#/batch/all.orders/{DAYS[0]}/{made.batch_id}",
        "two batches": f"#/diff/all.orders/{DAYS[1]}/{before}/{after}",
        "a run": f"?dag_id={RUN['dag_id']}&run_id={RUN['run_id'].replace('+', '%2B')}",
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
