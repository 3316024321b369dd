"""Retention policies: set once for many tables, and run over all of them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NOW = timedelta(0)


def nights(warehouse: Warehouse, db: str, table: str, count: int = 3) -> list[sfx.BatchPin]:
    """Store batches of one partition."""
    return [
        warehouse.store_dataframe(pd.DataFrame({"n": [night]}), db, table, ["a"])
        for night in range(count)
    ]


def test_tables_are_retained_by_the_most_specific_policy_and_others_left_alone(warehouse) -> None:
    for name in ("orders", "items", "clients"):
        nights(warehouse, "shop", name)
    nights(warehouse, "web", "views")
    warehouse.set_retention("shop.*", keep_last=2, older_than=NOW, grace=NOW, reason="rule 7")
    warehouse.set_retention("*.orders", keep_last=3, older_than=NOW)
    warehouse.set_retention("shop.clients", keep_last=1, older_than=NOW)
    assert [one.pattern for one in warehouse.policies()] == ["shop.clients", "*.orders", "shop.*"]
    expected = {
        "shop.clients": ("shop.clients", 2),
        "shop.items": ("shop.*", 1),
        "shop.orders": ("*.orders", 0),
        "web.views": (None, None),
    }
    for dry_run in (True, False):
        found = {
            one.table: (one.pattern, None if one.report is None else len(one.report.retired))
            for one in warehouse.retain_all(dry_run=dry_run)
        }
        assert found == expected
    (again,) = [one for one in warehouse.retain_all() if one.table == "shop.items"]
    assert again.report is not None
    assert (len(again.report.retired), len(again.report.deleted)) == (0, 1)
    assert warehouse.history("web", "views", ["a"])[0].operation.value == "publish"
    assert warehouse.history("shop", "items", ["a"])[0].operation.value == "retire"


@pytest.fixture
def local(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def test_a_policy_has_versions_and_ends(local) -> None:
    first = local.set_retention("Shop.*", keep_last=2, older_than=NOW)
    second = local.set_retention(
        "shop.*", keep_last=3, older_than=timedelta(days=90), staged_older_than=timedelta(days=30)
    )
    assert (first.pattern, first.number, second.number) == ("shop.*", 1, 2)
    (known,) = connect(local.uri).policies()
    assert known == second
    assert known.rule.staged_older_than == timedelta(days=30)
    ended = local.end_retention("shop.*", reason="a new rule")
    assert (ended.rule, ended.number, local.policies()) == (None, 3, [])
    with pytest.raises(sfx.InvalidName, match=r"no retention policy 'shop\.\*'"):
        local.end_retention("shop.*")
    assert local.set_retention("shop.*", keep_last=1, older_than=NOW).number == 4


@pytest.mark.parametrize("pattern", ["shop", "*", "shop.orders.x", "shop.%", "../etc.*", "", None])
def test_what_is_not_a_pattern_is_refused(local, pattern) -> None:
    with pytest.raises(sfx.InvalidName, match="is not a pattern of tables"):
        local.set_retention(pattern, keep_last=1, older_than=NOW)
    with pytest.raises(sfx.InvalidName, match="keep_last=0 is below 1"):
        local.set_retention("shop.*", keep_last=0, older_than=NOW)
    assert local.policies() == []


def test_two_who_set_one_policy_at_once_make_two_versions(local) -> None:
    made: list[int] = []

    def set_it(keep: int) -> None:
        made.append(local.set_retention("shop.*", keep_last=keep, older_than=NOW).number)

    threads = [threading.Thread(target=set_it, args=(keep,)) for keep in range(1, 9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(made) == list(range(1, 9))
    assert local.policies()[0].number == 8


def test_a_damaged_policy_stops_retention_before_anything_is_deleted(local, tmp_path) -> None:
    nights(local, "shop", "orders")
    local.set_retention("shop.*", keep_last=1, older_than=NOW, grace=NOW)
    (path,) = tmp_path.glob("*/_sfx/policies/*/000001.json")
    text = path.read_text()
    for damaged in (text[:-9], text.replace('"keep_last":1', '"keep_last":0'), "{}"):
        path.write_text(damaged)
        with pytest.raises(sfx.InconsistentBatch, match="000001"):
            local.retain_all(dry_run=False)
    path.write_text(text)
    moved = path.parent / "000002.json"
    moved.write_text(text)
    with pytest.raises(sfx.InconsistentBatch, match="moved or copied"):
        local.retain_all(dry_run=False)
    moved.unlink()
    assert [entry.operation.value for entry in local.history("shop", "orders")] == ["publish"] * 3


def test_a_table_that_fails_is_reported_and_does_not_stop_the_others(local, tmp_path) -> None:
    nights(local, "shop", "broken")
    nights(local, "shop", "orders")
    local.set_retention("*.*", keep_last=1, older_than=NOW)
    for path in tmp_path.glob("*/shop.db/broken/_sfx/log/*/*"):
        path.write_text("{")
    broken, orders = local.retain_all(dry_run=False)
    assert (broken.table, broken.report) == ("shop.broken", None)
    assert "does not match its checksum" in broken.problem
    assert len(orders.report.retired) == 2


def test_the_holds_of_all_tables_are_one_list(warehouse) -> None:
    first, *_ = nights(warehouse, "shop", "orders")
    (other,) = nights(warehouse, "web", "views", 1)
    held = [warehouse.hold(first, "accounts"), warehouse.hold(other, "accounts")]
    assert warehouse.holds() == warehouse.holding() == held
    assert warehouse.holds("web") == warehouse.holds(name="accounts")[1:] == held[1:]
    warehouse.release("web", "views", "accounts")
    assert warehouse.holding() == held[:1]
    assert len(warehouse.holds()) == 3
    with pytest.raises(sfx.InvalidName, match="without its database"):
        warehouse.holds(table="orders")


def test_an_erasure_follows_what_was_made_from_the_batches(warehouse) -> None:
    def store(table: str, frame: pd.DataFrame, *inputs: sfx.BatchPin) -> sfx.BatchPin:
        return warehouse.store_dataframe(frame, "shop", table, ["a"], inputs=inputs)

    rows = pd.DataFrame({"client_id": [7, 42], "sold": [1, 2]})
    orders = store("orders", rows)
    store("others", rows)  # not made from the orders
    cleaned = store(
        "cleaned", rows.assign(client_ID=rows.client_id).drop(columns="client_id"), orders
    )
    totals = store("totals", pd.DataFrame({"sold": [3]}), cleaned)
    report = store("report", pd.DataFrame({"Client_id": [42], "share": [0.6]}), totals)
    later = store("orders", rows, orders)

    def erase(*, dry_run: bool) -> sfx.Warehouse:
        return warehouse.erase(
            "shop",
            "orders",
            where="client_id = 42",
            downstream=True,
            dry_run=dry_run,
            grace=NOW,
            reason="request 17",
        )

    plan = erase(dry_run=True)
    assert (plan.erased, plan.dry_run) == (2, True)
    found = {one.table: one for one in plan.downstream}
    assert list(found) == ["shop.report", "shop.totals", "shop.cleaned"]
    assert found["shop.totals"].batches == totals.entries
    assert found["shop.totals"].missing == ("client_id",)
    assert found["shop.totals"].report is None
    assert found["shop.report"].batches == report.entries
    assert found["shop.cleaned"].report.erased == found["shop.report"].report.erased == 1
    assert warehouse.pin("shop", "orders") == later, "the plan changed nothing"
    done = erase(dry_run=False)
    assert done.erased == 2
    assert {one.table: one.report and one.report.erased for one in done.downstream} == {
        "shop.report": 1,
        "shop.totals": None,
        "shop.cleaned": 1,
    }
    left = {
        name: len(warehouse.load_dataframe("shop", name))
        for name in ("orders", "others", "cleaned", "totals", "report")
    }
    assert left == {"orders": 1, "others": 2, "cleaned": 1, "totals": 1, "report": 0}


def test_an_erasure_that_fails_downstream_can_be_repeated(local, tmp_path) -> None:
    rows = pd.DataFrame({"client_id": [7, 42]})
    orders = local.store_dataframe(rows, "shop", "orders", ["a"])
    local.store_dataframe(rows, "shop", "cleaned", ["a"], inputs=[orders])
    (data,) = tmp_path.glob("*/shop.db/cleaned/a/*/part-*")
    whole = data.read_bytes()
    data.write_bytes(whole[:50])
    question = {"where": "client_id = 42", "downstream": True, "grace": NOW}
    plan = local.erase("shop", "orders", **question)
    assert plan.downstream[0].report is None
    assert plan.downstream[0].problem
    with pytest.raises(sfx.InconsistentBatch):
        local.erase("shop", "orders", **question, dry_run=False)
    assert local.pin("shop", "orders") == orders, "what was made from it can still be found"
    data.write_bytes(whole)
    done = local.erase("shop", "orders", **question, dry_run=False)
    assert (done.erased, done.downstream[0].report.erased) == (1, 1)


def test_policies_survive_the_round_trip_through_json(local) -> None:
    made = local.set_retention("shop.*", keep_last=2, older_than=timedelta(days=1), reason="ä\n")
    assert connect(local.uri).policies() == [made]
