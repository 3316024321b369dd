"""Values, names and reasons written by others, as a terminal shows them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.cli.output import visible, visible_json

SEEN = "\u202egpj.\u2066\u200b\u3164\ufeff\u00ad"
"""What names and partition values may have: direction, width nought."""
HEARD = f"\x1b]0;owned\x07\x9b2J\x7f\r\n\t\u2028{SEEN}\U000e0041"
"""What values and reasons may have: a terminal's own commands, too."""
PARTITION, COLUMN = f"day{SEEN}", f"item{SEEN}"
TABLE = "sales.sold_items"


@pytest.fixture
def nasty(tmp_path) -> Iterator[sfx.Warehouse]:
    """A warehouse whose every text has what a terminal would act on."""
    warehouse = sfx.connect(f"embedded://{tmp_path}/warehouse")
    writer = sfx.Producer(
        dag_id=HEARD, run_id=HEARD, task_id=HEARD, user=HEARD, host=HEARD, try_number=1
    )

    def store(*items: object, day: str = PARTITION, **options: object) -> sfx.BatchPin:
        frame = pd.DataFrame(
            {COLUMN: items, "kind": pd.Categorical([HEARD] * len(items)), "n": range(len(items))}
        )
        return warehouse.store_dataframe(
            frame, "sales", "sold_items", [day], reason=HEARD, producer=writer, **options
        )

    first = store("hat", HEARD)
    warehouse.hold(first, f"report {SEEN}", reason=HEARD)
    store("belt", HEARD)
    store("shoe", HEARD, HEARD, inputs=[first])
    store("staged", day=f"staged{SEEN}", publish=False)
    rule = {"keep_last": 9, "older_than": timedelta(days=9)}
    warehouse.set_retention("sales.*", **rule, reason=HEARD, producer=writer)
    with pytest.raises(sfx.CheckFailed):
        store("bad", day=f"bad{SEEN}", checks=[lambda frame: HEARD])
    return warehouse


COMMANDS: dict[str, list[list[str]]] = {
    "tables": [[]],
    "show": [[TABLE]],
    "history": [[TABLE], [TABLE, PARTITION]],
    "readers": [
        [TABLE, PARTITION, "--batch", "previous"],
        [TABLE, PARTITION, "--batch", "previous", "--all", "--stale"],
    ],
    "stale": [[], [HEARD], [TABLE]],
    "head": [[TABLE], [TABLE, PARTITION]],
    "night": [[]],
    "sql": [[f"from {TABLE}"], [f"from {TABLE}", "--csv"]],
    "changes": [[TABLE]],
    "audit": [[], [TABLE, "--files"], ["--json-lines"], [TABLE, "--actor", HEARD]],
    "pin": [[TABLE]],
    "verify": [[TABLE], [f"nothing.there{HEARD}"]],
    "diff": [
        [TABLE, PARTITION],
        [TABLE, PARTITION, "--keys", "n"],
        [TABLE, PARTITION, "--keys", HEARD],
    ],
    "rollback": [
        [TABLE, PARTITION],
        [TABLE, f"none{SEEN}", "--yes"],
        [TABLE, PARTITION, "--yes", "--reason", HEARD],
    ],
    "drop": [[TABLE, f"none{SEEN}", "--yes"], [TABLE, PARTITION, "--yes", "--reason", HEARD]],
    "rename": [[TABLE, f"sales.x{HEARD}"], [TABLE, "sales.other", "--yes", "--reason", HEARD]],
    "announce": [[TABLE], [TABLE, f"none{SEEN}", "--airflow", f"http://127.0.0.1:1/{SEEN}"]],
    "repin": [["nightly", f"run {SEEN}", "--reason", HEARD], [HEARD, HEARD]],
    "publish": [[TABLE, "{staged}", "--reason", HEARD]],
    "discard": [
        [TABLE, f"none{SEEN}", "--batch", "{staged}", "--yes"],
        [TABLE, "--batch", "{staged}", "--yes", "--reason", HEARD],
    ],
    "compact": [[TABLE, HEARD], [f"nothing.there{HEARD}"]],
    "drop-column": [[TABLE, HEARD, "--yes"], [TABLE, "n", "--yes", "--reason", HEARD]],
    "rename-column": [[TABLE, COLUMN, f"a{HEARD}", "--yes"], [TABLE, COLUMN, "item", "--yes"]],
    "metrics": [[TABLE], [TABLE, COLUMN], [TABLE, f"none {SEEN}"]],
    "check": [[TABLE], [TABLE, "--set", f"/nowhere/{HEARD}"], [TABLE, f"none{SEEN}"]],
    "init": [[f"/proc/nowhere/{SEEN}"]],
    "repair": [[TABLE]],
    "adopt": [[TABLE, f"/nowhere/{HEARD}"]],
    "hold": [
        [TABLE, PARTITION, "--name", f"mine {SEEN}", "--reason", HEARD],
        [TABLE, PARTITION, "--name", HEARD],
    ],
    "holds": [[TABLE], []],
    "policies": [[]],
    "release": [
        [TABLE, "--name", f"report {SEEN}", "--reason", HEARD],
        [TABLE, "--name", f"none {SEEN}"],
    ],
    "retain": [
        [TABLE, "--keep-last", "1", "--older-than", "0d"],
        [TABLE, "--keep-last", "1", "--older-than", "0d", "--apply", "--yes", "--reason", HEARD],
        [TABLE, "--keep-last", HEARD],
        ["--policy", "sales.*", "--keep-last", "9", "--older-than", "9d", "--reason", HEARD],
        ["--policy", HEARD, "--keep-last", "9", "--older-than", "9d"],
        [],
    ],
    "erase": [
        [TABLE, "--where", "n = 1"],
        [TABLE, "--where", f"kind = '{HEARD}'"],
        [TABLE, "--where", f"kind = 1 -- {HEARD}"],
        [TABLE, "--where", "n = 1", "--apply", "--yes", "--reason", HEARD],
    ],
    "components": [[f"/nowhere/{SEEN}"]],
    "stream": [
        ["positions", TABLE],
        ["dead-letters", TABLE],
        ["lag", TABLE, "--stream", f"x:{HEARD}"],
        ["run", f"no:{SEEN}", "--stream", "x", "--into", TABLE],
        ["replay", f"no:{SEEN}", "--stream", "x", "--into", TABLE, "--from", "1d"],
    ],
    "model": [
        ["list"],
        ["list", f"no {SEEN}"],
        ["show", f"no {SEEN}"],
        ["show", f"no {SEEN}.zip"],
        ["history", f"no@{SEEN}"],
        ["verify", f"no {SEEN}"],
        ["promote", f"no {SEEN}", "20161101002256", "--to", SEEN],
        ["rollback", f"no@{SEEN}", "--yes"],
        ["affected", TABLE, PARTITION],
        ["diff", f"no {SEEN}.zip", f"no {SEEN}.zip"],
        ["diff", f"no {SEEN}", "no"],
        ["drift", f"no {SEEN}", TABLE, PARTITION],
        ["reproduce", f"no {SEEN}"],
        ["why", f"no {SEEN}", "no", "--metric", HEARD],
        ["save", f"/no {SEEN}.json", "no", "--input", f"train={TABLE}/{PARTITION}"],
    ],
    "job": [
        ["run", "-", "--into", f"sales.x{HEARD}", "--", "true"],
        ["run", "-", "--input", f"a={TABLE}/{PARTITION}", "--into", "sales.t", "--", "echo", HEARD],
    ],
    "workbench": [
        ["start", "--image", f"no {SEEN}"],
        ["start", "--home", f"/nowhere/{HEARD}"],
        ["list"],
        ["address", f"no {SEEN}"],
        ["logs", f"no {SEEN}"],
        ["stop", f"no {SEEN}"],
    ],
    "serve": [[f"delays{SEEN}", "--port", "0"], [f"/nowhere/{SEEN}.zip", "--port", "0"]],
    "session": [[f"/nowhere/{SEEN}"]],
    "stack": [["status", "--dir", f"/nowhere/{SEEN}"]],
    f"no command {HEARD}": [[]],
}


def unseen(text: str) -> set[str]:
    """The characters of a text that no reader sees, by their names."""
    kinds = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    found = {
        char for char in text if unicodedata.category(char) in kinds or char in "\u3164\U000e0041"
    }
    return {f"{ord(char):x}" for char in found - {"\n"}}


def test_every_command_is_tried() -> None:
    """A new command is added here."""
    names = {
        one.name or one.callback.__name__.replace("_", "-")
        for one in app.registered_commands
        if one.callback
    }
    assert names | {group.name for group in app.registered_groups} == {
        name for name in COMMANDS if " " not in name
    }


@pytest.mark.parametrize("name", COMMANDS, ids=ascii)
def test_no_command_prints_what_a_terminal_acts_on(nasty, name: str) -> None:
    staged = nasty.show("sales", "sold_items").staged[0].batch_id
    shown = ""
    for arguments in COMMANDS[name]:
        for more in ([], ["--json"]):
            words = [name, *(word.replace("{staged}", staged) for word in arguments), *more]
            done = CliRunner().invoke(app, ["--warehouse", nasty.uri, *words])
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
            assert unseen(done.output) == set(), words
            shown += done.output
            if done.exit_code == 0 and more and "--json-lines" not in arguments and name != "stack":
                json.loads(done.stdout)
    assert name in ("tables", "repair", "stack", "erase") or "\\u202e" in shown, (
        "the command shows none of it"
    )


@pytest.mark.parametrize(
    "arguments", [["show", TABLE], ["history", TABLE], ["head", TABLE], ["diff", TABLE, PARTITION]]
)
def test_on_a_terminal_there_is_only_its_own_colour(nasty, arguments: list[str]) -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "airflow_sfx.cli", "--warehouse", nasty.uri, *arguments]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        told = b""
        try:
            while chunk := os.read(master, 1 << 16):
                told += chunk
        except OSError:  # a terminal without writers ends so
            pass
    os.close(master)
    assert process.returncode == 0, told
    text = told.decode()
    assert "\x1b[" in text, "rich takes it for a terminal"
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")
    assert unseen(plain) <= {"d"}  # a carriage return, with which rich begins a line again
    assert "owned\\x07" in plain.replace("\n", "") or arguments[0] == "show"


def test_a_warning_of_the_log_is_seen(nasty) -> None:
    code = (
        "import logging, sys; sys.argv[1:] = ['--help']; from airflow_sfx.cli.main import run\n"
        f"try: run()\nfinally: logging.getLogger('airflow_sfx').warning({HEARD!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "owned\\x07" in done.stderr
    assert unseen(done.stderr) == set()


@given(st.text())
def test_json_reads_as_before_and_text_on_one_line(text: str) -> None:
    document = json.dumps({"x": [text]}, ensure_ascii=False, indent=2)
    if not any(unicodedata.category(char) == "Cs" for char in text):
        assert json.loads(visible_json(document)) == {"x": [text]}
    assert unseen(visible_json(document)) == unseen(visible(text)) == set()
    assert "\n" not in visible(text)
