"""The JSON API of the page, in a real API server: who may ask, what it answers, and what it refuses."""

from __future__ import annotations

import re
import time

import httpx
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from tests.airflow.conftest import REPO

TABLE = "tables/shop/items"
CHANGES = [
    (f"{TABLE}/rollback", {"partition": "20130101", "expected": "20130101000000"}),
    (f"{TABLE}/publish", {"partition": "20130101", "expected": None, "batch_id": "20130101000000"}),
]
HEADER = {"X-SFX-Request": "test"}


def of(day: str, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows)})


@pytest.fixture(scope="module")
def shop(scheduler) -> sfx.Warehouse:
    """Three days; the second was stored twice."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for day, rows in (("20130101", 3), ("20130102", 3), ("20130103", 3), ("20130102", 6)):
        warehouse.store_dataframe(of(day, rows), "shop", "items", partition_by=["day"], reason=f"{rows} rows")
    warehouse.store_dataframe(of("x/y <b>", 1), "shop", "odd", partition_by=["day"], reason="<script>alert(1)</script>")
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "totals")
    return warehouse


def until_listed(client: httpx.Client, name: str) -> dict:
    """A partition's cell; a table may be shown as it was a moment ago."""
    for _ in range(20):
        if found := client.get(f"{TABLE}/partitions", params={"search": name}).json()["partitions"]:
            return found[0]
        time.sleep(0.5)
    raise AssertionError(f"{name} is not to be seen")


@pytest.fixture
def client(scheduler):
    """Asks as a user, with what a script sends."""

    def of_user(user: str | None, **headers: str) -> httpx.Client:
        login = {"Authorization": f"Bearer {scheduler.login(user)}"} if user else {}
        return httpx.Client(base_url=f"{scheduler.url}/sfx/api/", headers={**login, **headers}, timeout=60)

    return of_user


def test_nobody_looks_without_a_login(scheduler, client) -> None:
    paths = ["tables", TABLE, f"{TABLE}/partitions", f"{TABLE}/history", f"{TABLE}/batch", f"{TABLE}/diff", "runs"]
    with client(None) as nobody, client(None, Authorization="Bearer forged") as forger:
        for path in [*paths, "../openapi.json"]:
            assert nobody.get(path).status_code == 401, path
            assert forger.get(path).status_code == 403, path
        for path, body in CHANGES:
            assert nobody.post(path, json=body, headers=HEADER).status_code == 401
            assert forger.post(path, json=body, headers=HEADER).status_code == 403


def test_every_route_but_the_page_itself_is_one_of_those_tested(scheduler, client) -> None:
    with client("viewer") as viewer:
        paths = viewer.get("../openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/tables",
        "/api/tables/{db}/{table}",
        "/api/tables/{db}/{table}/partitions",
        "/api/tables/{db}/{table}/history",
        "/api/tables/{db}/{table}/batch",
        "/api/tables/{db}/{table}/diff",
        "/api/tables/{db}/{table}/rollback",
        "/api/tables/{db}/{table}/publish",
        "/api/runs",
    }


def test_a_viewer_looks_and_changes_nothing(shop, client) -> None:
    before = shop.pin("shop", "items")
    with client("viewer", **HEADER) as viewer:
        assert viewer.get(TABLE).json()["partitions"] == 3
        for path, body in CHANGES:
            assert viewer.post(path, json=body).status_code == 403
    assert shop.pin("shop", "items") == before


def test_a_page_of_another_site_changes_nothing(scheduler, shop, client) -> None:
    before = shop.pin("shop", "items")
    expected = before.batches["20130102"]
    body = {"partition": "20130102", "expected": expected}
    cookie = {"_token": scheduler.login("admin")}
    with httpx.Client(base_url=f"{scheduler.url}/sfx/api/", cookies=cookie, timeout=60) as browser:
        assert browser.post(f"{TABLE}/rollback", json=body).status_code == 403
        foreign = {**HEADER, "Origin": "https://elsewhere.example"}
        assert browser.post(f"{TABLE}/rollback", json=body, headers=foreign).status_code == 403
        assert browser.post(f"{TABLE}/rollback", json=body, headers={**HEADER, "Origin": "null"}).status_code == 403
    assert shop.pin("shop", "items") == before


def test_an_operator_rolls_back_and_the_history_names_them(shop, client) -> None:
    first, second = (entry.batch_id for entry in reversed(shop.history("shop", "items", ["20130102"])))
    with client("op", **HEADER) as op:
        body = {"partition": "20130102", "expected": second, "reason": "doubled"}
        done = op.post(f"{TABLE}/rollback", json=body)
        assert done.json() == {"table": "shop.items", "partition": "20130102", "batch_id": first}
        newest = op.get(f"{TABLE}/history", params={"partition": "20130102"}).json()["changes"][0]
        assert (newest["operation"], newest["reason"], newest["producer"]["user"]) == ("rollback", "doubled", "op")
        cells = op.get(f"{TABLE}/partitions").json()["partitions"]
        assert [(one["partition"], one["state"]) for one in cells] == [
            ("20130103", "current"),
            ("20130102", "rolled back"),
            ("20130101", "current"),
        ]
        again = op.post(f"{TABLE}/rollback", json={**body, "to": second, "expected": first})
        assert again.json()["batch_id"] == second


def test_what_somebody_has_changed_meanwhile_is_not_changed(shop, client) -> None:
    seen = shop.pin("shop", "items", ["20130103"])
    now = shop.store_dataframe(of("20130103", 5), "shop", "items", partition_by=["day"])
    with client("op", **HEADER) as op:
        answer = op.post(f"{TABLE}/rollback", json={"partition": "20130103", "expected": seen.batch_id})
    assert answer.status_code == 409
    assert "somebody has changed it meanwhile" in answer.json()["message"]
    assert shop.pin("shop", "items", ["20130103"]) == now


def test_a_staged_batch_is_published_once_it_was_looked_at(shop, client) -> None:
    with pytest.raises(sfx.CheckFailed):
        shop.store_dataframe(of("20130104", 2), "shop", "items", partition_by=["day"], checks=[rows_between(5, 9)])
    with client("op", **HEADER) as op:
        cell = until_listed(op, "20130104")
        assert (cell["state"], cell["batch_id"]) == ("failed check", None)
        staged = op.get(f"{TABLE}/batch", params={"partition": "20130104", "batch_id": cell["staged"]}).json()
        assert [check["passed"] for check in staged["checks"]] == [False]
        body = {"partition": "20130104", "batch_id": cell["staged"], "expected": None, "reason": "known gap"}
        assert op.post(f"{TABLE}/publish", json=body).json()["batch_id"] == cell["staged"]
    assert shop.pin("shop", "items", ["20130104"]).batch_id == cell["staged"]


def test_a_batch_tells_what_it_was_made_from_and_who_holds_it(shop, client) -> None:
    source = shop.pin("shop", "items", ["20130101"])
    made = shop.store_dataframe(pd.DataFrame({"n": [3]}), "shop", "totals", inputs=[source])
    shop.hold(made, name="report of May", until=None)
    with client("viewer") as viewer:
        told = viewer.get("tables/shop/totals/batch", params={"batch_id": made.batch_id}).json()
        read = viewer.get(
            "tables/shop/items/batch", params={"partition": "20130101", "batch_id": source.batch_id}
        ).json()
    assert [(one["table"], one["batches"]) for one in read["read_by"]] == [("shop.totals", dict(made.batches))]
    assert told["read_by"] == []
    assert told["inputs"] == [{"table": "shop.items", "batches": dict(source.batches)}]
    assert [one["name"] for one in told["held_by"]] == ["report of May"]
    assert (told["current"], told["rows"], told["statistics"]["n"]["maximum"]) == (True, 1, 3)


def test_two_batches_are_compared(shop, client) -> None:
    after, before = (entry.batch_id for entry in shop.history("shop", "items", ["20130103"], limit=2))
    with client("viewer") as viewer:
        asked = {"partition": "20130103", "before": before, "after": after}
        told = viewer.get(f"{TABLE}/diff", params=asked).json()
    assert (told["rows_before"], told["rows_after"], told["added"], told["identical"]) == (3, 5, 2, False)


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("tables/shop/nothing", {}, 404, "there is no table shop.nothing"),
        ("tables/..%2F..%2Fetc/passwd", {}, 404, ""),
        ("tables/sh'op/items", {}, 400, "cannot be the name of a database"),
        (f"{TABLE}/history", {"partition": "../../etc"}, 400, ""),
        (f"{TABLE}/history", {"partition": "20991231"}, 404, "has no history"),
        (f"{TABLE}/history", {}, 404, "is partitioned"),
        (f"{TABLE}/batch", {"partition": "20130101", "batch_id": "../../../etc"}, 422, ""),
        (f"{TABLE}/batch", {"partition": "20130101", "batch_id": "19990101000000"}, 404, "has no batch"),
        (f"{TABLE}/partitions", {"limit": 100000}, 422, ""),
        ("tables/shop/totals/history", {"partition": "x"}, 400, "has no partition keys"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(shop, client, path, query, status, said) -> None:
    with client("viewer") as viewer:
        answer = viewer.get(path, params=query)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_names_come_back_as_they_are(shop, client) -> None:
    with client("viewer") as viewer:
        (cell,) = viewer.get("tables/shop/odd/partitions").json()["partitions"]
        told = viewer.get("tables/shop/odd/history", params={"partition": cell["partition"]}).json()
    assert told["changes"][0]["reason"] == "<script>alert(1)</script>"


def test_a_warehouse_that_is_down_is_told_and_found_again_when_it_is_back(shop, monkeypatch) -> None:
    from airflow_sfx.plugin.web.snapshots import Snapshots

    monkeypatch.setenv("SFX_WAREHOUSE", "hive://127.0.0.1:1?location=file:///tmp/nothing")
    snapshots = Snapshots()
    with pytest.raises(sfx.WarehouseUnavailable):
        snapshots.table("shop", "items")
    monkeypatch.setenv("SFX_WAREHOUSE", shop.uri)
    assert snapshots.table("shop", "items").rows


def test_the_script_of_the_docs_rolls_back(scheduler) -> None:
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    first, _ = (
        warehouse.store_dataframe(of("20130102", rows), "nyc", "flights", partition_by=["day"]) for rows in (4, 2)
    )
    (script,) = re.findall(r"```python\n(.*?)```", (REPO / "docs" / "page.md").read_text(), re.DOTALL)
    exec(compile(script.replace("http://localhost:8080", scheduler.url), "page.md", "exec"), {})
    assert warehouse.pin("nyc", "flights", ["20130102"]) == first


def test_a_table_is_looked_at_once_for_all_that_a_page_asks_for(shop, monkeypatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from airflow_sfx.plugin.web.snapshots import Snapshots

    monkeypatch.setenv("SFX_WAREHOUSE", shop.uri)
    snapshots = Snapshots()
    looked = []
    look = snapshots.warehouse().overview
    monkeypatch.setattr(
        type(shop), "overview", lambda self, *names: looked.append(names) or time.sleep(0.2) or look(*names)
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: snapshots.table("shop", "items"), range(4)))
    assert len(looked) == 1
    snapshots.forget("shop", "items")
    with ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(snapshots.table, "shop", "items")
        time.sleep(0.1)
        snapshots.forget("shop", "items")  # as after a rollback
        meanwhile.result()
    snapshots.table("shop", "items")
    assert len(looked) == 3, "what was looked at before a change is not kept"
