"""The shop of ten nights on a scheduler, walked by browser from the bad morning to a link."""

from __future__ import annotations

import re
import subprocess
import sys
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow, local_airflow
from dags_examples.shop import nights
from dags_examples.shop.csvs import CENTS, NIGHTS, NO_GIFTS, POINT_ZERO, REFUSED, UNCOUNTED
from tests.airflow.conftest import REPO, airflow_environment
from tests.airflow.pages import go, picture
from tests.docs.pages import DOCTESTS, steps

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
    """The run that was cleared, and loaded prices in cents the second time."""
    return nights.load_cents(running)


def run(running: LocalAirflow, step: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command or a Python session of a page."""
    session = step.startswith(">>>")
    return subprocess.run(
        [sys.executable, "-c", DOCTESTS, "README.md"] if session else step,
        shell=not session,
        input=step if session else None,
        cwd=REPO,
        env=running.environment | variables,
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
    failed = page.get_by_role("list", name="Failed checks")
    expect(failed).to_contain_text("no_negative_price failed: 2 prices are negative")
    picture(page, "shop-failed")
    assert page.faults == []


def test_numbers_as_the_csvs_bring_them_change_no_type_of_a_table(running, warehouse) -> None:
    table = {
        f"{name}.{column.name}": column.type
        for name in TABLES
        for column in warehouse.show("shop", name).columns
    }
    assert table["orders.quantity"] == table["items.stock"] == table["sales.stock"] == "bigint"
    assert table["orders.gift"] == "string"
    casts = {
        (name, night): warehouse.manifests(pin)[0].fit.casts
        for name, night in (("orders", POINT_ZERO), ("items", UNCOUNTED), ("sales", UNCOUNTED))
        if (pin := warehouse.pin("shop", name, [nights.partition(night)]))
    }
    assert casts == {
        ("orders", POINT_ZERO): {"quantity": "double"},
        ("items", UNCOUNTED): {"stock": "double"},
        ("sales", UNCOUNTED): {"stock": "double"},
    }
    gifts = warehouse.load_dataframe("shop", "orders", columns=["gift", "day"]).groupby("day")
    without = {day for day, given in gifts["gift"].count().items() if not given}
    assert without == set(map(nights.partition, NO_GIFTS))


def test_the_second_delivery_passes_the_checks_and_is_a_hundredth(warehouse, mistaken) -> None:
    now, before = warehouse.history("shop", "report", [BAD])
    assert revenue(warehouse, batch_id=now.batch_id) == pytest.approx(
        revenue(warehouse, batch_id=before.batch_id) / 100
    )


def test_the_walk_from_the_bad_morning_to_the_link_in_a_channel(
    running, warehouse, window, mistaken
) -> None:
    after, before = (one.batch_id for one in warehouse.history("shop", "sales", [BAD]))
    right = warehouse.history("shop", "report", [BAD])[1].batch_id

    # The night names the values that are unusual; the table's metrics mark them.
    page = filled(window(running))
    unusual = page.get_by_role("row").filter(has_text="shop.sales")
    expect(unusual).to_contain_text("the mean of 'revenue' is 11.", timeout=30_000)
    picture(page, "shop-night")
    unusual.locator("a.concern").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"shop.sales {BAD}")
    filled(page, "#/table/shop.sales")
    metrics = page.get_by_role("region", name="Metrics")
    metrics.get_by_role("combobox", name="Column").select_option("revenue")
    newest = metrics.get_by_role("list", name="Unusual in the newest batch")
    expect(newest).to_contain_text(f"{BAD}: the mean of 'revenue' is 11.")
    mean = metrics.get_by_role("group", name="revenue: mean; move with the arrow keys")
    expect(mean.locator("circle.anomaly")).to_have_count(1)
    picture(page, "shop-metrics")
    mean.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^shop.sales {BAD}"))
    page.get_by_role("link", name=re.compile("^Compare")).first.click()
    changed = page.get_by_role("row").filter(has_text="revenue").first
    expect(changed).to_contain_text("→", timeout=30_000)
    picture(page, "shop-diff")

    # The run ran twice: its last attempt is undone as one, in all tables.
    go(page, f"?dag_id={nights.NIGHTLY}&run_id={quote(mistaken)}")
    page.get_by_role("button", name="Undo this run…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It ran 2 times")).to_be_visible()
    dialog.get_by_role("button", name="Undo only the last attempt…").click()
    expect(dialog.get_by_text("Only what the last attempt changed is undone.")).to_be_visible()
    expect(dialog.get_by_role("row").filter(has_text="shop.sales")).to_contain_text(before)
    page.keyboard.type("prices in cents")
    picture(page, "shop-undo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Undone: 2 partitions rolled back.")

    # The night names what was made from the bad batch and is still current, and the list why.
    filled(page, "#/night")
    stale = page.get_by_role("row").filter(has_text="shop.report").filter(has_text="stale")
    expect(stale).to_contain_text("shop.sales", timeout=30_000)
    page.get_by_role("link", name="Stale", exact=True).click()
    row = page.get_by_role("row").filter(has_text="shop.report").filter(has_text=BAD)
    expect(row).to_contain_text(f"shop.sales {BAD} {after} rolled back", timeout=30_000)
    expect(row).to_contain_text("prices in cents")
    picture(page, "shop-stale")
    assert run(running, "sfx stale").returncode == 1

    # Its consumer starts again, from what is current.
    made = len(warehouse.history("shop", "report", [BAD]))
    filled(page, "#/stale")
    page.get_by_role("button", name=f"Announce shop.sales {BAD} again…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(nights.REPORT)
    dialog.get_by_role("textbox", name="Reason").fill("in euros again")
    dialog.get_by_role("button", name="Announce").click()
    expect(page.get_by_role("status")).to_have_text("Announced: 1 asset event of shop.sales.")
    running.until(
        lambda: len(warehouse.history("shop", "report", [BAD])) > made,
        "the report is made again",
        seconds=300,
    )
    assert revenue(warehouse) == pytest.approx(revenue(warehouse, batch_id=right))
    assert run(running, "sfx stale").returncode == 0

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


EXPECTED = {
    "sfx night": [(1, "refused"), (1, "^(?!.*refused).*the mean of 'revenue' is 11")],
    "sfx metrics": [(1, "20261110 .* mean\n")],
    "sfx stale": [(1, "shop.report"), (0, "no stale batches")],
    "sfx erase": [(0, "Nothing was done"), (1, "10 rows of 10 batches erased")],
}
"""Exit status and output of commands each time that they are shown; other commands exit with 0."""


def test_every_step_of_the_readme_works_in_order(running, warehouse, mistaken) -> None:
    """The night is loaded in cents once more, as the walk has undone it."""
    variables = {
        "RUN_ID": nights.run_again(running, CENTS),
        "SFX_AIRFLOW_URL": running.url,
    }
    left = {name: list(times) for name, times in EXPECTED.items()}
    for step in steps(nights.DAGS / "README.md"):
        times = next((times for name, times in left.items() if step.startswith(name)), [])
        status, text = times.pop(0) if times else (0, "")
        done = []

        def as_expected(step=step, status=status, text=text, done=done) -> bool:
            done[:] = [run(running, step, **variables)]
            found = re.search(text, done[0].stdout, re.DOTALL)
            return done[0].returncode == status and found is not None

        if step.startswith(("sfx night", "sfx stale")):
            # Tasks that were started by the command before make it so.
            running.until(as_expected, f"{step} is as expected", seconds=240)
        else:
            assert as_expected(), (step, *done)
    assert not any(left.values())
    assert sorted(warehouse.pin("shop", "report").batches) == list(map(nights.partition, NIGHTS))
    assert not (warehouse.load_dataframe("shop", "customers")["customer"] == 17).any()
