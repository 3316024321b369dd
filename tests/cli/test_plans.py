"""Commands that ask show their plan: alone, before the question, and without a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from tests.cli.conftest import SOLD

TABLE, DAY = "sales.sold_items", "20161031"
ASKING = {
    "rollback": [
        [TABLE, DAY],
        ["--run", "nightly", "manual__1"],
        ["--commit", TABLE, "{commit}"],
        ["sales.gone"],
    ],
    "publish": [[TABLE, "{staged}"]],
    "discard": [[TABLE, "--batch", "{staged}"]],
    "drop": [[TABLE], [TABLE, DAY]],
    "rename": [[TABLE, "sales.items"]],
    "drop-column": [[TABLE, "price"]],
    "rename-column": [[TABLE, "price", "cost"]],
    "retain": [[TABLE, "--keep-last", "1", "--older-than", "0d"]],
    "erase": [[TABLE, "--where", "item = 'hat'"]],
}
"""The commands that ask, by name, with arguments."""


@pytest.fixture
def shop(warehouse, tmp_path) -> tuple[sfx.Warehouse, Path, dict[str, str]]:
    """A warehouse, its directory, and IDs in it."""
    older = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["1"], publish=False)
    newer = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["1"])
    warehouse.store_dataframe(SOLD, "sales", "report", inputs=[newer])
    warehouse.store_dataframe(SOLD, "sales", "gone")
    warehouse.drop("sales", "gone", reason="a test")
    (newest, *_) = warehouse.audit("sales", "sold_items", by_commit=True).commits
    return (
        warehouse,
        tmp_path / "warehouse",
        {"staged": older.batch_id, "commit": newest.commit, "newer": newer.batch_id},
    )


def there(directory: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_every_command_that_asks_is_tried() -> None:
    group = typer.main.get_command(app)
    asking = {
        name
        for name, one in group.commands.items()
        if any(option.name == "yes" for option in one.params)
    }
    assert asking == set(ASKING)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, arguments) for name, many in ASKING.items() for arguments in many],
    ids=lambda one: one if isinstance(one, str) else one[0],
)
def test_a_plan_is_printed_and_changes_nothing(shop, name: str, arguments: list[str]) -> None:
    warehouse, directory, ids = shop
    words = ["--warehouse", warehouse.uri, name, *(one.format(**ids) for one in arguments)]
    before = there(directory)
    alone = CliRunner().invoke(app, [*words, "--dry-run"])
    assert (alone.exit_code, alone.stdout != "") == (0, True), alone.output
    as_json = CliRunner().invoke(app, [*words, "--dry-run", "--json"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)
    # without a terminal: the plan, and how to confirm it
    apply = ["--apply"] if name in ("retain", "erase") else []
    unasked = CliRunner().invoke(app, [*words, *apply])
    assert unasked.exit_code == 2
    assert unasked.stderr.count("\n") == 1
    assert "--yes" in unasked.stderr
    assert unasked.stdout.splitlines()[0] == alone.stdout.splitlines()[0]
    assert there(directory) == before


def test_a_publish_shows_what_it_replaces_and_asks(shop) -> None:
    warehouse, _, ids = shop
    words = ["publish", TABLE, ids["staged"]]
    refused = CliRunner().invoke(app, ["--warehouse", warehouse.uri, *words, "--yes"])
    assert (refused.exit_code, "pass --force" in refused.stderr) == (1, True)
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_sfx.cli", "-w", warehouse.uri, *words, "--json"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        os.write(master, b"y\n")
        asked = b""
        try:
            while chunk := os.read(master, 1 << 16):
                asked += chunk
        except OSError:  # a terminal without writers ends so
            pass
        result = process.stdout.read() if process.stdout else b""
    os.close(master)
    text = asked.decode()
    assert process.returncode == 0, text
    assert f"from  {ids['newer']}  2 rows, written" in text
    assert f"to    {ids['staged']}  2 rows, written" in text
    assert "older than the current batch" in " ".join(text.split())
    assert json.loads(result)["batches"] == {"1": ids["staged"]}
    assert warehouse.pin("sales", "sold_items", ["1"]).batch_id == ids["staged"]


def test_one_partition_of_a_staged_batch_is_published(warehouse, command) -> None:
    two = SOLD.assign(partition=["1", "2"])
    staged = warehouse.store_dataframe(
        two, "sales", "sold_items", partition_by=["partition"], publish=False
    )
    done = command("publish", TABLE, staged.batches["1"], "1", "--yes", "--json")
    assert json.loads(done.stdout)["batches"] == {"1": staged.batches["1"]}
    assert [one.partition for one in warehouse.staged("sales", "sold_items")] == ["2"]
    missing = command("publish", TABLE, staged.batches["1"], "2", "3", "--yes")
    assert (missing.returncode, "partition 3 has no staged batch" in missing.stderr) == (1, True)


def test_a_batch_id_alone_names_what_one_call_staged(warehouse, command) -> None:
    """Two calls of the same second have different IDs."""

    def staged(*days: str) -> str:
        rows = pd.concat([SOLD.assign(partition=day) for day in days])
        pin = warehouse.store_dataframe(
            rows, "sales", "sold_items", partition_by=["partition"], publish=False
        )
        (batch,) = set(pin.batches.values())
        return batch

    first, second = staged("a", "b"), staged("c")
    assert first != second
    done = command("discard", TABLE, "--batch", first, "--yes", "--json")
    assert json.loads(done.stdout)["batches"] == {"a": first, "b": first}
    assert command("publish", TABLE, second, "--yes").returncode == 0
    assert list(warehouse.pin("sales", "sold_items").batches) == ["20161031", "c"]
