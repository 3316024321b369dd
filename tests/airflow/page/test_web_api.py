"""The page's JSON API in a real API server: permissions, answers and refusals."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from tests.airflow.conftest import REPO

TABLE = "tables/shop/items"
MODEL = "models/delays"
CHANGES = [
    (f"{TABLE}/rollback", {"partition": "20130101", "expected": "20130101000000"}),
    (f"{TABLE}/publish", {"partition": "20130101", "expected": None, "batch_id": "20130101000000"}),
    (f"{TABLE}/discard", {"partition": "20130101", "batch_id": "20130101000000"}),
    (f"{TABLE}/announce", {"batches": {"20130101": "20130101000000"}}),
    (f"{TABLE}/release", {"name": "a report", "number": 1}),
    ("runs/rollback", {"dag_id": "nightly", "run_id": "r1", "expected": []}),
    ("backfills/rollback", {"dag_id": "nightly", "backfill_id": "7", "expected": []}),
    ("commits/rollback", {"table": "shop.items", "commit": "2013-01-01/1-9f", "expected": []}),
    (f"{MODEL}/promote", {"alias": "production", "version": "20130101000000", "expected": None}),
    (f"{MODEL}/rollback", {"alias": "production", "expected": "20130101000000"}),
    ("workbenches/start", {"image": None}),
    *((f"workbenches/{name}", {"id": "0123456789ab"}) for name in ("open", "stop")),
]
READS = [
    "tables",
    TABLE,
    *(f"{TABLE}/{name}" for name in ("partitions", "partition", "history", "batch", "diff")),
    f"{TABLE}/staged",
    f"{TABLE}/metrics",
    f"{TABLE}/rows",
    *(f"{TABLE}/{name}" for name in ("consumers", "downstream")),
    "changes",
    *("stale", "holds", "streams", "streams/dead_letters"),
    "night",
    *("workbenches", "workbenches/log"),
    *("models", MODEL, *(f"{MODEL}/{name}" for name in ("history", "version", "diff"))),
    *("runs", "runs/undo", "backfills", "backfills/undo", "commits", "commits/undo"),
]
HEADER = {"X-SFX-Request": "test"}
NOWHERE = {"db": "no", "table": "such", "model": "none"}


def of(day: str, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows)})


@pytest.fixture(scope="module")
def shop(scheduler) -> sfx.Warehouse:
    """Three days; the second was stored twice."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for day, rows in (("20130101", 3), ("20130102", 3), ("20130103", 3), ("20130102", 6)):
        warehouse.store_dataframe(
            of(day, rows), "shop", "items", partition_by=["day"], reason=f"{rows} rows"
        )
    warehouse.store_dataframe(
        of("x/y <b>", 1), "shop", "odd", partition_by=["day"], reason="<script>alert(1)</script>"
    )
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "totals")
    return warehouse


def until_listed(client: httpx.Client, name: str) -> dict:
    """A partition's cell; a table may be shown as it was a moment ago."""
    for _ in range(20):
        if found := client.get(f"{TABLE}/partitions", params={"search": name}).json()["partitions"]:
            return found[0]
        time.sleep(0.5)
    raise AssertionError(f"{name} is not to be seen")


def test_nobody_looks_without_a_login(scheduler, client) -> None:
    with client(None) as nobody, client(None, Authorization="Bearer forged") as forger:
        for path in [*READS, "../openapi.json", "../"]:
            assert nobody.get(path).status_code == 401, path
            assert forger.get(path).status_code == 403, path
        for path, body in CHANGES:
            assert nobody.post(path, json=body, headers=HEADER).status_code == 401
            assert forger.post(path, json=body, headers=HEADER).status_code == 403


def test_a_person_who_opens_the_page_without_a_login_gets_to_airflows(client) -> None:
    with client(None, Accept="text/html,*/*") as person:
        answer = person.get("../")
        assert answer.status_code == 303
        assert "/auth/login?next=" in answer.headers["location"]
        assert (
            "/sfx/"
            in person.get(answer.headers["location"], follow_redirects=True).url.params["next"]
        )


def test_every_route_is_one_of_those_tested_and_describes_itself(scheduler, client) -> None:
    with client("viewer") as viewer:
        paths = viewer.get("../openapi.json").json()["paths"]
    found = {
        path.removeprefix("/api/").format(db="shop", table="items", model="delays")
        for path in paths
    }
    assert found == {*READS, *(path for path, _ in CHANGES)}
    for path in paths.values():
        for operation in path.values():
            assert operation["summary"]
            assert {"200", "401", "403", "404", "409", "422", "503"} <= set(operation["responses"])


def test_the_description_says_where_the_api_is_and_what_a_change_has_to_send(
    scheduler, client
) -> None:
    with client("op") as op:
        told = op.get("../openapi.json").json()
        (server,) = told["servers"]
        for path, operations in told["paths"].items():
            address = f"{scheduler.url}{server['url']}{path.format(**NOWHERE)}"
            for method, operation in operations.items():
                headers = {
                    one["name"]: "any"
                    for one in operation.get("parameters", ())
                    if one["in"] == "header" and one["required"]
                }
                assert set(headers) == (set(HEADER) if method == "post" else set()), path
                answer = op.request(
                    method, address, headers=headers, json={} if method == "post" else None
                )
                # The request is rejected for its content, once route and header were accepted.
                assert answer.status_code in ({422} if method == "post" else {200, 404, 422}), (
                    path,
                    answer.text,
                )
                assert answer.json() != {"detail": "Not Found"}, path


def test_no_answer_is_kept_or_run_by_a_browser(client) -> None:
    with client("viewer") as viewer:
        for path in ("tables", "../", "../static/page.js"):
            headers = viewer.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'self'" in headers["content-security-policy"]
            assert headers["cache-control"] == ("no-store" if path == "tables" else "no-cache")


def test_a_viewer_looks_and_changes_nothing(shop, client) -> None:
    before = shop.pin("shop", "items")
    with client("viewer", **HEADER) as viewer:
        assert viewer.get(TABLE).json()["partitions"] == 3
        for path, body in CHANGES:
            assert viewer.post(path, json=body).status_code == 403
    assert shop.pin("shop", "items") == before


def test_no_workbench_is_there_unless_the_administrator_has_set_workbenches_up(client) -> None:
    with client("admin", **HEADER) as admin:
        told = admin.get("workbenches").json()
        assert (told["limits"], told["may_start"], told["workbenches"]) == (None, False, [])
        assert "set SFX_WORKBENCH_RUNNER" in told["missing"]
        answer = admin.post("workbenches/start", json={"image": None})
        assert (answer.status_code, answer.json()["message"]) == (404, told["missing"])
        assert "data-workbenches" not in admin.get("../").text


def test_a_page_of_another_site_changes_nothing(scheduler, shop, client) -> None:
    before = shop.pin("shop", "items")
    expected = before.batches["20130102"]
    body = {"partition": "20130102", "expected": expected}
    cookie = {"_token": scheduler.login("admin")}
    with httpx.Client(base_url=f"{scheduler.url}/sfx/api/", cookies=cookie, timeout=60) as browser:
        assert browser.post(f"{TABLE}/rollback", json=body).status_code == 403
        foreign = {**HEADER, "Origin": "https://elsewhere.example"}
        assert browser.post(f"{TABLE}/rollback", json=body, headers=foreign).status_code == 403
        assert (
            browser.post(
                f"{TABLE}/rollback", json=body, headers={**HEADER, "Origin": "null"}
            ).status_code
            == 403
        )
    assert shop.pin("shop", "items") == before


def test_an_operator_rolls_back_and_the_history_names_them(shop, client) -> None:
    first, second = (
        entry.batch_id for entry in reversed(shop.history("shop", "items", ["20130102"]))
    )
    with client("op", **HEADER) as op:
        body = {"partition": "20130102", "expected": second, "reason": "doubled"}
        done = op.post(f"{TABLE}/rollback", json=body)
        assert done.json() == {"table": "shop.items", "partition": "20130102", "batch_id": first}
        newest = op.get(f"{TABLE}/history", params={"partition": "20130102"}).json()["changes"][0]
        assert (newest["operation"], newest["reason"], newest["producer"]["user"]) == (
            "rollback",
            "doubled",
            "op",
        )
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
        answer = op.post(
            f"{TABLE}/rollback", json={"partition": "20130103", "expected": seen.batch_id}
        )
        unseen = op.post(f"{TABLE}/rollback", json={"partition": "20130103", "expected": None})
    assert answer.status_code == unseen.status_code == 409
    assert "another writer has changed it" in answer.json()["message"]
    assert shop.pin("shop", "items", ["20130103"]) == now


def test_what_another_engine_has_moved_is_rolled_back_as_its_history_shows_it(shop, client) -> None:
    first, second = (
        shop.store_dataframe(of("20130101", rows), "shop", "moved", partition_by=["day"]).batch_id
        for rows in (1, 2)
    )
    partition = shop.overview("shop", "moved").table.layout.partition("20130101")
    with sqlite3.connect(shop.metastore._path) as metastore:  # dropped and added again
        metastore.execute(
            "UPDATE partitions SET location = ?, version = 0, batch_id = NULL "
            "WHERE partition_values = ? AND table_id = "
            "(SELECT id FROM tables WHERE database = 'shop' AND name = 'moved')",
            ("file:///elsewhere", json.dumps(list(partition.values))),
        )
    with client("op", **HEADER) as op:
        asked = {"partition": "20130101"}
        answers = []
        for _ in range(2):  # the first records the move in the history
            current = op.get("tables/shop/moved/history", params=asked).json()["current"]
            done = op.post(
                "tables/shop/moved/rollback", json={**asked, "expected": current, "to": first}
            )
            answers.append((current, done.status_code))
        assert answers == [(second, 409), (None, 200)], done.text
    assert shop.pin("shop", "moved", ["20130101"]).batch_id == first


def test_a_partition_is_found_by_its_whole_name(shop, client) -> None:
    days = [f"{number}" for number in range(1200)]
    shop.store_dataframe(
        pd.DataFrame({"part": days, "n": 1}), "shop", "many", partition_by=["part"]
    )
    with client("viewer") as viewer:
        told = viewer.get("tables/shop/many/partition", params={"partition": "1"}).json()
        assert (told["partition"], told["state"], told["rows"]) == ("1", "current", 1)
        assert (
            viewer.get("tables/shop/many/partition", params={"partition": "1200"}).status_code
            == 404
        )


def test_a_history_is_turned_in_pages_and_says_what_is_given_up(shop, client) -> None:
    pins = [
        shop.store_dataframe(pd.DataFrame({"client": ["Ada", "Karla"], "n": n}), "shop", "clients")
        for n in range(5)
    ]
    shop.retain("shop", "clients", keep_last=4, older_than=timedelta(0), dry_run=False)
    shop.erase("shop", "clients", where="client = 'Karla'", dry_run=False)
    with client("viewer") as viewer:
        pages = [viewer.get("tables/shop/clients/history", params={"limit": 4}).json()]
        while pages[-1]["more"]:
            asked = {"limit": 4, "before": pages[-1]["changes"][-1]["version"]}
            pages.append(viewer.get("tables/shop/clients/history", params=asked).json())
    assert [[one["operation"] for one in page["changes"]] for page in pages] == [
        ["erase", "retire", "publish", "publish"],
        ["publish", "publish", "publish"],
    ]
    assert {page["current"] for page in pages} == {shop.pin("shop", "clients").batch_id}
    last = pages[-1]
    assert set(last["retired"]) >= {pin.batch_id for pin in pins[:3]}
    assert pins[0].batch_id not in last["replaced"], "it was given up before the erasure"
    (manifest,) = shop.manifests(
        shop.overview("shop", "clients").table.pin({"": last["replaced"][pins[2].batch_id]})
    )
    assert manifest.rows == 1


def test_a_run_is_undone_as_it_was_shown_or_not_at_all(shop, client) -> None:
    run = {"dag_id": "undone", "run_id": "r/1 ü"}
    first = shop.store_dataframe(of("20130101", 1), "shop", "made", partition_by=["day"])
    for day in ("20130101", "20130102"):
        producer = sfx.Producer(**run, task_id=f"of_{day}")
        shop.store_dataframe(of(day, 7), "shop", "made", partition_by=["day"], producer=producer)
    with client("op", **HEADER) as op:
        page = op.get("runs", params={**run, "limit": 1}).json()
        assert (page["total"], len(page["changes"]), page["changes"][0]["table"]) == (
            2,
            1,
            "shop.made",
        )
        assert op.get("runs", params={**run, "task_id": "of_20130101"}).json()["total"] == 1
        seen = op.get("runs/undo", params=run).json()
        back = {"20130101": first.batch_id, "20130102": None}
        steps = seen[0].pop("steps")
        assert seen == [{"table": "shop.made", "rolled_back": back, "kept": {}}]
        assert {one["partition"]: one["batch_id"] for one in steps} == back
        published = shop.history("shop", "made", ["20130101"])[-1]
        assert datetime.fromisoformat(steps[0]["at"]) == published.at
        assert steps[0]["producer"]["user"] == published.producer.user
        meanwhile = shop.store_dataframe(of("20130102", 9), "shop", "made", partition_by=["day"])
        refused = op.post("runs/rollback", json={**run, "expected": seen})
        assert (refused.status_code, refused.json()["error"]) == (409, "CommitConflict")
        assert shop.pin("shop", "made", ["20130102"]) == meanwhile
        seen = op.get("runs/undo", params=run).json()
        done = op.post("runs/rollback", json={**run, "expected": seen, "reason": "a bad night"})
        assert done.json() == seen
        del seen[0]["steps"]
        assert seen == [
            {
                "table": "shop.made",
                "rolled_back": {"20130101": first.batch_id},
                "kept": dict(meanwhile.batches),
            }
        ]
    assert shop.pin("shop", "made", ["20130101"]) == first
    newest = shop.history("shop", "made", ["20130101"])[0]
    assert (newest.producer.user, newest.reason) == ("op", "a bad night")


def test_a_backfill_its_last_attempt_and_an_undo_are_undone_as_shown(shop, client) -> None:
    first = shop.store_dataframe(of("20130101", 1), "shop", "filled", partition_by=["day"])
    pins = []
    for attempt in (1, 2):
        producer = sfx.Producer(
            dag_id="filling",
            run_id="b1",
            task_id="load",
            try_number=attempt,
            run_type="backfill",
            backfill_id="again",
        )
        night = of("20130101", 1 + attempt)
        pins.append(
            shop.store_dataframe(night, "shop", "filled", partition_by=["day"], producer=producer)
        )
    unit = {"dag_id": "filling", "backfill_id": "again"}
    with client("op", **HEADER) as op:
        told = op.get("backfills", params=unit).json()
        assert told["total"] == 2
        assert {one["producer"]["backfill_id"] for one in told["changes"]} == {"again"}
        assert op.get("backfills/undo", params=unit).json()[0]["attempts"] == 2
        last = {**unit, "attempt": "last"}
        plan = op.get("backfills/undo", params=last).json()
        done = op.post("backfills/rollback", json={**last, "expected": plan}).json()
        assert done == plan
        assert shop.pin("shop", "filled") == pins[0]
        plan = op.get("backfills/undo", params=unit).json()
        op.post("backfills/rollback", json={**unit, "expected": plan}).raise_for_status()
        assert shop.pin("shop", "filled") == first
        changes = op.get(
            "changes", params={"since": "2013-01-01T00:00:00Z", "table": "shop.filled"}
        )
        kinds = [(one["operation"], one["partitions"]) for one in changes.json()["changes"]]
        assert kinds == [("rollback", 1)] * 2 + [("publish", 1)] * 3
        undo = {"table": "shop.filled", "commit": changes.json()["changes"][0]["commit"]}
        assert op.get("commits", params=undo).json()["changes"][0]["partition"] == "20130101"
        plan = op.get("commits/undo", params=undo).json()
        assert op.post("commits/rollback", json={**undo, "expected": plan}).json() == plan
        assert shop.pin("shop", "filled") == pins[0]
        refused = op.post("commits/rollback", json={**undo, "expected": plan})
        assert refused.status_code == 409, "the plan is another by now"
        for commit in ("../../secret", "2013-01-01/1-9f"):
            assert op.get("commits", params={**undo, "commit": commit}).status_code == 400


def test_a_commit_of_many_partitions_is_one_line_and_opened_on_demand(shop, client) -> None:
    frame = pd.DataFrame({"day": [f"d{number:03d}" for number in range(60)], "n": 1})
    ada = sfx.Producer(user="ada of the many")
    shop.store_dataframe(frame, "shop", "thousands", partition_by=["day"], producer=ada)
    asked = {"since": "2013-01-01T00:00:00Z", "actor": ada.user}
    with client("viewer") as viewer:
        (one,) = viewer.get("changes", params=asked).json()["changes"]
        assert (one["partitions"], one["partition"], one["batches"], one["rows"]) == (
            60,
            None,
            1,
            60,
        )
        opened = {"table": "shop.thousands", "commit": one["commit"], "limit": 50}
        page = viewer.get("commits", params=opened).json()
        assert (page["total"], len(page["changes"]), page["more"]) == (60, 50, True)
        for kind, count in (("publish", 1), ("rollback", 0)):
            told = viewer.get("changes", params={**asked, "operation": kind}).json()
            assert len(told["changes"]) == count
        assert viewer.get("changes", params={**asked, "operation": "fly"}).status_code == 422


def test_a_damaged_table_of_a_run_is_named_and_keeps_it_from_being_undone(shop, client) -> None:
    run = {"dag_id": "torn", "run_id": "r1"}
    for table in ("torn_one", "torn_two"):
        shop.store_dataframe(pd.DataFrame({"n": [1]}), "shop", table)
        shop.store_dataframe(
            pd.DataFrame({"n": [2]}), "shop", table, producer=sfx.Producer(**run, task_id="load")
        )
    entry = Path(shop.store.local_path(shop.overview("shop", "torn_two").table.layout.log_entry(2)))
    written = entry.read_bytes()
    entry.write_bytes(b"{")
    with client("op", **HEADER) as op:
        told = op.get("runs", params=run).json()
        assert [one["table"] for one in told["changes"]] == ["shop.torn_one"]
        assert [one["table"] for one in told["unreadable"]] == ["shop.torn_two"]
        seen = op.get("runs/undo", params=run).json()
        assert ["blocked" in one for one in seen] == [False, True]
        before = shop.pin("shop", "torn_one")
        refused = op.post("runs/rollback", json={**run, "expected": seen})
        assert refused.json()["error"] == "InconsistentBatch"
        assert "nothing was changed" in refused.json()["message"]
        assert shop.pin("shop", "torn_one") == before
        entry.write_bytes(written)
        seen = op.get("runs/undo", params=run).json()
        done = op.post("runs/rollback", json={**run, "expected": seen})
        assert done.json() == seen
    assert shop.pin("shop", "torn_one") != before


def test_changes_are_told_across_tables(shop, client) -> None:
    shop.store_dataframe(
        of("20130101", 1), "shop", "one", partition_by=["day"], producer=sfx.Producer(user="ada")
    )
    shop.store_dataframe(
        of("20130101", 1), "shop", "two", partition_by=["day"], producer=sfx.Producer(user="ada")
    )
    with client("viewer") as viewer:
        asked = {"since": "2013-01-01T00:00:00Z", "actor": "ada"}
        told = viewer.get("changes", params=asked).json()
        assert [one["table"] for one in told["changes"]] == ["shop.two", "shop.one"]
        second = viewer.get("changes", params={**asked, "limit": 1, "offset": 1}).json()
        assert (second["more"], [one["table"] for one in second["changes"]]) == (
            False,
            ["shop.one"],
        )
        assert viewer.get("changes", params={**asked, "limit": 1}).json()["more"]
        assert (
            len(viewer.get("changes", params={**asked, "table": "shop.two"}).json()["changes"]) == 1
        )
        assert (
            viewer.get("changes", params={**asked, "until": "2013-01-02T00:00:00Z"}).json()[
                "changes"
            ]
            == []
        )
        assert (
            len(
                viewer.get("changes", params={**asked, "since": "0001-01-01T00:00:00Z"}).json()[
                    "changes"
                ]
            )
            == 2
        )
        assert viewer.get("changes", params={"since": "2013-01-01T00:00:00"}).status_code == 422, (
            "no time zone"
        )


def test_a_staged_batch_is_published_once_it_was_looked_at(shop, client) -> None:
    with pytest.raises(sfx.CheckFailed):
        shop.store_dataframe(
            of("20130104", 2), "shop", "items", partition_by=["day"], checks=[rows_between(5, 9)]
        )
    with client("op", **HEADER) as op:
        cell = until_listed(op, "20130104")
        assert (cell["state"], cell["batch_id"]) == ("failed check", None)
        staged = op.get(
            f"{TABLE}/batch", params={"partition": "20130104", "batch_id": cell["staged"]}
        ).json()
        assert [check["passed"] for check in staged["checks"]] == [False]
        body = {
            "partition": "20130104",
            "batch_id": cell["staged"],
            "expected": None,
            "reason": "known gap",
        }
        stale = op.post(f"{TABLE}/publish", json={**body, "expected": "20130104000000"})
        assert (stale.status_code, stale.json()["error"]) == (409, "CommitConflict")
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
    assert [(one["table"], one["batches"]) for one in read["read_by"]] == [
        ("shop.totals", dict(made.batches))
    ]
    assert told["read_by"] == []
    assert told["inputs"] == [{"table": "shop.items", "batches": dict(source.batches)}]
    assert [one["name"] for one in told["held_by"]] == ["report of May"]
    assert (told["current"], told["rows"], told["statistics"]["n"]["maximum"]) == (True, 1, 3)


def test_two_batches_are_compared(shop, client) -> None:
    after, before = (
        entry.batch_id for entry in shop.history("shop", "items", ["20130103"], limit=2)
    )
    with client("viewer") as viewer:
        asked = {"partition": "20130103", "before": before, "after": after}
        told = viewer.get(f"{TABLE}/diff", params=asked).json()
    assert (told["rows_before"], told["rows_after"], told["added"], told["identical"]) == (
        3,
        5,
        2,
        False,
    )
    assert told["frame_before"] is told["frame_after"] is None
    assert {one["name_before"] for one in told["columns"]} == {None}


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
        (
            f"{TABLE}/batch",
            {"partition": "20130101", "batch_id": "19990101000000"},
            404,
            "has no batch",
        ),
        (f"{TABLE}/partitions", {"limit": 100000}, 422, ""),
        ("tables/shop/totals/history", {"partition": "x"}, 400, "has no partition keys"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(
    shop, client, path, query, status, said
) -> None:
    with client("viewer") as viewer:
        answer = viewer.get(path, params=query)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_names_come_back_as_they_are(shop, client) -> None:
    with client("viewer") as viewer:
        (cell,) = viewer.get("tables/shop/odd/partitions").json()["partitions"]
        told = viewer.get("tables/shop/odd/history", params={"partition": cell["partition"]}).json()
    assert told["changes"][0]["reason"] == "<script>alert(1)</script>"


def test_a_warehouse_that_is_down_is_told_and_found_again_when_it_is_back(shop, airflow) -> None:
    down = "hive://127.0.0.1:1?location=file:///tmp/nothing"
    assert airflow.probe("page_of_warehouses", uris=[down, shop.uri, shop.uri]) == [503, 200, 200]


def test_the_script_of_the_docs_rolls_back(scheduler) -> None:
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    first, _ = (
        warehouse.store_dataframe(of("20130102", rows), "nyc", "flights", partition_by=["day"])
        for rows in (4, 2)
    )
    (script,) = re.findall(
        r"```python\n(.*?)```", (REPO / "docs" / "page.md").read_text(), re.DOTALL
    )
    exec(compile(script.replace("http://localhost:8080", scheduler.url), "page.md", "exec"), {})
    assert warehouse.pin("nyc", "flights", ["20130102"]) == first


def test_a_table_is_looked_at_once_for_all_that_a_page_asks_for(shop, monkeypatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from airflow_sfx.plugin.web.cache import TableCache

    monkeypatch.setenv("SFX_WAREHOUSE", shop.uri)
    snapshots = TableCache()
    looked = []
    look = snapshots.warehouse().overview
    monkeypatch.setattr(
        type(shop),
        "overview",
        lambda self, *names: looked.append(names) or time.sleep(0.2) or look(*names),
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: snapshots.table("shop", "items"), range(4)))
    assert len(looked) == 1
    snapshots.forget(sfx.TableRef("shop", "items"))
    with ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(snapshots.table, "shop", "items")
        time.sleep(0.1)
        snapshots.forget(sfx.TableRef("shop", "items"))  # as after a rollback
        meanwhile.result()
    snapshots.table("shop", "items")
    assert len(looked) == 3, "what was looked at before a change is not kept"


def test_who_turns_pages_does_not_wait_while_a_table_is_looked_at_anew(shop, monkeypatch) -> None:
    from airflow_sfx.plugin.web import cache as module

    # Answers stay in the cache for two seconds, however quickly they are found.
    monkeypatch.setattr(module, "TIMES", 1_000_000)
    monkeypatch.setattr(module, "SECONDS", 2.0)
    monkeypatch.setenv("SFX_WAREHOUSE", shop.uri)
    snapshots = module.TableCache()
    looks, look = [], snapshots.warehouse().overview
    asked = threading.Event()

    def slow(self: object, *names: str) -> object:
        looks.append(names)
        if len(looks) == 2:
            asked.wait(30)
        if len(looks) == 3:
            raise sfx.WarehouseUnavailable("it went away")
        return look(*names)

    monkeypatch.setattr(type(shop), "overview", slow)
    first = snapshots.table("shop", "items")
    time.sleep(2.3)
    assert snapshots.table("shop", "items") is first, "the new look goes on meanwhile"
    asked.set()
    time.sleep(1.0)
    assert snapshots.table("shop", "items") is not first, "it was looked at meanwhile"
    assert len(looks) == 2
    time.sleep(2.3)
    snapshots.table("shop", "items")
    time.sleep(1.0)
    assert len(looks) == 3
    snapshots.table("shop", "items")
    assert len(looks) == 4, (
        "what could not be looked at anew is asked for, and whoever asks is told"
    )


def test_the_first_rows_of_a_batch_are_text_with_limits(shop, client) -> None:
    frame = pd.DataFrame(
        {
            "item": ["<b>hat</b>", None, "x" * 5000],
            "price": [19.5, float("nan"), 2.0],
            "at": pd.to_datetime(["2013-01-01T12:00", None, "2013-01-02T00:00"]),
            "sizes": [[1, 2], None, []],
            "raw": [b"ab", None, b""],
        },
        index=[5, 7, 9],
    )
    pin = shop.store_dataframe(frame, "shop", "rows", ["a"])
    path = {"partition": "a", "batch_id": pin.batch_id}
    with client("viewer") as viewer:
        found = viewer.get("tables/shop/rows/rows", params=path).json()
        assert found["columns"] == ["item", "price", "at", "sizes", "raw"]
        assert found["types"][:2] == ["string", "double"]
        assert found["rows"][0] == ["<b>hat</b>", "19.5", "2013-01-01T12:00:00", "[1, 2]", "6162"]
        assert found["rows"][1] == [None] * 5
        assert found["rows"][2][0] == "x" * 1000 + "…"
        assert found["more"] is False
        one = viewer.get("tables/shop/rows/rows", params={**path, "limit": 1}).json()
        assert (len(one["rows"]), one["more"]) == (1, True)
        for limit in (0, 101):
            refused = viewer.get("tables/shop/rows/rows", params={**path, "limit": limit})
            assert refused.status_code == 422
        path["batch_id"] = "20130101000000"
        assert viewer.get("tables/shop/rows/rows", params=path).status_code == 404


def test_the_plan_of_an_undo_names_what_becomes_stale(shop, client) -> None:
    run = {"dag_id": "stale_after", "run_id": "r1"}
    frame = pd.DataFrame({"n": [1]})
    bad = shop.store_dataframe(frame, "shop", "grain", producer=sfx.Producer(**run, task_id="load"))
    bread = shop.store_dataframe(frame, "shop", "bread", inputs=[bad])
    with client("op", **HEADER) as op:
        plan = op.get("runs/undo", params=run).json()
        assert plan[0]["stale"] == [
            {"table": "shop.bread", "partition": "", "batch_id": bread.batch_id}
        ]
        done = op.post("runs/rollback", json={**run, "expected": plan})
        assert "stale" not in done.json()[0]
