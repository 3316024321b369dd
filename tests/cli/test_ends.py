"""`sfx drop` and the undo of it."""

from __future__ import annotations

import json

from tests.cli.conftest import SOLD

TABLE, DAY = "sales.sold_items", "20161031"


def test_drop_asks_first(command) -> None:
    done = command("drop", TABLE, DAY)
    assert done.returncode == 2
    assert f"Drop {TABLE} {DAY}?" in " ".join(done.stderr.split())


def test_a_partition_is_dropped_and_comes_back(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items", [DAY])
    done = command("drop", TABLE, DAY, "--yes", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    assert f"undo with: sfx rollback {TABLE} {DAY}" in " ".join(done.stdout.split())
    assert json.loads(command("show", TABLE, "--json").stdout)["partitions"] == []
    (newest, *_) = json.loads(command("history", TABLE, DAY, "--json").stdout)
    assert (newest["operation"], newest["reason"]) == ("drop", "a test")
    again = command("drop", TABLE, DAY, "--yes")
    assert (again.returncode, "dropped already" in again.stderr) == (1, True)
    back = command("rollback", TABLE, DAY, "--yes")
    assert back.returncode == 0, back.stderr
    assert f"no batch → {pin.batch_id}" in back.stdout
    assert warehouse.pin("sales", "sold_items", [DAY]) == pin


def test_a_table_is_dropped_and_comes_back(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items", [DAY])
    warehouse.store_dataframe(SOLD, "sales", "report", [DAY], inputs=[pin])
    assert command("drop", TABLE, "--yes").returncode == 0
    assert [one["table"] for one in json.loads(command("tables", "--json").stdout)] == ["report"]
    shown = command("show", TABLE)
    assert (shown.returncode, "was dropped" in shown.stderr) == (1, True)
    assert command("history", TABLE).returncode == 0
    audit = json.loads(command("audit", "--json").stdout)
    assert [one["table"] for one in audit] == ["sales.report", TABLE]
    assert audit[1]["entries"][0]["operation"] == "drop"
    assert command("stale").returncode == 1
    done = command("rollback", TABLE, "--yes", "--json")
    assert json.loads(done.stdout)["batches"] == {DAY: pin.batch_id}
    assert command("stale").returncode == 0
