"""Bad arguments and environments of the CLI: an error or usage, never a traceback."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import typer
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from tests.cli.conftest import SOLD, speaks_python

SFX = [sys.executable, "-m", "airflow_sfx.cli"]
TYPED = [
    "",
    "\x00",
    "\u202e",
    "..",
    "a/b",
    "' OR 1=1",
    "x" * 300,
    "-1",
    "0",
    "9" * 30,
    "1e400",
    "nan",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "2016-13-01",
    "999999999999999999d",
    "1h",
    "%ZZ",
    "partition=20161031",
    "a=b=c",
    "sales.nope",
    "sales.",
    "a.b.c",
    "99999999999999",
    "price > 0",
    "item = 'hat' --",
    "item = ",
    "s3://nope",
    "hive://127.0.0.1:1?location=file:///tmp/x",
    "file:///",
    "/nonexistent",
    "null",
    "day:nope",
    "é",
]


STARTING = (("stack", "up"), ("stack", "run"))
"""They would start services."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*path, name))
        else:
            yield (*path, name), one


def test_a_walk_through_all_commands_with_words_of_every_kind_ends_as_documented(
    warehouse, tmp_path
) -> None:
    warehouse.store_dataframe(SOLD, "sales", "whole")
    warehouse.store_dataframe(SOLD.assign(day=["a", "b"]), "sales", "many", partition_by=["day"])
    warehouse.hold(warehouse.pin("sales", "sold_items"), "report")
    group = typer.main.get_command(app)
    leaves = [one for one in commands(group) if one[0] not in STARTING]
    batches = [entry.batch_id for entry in warehouse.history("sales", "sold_items", ["20161031"])]
    texts = st.sampled_from([*TYPED, *batches])
    likely = {
        "table": st.sampled_from(["sales.sold_items", "sales.many", "sales.whole"]),
        "partition": st.sampled_from(["20161031", "a"]),
    }

    def word(name: str) -> st.SearchStrategy[str]:
        known = [strategy for part, strategy in likely.items() if part in name]
        return st.one_of(*known, *known, *known, texts)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def walk(data: st.DataObject) -> None:
        path, command = data.draw(st.sampled_from(leaves))
        words = list(path)
        for one in command.params:
            if one.param_type_name == "argument":
                least = 1 if one.required else 0
                words += data.draw(
                    st.lists(word(one.name), min_size=least, max_size=1 if one.nargs == 1 else 2)
                )
            elif one.name not in ("help", "watch", "follow") and data.draw(st.integers(0, 4)) == 0:
                words.append(one.opts[0])
                if not one.is_flag:
                    words.append(data.draw(word(one.name)))
        if path[0] == "init":
            words = ["init", f"{tmp_path}/starter/{''.join(words[1:])}"]
        if path[0] == "stack":
            words += ["--dir", str(tmp_path / "stack")]
        done = CliRunner().invoke(group, words, input="", env={"SFX_WAREHOUSE": warehouse.uri})
        assert done.exception is None or isinstance(done.exception, SystemExit), (
            words,
            done.exc_info,
        )
        assert done.exit_code in (0, 1, 2), words
        quoted = functools.reduce(
            lambda text, one: text.replace(one, "") if "=" in one else text, words, done.stderr
        )
        assert not speaks_python(quoted), (words, done.stderr)
        assert not set(done.output) & {"\x00", "\u202e", "\x1b"}, words

    walk()


def ended(tmp_path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command, in an environment in which nothing else names a warehouse."""
    own = {
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "PATH": os.environ["PATH"],
    }
    if "PYTHONPATH" in os.environ:
        own["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run(
        [*SFX, *words], env=own | environment, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "connection",
    [
        '{"conn_type": "sfx", "extra": [1]}',
        '{"conn_type": "sfx", "extra": "[1]"}',
        '{"conn_type": "sfx", "extra": {"warehouse": ["a"]}}',
        '{"conn_type": "sfx", "extra": {"warehouse": "embedded:///tmp/%00"}}',
        '{"conn_type": 5}',
        "{bad json",
        "sfx://[::1",
        "sfx://user:word@host:99999/x",
        "5",
        "",
    ],
)
def test_a_connection_that_cannot_be_read_is_refused_and_no_other_warehouse_is_taken(
    tmp_path, connection
) -> None:
    done = ended(tmp_path, "tables", AIRFLOW_CONN_SFX_DEFAULT=connection)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"InvalidName: " in done.stderr
    assert b"word" not in done.stderr.replace(b"password", b"")
    assert not (tmp_path / ".sfx").exists(), "the directory of a person was taken for the warehouse"


@pytest.mark.parametrize(
    "words", [["tables"], ["show", "a.b"], ["history", "a.b", "--json"], ["--help"], ["--version"]]
)
@pytest.mark.parametrize("output", [">/dev/full", ">&-", "| head -c 0"])
def test_an_output_that_cannot_be_written_is_told_in_a_line(tmp_path, words, output) -> None:
    uri = f"embedded://{tmp_path}/warehouse"
    sfx.connect(uri).store_dataframe(pd.DataFrame({"n": [1]}), "a", "b")
    command = " ".join(["set -o pipefail;", *SFX, *words, output])
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "SFX_WAREHOUSE": uri},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == (1 if "full" in output else 0), done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == (1 if "full" in output else 0), done.stderr


def test_a_path_that_is_no_text_is_refused(tmp_path) -> None:
    done = ended(tmp_path, "-w", os.fsdecode(b"embedded:///tmp/\xff"), "tables")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    for uri in (
        "embedded:///tmp/\udcff",
        "embedded:///tmp/%00",
        "hive://host:1?location=file:///%00",
    ):
        with pytest.raises(sfx.InvalidName, match="null character or half a surrogate pair"):
            sfx.connect(uri)


def test_times_that_python_has_no_object_for_are_shown(command, warehouse) -> None:
    last = 253_402_300_799_999_999
    for number, kind in enumerate((pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("us"))):
        for values in ([0, last], [last, 0]):
            pin = warehouse.store_dataframe(
                pa.table({"at": pa.array(values, kind)}), "times", f"late_{number}"
            )
        for words in (["head"], ["head", "--json"], ["diff"], ["diff", "--json"]):
            done = command(words[0], f"{pin.database}.{pin.table}", *words[1:])
            assert done.returncode == 0, done.stderr
            assert "9999-12-31" in done.stdout or words[0] == "diff"


def test_a_backfill_is_looked_up_without_making_an_airflow(tmp_path) -> None:
    uri = f"embedded://{tmp_path}/warehouse"
    producer = sfx.Producer(dag_id="nightly", run_id="b1", backfill_id="7", try_number=1)
    sfx.connect(uri).store_dataframe(SOLD, "a", "b", producer=producer)
    words = ("-w", uri, "rollback", "--backfill", "nightly", "7", "--dry-run", "--json")
    alone = ended(tmp_path, *words)
    assert (alone.returncode, json.loads(alone.stdout)[0]["table"]) == (0, "a.b"), alone.stderr
    first = alone.stderr.decode().splitlines()[0]
    assert first.startswith("Only the history is searched for the runs of the backfill 7, as")
    assert "has no airflow.cfg and no airflow.db" in first
    assert [one.name for one in tmp_path.iterdir()] == ["warehouse"]
    (tmp_path / "empty.db").touch()
    place = f"sqlite:///{tmp_path}/empty.db"
    other = ended(tmp_path, *words, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=place)
    assert json.loads(other.stdout) == json.loads(alone.stdout), other.stdout
    assert b"no such table" in other.stderr
    assert b"SELECT" not in other.stderr
