"""The commands, their output and their exit status."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shlex
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

import airflow_sfx as sfx
from tests.cli.conftest import SOLD, on_a_terminal
from tests.docs.pages import ROOT, blocks

TABLE, DAY = "sales.sold_items", "20161031"


@pytest.mark.parametrize(("page", "least"), [("cli", 20), ("undo", 8), ("night", 3)])
def test_a_page_of_commands_runs_as_shown(command, page, least) -> None:
    lines = [
        line for text in blocks(ROOT / f"docs/{page}.md", "console") for line in text.splitlines()
    ]
    assert len(lines) >= least
    for line in lines:
        program, name, *rest = shlex.split(line)[1:]
        assert program == "sfx"
        done = command(name, *rest)
        assert done.returncode == 0, line + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("tables",),
        ("show", TABLE),
        ("history", TABLE),
        ("diff", TABLE, DAY),
        ("verify", TABLE),
        ("readers", TABLE),
        ("head", TABLE),
        ("repair", TABLE),
    ],
)
def test_reading_commands_print_one_json_document(command, arguments) -> None:
    done = command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_tables_and_show_tell_what_is_current(command, warehouse) -> None:
    (found,) = json.loads(command("tables", "--json").stdout)
    assert (found["table"], found["partitions"], found["rows"]) == ("sold_items", 1, 2)
    current = warehouse.pin("sales", "sold_items").batch_id
    assert current in command("show", TABLE).stdout


def test_show_tells_what_the_hive_type_of_a_column_does_not(command, warehouse) -> None:
    frame = pd.DataFrame({"open_for": pd.to_timedelta([5], unit="s"), "n": [1]})
    warehouse.store_dataframe(frame, "sales", "shops")
    assert "duration in microseconds" in command("show", "sales.shops").stdout
    columns = json.loads(command("show", "sales.shops", "--json").stdout)["columns"]
    assert [column["kind"] for column in columns] == ["duration in microseconds", ""]


def test_history_is_newest_first_complete_and_not_taken_for_markup(command) -> None:
    lines = command("history", TABLE, DAY).stdout.splitlines()
    bad = next(number for number, line in enumerate(lines) if "[b]bad[/b]" in line)
    good = next(number for number, line in enumerate(lines) if "a good night" in line)
    assert bad < good
    assert "nightly load manual__1" in lines[bad]
    assert [
        entry["version"] for entry in json.loads(command("history", TABLE, "--json").stdout)
    ] == [2, 1]


def test_pin_prints_the_pin(command, warehouse) -> None:
    assert sfx.BatchPin.from_json(command("pin", TABLE, DAY).stdout) == warehouse.pin(
        "sales", "sold_items"
    )


def test_rollback_goes_back_and_says_from_where_to_where(command, warehouse) -> None:
    before = warehouse.pin("sales", "sold_items").batch_id
    done = command("rollback", TABLE, DAY, "--yes", "--reason", "zero prices")
    assert done.returncode == 0, done.stderr
    after = warehouse.pin("sales", "sold_items").batch_id
    assert f"{before} → {after}" in done.stdout
    assert warehouse.load_dataframe("sales", "sold_items", [DAY])["price"].sum() == 99.5
    assert warehouse.history("sales", "sold_items", [DAY])[0].reason == "zero prices"
    assert command("rollback", TABLE, DAY, "--to", before, "--yes").returncode == 0
    assert warehouse.pin("sales", "sold_items").batch_id == before


def test_rollback_to_a_version_undoes_what_came_since_in_the_whole_table(
    command, warehouse
) -> None:
    wanted, then = warehouse.pin(*TABLE.split(".")), warehouse.history(*TABLE.split("."))[0].version
    warehouse.store_dataframe(SOLD, *TABLE.split("."), [DAY])
    warehouse.store_dataframe(SOLD, *TABLE.split("."), ["20161105"])
    undo = ("rollback", TABLE, "--to-version", str(then))
    assert command(*undo, DAY, "--to", wanted.batches[DAY]).returncode == 1
    plan = json.loads(command(*undo, "--dry-run", "--json").stdout)[0]
    assert plan["rolled_back"] == {DAY: wanted.batches[DAY], "20161105": None}
    done = command(*undo, "--yes", "--reason", "since then all was wrong")
    assert f"→ {wanted.batches[DAY]}" in done.stdout
    assert "20161105: " in done.stdout
    assert done.stdout.rstrip().endswith("→ no batch")
    assert warehouse.pin(*TABLE.split(".")) == wanted
    assert command("rollback", "--run", "a", "b", "--to-version", "1").returncode == 2


def test_rollback_brings_a_partition_back_that_an_undo_left_without_a_batch(
    command, warehouse
) -> None:
    night = sfx.Producer(dag_id="first", run_id="r1", task_id="load", try_number=1)
    frame = pd.DataFrame({"n": [1]})
    pin = warehouse.store_dataframe(frame, "sales", "new_items", [DAY], producer=night)
    assert command("rollback", "--run", "first", "r1", "--yes").returncode == 0
    assert command("rollback", "sales.new_items", DAY, "--yes").returncode == 1
    done = command("rollback", "sales.new_items", DAY, "--to", pin.batch_id, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"no batch → {pin.batch_id}" in done.stdout
    assert warehouse.pin("sales", "new_items") == pin


def test_rollback_without_a_terminal_and_without_yes_changes_nothing(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items")
    done = command("rollback", TABLE, DAY)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert warehouse.pin("sales", "sold_items") == pin


def test_rollback_of_a_run_undoes_what_it_published(command, warehouse) -> None:
    done = command("rollback", "--run", "nightly", "manual__1", "--yes", "--json")
    (report,) = json.loads(done.stdout)
    assert list(report["rolled_back"]) == [DAY]
    assert warehouse.load_dataframe("sales", "sold_items", [DAY])["price"].sum() == 99.5


def damage(warehouse: sfx.Warehouse, table: str, version: int = 1) -> None:
    path = warehouse.store.local_path(f"sales.db/{table}/_sfx/log/00000000/{version:010d}.json")
    with open(path, "w") as file:
        file.write("{")


def test_an_audit_of_all_tables_names_those_that_are_damaged_and_tells_the_others(
    command, warehouse
) -> None:
    for table in ("bad", "worse"):
        warehouse.store_dataframe(SOLD, "sales", table, [DAY])
        damage(warehouse, table)
    done = command("audit")
    assert done.returncode == 1
    assert "a good night" in done.stdout
    for table in ("bad", "worse"):
        assert f"cannot read the history of sales.{table}: " in done.stderr
    found = command("audit", "--json")
    assert found.returncode == 1
    told = {report["table"]: report for report in json.loads(found.stdout)}
    assert [
        (name, len(one["entries"]), bool(one["unreadable"])) for name, one in sorted(told.items())
    ] == [
        ("sales.bad", 0, True),
        ("sales.sold_items", 2, False),
        ("sales.worse", 0, True),
    ]
    lines = command("audit", "--json-lines")
    assert (lines.returncode, len(lines.stdout.splitlines())) == (1, 2)
    assert "cannot read the history of sales.worse" in lines.stderr


def test_an_audit_of_named_tables_tells_of_those_that_can_be_told(command, warehouse) -> None:
    warehouse.store_dataframe(SOLD, "sales", "bad", [DAY])
    damage(warehouse, "bad")
    done = command("audit", "sales.bad", "sales.nothing", TABLE, "--json")
    assert done.returncode == 1
    told = {report["table"]: report for report in json.loads(done.stdout)}
    assert {name: len(one["entries"]) for name, one in told.items()} == {
        "sales.bad": 0,
        "sales.nothing": 0,
        TABLE: 2,
    }
    assert "does not match its checksum" in told["sales.bad"]["unreadable"]
    assert "there is no table" in told["sales.nothing"]["unreadable"]
    assert not told[TABLE]["unreadable"]
    for table in ("bad", "nothing"):
        assert f"cannot read the history of sales.{table}: " in done.stderr
    assert "a good night" in command("audit", TABLE, "sales.bad").stdout


def test_undo_of_a_run_is_refused_with_all_that_is_in_the_way_and_tells_of_dropped_tables(
    command, warehouse
) -> None:
    run = sfx.Producer(dag_id="nightly", run_id="manual__1", task_id="load", try_number=1)
    for table in ("dropped", "bad"):
        for producer in (None, run):
            warehouse.store_dataframe(SOLD, "sales", table, [DAY], producer=producer)
    with sqlite3.connect(warehouse.metastore._path) as metastore:
        metastore.execute("UPDATE tables SET name = 'elsewhere' WHERE name = 'dropped'")
    path = warehouse.store.local_path("sales.db/bad/_sfx/log/00000000/0000000002.json")
    with open(path) as file:
        written = file.read()
    damage(warehouse, "bad", 2)
    undo = ("rollback", "--run", "nightly", "manual__1", "--yes")
    refused = command(*undo)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot be rolled back as a whole, and nothing was changed" in refused.stderr
    assert len(warehouse.history("sales", "sold_items", [DAY])) == 2
    with open(path, "w") as file:
        file.write(written)
    done = command(*undo)
    assert done.returncode == 0, done.stderr
    assert "skipped: the metastore of the warehouse" in done.stdout
    assert done.stdout.count("rolled back") == 2


def test_what_undoing_a_run_would_do_is_shown_before_it_asks(warehouse) -> None:
    done = on_a_terminal(warehouse, b"n\n", "rollback", "--run", "nightly", "manual__1")
    assert f"{TABLE}: rolls back: {DAY}\n" in done.stderr
    assert done.returncode == 1
    assert len(warehouse.history("sales", "sold_items", [DAY])) == 2


def test_the_plan_of_an_undo_names_each_batch_its_time_and_producer(command, warehouse) -> None:
    again = sfx.Producer(
        dag_id="nightly", run_id="manual__1", task_id="load", try_number=2, backfill_id="7"
    )
    warehouse.store_dataframe(SOLD.assign(price=1.0), "sales", "sold_items", [DAY], producer=again)
    _, bad, good = warehouse.history("sales", "sold_items", [DAY])
    undo = ("rollback", "--run", "nightly", "manual__1")
    done = on_a_terminal(warehouse, b"n\n", *undo)
    assert f"to    {good.batch_id}  2 rows, published {good.at:%Y-%m-%d %H:%M:%S} by" in done.stderr
    assert "It ran 2 times" in done.stderr
    done = on_a_terminal(warehouse, b"y\n", *undo, "--last-attempt")
    assert f"to    {bad.batch_id}  2 rows, published" in done.stderr
    assert "by nightly load manual__1" in done.stderr
    assert warehouse.pin("sales", "sold_items").batch_id == bad.batch_id
    assert "(backfill 7)" in command("history", TABLE, DAY).stdout
    refused = command("rollback", TABLE, DAY, "--last-attempt", "--yes")
    assert (refused.returncode, "for a run or a backfill" in refused.stderr) == (2, True)


def test_the_night_exits_with_1_if_something_needs_attention(command, warehouse) -> None:
    quiet = command("night", "--since", "10m")
    assert quiet.returncode == 0, quiet.stderr
    assert "1 of 1 table published; nothing needs attention" in quiet.stdout
    warehouse.rollback("sales", "sold_items", [DAY], reason="zero prices")
    done = command("night")
    assert done.returncode == 1
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("rolled back")]
    assert "zero prices" in line
    assert f"sfx history {TABLE} {DAY}" in line
    (item,) = json.loads(command("night", "--since", "2d", "--json").stdout)["items"]
    assert (item["concern"], item["partition"]) == ("rolled back", DAY)
    assert command("night", "--since", "soon").returncode == 2
    fast = command("night", "--no-full")
    assert "were not looked for: add --full" in fast.stderr


def test_a_commit_of_many_partitions_is_one_line_and_undone_as_one(command, warehouse) -> None:
    days = [f"201701{day:02d}" for day in range(1, 31)]
    frame = pd.DataFrame({"n": 1, "day": days})
    warehouse.store_dataframe(frame, "sales", "many", partition_by=["day"], reason="a year")
    commit = warehouse.history("sales", "many", days[:1])[0].commit
    (line,) = [one for one in command("audit").stdout.splitlines() if "sales.many" in one]
    assert "30 partitions" in line
    assert commit in line
    each = command("audit", "--table", "sales.many", "--by-partition").stdout
    opened = command("audit", "sales.many", "--commit", commit).stdout
    assert each.count(commit) == opened.count(commit) == 30
    assert "sales.many" not in command("audit", "--operation", "rollback").stdout
    assert "sales.many" not in command("audit", "--user", "somebody").stdout
    done = command("rollback", "--commit", "sales.many", commit, "--yes")
    assert done.returncode == 0, done.stderr
    assert "no batch, as before" in done.stdout
    undo = warehouse.history("sales", "many", days[:1])[0].commit
    assert f"sfx rollback --commit sales.many {undo}" in done.stderr
    assert undo in command("audit", "--operation", "rollback").stdout
    assert command("rollback", "--commit", "sales.many", undo, "--yes").returncode == 0
    assert len(warehouse.pin("sales", "many").batches) == 30
    assert command("audit", "--commit", commit).returncode == 2
    assert command("audit", "--operation", "fly").returncode == 2


def test_verify_of_a_broken_file_exits_with_one_and_names_it(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items")
    path = warehouse.store.local_path(
        f"sales.db/sold_items/{DAY}/{pin.batch_id}/part-00000.parquet"
    )
    with open(path, "ab") as file:
        file.write(b"x")
    done = command("verify", TABLE)
    assert done.returncode == 1
    assert "part-00000.parquet" in done.stderr
    assert "Traceback" not in done.stderr


def test_diff_exits_with_one_for_a_difference_only_if_asked(command) -> None:
    assert command("diff", TABLE, DAY).returncode == 0
    assert command("diff", TABLE, DAY, "--exit-code").returncode == 1
    assert command("diff", TABLE, DAY, "current", "current", "--exit-code").returncode == 0


def test_diff_shows_what_a_frame_has_beside_its_rows(command, warehouse) -> None:
    there = warehouse.load_dataframe("sales", "sold_items", [DAY])
    renamed = {there.columns[0]: there.columns[0].upper()}
    warehouse.store_dataframe(
        there.rename(columns=renamed).rename_axis("row"), "sales", "sold_items", [DAY]
    )
    done = command("diff", TABLE, DAY)
    assert f"{there.columns[0]} → {there.columns[0].upper()}" in done.stdout
    assert 'frame – → {"index":{"name":"row"' in done.stdout
    assert "identical" not in done.stdout
    told = json.loads(command("diff", TABLE, DAY, "--json").stdout)
    assert (told["columns_renamed"], told["identical"]) == ([there.columns[0].upper()], False)


def test_publish_makes_a_staged_batch_current(command, warehouse) -> None:
    staged = warehouse.store_dataframe(SOLD, "sales", "sold_items", [DAY], publish=False)
    assert "staged batches, not published" in command("show", TABLE).stdout
    assert command("publish", TABLE, "20010101000000", "--yes").returncode == 1
    assert command("publish", TABLE, staged.batch_id, "--yes").returncode == 0
    assert warehouse.pin("sales", "sold_items") == staged


def test_columns_are_renamed_and_dropped_after_asking(command, warehouse) -> None:
    frame = pd.DataFrame({"n": [1], "note": ["x"]})
    warehouse.store_dataframe(frame, "shop", "notes", [DAY])
    assert command("rename-column", "shop.notes", "note", "remark").returncode == 2, "it asks"
    done = command("rename-column", "shop.notes", "note", "remark", "--yes", "--reason", "one word")
    assert done.stdout == "shop.notes: renamed the column note to remark, 1 new batch\n"
    assert "rename the column note to remark: one word" in command("history", "shop.notes").stdout
    done = command("drop-column", "shop.notes", "remark", "--yes", "--json")
    assert json.loads(done.stdout)["table"] == "notes"
    refused = command("drop-column", "shop.notes", "remark", "--yes")
    assert (refused.returncode, "no column 'remark'" in refused.stderr) == (1, True)
    assert list(warehouse.load_dataframe("shop", "notes", [DAY]).columns) == ["n"]


def test_discard_ends_a_staged_batch_which_force_publishes_all_the_same(command, warehouse) -> None:
    staged = warehouse.store_dataframe(SOLD, "sales", "sold_items", [DAY], publish=False)
    assert command("discard", TABLE, DAY, "--batch", "20010101000000", "--yes").returncode == 1
    assert command("discard", TABLE, DAY, "--batch", staged.batch_id).returncode == 2, "it asks"
    done = command("discard", TABLE, DAY, "--batch", staged.batch_id, "--yes", "--reason", "bad")
    assert done.stdout == f"{TABLE}: {staged.batch_id} is discarded in {DAY}\n"
    assert f"bad; discards {staged.batch_id}" in command("history", TABLE).stdout
    assert "staged batches" not in command("show", TABLE).stdout
    refused = command("publish", TABLE, staged.batch_id, "--yes")
    assert (refused.returncode, "was discarded" in refused.stderr) == (1, True)
    assert command("publish", TABLE, staged.batch_id, "--yes", "--force").returncode == 0
    assert warehouse.pin("sales", "sold_items") == staged


def test_staged_batches_are_shown_with_failed_checks_and_retained_by_their_age(
    command, warehouse
) -> None:
    with pytest.raises(sfx.CheckFailed) as caught:
        checks = [lambda frame: "half of it is missing"]
        warehouse.store_dataframe(SOLD, "sales", "sold_items", [DAY], checks=checks)
    shown = command("show", TABLE).stdout
    assert "waiting" in shown
    assert "half of it is missing" in shown
    warehouse.store_dataframe(SOLD, "sales", "sold_items", [DAY])
    assert "overtaken" in command("show", TABLE).stdout
    assert json.loads(command("tables", "--json").stdout)[0]["staged"] == 0
    rule = ("--keep-last", "9", "--older-than", "99d", "--staged-older-than", "0d")
    assert "1 batch" in command("retain", TABLE, *rule).stdout
    assert command("retain", TABLE, *rule, "--apply", "--yes").returncode == 0
    operations = [one.operation.value for one in warehouse.history("sales", "sold_items", [DAY])]
    assert operations[:2] == ["retire", "discard"]
    assert warehouse.load_dataframe(warehouse.pin("sales", "sold_items")) is not None
    assert caught.value.batch_id not in command("show", TABLE).stdout


def test_audit_tells_what_changed_and_by_whom(command) -> None:
    (report,) = json.loads(command("audit", TABLE, "--json").stdout)
    assert [entry["version"] for entry in report["entries"]] == [2, 1]
    assert report["foreign"] == []
    assert (
        json.loads(command("audit", "--json", "--since", "2099-01-01T00:00Z").stdout)[0]["entries"]
        == []
    )
    (newest,) = json.loads(command("audit", TABLE, "--json", "--limit", "1").stdout)
    assert newest["entries"] == report["entries"][:1]
    assert "changes, newest first" in command("audit").stdout


def test_audit_writes_json_lines_and_a_table(command, warehouse) -> None:
    lines = [
        json.loads(line) for line in command("audit", TABLE, "--json-lines").stdout.splitlines()
    ]
    assert [(line["table"], line["change"]["version"]) for line in lines] == [
        (TABLE, 2),
        (TABLE, 1),
    ]
    assert (
        "stored the changes of 1 day in meta.changes"
        in command("audit", "--into", "meta.changes").stdout
    )
    assert len(warehouse.load_dataframe("meta", "changes")) == len(lines)
    refused = command("audit", TABLE, "--into", "meta.changes")
    assert refused.returncode == 2
    assert "whole days of all tables" in " ".join(refused.stderr.replace("│", " ").split())
    late = command("audit", "--since", "2099-01-01T00:00Z", "--into", "meta.changes")
    assert "nothing was stored" in late.stdout


def test_audit_exits_with_1_where_something_else_moved_a_partition_and_adopt_takes_it_in(
    command, warehouse, tmp_path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    pd.DataFrame({"item": ["tie"], "price": [1.0]}).to_parquet(
        tmp_path / "elsewhere" / "one.parquet", index=False
    )
    metastore = warehouse.metastore
    ref = sfx.TableRef("sales", "sold_items")
    (pointer,) = metastore.get_partitions(ref).values()
    metastore.repoint(ref, [replace(pointer, location=f"file://{tmp_path}/elsewhere")])
    told = command("audit", TABLE)
    assert told.returncode == 1
    assert "changes by other engines, not in the history" in told.stdout
    assert DAY in command("adopt", TABLE, "--partition", DAY, "--json").stdout
    assert command("audit", TABLE, "--json").returncode == 0
    assert warehouse.load_dataframe("sales", "sold_items", [DAY])["item"].tolist() == ["tie"]


def test_the_remedies_that_audit_names_work(command, warehouse) -> None:
    sold = pd.DataFrame({"item": ["tie"], "price": [1.0]})
    names = ("whole", "added", "text", "lost", "first")
    for name in names:
        days = [] if name == "whole" else ["2016 10"]
        for _ in range(1 if name == "first" else 2):
            warehouse.store_dataframe(sold, "sales", name, days)

    def folder(name: str) -> Path:
        (where,) = warehouse.locations(warehouse.pin("sales", name))
        return Path(unquote(where.removeprefix("file://")))

    for name in ("whole", "added"):
        sold.to_parquet(folder(name) / "more.parquet", index=False)
    (folder("text") / "more.csv").write_text("item,price")
    for name in ("lost", "first"):
        next(folder(name).glob("*.parquet")).unlink()

    for name in names[:-1]:
        told = command("audit", f"sales.{name}", "--json")
        assert told.returncode == 1
        (foreign,) = json.loads(told.stdout)[0]["foreign"]
        run = re.findall(r"`sfx (.*?)`", foreign["remedy"])
        assert [text.split()[0] for text in run] == {
            "whole": ["adopt", "rollback"],
            "added": ["adopt", "rollback"],
            "text": ["rollback"],
            "lost": ["rollback"],
        }[name]
        words = shlex.split(run[0])
        done = command(*words, *(["--yes"] if words[0] == "rollback" else []))
        assert done.returncode == 0, done.stderr
        assert command("audit", f"sales.{name}").returncode == 0
    (foreign,) = json.loads(command("audit", "sales.first", "--json").stdout)[0]["foreign"]
    assert foreign["remedy"] == "restore the files from a backup"


def test_audit_says_why_a_partition_of_another_engine_can_be_no_batch(command, tmp_path) -> None:
    with (
        contextlib.closing(
            sqlite3.connect(tmp_path / "warehouse" / "_sfx" / "metastore.sqlite")
        ) as db,
        db,
    ):
        db.execute(
            "INSERT INTO partitions SELECT id, ?, 'file:///x', 0, NULL, NULL, NULL, '' FROM tables",
            ('["__HIVE_DEFAULT_PARTITION__"]',),
        )
    told = command("audit", TABLE)
    assert told.returncode == 1
    words = " ".join(told.stdout.split())
    assert "is Hive's name for a null partition value" in words
    assert "drop or rename the partition" in words
    loaded = command("show", TABLE)
    assert loaded.returncode == 0
    assert "skipping" in loaded.stderr


def test_adopt_takes_a_directory_over(command, tmp_path) -> None:
    target = tmp_path / "old" / "day=2016-10-31"
    target.mkdir(parents=True)
    SOLD.to_parquet(target / "part-0.parquet", index=False)
    done = command("adopt", "sales.old", str(tmp_path / "old"), "--key", "day:date")
    assert done.returncode == 0, done.stderr
    assert "2016-10-31" in command("show", "sales.old").stdout


def test_adopt_under_another_key_than_the_directories_have_says_what_to_do(
    command, tmp_path
) -> None:
    target = tmp_path / "old" / "date=2016-10-31"
    target.mkdir(parents=True)
    SOLD.to_parquet(target / "part-0.parquet", index=False)
    done = command("adopt", "sales.old", str(tmp_path / "old"), "--key", "day:date")
    assert done.returncode == 1
    assert (
        "date=2016-10-31 is not a partition: its key is 'date', not 'day': name the keys"
        in done.stderr
    )


def test_an_empty_warehouse_says_where_it_lies_since_its_path_may_be_mistyped(
    command, tmp_path
) -> None:
    (tmp_path / "typo").mkdir()
    for arguments, out in (((), None), (("--json",), [])):
        done = command("--warehouse", f"embedded://{tmp_path}/typo", "tables", *arguments)
        assert done.returncode == 0
        assert done.stderr == (
            f"the warehouse file://{tmp_path}/typo (from --warehouse) has no tables\n"
        )
        assert out is None or json.loads(done.stdout) == out
    assert command("tables").stderr == ""


def test_retain_plans_and_does_nothing_until_it_is_told_to_apply(command, warehouse) -> None:
    rule = ("--keep-last", "1", "--older-than", "0d", "--grace", "0h")
    plan = command("retain", TABLE, *rule)
    assert plan.returncode == 0, plan.stderr
    assert "1 batch" in plan.stdout
    assert "Nothing was done: add --apply" in plan.stdout
    assert len(warehouse.history("sales", "sold_items", [DAY])) == 2
    assert command("retain", TABLE, *rule, "--apply").returncode == 2, (
        "there is no terminal to ask on"
    )
    for retired, deleted in ((1, 0), (0, 1)):
        done = json.loads(
            command("retain", TABLE, *rule, "--apply", "--yes", "--reason", "old", "--json").stdout
        )
        assert (len(done["retired"]), len(done["deleted"])) == (retired, deleted)
    newest = warehouse.history("sales", "sold_items", [DAY])[0]
    assert (newest.operation.value, newest.reason) == ("retire", "old")
    refused = command("rollback", TABLE, DAY, "--yes")
    assert refused.returncode == 1
    assert "was retired on" in refused.stderr


@pytest.mark.parametrize(
    ("work", "nothing", "question"),
    [
        (
            ("retain", TABLE, "--keep-last", "1", "--older-than", "0d"),
            ("retain", TABLE, "--keep-last", "9", "--older-than", "0d"),
            "Expire and delete these batches of sales.sold_items?",
        ),
        (
            ("erase", TABLE, "--where", "item = 'hat'"),
            ("erase", TABLE, "--where", "item = 'crown'"),
            "Erase these rows of sales.sold_items permanently?",
        ),
    ],
    ids=["retain", "erase"],
)
def test_who_says_apply_is_asked_if_there_is_anything_to_do(
    command, warehouse, work, nothing, question
) -> None:
    asked = on_a_terminal(warehouse, b"n\n", *work, "--apply")
    assert asked.returncode == 1
    assert question in asked.stderr
    assert "would be" in asked.stderr
    assert "Nothing was done" not in asked.stdout
    assert len(warehouse.history("sales", "sold_items", [DAY])) == 2
    for said in ((), ("--apply",)):
        idle = command(*nothing, *said)
        assert (idle.returncode, idle.stderr) == (0, "")
        assert "There is nothing to do" in idle.stdout
        assert "add --apply" not in idle.stdout
    assert json.loads(command(*nothing, "--apply", "--json").stdout)["dry_run"]


def test_after_a_retention_the_batch_before_is_still_the_batch_before(command, warehouse) -> None:
    third = warehouse.store_dataframe(SOLD.assign(price=1.0), "sales", "sold_items", [DAY])
    before = warehouse.history("sales", "sold_items", [DAY], limit=1)[0]
    for _ in range(2):  # the first retires the oldest, and nothing is left for the second
        assert (
            command(
                "retain", TABLE, "--keep-last", "2", "--older-than", "0d", "--apply", "--yes"
            ).returncode
            == 0
        )
    assert warehouse.history("sales", "sold_items", [DAY], limit=1)[0].operation.value == "retire"
    told = json.loads(command("diff", TABLE, DAY, "--json").stdout)
    assert (told["before"]["batches"], told["after"]["batches"]) == (
        {DAY: before.previous},
        dict(third.batches),
    )
    assert command("verify", TABLE, DAY, "--batch", "previous").returncode == 0
    (shown,) = json.loads(command("show", TABLE, "--json").stdout)["partitions"]
    assert shown["at"] == before.at.isoformat()


def test_erase_plans_and_erases_and_says_what_is_left(command, warehouse) -> None:
    condition = ("--where", "item = 'hat'")
    plan = command("erase", TABLE, *condition)
    assert plan.returncode == 0, plan.stderr
    assert "2 rows of 2 batches would be erased" in plan.stdout
    waits = command("erase", TABLE, *condition, "--apply", "--yes", "--json")
    assert waits.returncode == 1, "the files are there for their time of grace"
    assert json.loads(waits.stdout)["waiting"] == 2
    assert warehouse.load_dataframe("sales", "sold_items")["item"].tolist() == ["shoe"]
    more = command("erase", TABLE, "--where", "item = 'shoe'", "--grace", "0d", "--apply", "--yes")
    assert "2 batches deleted; 2 batches not yet due, or held" in more.stdout


def test_erase_deletes_what_a_dead_writer_began_though_no_row_is_to_be_erased(
    command, warehouse
) -> None:
    table = warehouse.overview("sales", "sold_items").table
    begun = f"{table.layout.batch_dir(DAY, '20160101000000')}/part-00000.parquet#{'0a' * 16}"
    place = Path(warehouse.store.uri.removeprefix("file://")) / begun
    place.parent.mkdir(parents=True)
    place.write_text("Ada")
    os.utime(place, (0, 0))
    nobody = ("--where", "item = 'nobody has it'")
    plan = command("erase", TABLE, *nobody)
    assert "1 unfinished object would be deleted" in plan.stdout
    assert "add --apply to do it" in plan.stdout
    assert place.exists()
    done = command("erase", TABLE, *nobody, "--apply", "--yes")
    assert "1 unfinished object deleted" in done.stdout
    assert not place.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("show", "sales.nothing"), 1, "TableNotFound: there is no table sales.nothing"),
        (("show", "sold_items"), 2, "DATABASE.TABLE"),
        (("show", "sales.sold items"), 2, "'sold items' cannot be the name of a table"),
        (("audit", "sold_items"), 2, "DATABASE.TABLE"),
        (("audit", "--into", "changes"), 2, "DATABASE.TABLE"),
        (("repair", "sold_items"), 2, "DATABASE.TABLE"),
        (("adopt", "sold_items", "/old"), 2, "DATABASE.TABLE"),
        (
            ("adopt", "sales.old", "/old", "--key", "date:nonsense"),
            2,
            "'nonsense' cannot be the type of the partition key",
        ),
        (
            ("adopt", "sales.old", "/old", "--key", "a b"),
            2,
            "'a b' cannot be the name of a partition key",
        ),
        (
            ("adopt", "sales.old", "/old", "--key", "day", "--key", "DAY"),
            2,
            "named twice with --key",
        ),
        (("history", TABLE, "20991231"), 1, "PartitionNotFound"),
        (("history", TABLE, "../../etc/passwd"), 1, "InvalidName"),
        (("rollback", TABLE, DAY, "--to", "20010101000000", "--yes"), 1, "never had the batch"),
        (("rollback", TABLE, "--yes"), 2, "name the partitions"),
        (("rollback", "--yes"), 2, "--run"),
        (("diff", TABLE, DAY, "--key", "nr"), 1, "no column 'nr'"),
        (("--warehouse", "ftp://host", "tables"), 1, "embedded:///"),
        (
            ("--warehouse", "/data", "tables"),
            1,
            "embedded:///absolute/path or hive://host:9083?location=s3://",
        ),
        (
            ("diff", TABLE, DAY, "prevous"),
            1,
            "'prevous' is not a batch ID: type current, previous, or 14 digits",
        ),
        (("head", TABLE, DAY, "--version", "99"), 1, "has no version 99"),
        (("pin", TABLE, "--version", "0"), 1, "the first version of a table is 1"),
        (
            ("pin", TABLE, "--version", "1", "--as-of", "2d"),
            1,
            "--as-of and --version were both given: pass one of them",
        ),
        (("head", TABLE, DAY, "--as-of", "yesterday"), 2, "or how long ago: 10m, 36h, 7d"),
        (("--warehouse", "ftp://user:secret@host", "tables"), 1, "remove them"),
        (("fly",), 2, "No such command"),
        (
            ("retain", TABLE, "--keep-last", "0", "--older-than", "1d"),
            2,
            "Invalid value for '--keep-last'",
        ),
        (
            ("retain", TABLE, "--keep-last", "1", "--older-than", "soon"),
            2,
            "'soon' is not a duration",
        ),
        (
            ("retain", TABLE, "--keep-last", "1", "--older-than", "1d", "--grace", "x"),
            2,
            "'x' is not a duration",
        ),
        (
            ("retain", TABLE, "--keep-last", "1", "--older-than", "3m"),
            2,
            "'3m' is not a duration",
        ),
        (
            ("erase", TABLE, "--where", "item = 'hat'", "--grace", "1x"),
            2,
            "'1x' is not a duration",
        ),
        (
            ("hold", TABLE, DAY, "--name", "report", "--until", "2016-11-01"),
            1,
            "InvalidName: 2016-11-01T00:00:00+00:00 is in the past: name a future time by --until",
        ),
        (
            ("hold", TABLE, DAY, "--name", "report", "--until", "yesterday"),
            2,
            "or for how long: 36h, 90d",
        ),
        (("erase", TABLE, "--where", "item LIKE 'h%'"), 1, "is not understood"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(command, arguments, status, words) -> None:
    done = command(*arguments)
    assert done.returncode == status
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "shown", "parts"),
    [
        (("verify", TABLE), "reading sales.sold_items", 1),
        (("repair", TABLE), "checking sales.sold_items", 1),
        (("adopt", "sales.old", "{old}", "--key", "day"), "reading the files of sales.old", 2),
    ],
)
def test_long_work_shows_how_far_it_has_come_on_a_terminal(
    warehouse, tmp_path, arguments, shown, parts
) -> None:
    for day in ("a", "b"):
        (tmp_path / "old" / day).mkdir(parents=True)
        SOLD.to_parquet(tmp_path / "old" / day / "one.parquet")
    master, terminal = pty.openpty()
    words = [word.format(old=tmp_path / "old") for word in arguments]
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", *words],
        env={**os.environ, "SFX_WAREHOUSE": warehouse.uri, "TERM": "xterm", "COLUMNS": "200"},
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        told = b""
        with contextlib.suppress(OSError):  # the terminal is gone with the process
            while piece := os.read(master, 4096):
                told += piece
        os.close(master)
    assert process.returncode == 0, told
    assert shown in told.decode()
    assert f"{parts}/{parts}" in told.decode()


def test_a_reader_of_the_output_that_has_read_enough_is_no_failure(warehouse) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", "history", TABLE, "--json"],
        env={**os.environ, "SFX_WAREHOUSE": warehouse.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()
    assert (process.returncode, told) == (0, b"")


def test_times_are_dates_in_utc_or_have_a_zone(command) -> None:
    assert json.loads(command("audit", "--since", "2016-11-01", "--json").stdout)[0]["entries"]
    assert not json.loads(command("audit", "--since", "2099-01-01", "--json").stdout)[0]["entries"]
    assert json.loads(command("audit", "--since", "10m", "--json").stdout)[0]["entries"]
    assert not json.loads(command("audit", "--since", "0m", "--json").stdout)[0]["entries"]
    done = command("audit", "--since", "2016-11-01T12:00")
    assert done.returncode == 2
    assert "2016-11-01T12:00Z for UTC" in " ".join(done.stderr.split())


def test_a_batch_that_is_not_there_is_not_said_to_be_as_it_was(command) -> None:
    done = command("verify", TABLE, DAY, "--batch", "20010101000000")
    assert done.returncode == 1
    assert "has no batch 20010101000000" in done.stderr
    assert "match the manifests" not in done.stdout


def test_the_sentence_of_verify_agrees_with_its_exit_status(command, warehouse) -> None:
    good = command("verify", TABLE)
    assert (good.returncode, "match the manifests" in good.stdout) == (0, True)
    pin = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["20161101"])
    (where,) = warehouse.locations(pin)
    next(Path(where.removeprefix("file://")).glob("*.parquet")).unlink()
    bad = command("verify", TABLE)
    assert bad.returncode == 1
    assert bad.stdout.startswith("sales.sold_items: in the other partitions, 1 file")
    assert "does not match the manifests: 1 problem" in bad.stderr
    alone = command("verify", TABLE, "20161101")
    assert (alone.returncode, alone.stdout) == (1, "")


def test_help_does_not_load_what_only_the_work_needs() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from airflow_sfx.cli.main import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print(sorted({'pandas', 'pyarrow', 'airflow', 'obstore', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_policies_are_set_listed_and_run_over_all_tables(command, warehouse) -> None:
    rule = ("--keep-last", "1", "--older-than", "0d")
    done = command("retain", "--policy", "sales.*", *rule, "--reason", "rule 7")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in command("policies").stdout.splitlines() if "rule 7" in line]
    assert line.split()[:3] == ["sales.*", "1", "0d"]
    plan = command("retain")
    assert f"{TABLE}  sales.*       1" in plan.stdout
    assert "Nothing was done: add --apply" in plan.stdout
    assert command("retain", "--apply").returncode == 2, "there is no terminal to ask on"
    (report,) = json.loads(command("retain", "--apply", "--yes", "--json").stdout)
    assert (report["pattern"], len(report["report"]["retired"])) == ("sales.*", 1)
    assert command("retain", "--policy", "sales.*", "--end").returncode == 0
    assert json.loads(command("policies", "--json").stdout) == []
    for wrong in (
        ("retain", *rule),
        ("retain", TABLE, "--keep-last", "1"),
        ("retain", TABLE, "--policy", "sales.*", *rule),
        ("retain", "--policy", "sales.*", *rule, "--apply"),
        ("retain", TABLE, "--end"),
    ):
        assert command(*wrong).returncode == 2, wrong


def test_the_holds_of_all_tables_are_one_list(command, warehouse) -> None:
    warehouse.hold(warehouse.pin("sales", "sold_items"), "accounts")
    warehouse.hold(warehouse.store_dataframe(SOLD, "web", "views"), "lawsuit")
    lines = command("holds").stdout.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [
        [TABLE, "accounts"],
        ["web.views", "lawsuit"],
    ]


def test_an_erasure_names_what_was_made_from_the_rows(command, warehouse) -> None:
    pin = warehouse.pin("sales", "sold_items")
    warehouse.store_dataframe(SOLD, "sales", "copies", inputs=[pin])
    warehouse.store_dataframe(pd.DataFrame({"n": [2]}), "sales", "totals", inputs=[pin])
    erase = ("erase", TABLE, "--where", "item = 'hat'", "--grace", "0d", "--downstream")
    plan = command(*erase)
    assert "sales.copies: 1 batch made from such batches" in plan.stdout
    assert "sales.totals: 1 batch made from such batches" in plan.stderr
    assert "no column item: decide whether they have derived values" in plan.stderr
    done = command(*erase, "--apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert warehouse.load_dataframe("sales", "copies")["item"].tolist() == ["shoe"]
    assert warehouse.load_dataframe(*TABLE.split("."))["item"].tolist() == ["shoe"]


def test_sql_prints_a_table_json_or_csv(command) -> None:
    query = "select item, sum(price) as total from sales.sold_items group by item order by item"
    assert command("sql", query).stdout.splitlines()[0] == "2 rows"
    assert json.loads(command("sql", query, "--json").stdout) == [
        {"item": "hat", "total": 0.0},
        {"item": "shoe", "total": 0.0},
    ]
    assert command("sql", query, "--csv").stdout == "item,total\nhat,0.0\nshoe,0.0\n"
    assert command("sql", f"{query} limit 0").stderr == "no rows\n"
    assert command("sql", query, "--as-of", "2016-01-01").returncode == 1
    first = json.loads(command("sql", query, "--version", "1", "--json").stdout)
    assert first != json.loads(command("sql", query, "--json").stdout)
    refused = command("sql", "select * from read_text('/etc/passwd')")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("InvalidName: the query reads or writes outside")
    assert command("sql", query, "--csv", "--json").returncode == 2
