"""A model's server beside a bare one, its start, and swaps under load."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

import airflow_sfx as sfx
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.registry import ModelRegistry
from bench.serving.client import Load, request, send
from bench.serving.online import CARRIERS, late
from bench.timing import summary

OURS, BARE, MLFLOW = "airflow_sfx", "bare FastAPI + onnxruntime", "MLflow"
BARE_FUNCTION = "bare FastAPI + pandas"
_LOADS = ((1, 1), (1, 16), (16, 16))
"""Rows of a request, and connections."""
MLFLOW_PYTHON = Path(os.environ.get("PEERS_PYTHON", ".venv-peers/bin/python"))
COLUMNS = [f"x{number}" for number in range(10)]
_SWAPS = 100
_SECONDS = 1.0


def beside_bare(folder: Path, runs: int) -> dict[str, object]:
    """Time requests to each server, and the start of ours."""
    archive = _forest(folder)
    rows = _golden_rows(archive)
    results: dict[str, object] = {}
    starts = {OURS: _ours(archive), BARE: _bare(archive)}
    results["serve: ready"] = {
        **_starts(starts, runs),
        "zip": f"{archive.stat().st_size / 1e6:.1f} MB",
    }
    with ExitStack() as opened:
        servers = {
            OURS: opened.enter_context(_running(_ours(archive))),
            BARE: opened.enter_context(_running(_bare(archive))),
        }
        if MLFLOW_PYTHON.exists():
            servers[MLFLOW] = opened.enter_context(_running(_mlflow(archive, folder)))
        for count, connections in _LOADS:
            name = f"serve: {count} rows, {connections} connections"
            results[name] = _in_turns(servers, rows, count, connections, runs)
    return results


def function_beside_bare(_: Path, runs: int) -> dict[str, object]:
    """Time requests to the server of a function, and to one that is written for it by hand."""
    numbers = random.Random(0)
    rows: list[dict[str, object]] = [
        {
            "distance": float(numbers.randrange(100, 3000)),
            "carrier": numbers.choice(CARRIERS),
            "hour": numbers.randrange(24),
        }
        for _ in range(64)
    ]
    ours = [*_command(), f"{late.__module__}:{late.name}", "--port"]
    bare = [sys.executable, "-m", "bench.serving.bare_function"]
    with _running(lambda port: [*ours, port]) as one, _running(lambda port: [*bare, port]) as two:
        servers = {OURS: one, BARE_FUNCTION: two}
        _require_same_answers(servers.values(), rows)
        return {
            f"serve a function: {count} rows, {connections} connections": _in_turns(
                servers, rows, count, connections, runs
            )
            for count, connections in _LOADS
        }


def _require_same_answers(servers: Iterable[_Server], rows: list[dict[str, object]]) -> None:
    found: list[object] = []

    def seen(_: bytes, body: bytes) -> None:
        found.append(json.loads(body)["predictions"])

    for server in servers:
        body = [request(server.path, json.dumps(rows).encode())]
        send(server.port, body, connections=1, seconds=_SECONDS, seen=seen)
    assert all(one == found[0] for one in found)


def swaps(folder: Path) -> dict[str, object]:
    """Move an alias again and again while four connections send requests."""
    warehouse = sfx.connect(f"embedded://{folder}/swaps")
    registry = ModelRegistry(warehouse)
    frame = pd.DataFrame({"x": [1.0, 2.0, 3000.0]})
    train = warehouse.store_dataframe(frame, "bench", "rows", ["20161031"])
    slopes = {
        registry.save(Coefficients({"x": slope}), "line", inputs={"train": train}).version: slope
        for slope in (1.0, 2.0)
    }
    registry.promote("line", next(iter(slopes)))
    mixed: list[bytes] = []

    def seen(head: bytes, body: bytes) -> None:
        found = json.loads(body)
        version = found["model"].rpartition("/")[2]
        if version.encode() not in head or found["predictions"] != [
            {"prediction": 7 * slopes[version]}
        ]:
            mixed.append(body)

    stopped = threading.Event()
    delays: list[float] = []
    with _running(
        lambda port: [*_command(f"--warehouse={warehouse.uri}"), "line@production", "--port", port]
    ) as server:
        mover = threading.Thread(
            target=_move, args=(registry, list(slopes), server.port, delays, stopped)
        )
        mover.start()
        loads: list[Load] = []
        while not stopped.is_set():
            body = [request("/predict", b'[{"x": 7}]')]
            loads.append(send(server.port, body, connections=4, seconds=2.0, seen=seen))
        mover.join()
    return {
        "serve: swaps under load": {
            "swaps": len(delays),
            "requests": sum(len(one.seconds) for one in loads),
            "failed": sum(len(one.failed) for one in loads),
            "mixed": len(mixed),
            "seconds until followed": {
                "median": round(statistics.median(delays), 2),
                "greatest": round(max(delays), 2),
            },
        }
    }


def _move(
    registry: ModelRegistry,
    versions: Sequence[str],
    port: int,
    delays: list[float],
    stopped: threading.Event,
) -> None:
    """Promote the versions in turns, and note how long each took to be served."""
    try:
        for version in itertools.islice(itertools.cycle(versions[::-1]), _SWAPS):
            registry.promote("line", version, reason="swap")
            begun = time.perf_counter()
            while _get(port, "/readyz")["model"] != f"line/{version}":
                time.sleep(0.01)
            delays.append(time.perf_counter() - begun)
    finally:
        stopped.set()


def _get(port: int, path: str) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        found: dict[str, object] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


class _Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int, path: str) -> None:
        self.process, self.port, self.path = process, port, path

    def processor(self) -> float:
        """Return the seconds of the processor that the server and its children have used."""
        parent = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (parent, *parent.children(recursive=True))]
        return sum(one.user + one.system for one in times)


def _in_turns(
    servers: dict[str, _Server],
    rows: Sequence[Mapping[str, object]],
    count: int,
    connections: int,
    runs: int,
) -> dict[str, object]:
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    latency: dict[str, list[float]] = {name: [] for name in servers}
    order = list(servers)
    turns = random.Random(0)
    for run in range(-1, runs):
        for name in order:
            server = servers[name]
            parts = [rows[start : start + count] for start in range(0, 64, count)]
            # MLflow answers a frame of this model with an error, as its outputs differ in shape
            bodies = [
                {"inputs": [[*row.values()] for row in part]} if name == MLFLOW else part
                for part in parts
            ]
            requests = [request(server.path, json.dumps(body).encode()) for body in bodies]
            before = server.processor()
            load = send(server.port, requests, connections=connections, seconds=_SECONDS)
            assert not load.failed, (name, load.failed[:3])
            if run >= 0:
                rates[name].append(load.rate)
                costs[name].append((server.processor() - before) / len(load.seconds))
                latency[name].append(load.quantile(0.5))
        turns.shuffle(order)
    return {
        "requests per second": {name: round(statistics.median(one)) for name, one in rates.items()},
        "processor, microseconds a request": {
            name: round(statistics.median(one) * 1e6) for name, one in costs.items()
        },
        "median milliseconds": {
            name: round(statistics.median(one) * 1e3, 2) for name, one in latency.items()
        },
        "ratios": {
            f"{OURS} / {name}": round(
                statistics.median(a / b for a, b in zip(rates[OURS], one, strict=True)), 3
            )
            for name, one in rates.items()
            if name != OURS
        },
        "runs": runs,
    }


@contextmanager
def _running(command: Callable[[str], list[str]]) -> Iterator[_Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = command(str(port))
    mlflow = words[0] == str(MLFLOW_PYTHON)
    path = f"{Path(words[0]).parent}:{os.environ['PATH']}"  # where MLflow looks for uvicorn
    environment = {**os.environ, "COLUMNS_OF_MODEL": ",".join(COLUMNS), "PATH": path}
    process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                _reach(port, "/ping" if mlflow else "/readyz")
                break
            except OSError:
                assert process.poll() is None, words
                time.sleep(0.005)
        yield _Server(process, port, "/invocations" if mlflow else "/predict")
    finally:
        if process.poll() is None:
            for one in (*psutil.Process(process.pid).children(recursive=True), process):
                one.kill()
        process.wait()


def _reach(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    finally:
        connection.close()


def _starts(commands: dict[str, Callable[[str], list[str]]], runs: int) -> dict[str, object]:
    """Time from the start of a process until the model answers."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    costs: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            begun = time.perf_counter()
            with _running(command) as server:
                seconds[name].append(time.perf_counter() - begun)
                costs[name].append(server.processor())
    return {
        **summary(seconds, OURS),
        "processor, seconds": {
            name: round(statistics.median(one), 2) for name, one in costs.items()
        },
    }


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "airflow_sfx.cli", *options, "serve"]


def _ours(archive: Path) -> Callable[[str], list[str]]:
    return lambda port: [*_command(), str(archive), "--port", port]


def _bare(archive: Path) -> Callable[[str], list[str]]:
    program = str(Path(__file__).with_name("bare.py"))
    return lambda port: [sys.executable, program, str(archive), port]


def _mlflow(archive: Path, folder: Path) -> Callable[[str], list[str]]:
    """Save the same ONNX file as MLflow does, and serve it by MLflow."""
    content = read_artifact(archive.read_bytes(), str(archive))["model/model.onnx"]
    (folder / "model.onnx").write_bytes(content)
    save = (
        "import mlflow.onnx, onnx, sys;"
        "mlflow.onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2], pip_requirements=[])"
    )
    target = folder / "mlflow"
    subprocess.run(
        [MLFLOW_PYTHON, "-c", save, folder / "model.onnx", target], check=True, capture_output=True
    )
    words = [str(MLFLOW_PYTHON), "-m", "mlflow", "models", "serve", "-m", str(target)]
    words += ["--env-manager", "local", "--host", "127.0.0.1"]
    return lambda port: [*words, "--port", port]


def _forest(folder: Path) -> Path:
    """Save a forest whose zip has some 5 MB."""
    from sklearn.ensemble import RandomForestClassifier

    numbers = np.random.default_rng(0)
    frame = pd.DataFrame(numbers.normal(size=(20_000, len(COLUMNS))), columns=COLUMNS)
    noise = numbers.normal(size=len(frame))
    frame["late"] = (frame["x0"] * frame["x1"] + frame["x2"] + noise > 0).astype("int64")
    warehouse = sfx.connect(f"embedded://{folder}/forest")
    train = warehouse.store_dataframe(frame, "bench", "rows", ["20161031"])
    model = RandomForestClassifier(100, max_depth=14, min_samples_leaf=2, random_state=0)
    model.fit(frame[COLUMNS], frame["late"])
    registry = ModelRegistry(warehouse)
    saved = registry.save(model, "forest", inputs={"train": train}, target="late")
    archive = folder / "forest.zip"
    archive.write_bytes(registry.fetch(saved))
    return archive


def _golden_rows(archive: Path) -> list[dict[str, float]]:
    entries = read_artifact(archive.read_bytes(), str(archive))
    columns = json.loads(entries["examples/input.json"])
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
