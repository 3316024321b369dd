"""Large files on a server are read in ranges, and only what is requested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partialmethod
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx
from airflow_sfx.frames.parquet import scan
from airflow_sfx.storage.object_store import RemoteStore
from airflow_sfx.storage.s3 import S3Store
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"
ROWS = 1_000_000


@pytest.fixture
def uri(stack_uri) -> str:
    return stack_uri


@pytest.fixture
def large() -> pd.DataFrame:
    """Of five columns, in one file of some 20 MB: four that hardly get smaller, and a text."""
    random = np.random.default_rng(0)
    numbers = {f"x{number}": random.random(ROWS) for number in range(4)}
    return pd.DataFrame({**numbers, "text": pd.Series(random.integers(0, 9, ROWS)).astype("str")})


@pytest.fixture
def pin(warehouse: Warehouse, large: pd.DataFrame) -> sfx.BatchPin:
    return warehouse.store_dataframe(large, "sales", "items", [DAY])


@pytest.fixture
def fetched(monkeypatch) -> dict[str, int]:
    """Count the bytes fetched from each object."""
    found: dict[str, int] = {}
    view, view_part = RemoteStore.view, RemoteStore.view_part

    def viewing(self: RemoteStore, path: str) -> memoryview | None:
        data = view(self, path)
        found[path] = found.get(path, 0) + (data.nbytes if data else 0)
        return data

    def viewing_part(
        self: RemoteStore, path: str, start: int, stop: int
    ) -> tuple[memoryview, int] | None:
        part = view_part(self, path, start, stop)
        found[path] = found.get(path, 0) + (part[0].nbytes if part else 0)
        return part

    monkeypatch.setattr(RemoteStore, "view", viewing)
    monkeypatch.setattr(RemoteStore, "view_part", viewing_part)
    return found


def data_files(warehouse: Warehouse, pin: sfx.BatchPin) -> list[tuple[str, int]]:
    (manifest,) = warehouse.manifests(pin)
    return [
        (f"sales.db/items/{DAY}/{manifest.batch_id}/{file.path}", file.size)
        for file in manifest.files
    ]


WHOLE, PART, PIECES = {}, {"columns": ["x3"]}, {"batches": True}


def read(warehouse: Warehouse, pin: sfx.BatchPin, how: dict[str, Any]) -> pd.DataFrame:
    found = warehouse.load_dataframe(pin, **how)
    return found if isinstance(found, pd.DataFrame) else pd.concat(found, ignore_index=True)


@pytest.mark.parametrize("how", [WHOLE, PIECES, {"filters": [("text", ">=", "0")]}], ids=str)
def test_a_large_frame_comes_back_as_it_was(warehouse, pin, large, how) -> None:
    assert sum(size for _, size in data_files(warehouse, pin)) > 16 << 20
    pd.testing.assert_frame_equal(read(warehouse, pin, how), large)


@pytest.mark.parametrize("how", [PART, PART | PIECES], ids=str)
def test_of_a_large_file_the_columns_that_are_read_are_fetched(
    warehouse, pin, large, fetched, how
) -> None:
    assert np.array_equal(read(warehouse, pin, how)["x3"], large["x3"])
    files = data_files(warehouse, pin)
    for path, size in files:
        assert size / 5 < fetched[path] < size / 3, (
            f"one column of four alike was read of {path}, which has {size} bytes"
        )


@pytest.mark.parametrize("how", [WHOLE, PART, PIECES], ids=str)
@pytest.mark.parametrize("damage", ["missing", "shorter", "much shorter", "empty"])
def test_a_large_file_that_is_not_what_was_written_is_named(warehouse, pin, damage, how) -> None:
    path, size = data_files(warehouse, pin)[-1]
    content = warehouse.store.get(path)
    warehouse.store.delete([path])
    left = {"shorter": size - 9, "much shorter": 100, "empty": 0}.get(damage)
    if left is not None:
        warehouse.store.put(path, content[:left])
    expected = "is missing" if left is None else f"has {left} bytes, and {size} were written"
    with pytest.raises(sfx.InconsistentBatch, match=rf"{path} {expected}") as caught:
        read(warehouse, pin, how)
    assert (caught.value.partition, caught.value.batch_id) == (DAY, pin.batch_id)


@pytest.mark.parametrize("how", [PART, PIECES], ids=str)
def test_a_large_file_that_goes_while_it_is_read_is_named_by_the_same_error(
    warehouse, pin, monkeypatch, how
) -> None:
    view_part = RemoteStore.view_part
    path, _ = data_files(warehouse, pin)[0]

    def gone(self: RemoteStore, asked: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        part = view_part(self, asked, start, stop)
        self.delete([path])  # its end has been read by now
        return part

    monkeypatch.setattr(S3Store, "visibility_seconds", 0.0)
    monkeypatch.setattr(RemoteStore, "view_part", gone)
    with pytest.raises(sfx.InconsistentBatch, match=rf"{path} is missing") as caught:
        read(warehouse, pin, how)
    assert caught.value.batch_id == pin.batch_id


def test_an_iterator_that_is_left_halfway_has_not_fetched_all(
    warehouse, large, fetched, monkeypatch
) -> None:
    monkeypatch.setattr(scan, "_BYTES_AT_ONCE", 1)
    write = partialmethod(pq.ParquetWriter.write_table, row_group_size=ROWS // 20)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", write)
    pin = warehouse.store_dataframe(large, "sales", "items", [DAY])
    pieces: Iterator[pd.DataFrame] = warehouse.load_dataframe(pin, batches=True)
    assert len(next(pieces)) > 0
    del pieces
    files = data_files(warehouse, pin)
    assert sum(fetched[path] for path, _ in files) < sum(size for _, size in files) / 2


_LEFT = """
import sys, time
import airflow_sfx as sfx
from airflow_sfx.storage.object_store import RemoteStore
view_part = RemoteStore.view_part
def slow(self, *where):
    time.sleep(0.02)
    return view_part(self, *where)
RemoteStore.view_part = slow
warehouse = sfx.connect(sys.argv[1])
frame = warehouse.load_dataframe("sales", "items", ["20161031"], columns=["x1"])
for piece in warehouse.load_dataframe("sales", "items", ["20161031"], batches=True):
    if sys.argv[2] == "raise":
        raise SystemExit("enough")
    break
"""


@pytest.mark.parametrize(("how", "status"), [("break", 0), ("raise", 1)])
def test_a_process_that_leaves_a_stream_halfway_ends_well(warehouse, pin, how, status) -> None:
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", _LEFT, warehouse.uri, how],
            timeout=60,
            capture_output=True,
            check=False,
        )
        assert done.returncode == status, done.stderr.decode()


def test_who_leaves_a_stream_does_not_wait_for_what_comes_next(warehouse, pin, monkeypatch) -> None:
    monkeypatch.setattr(scan, "_BYTES_AT_ONCE", 1)
    view_part, free, parts = RemoteStore.view_part, threading.Event(), []

    def slow(self: RemoteStore, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        parts.append((path, start))
        if len({one for one, first in parts if first < 1 << 16}) > 1:  # rows of the second file
            free.wait(60)
        return view_part(self, path, start, stop)

    monkeypatch.setattr(RemoteStore, "view_part", slow)
    pieces = warehouse.load_dataframe(pin, batches=True)
    next(pieces)
    begun = time.monotonic()
    pieces.close()
    free.set()
    assert time.monotonic() - begun < 30


def test_a_lack_of_memory_is_not_taken_for_damage(warehouse, pin, monkeypatch) -> None:
    def none(*size: object) -> pa.Buffer:
        raise pa.ArrowMemoryError("malloc failed")

    monkeypatch.setattr(pa, "allocate_buffer", none)
    for how in (PART, PIECES):
        with pytest.raises(MemoryError, match="malloc"):
            read(warehouse, pin, how)


def test_a_long_footer_is_read_whole(warehouse, fetched) -> None:
    wide = pd.DataFrame(np.random.default_rng(0).random((3000, 400))).add_prefix(
        "column_with_a_long_name_"
    )
    pin = warehouse.store_dataframe(wide, "sales", "items", [DAY])
    ((path, size),) = data_files(warehouse, pin)
    assert size > 4 << 20
    fetched.clear()
    found = warehouse.load_dataframe(pin, columns=["column_with_a_long_name_7"])
    assert np.array_equal(found["column_with_a_long_name_7"], wide["column_with_a_long_name_7"])
    assert 1 << 16 < fetched[path] < size / 2
    pd.testing.assert_frame_equal(read(warehouse, pin, PIECES), wide)


def test_small_files_of_a_stream_are_fetched_as_they_come(warehouse, fetched) -> None:
    days = pd.DataFrame({"day": [f"{number:02d}" for number in range(40)], "n": range(40)})
    many = warehouse.store_dataframe(days, "sales", "days", partition_by=["day"])
    fetched.clear()
    pieces = warehouse.load_dataframe(many, batches=True)
    first = next(pieces)
    opened = [path for path in fetched if path.endswith(".parquet")]
    assert 0 < len(opened) <= 16
    assert sorted(pd.concat([first, *pieces])["n"]) == list(range(40))


_STREAM = """
import json, sys, threading, time
import psutil
import airflow_sfx as sfx
warehouse = sfx.connect(sys.argv[1])
for piece in warehouse.load_dataframe("sales", "warm", ["p"], batches=True): pass
process, peak, stop = psutil.Process(), [0], threading.Event()
before = process.memory_info().rss
def watch():
    while not stop.is_set():
        peak[0] = max(peak[0], process.memory_info().rss)
        time.sleep(0.002)
thread = threading.Thread(target=watch); thread.start()
rows = sum(len(piece) for piece in warehouse.load_dataframe("sales", "items", ["p"], batches=True))
stop.set(); thread.join()
print(json.dumps({"rows": rows, "grown": peak[0] - before}))
"""


def test_a_stream_takes_no_more_memory_than_a_part_of_its_files(warehouse) -> None:
    random = np.random.default_rng(0)
    pieces = [
        pd.DataFrame({f"x{number}": random.random(ROWS) for number in range(4)}) for _ in range(4)
    ]
    warehouse.store_dataframe(pieces[0].head(1000), "sales", "warm", ["p"])
    table = pd.concat([*pieces, *pieces, *pieces, *pieces], ignore_index=True)
    pin = warehouse.store_dataframe(table, "sales", "items", ["p"])
    (manifest,) = warehouse.manifests(pin)
    done = subprocess.run(
        [sys.executable, "-c", _STREAM, warehouse.uri],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    found = json.loads(done.stdout)
    assert found["rows"] == len(table)
    assert found["grown"] < manifest.bytes * 0.7, (
        f"{manifest.bytes} bytes are in {len(manifest.files)} files: {found}"
    )
