"""The partitions of a table: labels, both spellings of a day, other names, lists and colours."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from airflow_sfx.core.partition import Partition
from airflow_sfx.metastore.base import PartitionInfo
from tests.airflow.pages import go, picture

DAYS = [date(2015, 12, 20) + timedelta(number) for number in range(40)]
OURS = [*(f"{day:%Y%m%d}" for day in DAYS), "20160231", "north", "south"]
FOREIGN = [f"{day:%Y-%m-%d}" for day in DAYS[:3]]
NAMES = [*OURS, *FOREIGN]


@pytest.fixture(scope="module")
def mixed(scheduler) -> sfx.Warehouse:
    """A table with days, a date that is none, names, and days that another engine spells so."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    rows = pd.DataFrame(
        [(name, number) for name in OURS for number in range(3 if name == "north" else 9)],
        columns=["day", "n"],
    )
    warehouse.store_dataframe(rows, "calendar", "mixed", partition_by=["day"])
    table = warehouse.overview("calendar", "mixed").table
    added = [
        PartitionInfo(Partition((name,)), f"{table.location}/foreign/{name}", 0, None)
        for name in FOREIGN
    ]
    warehouse.metastore.repoint(table.ref, added)
    few = pd.DataFrame({"day": NAMES[:3], "n": 1})
    warehouse.store_dataframe(few, "calendar", "few", partition_by=["day"])
    return warehouse


def places(page: Page) -> dict[str, tuple[float, float]]:
    """Where the cell of each partition is."""
    found = page.evaluate(
        "() => [...document.querySelectorAll('.partitions .cell')].map((one) => {"
        " const box = one.getBoundingClientRect();"
        " return [one.getAttribute('aria-label').split(',')[0], box.x, box.y]; })"
    )
    return {name: (x, y) for name, x, y in found}


def test_every_partition_has_a_cell_of_its_own_and_days_are_labelled(mixed, as_user) -> None:
    page = go(as_user(), "#/table/calendar.mixed")
    found = places(page)
    assert sorted(found) == sorted(NAMES)
    assert len(set(found.values())) == len(NAMES), "two cells are at one place"
    for text in ("2015", "2016", "Mon", "Sun", "Dec", "Jan"):
        expect(page.locator(".year").get_by_text(text, exact=True).first).to_be_visible()
    for text in ("Days named as 20161118", "Days named as 2016-11-18", "Other partitions"):
        expect(page.get_by_role("heading", name=text)).to_be_visible()
    label = page.locator(".year .weekday", has_text="Sun").first.bounding_box()
    (_, y) = found["20160103"]  # a Sunday
    assert label
    assert abs(label["y"] - y) < 4
    picture(page, "calendar")
    assert page.faults == []


def test_few_partitions_are_a_list(mixed, as_user) -> None:
    page = go(as_user(), "#/table/calendar.few")
    expect(page.locator(".partitions .cell")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text=NAMES[0])
    expect(row).to_contain_text("current")
    row.get_by_role("link", name=NAMES[0], exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"calendar.few {NAMES[0]}")


def test_colours_show_the_metric_that_is_chosen(mixed, as_user) -> None:
    page = go(as_user(), "#/table/calendar.mixed")
    cell = page.get_by_role("link", name="north")

    def colour() -> str:
        return cell.evaluate("one => getComputedStyle(one).backgroundColor")

    by_rows = colour()
    expect(cell).to_have_attribute("aria-label", re.compile("3 rows, .*, 33 % of the usual rows"))
    page.get_by_role("radio", name="size").check()
    expect(cell).to_have_attribute(
        "aria-label", re.compile(r"size [\d.]+ (B|KiB), .* of the usual size")
    )
    page.get_by_role("radio", name="age").check()
    expect(page.get_by_text("under a day")).to_be_visible()
    assert colour() != by_rows
