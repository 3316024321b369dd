"""What large registries cost: many versions of a model, many models of ten batches each."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.paths import CONTENT
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.artifact.rules import FIRST
from airflow_sfx.models.artifact.writer import write_artifact
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.pin import LATEST, table_of
from airflow_sfx.models.record import record_from
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.lineage import record_downstream
from airflow_sfx.warehouse.table.log_only import LogOnlyMetastore
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse
from bench.log.entries import append

_COUNT = 10_000
_PINS = 10
_DAYS = [f"201611{day + 1:02d}" for day in range(_PINS)]
_MEMORY = "/dev/shm"
_PRODUCER = Producer(dag_id="nightly", run_id="scheduled__2016-11-01", task_id="train", host="w1")


def of_many(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Time lists of versions and of affected models, in memory and on the disk."""
    parts: Sequence[tuple[str, Callable[[Path], Any], Callable[[Any, Path], int]]] = (
        (f"model: {_COUNT:,} versions listed", _versions, _list_versions),
        (f"model: affected among {_COUNT:,} models of {_PINS} batches", _models, _affected),
    )
    for title, fill, ask in parts:
        with tempfile.TemporaryDirectory(dir=_MEMORY) as memory:
            asked = fill(Path(memory) / "w")
            target = folder / ask.__name__
            shutil.copytree(Path(memory) / "w", target)
            places = {"memory": Path(memory) / "w", "disk": target}
            yield {title: {**_timed(places, partial(ask, asked), runs), "runs": runs}}


def of_a_save(folder: Path, runs: int) -> dict[str, object]:
    """Time saving a network of 5 MB, beside writing its file, in memory and on the disk."""
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(chance.random((1000, 4)), columns=list("abcd"))
    with tempfile.TemporaryDirectory(dir=_MEMORY) as memory:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for name, root in (("memory", Path(memory)), ("disk", folder)):
            warehouse = sfx.connect(f"embedded://{root}/w")
            pin = warehouse.store_dataframe(rows, "air", "flights")
            found[name] = [
                _save_and_write(warehouse, pin, _network(chance), root / f"{run}.onnx")
                for run in range(runs + 1)
            ][1:]
    return {
        "model: save of 5 MB, beside writing its file": {
            part: {
                name: round(statistics.median(one[place] for one in spent), 3)
                for name, spent in found.items()
            }
            for place, part in enumerate(("seconds", "processor, seconds", "file, seconds"))
        }
        | {"runs": runs}
    }


def _save_and_write(
    warehouse: Warehouse, pin: BatchPin, content: bytes, file: Path
) -> tuple[float, float, float]:
    """Return the time of a save, its processor time, and the time of writing the file."""
    begun = time.perf_counter()
    with file.open("wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    written, processor = time.perf_counter(), time.process_time()
    ModelRegistry(warehouse).save(content, "network", inputs={"train": pin})
    done, used = time.perf_counter(), time.process_time() - processor
    return done - written, used, written - begun


def _network(chance: np.random.Generator) -> bytes:
    """Return an ONNX graph of three layers with random weights."""
    import onnx
    from onnx import helper, numpy_helper

    sizes = (4, 1280, 1024, 1)
    weights = [
        numpy_helper.from_array(chance.standard_normal(shape).astype("f4"), f"w{place}")
        for place, shape in enumerate(pairwise(sizes))
    ]
    ends = ["X", "h1", "h2", "y"]
    nodes = [
        helper.make_node("MatMul", [ends[place], f"w{place}"], [ends[place + 1]])
        for place in range(len(weights))
    ]
    number = onnx.TensorProto.FLOAT
    takes = helper.make_tensor_value_info("X", number, [None, sizes[0]])
    gives = helper.make_tensor_value_info("y", number, [None, 1])
    graph = helper.make_graph(nodes, "network", [takes], [gives], weights)
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content


def _timed(
    places: dict[str, Path], ask: Callable[[Path], int], runs: int
) -> dict[str, dict[str, float]]:
    """Return the medians of each place, and what the first call took."""
    seconds: dict[str, float] = {}
    used: dict[str, float] = {}
    first: dict[str, float] = {}
    for name, root in places.items():
        spent = []
        for _ in range(runs + 1):
            begun, processor = time.perf_counter(), time.process_time()
            assert ask(root) == _COUNT
            spent.append((time.perf_counter() - begun, time.process_time() - processor))
        first[name] = round(spent[0][0], 3)
        seconds[name] = round(statistics.median(one for one, _ in spent[1:]), 3)
        used[name] = round(statistics.median(one for _, one in spent[1:]), 3)
    return {"seconds": seconds, "processor, seconds": used, "first call, seconds": first}


def _registry(root: Path) -> ModelRegistry:
    return ModelRegistry(sfx.connect(f"embedded://{root}"))


def _list_versions(_: object, root: Path) -> int:
    return len(_registry(root).versions("delays", limit=None))


def _affected(batch_id: str, root: Path) -> int:
    location = f"{sfx.connect(f'embedded://{root}').store.uri}/air.db/flights"
    pin = BatchPin("air", "flights", location, ((_DAYS[0], batch_id),))
    return len(_registry(root).affected(pin))


def _versions(root: Path) -> None:
    """Save a version, and write others as it is, with other figures."""
    registry = _registry(root)
    model = Coefficients({"distance": 0.02})
    rows = pd.DataFrame({"distance": [1400.0, 200.0]})
    pin = registry.save(model, "delays", example=rows, metrics={"mae": 4.5, "auc": 0.81})
    entries = read_artifact(registry.fetch(pin), str(pin))
    record = record_from(entries[FIRST], str(pin))
    table = _table(root, "delays")
    log = PartitionLog(table)
    entry = log.head(LATEST).entry
    start = datetime.strptime(pin.version, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    for number in range(2, _COUNT + 1):
        version = f"{start + timedelta(seconds=number):%Y%m%d%H%M%S}"
        metrics = {"mae": 4.5 + number / 1e4, "auc": 0.81 - number / 1e6}
        changed = replace(record, version=version, metrics=metrics)
        path = f"{table.layout.batch_dir(LATEST, version)}/delays-{version}.zip"
        table.store.put_if_absent(path, write_artifact({**entries, FIRST: changed.to_bytes()}))
        entry = _append(log, version, entry)


def _models(root: Path) -> str:
    """Write models that were each trained on ten batches, and return the ID of the first."""
    warehouse = sfx.connect(f"embedded://{root}")
    frame = pd.DataFrame({"distance": [1400.0, 200.0]})
    pins = [warehouse.store_dataframe(frame, "air", "flights", [day]) for day in _DAYS]
    version = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    for number in range(_COUNT):
        table = _table(root, f"delays_{number}")
        record_downstream(table.store, pins, table.pin({LATEST: version}), _PRODUCER)
        table.store.put_if_absent(f"{table.layout.root}/{CONTENT}/{number:064x}.json", b"{}")
        _append(PartitionLog(table), version, None)
    return pins[0].batch_id


def _table(root: Path, name: str) -> Table:
    store = sfx.connect(f"embedded://{root}").store
    ref: TableRef = table_of(name)
    return Table.find(ref, store, LogOnlyMetastore(store))


def _append(log: PartitionLog, version: str, head: LogEntry | None) -> LogEntry:
    change = Change(LATEST, Operation.PUBLISH, version, bytes=20_000)
    (entry,) = append(log, [change], {LATEST: head} if head else {})
    return entry
