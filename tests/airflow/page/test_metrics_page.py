"""The metrics of a table on its page: lines, band, anomalies, and results of checks."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, Response, expect

import airflow_sfx as sfx
from airflow_sfx.checks import like_before, not_null
from tests.airflow.pages import go, picture

FIRST = date(2016, 10, 1)
DAYS = [f"{FIRST + timedelta(number):%Y%m%d}" for number in range(40)]


def night(number: int, factor: float = 1.0) -> pd.DataFrame:
    chance = np.random.default_rng(number)
    return pd.DataFrame(
        {
            "revenue": chance.normal(50, 5, 100) * factor,
            "kind": chance.choice(["hat", "shoe"], 100),
            "day": DAYS[number],
        }
    )


@pytest.fixture(scope="module")
def orders(scheduler) -> sfx.Warehouse:
    """Thirty good nights, one of a hundredth of the revenue, which a check warns of."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    nights = pd.concat([night(number) for number in range(29)], ignore_index=True)
    warehouse.store_dataframe(nights, "metrics", "orders", partition_by=["day"])
    warehouse.set_checks("metrics", "orders", [not_null("revenue")], warn=[like_before("revenue")])
    for number, factor in ((29, 1.0), (30, 0.01)):
        warehouse.store_dataframe(night(number, factor), "metrics", "orders", partition_by=["day"])
    for number in range(3):
        frame = pd.DataFrame({"price": [float(number)]})
        warehouse.store_dataframe(frame, "metrics", "prices")
    return warehouse


def test_an_unusual_night_is_named_drawn_and_opened_with_the_keyboard(orders, as_user) -> None:
    page = go(as_user("viewer"), "#/table/metrics.orders")
    section = page.get_by_role("region", name="Metrics")
    unusual = section.get_by_role("list", name="Unusual in the newest batch")
    expect(unusual).to_contain_text(re.compile(f"^{DAYS[30]}: the mean of 'revenue' is 0\\."))
    mean = section.get_by_role("group", name="revenue: mean; move with the arrow keys")
    drawing = mean.get_by_role("img")
    expect(drawing).to_have_attribute(
        "aria-label",
        re.compile(f"revenue: mean from {DAYS[0]} to {DAYS[30]}; .*unusual: {DAYS[30]}$"),
    )
    expect(drawing.locator("circle.anomaly")).to_have_count(1)
    expect(drawing.locator("polygon.band")).to_have_count(1)
    picture(page, "metrics")
    figure = section.get_by_role("figure").filter(has_text="revenue: mean")
    expect(figure.locator(".readout")).to_contain_text(f"{DAYS[30]}: 0.")
    mean.focus()
    page.keyboard.press("ArrowLeft")
    expect(figure.locator(".readout")).to_contain_text(f"{DAYS[29]}: ")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"metrics.orders {DAYS[30]}")).to_be_visible()
    assert page.faults == []


def test_the_same_figures_are_in_a_table(orders, as_user) -> None:
    page = go(as_user("viewer"), "#/table/metrics.orders")
    figure = page.get_by_role("figure").filter(has_text="revenue: mean")
    figure.get_by_text("As a table").click()
    rows = figure.get_by_role("row")
    expect(rows).to_have_count(32)
    expect(rows.nth(1)).to_contain_text(re.compile(f"{DAYS[30]}0\\..*unusual"))


def test_another_column_is_chosen_and_its_distinct_values_are_counted(orders, as_user) -> None:
    page = go(as_user("viewer"), "#/table/metrics.orders")
    section = page.get_by_role("region", name="Metrics")
    section.get_by_role("combobox", name="Column").select_option("kind")
    expect(section.get_by_text("kind: nulls, part of the rows")).to_be_visible()
    expect(section.get_by_text("kind: mean")).to_have_count(0)
    section.get_by_role("button", name="Count distinct values of 31 batches").click()
    distinct = section.get_by_role("figure").filter(has_text="kind: distinct values")
    expect(distinct.locator(".readout")).to_contain_text(f"{DAYS[30]}: 2, usually 1 to 3")
    expect(section.get_by_role("button", name="Count distinct values")).to_have_count(0)


def test_the_results_of_checks_are_a_series(orders, as_user) -> None:
    page = go(as_user("viewer"), "#/table/metrics.orders")
    results = page.get_by_role("group", name="Results of checks")
    expect(results.get_by_role("rowheader", name="like_before('revenue') (warn)")).to_be_visible()
    warned = results.get_by_role("link", name=f"{DAYS[30]}: warned the mean of 'revenue'")
    expect(warned).to_have_text("!")
    expect(results.get_by_role("link", name=f"{DAYS[30]}: passed")).to_have_text("✓")
    warned.click()
    expect(page.get_by_role("heading", name=f"metrics.orders {DAYS[30]}")).to_be_visible()


def test_a_table_without_partitions_shows_its_batches(orders, as_user) -> None:
    page = go(as_user("viewer"), "#/table/metrics.prices")
    section = page.get_by_role("region", name="Metrics")
    rows = section.get_by_role("group", name="price: mean")
    first = orders.history("metrics", "prices")[-1].batch_id
    expect(rows.get_by_role("img")).to_have_attribute("aria-label", re.compile(f"from {first} to"))


def test_the_metrics_of_ten_thousand_partitions_are_asked_for_as_those_of_a_few(
    orders, as_user
) -> None:
    days = [f"{date(1990, 1, 1) + timedelta(number):%Y%m%d}" for number in range(10_000)]
    frame = pd.DataFrame({"n": range(10_000), "day": days})
    orders.store_dataframe(frame, "metrics", "many", partition_by=["day"])
    few, many = (
        asked_for(as_user("viewer"), table) for table in ("metrics.orders", "metrics.many")
    )
    assert [path for path, _ in many] == [path for path, _ in few]
    assert sum(size for _, size in many) < 500_000, many


def asked_for(page: Page, table: str) -> list[tuple[str, int]]:
    """The questions of a table's page to the API, with the sizes of the answers in bytes."""
    answers: list[Response] = []
    page.on("response", lambda one: answers.append(one) if "/sfx/api/" in one.url else None)
    go(page, f"#/table/{table}")
    expect(page.locator(".calendar .cell").first).to_be_visible()
    expect(page.locator(".metrics .chart").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    return sorted(
        (
            one.url.partition("/api/")[2]
            .partition("?")[0]
            .replace(table.replace(".", "/"), "TABLE"),
            len(one.body()),
        )
        for one in answers
    )
