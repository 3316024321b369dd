"""Staged batches on the page: what failed, publish, what a publish replaces, and discard."""

from __future__ import annotations

import pandas as pd
import pytest
from playwright.sync_api import expect

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from tests.airflow.pages import go, picture

DAY = "20130101"
HEADER = {"X-SFX-Request": "test"}


def of(rows: int, day: str = DAY) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows)})


def put(warehouse: sfx.Warehouse, table: str, rows: int, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(of(rows), "staged", table, partition_by=["day"], **options)


@pytest.fixture
def warehouse(scheduled_warehouse) -> sfx.Warehouse:
    return scheduled_warehouse


def refused(warehouse: sfx.Warehouse, table: str) -> str:
    """Store a batch whose check fails, and return its ID."""
    with pytest.raises(sfx.CheckFailed) as caught:
        put(warehouse, table, 3, checks=[rows_between(50, 200)])
    return str(caught.value.batch_id)


def test_a_failed_check_is_shown_with_its_text_at_the_batch_that_failed(warehouse, as_user) -> None:
    put(warehouse, "failed", 90)
    batch_id = refused(warehouse, "failed")
    page = go(as_user("viewer"), "#/table/staged.failed")
    row = page.get_by_role("row").filter(has_text=batch_id).filter(has_text="waiting")
    text = "rows_between(50, 200) failed: 3 rows, not between 50 and 200"
    expect(row.get_by_role("listitem")).to_have_text(text)
    picture(page, "staged")
    row.get_by_role("link", name=DAY).click()
    notice = page.get_by_role("region", name="Staged batch")
    expect(notice.get_by_role("listitem")).to_have_text(text)
    notice.get_by_role("link", name=batch_id).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(batch_id)
    expect(page.get_by_role("list", name="Failed checks").get_by_role("listitem")).to_have_text(
        text
    )
    expect(page.get_by_text("staged, waiting")).to_be_visible()
    assert page.faults == []


def test_an_overtaken_batch_does_not_wait_and_is_published_after_a_question(
    warehouse, as_user
) -> None:
    put(warehouse, "overtaken", 4)
    old = put(warehouse, "overtaken", 5, publish=False)
    new = put(warehouse, "overtaken", 6)
    page = go(as_user("op"), f"#/partition/staged.overtaken/{DAY}")
    expect(page.locator(".state.staged")).to_have_count(0)
    notice = page.get_by_role("region", name="Staged batch")
    expect(notice).to_contain_text(f"overtaken by {new.batch_id}")
    notice.get_by_role("button", name="Publish…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"This replaces {new.batch_id}, which was written later.")
    expect(dialog.get_by_role("row", name="now")).to_contain_text("6")
    expect(dialog.get_by_role("row", name="then")).to_contain_text("5")
    dialog.get_by_role("textbox", name="Reason").fill("the later one is worse")
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("row", name="the later one is worse")).to_be_visible()
    assert warehouse.pin("staged", "overtaken") == old
    assert page.faults == []


def test_a_staged_batch_is_discarded_and_taken_back(warehouse, as_user) -> None:
    put(warehouse, "ended", 4)
    batch_id = refused(warehouse, "ended")
    page = go(as_user("op"), f"#/partition/staged.ended/{DAY}")
    notice = page.get_by_role("region", name="Staged batch")
    notice.get_by_role("button", name="Discard…").click()
    dialog = page.get_by_role("dialog", name="Discard the staged batch")
    expect(dialog).to_contain_text("3 rows, not between 50 and 200")
    dialog.get_by_role("textbox", name="Reason").fill("it is half of the night")
    dialog.get_by_role("button", name="Discard").click()
    row = page.get_by_role("row", name="it is half of the night")
    expect(row).to_contain_text(f"discards {batch_id}")
    expect(page.get_by_role("status")).to_have_text(f"Discarded: {batch_id}.")
    assert warehouse.show("staged", "ended").staged == ()
    expect(notice.get_by_role("button", name="Discard…")).to_have_count(0)
    notice.get_by_role("button", name="Publish…").click()
    expect(page.get_by_role("dialog")).to_contain_text("This batch was discarded.")
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_role("status")).to_have_text(f"Published: {batch_id} is current.")
    assert warehouse.pin("staged", "ended").batch_id == batch_id
    assert page.faults == []


def test_a_viewer_discards_nothing(warehouse, as_user) -> None:
    put(warehouse, "kept", 4)
    refused(warehouse, "kept")
    page = go(as_user("viewer"), f"#/partition/staged.kept/{DAY}")
    page.get_by_role("button", name="Discard…").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_role("alert")).to_contain_text("your role does not permit this")
    assert len(warehouse.show("staged", "kept").staged) == 1


def test_a_publish_that_is_rejected_says_what_is_current(warehouse, client) -> None:
    put(warehouse, "api", 4)
    old = put(warehouse, "api", 5, publish=False)
    new = put(warehouse, "api", 6)
    body = {"partition": DAY, "batch_id": old.batch_id, "expected": new.batch_id}
    with client("op", **HEADER) as op:
        (one,) = op.get("tables/staged/api/staged", params={"partition": DAY}).json()["batches"]
        assert (one["state"], one["current"]) == ("overtaken", new.batch_id)
        answer = op.post("tables/staged/api/publish", json=body)
        assert (answer.status_code, answer.json()["current"]) == (409, new.batch_id)
        late = op.post("tables/staged/api/publish", json={**body, "expected": None, "force": True})
        assert (late.status_code, late.json()["current"]) == (409, new.batch_id)
        assert op.post("tables/staged/api/publish", json={**body, "force": True}).is_success
    assert warehouse.pin("staged", "api") == old
