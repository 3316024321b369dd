"""What lists count, what they say if they are empty, and what JSON has besides."""

from __future__ import annotations

import json

import pytest

import airflow_sfx as sfx
from tests.cli.conftest import SOLD

TABLE = "sales.sold_items"


def test_the_limit_of_an_audit_is_that_of_all_tables(warehouse, command) -> None:
    for number in range(3):
        warehouse.store_dataframe(SOLD, "sales", f"t{number}")
    done = command("audit", "--limit", "2", "--json")
    found = [
        (one["table"], entry["at"]) for one in json.loads(done.stdout) for entry in one["entries"]
    ]
    assert sorted(table for table, _ in found) == ["sales.t1", "sales.t2"]
    assert len(json.loads(done.stdout)) == 4, "a table without changes may have foreign ones"
    assert command("audit", "--limit", "2").stdout.count("publish") == 2
    assert command("audit", "--limit", "1", "--json-lines").stdout.count("\n") == 1


def test_an_audit_names_the_discarded_batch(warehouse, command) -> None:
    days = SOLD.assign(partition=["1", "2"])
    staged = warehouse.store_dataframe(
        days, "sales", "sold_items", partition_by=["partition"], publish=False
    )
    warehouse.discard(staged, reason="half of it is missing")
    batch = staged.batches["1"]
    assert f"half of it is missing; discards {batch}" in command("audit", TABLE).stdout
    (newest, *_) = warehouse.audit("sales", "sold_items", by_commit=True).commits
    assert (newest.partitions, newest.discarded) == (2, (batch,))


def test_one_rule_for_the_number_of_changes(warehouse, command) -> None:
    assert command("history", TABLE, "--limit", "0").returncode == 2
    with pytest.raises(sfx.InvalidName, match="limit=0 is below 1: pass 1 or more, or None"):
        warehouse.history("sales", "sold_items", limit=0)
    assert len(json.loads(command("history", TABLE, "--limit", "1", "--json").stdout)) == 1
    assert len(json.loads(command("history", TABLE, "--limit", "1", "--all", "--json").stdout)) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["holds"], "no holds"),
        (["policies"], "no retention policies"),
        (["audit", "--user", "nobody at all"], "no changes"),
        (["stale"], "no stale batches"),
        (["check", TABLE, "--list"], f"no checks of {TABLE}"),
        (["readers", TABLE, "20161031"], "no downstream batches of"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_an_empty_list_is_a_sentence_and_empty_in_json(command, words, sentence) -> None:
    shown = command(*words)
    assert shown.stdout.startswith(sentence)
    assert shown.stdout.count("\n") == 1
    if words[0] != "audit":
        assert json.loads(command(*words, "--json").stdout) == []


def test_an_empty_warehouse_is_one_sentence(command, warehouse) -> None:
    for ref in warehouse.tables():
        warehouse.drop(ref.database, ref.table)
    done = command("tables")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "has no tables" in done.stderr
    assert json.loads(command("tables", "--json").stdout) == []


def test_show_has_the_states_of_staged_batches_in_json(warehouse, command) -> None:
    ids = [
        warehouse.store_dataframe(SOLD, "sales", "sold_items", [day], publish=False).batch_id
        for day in ("1", "2", "3")
    ]
    warehouse.store_dataframe(SOLD, "sales", "sold_items", ["1"])
    warehouse.discard(warehouse.store_dataframe(SOLD, "sales", "sold_items", ["4"], publish=False))
    shown = json.loads(command("show", TABLE, "--json").stdout)
    found = {one["partition"]: (one["batch_id"], one["state"]) for one in shown["staged_batches"]}
    assert found["1"] == (ids[0], "overtaken")
    assert found["2"] == (ids[1], "waiting")
    assert found["4"][1] == "discarded"
