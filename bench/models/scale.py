"""What large registries cost: many versions of a model, many models of ten batches each."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation, next_entry
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
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.pins.lineage import record_downstream
from airflow_sfx.warehouse.table.log_only import LogOnlyMetastore
from airflow_sfx.warehouse.table.table import Table

_COUNT = 10_000
_PINS = 10
_MEMORY = "/dev/shm"
_FIRST = datetime(2016, 11, 1, tzinfo=UTC)
_PRODUCER = Producer(dag_id="nightly", run_id="scheduled__2016-11-01", task_id="train", host="w1")


def of_many(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Time lists of versions and of affected models, in memory and on the disk."""
    for title, fill, ask in (
        (f"model: {_COUNT:,} versions listed", _versions, _list_versions),
        (f"model: affected among {_COUNT:,} models of {_PINS} batches", _models, _affected),
    ):
        with tempfile.TemporaryDirectory(dir=_MEMORY) as memory:
            asked = fill(Path(memory) / "w")
            target = folder / ask.__name__
            shutil.copytree(Path(memory) / "w", target)
            places = {"memory": Path(memory) / "w", "disk": target}
            yield {title: {**_timed(places, partial(ask, asked), runs), "runs": runs}}


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


def _affected(pin: BatchPin, root: Path) -> int:
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
    entry = Ledger(table).head(LATEST).entry
    start = datetime.strptime(pin.version, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    for number in range(2, _COUNT + 1):
        version = f"{start + timedelta(seconds=number):%Y%m%d%H%M%S}"
        metrics = {"mae": 4.5 + number / 1e4, "auc": 0.81 - number / 1e6}
        changed = replace(record, version=version, metrics=metrics)
        path = f"{table.layout.batch_dir(LATEST, version)}/delays-{version}.zip"
        table.store.put_if_absent(path, write_artifact({**entries, FIRST: changed.to_bytes()}))
        entry = _append(table, version, entry)


def _models(root: Path) -> BatchPin:
    """Write models that were each trained on ten batches, and return one of the batches."""
    warehouse = sfx.connect(f"embedded://{root}")
    frame = pd.DataFrame({"distance": [1400.0, 200.0]})
    days = [f"201611{day + 1:02d}" for day in range(_PINS)]
    pins = [warehouse.store_dataframe(frame, "air", "flights", [day]) for day in days]
    version = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    for number in range(_COUNT):
        table = _table(root, f"delays_{number}")
        record_downstream(table.store, pins, table.pin({LATEST: version}), _PRODUCER)
        table.store.put_if_absent(f"{table.layout.root}/{CONTENT}/{number:064x}.json", b"{}")
        _append(table, version, None)
    return pins[0]


def _table(root: Path, name: str) -> Table:
    store = sfx.connect(f"embedded://{root}").store
    ref: TableRef = table_of(name)
    return Table.find(ref, store, LogOnlyMetastore(store))


def _append(table: Table, version: str, head: LedgerEntry | None) -> LedgerEntry:
    entry = next_entry(
        head,
        Change(LATEST, Operation.PUBLISH, version, bytes=20_000),
        sequence=head.sequence + 1 if head else 1,
        commit=f"2016-11-01/000000.000000-{version}",
        group=False,
        at=_FIRST,
        producer=_PRODUCER,
        reason="nightly",
    )
    assert Ledger(table).append(entry)
    return entry
