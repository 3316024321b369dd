"""The shop of ten nights on a scheduler, walked by browser from the bad morning to a link."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from airflow_sfx.assets.announce import announce
from dags_examples.local_airflow import LocalAirflow, local_airflow
from dags_examples.shop import nights
from dags_examples.shop.csvs import CENTS, NIGHTS, REFUSED
from tests.airflow.conftest import airflow_environment
from tests.airflow.pages import go, picture

pytestmark = pytest.mark.timeout(1_200)
BAD, LATE = nights.partition(CENTS), nights.partition(REFUSED)
TABLES = ("orders", "customers", "items", "sales", "report")


@pytest.fixture(scope="module")
def running(open_folders):
    """The Airflow of the shop after the first deliveries of ten nights."""
    home = open_folders("shop")
    nights.deliver(home)
    environment = airflow_environment(home, nights.DAGS) | nights.settings(home)
    users = {"admin": "admin", "viewer": "viewer"}
    with local_airflow(home / "home", nights.DAGS, environment, users) as started:
        nights.load_nights(started)
        yield started


@pytest.fixture(scope="module")
def warehouse(running: LocalAirflow):
    return sfx.connect(running.environment["SFX_WAREHOUSE"])


@pytest.fixture(scope="module")
def mistaken(running: LocalAirflow) -> str:
    """The run that loaded prices in cents, the last of the second deliveries."""
    return nights.load_again(running)


def command(running: LocalAirflow, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", *words],
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def filled(page: Page, where: str = "") -> Page:
    expect(go(page, where).locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    return page


def revenue(warehouse, **which: str) -> float:
    return warehouse.load_dataframe("shop", "report", [BAD], **which)["revenue"].sum()


def test_the_first_morning_names_the_night_that_a_check_refused(running, warehouse, window) -> None:
    days = {nights.partition(night) for night in NIGHTS}
    assert warehouse.pin("shop", "orders").batches.keys() == days - {LATE}
    page = filled(window(running))
    expect(page.get_by_role("heading", level=1)).to_have_text("The night")
    refused = page.get_by_role("row").filter(has_text="shop.orders").filter(has_text="refused")
    expect(refused).to_contain_text("column 'price' has 5 nulls")
    picture(page, "shop-refused")
    refused.locator("a.concern").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"shop.orders {LATE}")
    told = command(running, "night", "--since", "60m")
    assert told.returncode == 1
    assert LATE in told.stdout
    assert page.faults == []


def test_the_second_deliveries_pass_the_checks_and_one_is_a_hundredth(warehouse, mistaken) -> None:
    for table in TABLES:
        assert sorted(warehouse.pin("shop", table).batches) == list(map(nights.partition, NIGHTS))
    (entry,) = warehouse.history("shop", "orders", [LATE])
    assert entry.reason == f"delivery 2 of {REFUSED}"
    now, before = warehouse.history("shop", "report", [BAD])
    assert revenue(warehouse, batch_id=now.batch_id) == pytest.approx(
        revenue(warehouse, batch_id=before.batch_id) / 100
    )


def test_the_walk_from_the_bad_morning_to_the_link_in_a_channel(
    running, warehouse, window, mistaken
) -> None:
    after, before = (one.batch_id for one in warehouse.history("shop", "sales", [BAD]))
    right = warehouse.history("shop", "report", [BAD])[1].batch_id

    # The batch, and what differs from the one that it replaced.
    page = filled(window(running), f"#/batch/shop.sales/{BAD}/{after}")
    page.get_by_role("link", name=f"Compare with {before}").click()
    changed = page.get_by_role("row").filter(has_text="revenue").first
    expect(changed).to_contain_text("→")
    picture(page, "shop-diff")

    # The run is undone as one, in all tables.
    go(page, f"?dag_id={nights.NIGHTLY}&run_id={quote(mistaken)}")
    page.get_by_role("button", name="Undo this run…").click()
    dialog = page.get_by_role("dialog", name="Undo everything that run")
    expect(dialog.get_by_role("row").filter(has_text="shop.sales")).to_contain_text(before)
    page.keyboard.type("prices in cents")
    picture(page, "shop-undo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Undone: 4 partitions rolled back.")

    # The night names what was made from the bad batch and is still current.
    filled(page, "#/night")
    stale = page.get_by_role("row").filter(has_text="shop.report").filter(has_text="stale")
    expect(stale).to_contain_text("shop.sales", timeout=30_000)
    picture(page, "shop-stale")
    assert command(running, "stale").returncode == 1

    # Its consumer starts again, from what is current.
    made = len(warehouse.history("shop", "report", [BAD]))
    announce(warehouse.pin("shop", "sales", [BAD]), running.url, running.token)
    running.until(
        lambda: len(warehouse.history("shop", "report", [BAD])) > made,
        "the report is made again",
        seconds=300,
    )
    assert revenue(warehouse) == pytest.approx(revenue(warehouse, batch_id=right))
    assert command(running, "stale").returncode == 0

    # The link shows another person the same.
    filled(page, f"#/partition/shop.report/{BAD}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status")).to_have_text("The link is copied.")
    other = window(running, "viewer")
    other.goto(page.evaluate("navigator.clipboard.readText()"))
    frame = other.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_have_text(f"shop.report {BAD}", timeout=30_000)
    expect(frame.get_by_role("row").filter(has_text=right)).not_to_have_count(0)
    assert page.faults == other.faults == []
