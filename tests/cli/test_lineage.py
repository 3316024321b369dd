"""`sfx stale` and `sfx readers` after an undo."""

from __future__ import annotations

import json
from datetime import datetime

import pandas as pd
import pytest

from tests.cli.conftest import SOLD

TABLE, DAY = "sales.sold_items", "20161031"


@pytest.fixture
def undone(warehouse) -> str:
    """A report and a total of the bad night, which is then rolled back; return its batch ID."""
    bad = warehouse.pin("sales", "sold_items", [DAY])
    report = warehouse.store_dataframe(SOLD, "sales", "report", [DAY], inputs=[bad])
    warehouse.store_dataframe(SOLD, "sales", "total", inputs=[report])
    warehouse.rollback("sales", "sold_items", [DAY], reason="zeros")
    return bad.batch_id


def test_stale_names_the_input_and_exits_with_1(command, undone) -> None:
    done = command("stale")
    assert done.returncode == 1
    lines = " ".join(done.stdout.split())
    assert f"{TABLE} {DAY}@{undone} rolled back" in lines
    assert "zeros" in lines
    found = json.loads(command("stale", "sales", "--json").stdout)
    assert [one["table"] for one in found] == ["sales.report", "sales.total"]
    assert found[1]["cause"] == "rolled back"
    assert found[1]["path"][0]["table"] == "report"


def test_stale_exits_with_0_for_a_table_without_stale_batches(command, undone) -> None:
    done = command("stale", TABLE)
    assert (done.returncode, done.stdout.strip()) == (0, "no stale batches")


def test_tables_and_show_mark_stale_batches_and_exit_with_0(command, undone) -> None:
    counts = {one["table"]: one["stale"] for one in json.loads(command("tables", "--json").stdout)}
    assert counts == {"sold_items": 0, "report": 1, "total": 1}
    assert "stale" in command("tables").stdout
    shown = command("show", "sales.report")
    assert shown.returncode == 0
    assert "rolled back" in shown.stdout
    (one,) = json.loads(command("show", "sales.report", "--json").stdout)["stale"]
    assert (one["partition"], one["input"]["batches"]) == (DAY, {DAY: undone})


def test_readers_of_a_bad_batch_list_what_is_stale_at_any_depth(command, undone) -> None:
    bad = (TABLE, DAY, "--batch", undone)
    assert len(json.loads(command("readers", *bad, "--json").stdout)) == 1
    every = command("readers", *bad, "--all", "--json")
    assert every.returncode == 0
    tables = [(one["pin"]["table"], len(one["stale"])) for one in json.loads(every.stdout)]
    assert tables == [("total", 1), ("report", 1)]
    stale = command("readers", *bad, "--all", "--stale")
    assert stale.returncode == 1
    assert "stale downstream batches" in stale.stdout


def test_readers_exit_with_0_where_nothing_is_stale(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items", [DAY])
    warehouse.store_dataframe(SOLD, "sales", "report", [DAY], inputs=[pin])
    done = command("readers", TABLE, DAY, "--all", "--stale")
    assert done.returncode == 0
    assert "no stale downstream batches" in done.stdout


def test_tables_show_when_a_table_was_emptied_and_dropped_partitions(command, warehouse) -> None:
    def changed() -> datetime:
        (one,) = (
            one for one in json.loads(command("tables", "--json").stdout) if one["table"] == "ends"
        )
        return datetime.fromisoformat(one["changed_at"])

    for day in ("1", "2"):
        warehouse.store_dataframe(SOLD, "sales", "ends", [day], partition_keys=["day"])
    (entry, *_) = warehouse.history("sales", "ends")
    assert changed() == entry.at
    warehouse.rollback_commit("sales", "ends", entry.commit)
    (undone, *_) = warehouse.history("sales", "ends")
    assert (undone.batch_id, changed()) == (None, undone.at)
    warehouse.drop("sales", "ends", ["1"])
    assert changed() == warehouse.history("sales", "ends", ["1"])[0].at > undone.at


def test_a_damaged_table_is_shown_with_its_error_among_the_others(command, warehouse) -> None:
    for _ in range(2):
        bad = warehouse.store_dataframe(SOLD, "sales", "torn", ["1"], partition_keys=["day"])
    warehouse.store_dataframe(SOLD, "sales", "sums", ["1"], inputs=[bad])
    warehouse.rollback("sales", "torn", ["1"])
    (path,) = (
        info.path
        for info in warehouse.store.list("sales.db/torn/_sfx/log")
        if info.path.endswith("3.json")
    )
    warehouse.store.delete([path])
    warehouse.store.put_if_absent(path, b"{")
    done = command("tables", "--json")
    assert done.returncode == 1
    assert "sold_items" in [one["table"] for one in json.loads(done.stdout)]
    assert path in done.stderr
    assert "sales.torn" in command("tables").stdout


def test_rollback_names_what_becomes_stale(command, warehouse) -> None:
    warehouse.store_dataframe(SOLD, "sales", "source", ["1"], partition_keys=["day"])
    bad = warehouse.store_dataframe(SOLD, "sales", "source", ["1"])
    made = warehouse.store_dataframe(SOLD, "sales", "made", ["1"], inputs=[bad])
    many = pd.concat([SOLD.assign(day=f"{number:02}") for number in range(23)])
    warehouse.store_dataframe(many, "sales", "shares", partition_by=["day"], inputs=[made])
    done = command("rollback", "sales.source", "1", "--yes")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines[0] == "becomes stale, as it was made from this: 24 batches"
    assert lines[1] == f"  sales.made 1  {made.batch_id}"
    assert (len(lines), lines[-1]) == (22, "  and 4 more batches")
