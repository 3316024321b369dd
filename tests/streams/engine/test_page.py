"""The page of streams: its commands consume a stream of Kinesis and a topic of Kafka."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.docs.pages import ROOT, blocks
from tests.streams.servers.processes import Server
from tests.streams.servers.streams import KafkaStream, KinesisStream

PAGE = ROOT / "docs/streams.md"


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A warehouse, and a folder with the features.py of the page that shows it."""
    (text,) = [one for one in blocks(ROOT / "docs/online.md", "python") if "\ndef late" in one]
    (tmp_path / "features.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SFX_WAREHOUSE", f"embedded://{tmp_path}/w")
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield connect(f"embedded://{tmp_path}/w")
    for one, handler in before.items():
        signal.signal(one, handler)
    sys.modules.pop("features", None)


def run(words: Sequence[str], warehouse: Warehouse, rows: int = 0) -> Result:
    """Run a command in this process; a consumer gets SIGTERM once the table has its rows."""
    ended = threading.Event()

    def end() -> None:
        while not ended.wait(0.05):
            if len(table(warehouse)) >= rows:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watch = threading.Thread(target=end)
    if words[:2] == ["stream", "run"]:
        watch.start()
    try:
        return CliRunner().invoke(app, words)
    finally:
        ended.set()
        if watch.is_alive():
            watch.join()


def table(warehouse: Warehouse) -> pd.DataFrame:
    try:
        return warehouse.load_dataframe("web", "scores")
    except (sfx.TableNotFound, sfx.PartitionNotFound):
        return pd.DataFrame({"late": []})


def flights(*distances: object) -> list[tuple[str, bytes]]:
    return [
        (str(at), json.dumps({"distance": distance, "carrier": "UA"}).encode())
        for at, distance in enumerate(distances)
    ]


def on_kinesis(server: Server, monkeypatch: pytest.MonkeyPatch) -> KinesisStream:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", server.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return KinesisStream(server.url, 1)


def test_the_commands_run_as_shown(
    warehouse: Warehouse, kinesalite: Server, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the names of the stream and of the brokers, which others use here."""
    stream, topic = on_kinesis(kinesalite, monkeypatch), KafkaStream(kafka, 1)
    stream.put(flights(1400, 200, "far"))
    topic.put(flights(300))
    consumed = sfx.Consumed("kinesis:clicks", {"0": ("", "1")})
    clicks = pd.DataFrame({"day": ["20161101"], "url": ["/hats"]})
    warehouse.store_window(clicks, "web", "clicks", consumed=consumed, partition_by=["day"])
    lines = re.findall(r"^ *\$ sfx (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 8
    printed = {}
    for line in lines:
        name = topic.name if "--kafka" in line else stream.name
        words = shlex.split(line.replace("broker:9092", kafka))
        words = [name if one == "clicks" else one for one in words]
        rows = 3 if "--kafka" in line else 2
        done = run(words, warehouse, rows)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        printed[line] = " ".join(done.output.split())
        if words[:2] == ["stream", "run"]:
            assert len(table(warehouse)) == rows
    assert sorted(table(warehouse)["late"]) == [8.0, 10.0, 32.0]
    shown: dict[str, Any] = {
        "compact web.clicks": "window to compact",
        "stream lag": "is 0 s behind",
        "stream positions": topic.name,
        "stream dead-letters": "1 dead letter",
        "--from 36h": "to replay",
        "--apply": "replayed",
    }
    for part, text in shown.items():
        assert any(part in line and text in found for line, found in printed.items()), printed


def test_a_consumer_continues_after_expired_records_if_it_is_told_to(
    warehouse: Warehouse, kinesalite: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = on_kinesis(kinesalite, monkeypatch)
    command = ["stream", "run", "features:late", "--stream", stream.name, "--into", "web.scores"]
    stream.put(flights(1400))
    assert run(command, warehouse, 1).exit_code == 0
    with kinesalite.ahead(25 * 3600):
        stream.put(flights(200))
        failed = run(command, warehouse, 2)
        assert failed.exit_code == 1
        assert "--on-expired continue" in " ".join(failed.output.split()), failed.output
        assert len(table(warehouse)) == 1
        assert run([*command, "--on-expired", "continue"], warehouse, 2).exit_code == 0
    assert sorted(table(warehouse)["late"]) == [8.0, 32.0]


def test_the_dag_waits_for_the_stream_and_reads_the_hour(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = [one for one in blocks(PAGE, "python") if "@dag" in one]
    names: dict[str, Any] = {}
    exec(compile(text + "\nfound = hourly_orders()\n", str(PAGE), "exec"), names)
    dag = names["found"]
    assert dag.task_ids == ["complete", "report"]
    orders = pd.DataFrame({"day": "20161101", "hour": ["10", "11"], "cents": [1, 2]})
    consumed = sfx.Consumed("kinesis:orders", {"0": ("", "2")})
    warehouse.store_window(orders, "web", "orders", consumed=consumed, partition_by=["day", "hour"])
    dag.get_task("report").python_callable(datetime(2016, 11, 1, 10))
    assert capsys.readouterr().out == "1 orders\n"


def test_the_module_of_lambda_has_a_handler(warehouse: Warehouse) -> None:
    (text,) = [one for one in blocks(PAGE, "python") if "from features" in one]
    names: dict[str, Any] = {}
    exec(compile(text, "app.py", "exec"), names)
    assert names["handler"]({"Records": []}, None) == {"batchItemFailures": []}
