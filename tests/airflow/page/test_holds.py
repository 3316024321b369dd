"""The list of holds on the page, and their release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from playwright.sync_api import expect

import airflow_sfx as sfx
from tests.airflow.pages import AMISS, go, picture

HEADER = {"X-SFX-Request": "test"}


@pytest.fixture(scope="module")
def held(scheduler) -> sfx.Warehouse:
    """Two tables with holds: one for ever, one for a month, an expired and a released one."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    ida = sfx.Producer(user="ida")
    days = pd.DataFrame({"day": [f"2013010{number}" for number in range(1, 6)], "n": 1})
    orders = warehouse.store_dataframe(days, "held", "orders", partition_by=["day"])
    totals = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "held", "totals")
    warehouse.hold(orders, "annual accounts", producer=ida, reason="signed")
    month = datetime.now(UTC) + timedelta(days=30)
    warehouse.hold(totals, "lawsuit 7", until=month, producer=ida)
    warehouse.hold(totals, "over")
    warehouse.release("held", "totals", "over")
    return warehouse


def test_all_holds_are_in_one_list_and_released_by_one_who_may(held, as_user) -> None:
    page = as_user("op", viewport={"width": 390, "height": 800})
    go(page)
    page.get_by_role("link", name="Holds").click()
    page.get_by_role("searchbox").fill("held.")
    page.keyboard.press("Enter")
    table = page.get_by_role("table", name="2 holds")
    accounts = table.get_by_role("row").filter(has_text="annual accounts")
    for text in ("held.orders", "and 2 more", "released", "ida", "signed"):
        expect(accounts).to_contain_text(text)
    lawsuit = table.get_by_role("row").filter(has_text="lawsuit 7")
    until = held.holding("held", "totals")[0].until
    expect(lawsuit).to_contain_text(f"{until:%Y-%m-%d %H:%M:%S} UTC")
    assert page.evaluate(AMISS) == []
    picture(page, "holds")
    accounts.get_by_role("link", name="20130101").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("held.orders 20130101")
    page.get_by_role("link", name="Holds of this table").click()
    page.get_by_role("table", name="1 hold").get_by_role("button", name="Release…").click()
    dialog = page.get_by_role("dialog", name="Release the hold annual accounts of held.orders?")
    expect(dialog).to_contain_text("Retention may then expire its batches")
    dialog.get_by_role("textbox", name="Reason").fill("audited")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Released: annual accounts.")
    expect(page.get_by_text("No hold has this text.")).to_be_visible()
    (newest,) = held.holds("held", "orders", "annual accounts")
    assert (newest.released, newest.producer.user, newest.reason) == (True, "op", "audited")
    assert page.faults == []


def test_a_viewer_releases_nothing_and_a_hold_that_has_changed_stays(held, client) -> None:
    body = {"name": "lawsuit 7", "number": 1}
    with client("viewer", **HEADER) as viewer, client("op", **HEADER) as op:
        (found,) = viewer.get("holds", params={"table": "held.totals"}).json()["holds"]
        assert (found["name"], found["number"], found["total"]) == ("lawsuit 7", 1, 1)
        assert viewer.post("tables/held/totals/release", json=body).status_code == 403
        pin = held.pin("held", "totals")
        held.hold(pin, "lawsuit 7", renew=True)
        answer = op.post("tables/held/totals/release", json=body)
        assert answer.status_code == 409
        assert "was released or renewed meanwhile" in answer.json()["message"]
        numbers = {
            one["number"]
            for one in viewer.get("holds", params={"table": "held.totals"}).json()["holds"]
        }
        assert numbers == {2}
        assert len(held.holding("held", "totals")) == 2
        assert op.post("tables/held/totals/release", json={**body, "number": 2}).is_success
    assert held.holding("held", "totals") == []
