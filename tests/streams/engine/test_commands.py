"""The command `sfx stream`, with a broker of Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from airflow_sfx.cli.main import app
from airflow_sfx.warehouse.connect import connect
from tests.streams.servers.streams import KafkaStream

ROOT = Path(__file__).parents[3]
FUNCTION = """
import pandas as pd
import airflow_sfx as sfx

@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "bigint"})
def SIGN(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"n": SIGN1 * frame["n"]})
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for sign, factor in (("minus", "-1"), ("plus", "1")):
        text = FUNCTION.replace("SIGN1", factor).replace("SIGN", sign)
        (tmp_path / f"clicks_{sign}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def sfx(uri: str, *arguments: str, status: int = 0) -> Any:
    done = CliRunner().invoke(app, ["-w", uri, "stream", *arguments])
    assert done.exit_code == status, done.output
    return done


def test_a_stream_is_consumed_inspected_and_replayed(here: Path, kafka: str) -> None:
    uri = f"embedded://{here}/w"
    stream = KafkaStream(kafka, 2)
    stream.put([(str(n), b'{"n": %d}' % n) for n in range(200)] + [("bad", b"\xff")])
    where = ["--stream", stream.name, "--kafka", kafka]
    into = ["--into", "web.clicks", "--by", "day"]
    at = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "airflow_sfx.cli", "-w", uri, "stream", "run"]
    process = subprocess.Popen(
        [
            *command,
            "clicks_minus:minus",
            *where,
            *into,
            "--window",
            "0.05",
            "--json",
            "--metrics",
            at,
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    try:
        assert process.stdout is not None
        records = 0
        while records < 201:
            line = json.loads(process.stdout.readline())
            records += line["records"]
            assert line["behind_seconds"] is not None
        figures = urllib.request.urlopen(f"http://{at}/metrics").read().decode()
        of = f'{{table="web.clicks",stream="kafka:{stream.name}"}}'
        assert f"sfx_stream_rows_total{of} 200" in figures
        assert f"sfx_stream_behind_seconds{of} " in figures
        for _ in range(2):  # as the command timeout does
            process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    warehouse = connect(uri)
    assert sorted(warehouse.load_dataframe("web", "clicks")["n"]) == [*range(-199, 1)]

    name = f"kafka:{stream.name}"
    positions = json.loads(sfx(uri, "positions", "web.clicks", "--json").stdout)
    assert sum(int(at) + 1 for at in positions[name].values()) == 201
    assert name in sfx(uri, "positions", "web.clicks").stdout

    (dead,) = json.loads(sfx(uri, "dead-letters", "web.clicks", "--json").stdout)
    assert (dead["stream"], dead["key"], dead["data"]) == (name, "bad", "base64:/w==")
    shown = sfx(uri, "dead-letters", "web.clicks").stdout
    assert "1 dead letter in web.clicks_dead_letters" in shown
    assert "it is not JSON" in shown
    assert "no " in sfx(uri, "dead-letters", "web.none").stdout

    lag = json.loads(sfx(uri, "lag", "web.clicks", *where, "--json").stdout)
    assert lag["behind_seconds"] == 0
    stream.put([("late", b'{"n": 1000}')])
    time.sleep(0.05)
    assert json.loads(sfx(uri, "lag", "web.clicks", *where, "--json").stdout)["behind_seconds"] > 0

    again = ["replay", "clicks_plus:plus", *where, *into]
    assert "to replay" in sfx(uri, *again, "--from", "1d").stdout
    assert min(warehouse.load_dataframe("web", "clicks")["n"]) < 0
    assert "replayed" in sfx(uri, *again, "--from", "1d", "--apply").stdout
    assert sorted(warehouse.load_dataframe("web", "clicks")["n"]) == [*range(200)]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["run", "clicks_plus:none", "--stream", "s", "--into", "a.b"], 1, "cannot be imported"),
        (["run", "clicks_plus:plus", "--stream", "s", "--into", "ab"], 2, "ab"),
        (["run", "clicks_plus:plus", "--stream", "s", "--into", "a.b", "--from", "x"], 2, "a time"),
        (
            ["run", "clicks_plus:plus", "--stream", "s", "--into", "a.b", "--late-after", "1 week"],
            2,
            "is not a duration",
        ),
        (
            ["run", "clicks_plus:plus", "--stream", "s", "--into", "a.b", "--by", "month"],
            1,
            "'month' is not a column that plus gives",
        ),
        (
            ["run", "clicks_plus:plus", "--stream", "s", "--into", "a.b", "--metrics", "9"],
            2,
            "is not an address",
        ),
        (["lag", "a.b", "--stream", "sqs:x"], 1, "is not a stream that can be read"),
    ],
)
def test_what_cannot_be_done_is_refused(
    here: Path, arguments: list[str], status: int, message: str
) -> None:
    (here / "w").mkdir()
    done = sfx(f"embedded://{here}/w", *arguments, status=status)
    assert message in " ".join(done.output.replace("│", " ").split())


def test_options_of_kafka_are_read_from_a_file(here: Path, kafka: str) -> None:
    stream = KafkaStream(kafka, 1)
    options = here / "client.properties"
    where = [
        "web.clicks",
        "--stream",
        stream.name,
        "--kafka",
        kafka,
        "--kafka-config",
        str(options),
    ]
    options.write_text("# of ours\n\nclient.id = sfx\n")
    connect(f"embedded://{here}/w").store_dataframe(pd.DataFrame({"n": [1]}), "web", "clicks")
    assert "is 0 s behind" in sfx(f"embedded://{here}/w", "lag", *where).output
    options.write_text("sasl.password=secret\nno option=1\n")
    refused = sfx(f"embedded://{here}/w", "lag", *where, status=1)
    assert "options of Kafka" in refused.output
    assert "secret" not in refused.output
    options.write_text("nonsense")
    assert "line 1 of" in sfx(f"embedded://{here}/w", "lag", *where, status=2).output
