"""Stores, loads and commits on S3 and Hive, with peers on the same servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from pyarrow.fs import S3FileSystem

import airflow_sfx as sfx
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.stack import Stack, down, up
from bench.beside.asking import asking
from bench.data import flights, mixed
from bench.overwrites import OVERWRITES, overwritten
from bench.scaling import log_length_of, partition_count_of
from bench.timing import interleaved, summary

OURS, RAW = "airflow_sfx", "pyarrow, no catalog"
PEERS = ("PyIceberg", "awswrangler", "pandas + s3fs")
PEERS_PYTHON = Path(".venv-peers/bin/python")
DAY = "20161031"


def on_stack(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Yield each part's figures as soon as they are known."""
    with ExitStack() as opened:
        stack = opened.enter_context(running(folder / "stack"))
        glue = opened.enter_context(_glue())
        peers = {name: opened.enter_context(_peer(name, stack, glue)) for name in PEERS}
        hive = f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/{uuid.uuid4().hex}"
        warehouse = sfx.connect(hive)
        # First what makes the metastore answer thousands of calls: one that has just started takes
        # twice as long, for all who ask it, until Java has compiled what it runs, and those in
        # service started long ago.
        yield {f"S3 + Hive: {name}": one for name, one in log_length_of(warehouse, runs).items()}
        yield _commits(warehouse, stack, peers, folder, runs)
        yield _one_partition(warehouse, stack, peers, folder, 3 * runs)
        yield _many_partitions(warehouse, stack, peers, folder, runs)
        yield {
            f"S3 + Hive: {name}": one for name, one in partition_count_of(warehouse, runs).items()
        }
        yield _pins(warehouse, stack, runs)
        yield _overwrites(warehouse, peers)


Ask = Callable[..., Any]


def _one_partition(
    warehouse: sfx.Warehouse, stack: Stack, peers: Mapping[str, Ask], folder: Path, runs: int
) -> dict[str, object]:
    frame = mixed()
    s3 = _s3(stack)
    _hand_over(peers, "mixed", frame.assign(date=DAY), folder)

    def raw() -> None:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(
            table, "warehouse/peers/raw/mixed.parquet", filesystem=s3, compression="zstd"
        )

    store = {
        OURS: lambda: warehouse.store_dataframe(frame, "bench", "mixed", [DAY]),
        RAW: raw,
        "delta-rs": lambda: _delta(stack, "mixed", frame.assign(date=DAY), f"date = '{DAY}'"),
        **{name: (lambda ask=ask: ask("store", "mixed")) for name, ask in peers.items()},
    }
    load = {
        OURS: lambda: warehouse.load_dataframe("bench", "mixed", [DAY]),
        RAW: lambda: pq.read_table("warehouse/peers/raw/mixed.parquet", filesystem=s3).to_pandas(),
        "delta-rs": lambda: DeltaTable(
            _delta_uri("mixed"), storage_options=_delta_options(stack)
        ).to_pandas(),
        **{name: (lambda ask=ask: ask("load", "mixed")) for name, ask in peers.items()},
    }
    return {
        "S3 + Hive: store 2,000,000 rows": summary(interleaved(store, runs), OURS),
        "S3 + Hive: load 2,000,000 rows": summary(interleaved(load, runs), OURS),
    }


def _many_partitions(
    warehouse: sfx.Warehouse, stack: Stack, peers: Mapping[str, Ask], folder: Path, runs: int
) -> dict[str, object]:
    frame = flights()
    s3 = _s3(stack)
    # awswrangler needs minutes for this, and s3fs has no partitions.
    some = {name: ask for name, ask in peers.items() if name == "PyIceberg"}
    _hand_over(some, "flights", frame, folder)
    raw_root = f"warehouse/peers/raw/flights-{uuid.uuid4().hex}"
    bulk = _BulkCalls(warehouse, stack, frame)

    def delta_and_metastore() -> None:
        _delta(stack, "flights", frame, None)
        bulk()

    def raw(target: str = raw_root) -> None:
        options = ds.ParquetFileFormat().make_write_options(compression="zstd")
        ds.write_dataset(
            pa.Table.from_pandas(frame, preserve_index=False),
            target,
            filesystem=s3,
            format="parquet",
            partitioning=["date"],
            max_partitions=1000,
            file_options=options,
            existing_data_behavior="overwrite_or_ignore",
        )

    store = {
        OURS: lambda: warehouse.store_dataframe(frame, "bench", "flights", partition_by=["date"]),
        "delta-rs + the raw bulk metastore calls": delta_and_metastore,
        "pyarrow write_dataset, no catalog": raw,
        **{name: (lambda ask=ask: ask("store", "flights")) for name, ask in some.items()},
    }
    load = {
        OURS: lambda: warehouse.load_dataframe("bench", "flights"),
        "pyarrow dataset": lambda: (
            ds.dataset(raw_root, filesystem=s3, partitioning=["date"]).to_table().to_pandas()
        ),
        "delta-rs": lambda: DeltaTable(
            _delta_uri("flights"), storage_options=_delta_options(stack)
        ).to_pandas(),
        **{name: (lambda ask=ask: ask("load", "flights")) for name, ask in some.items()},
    }
    return {
        "S3 + Hive: store 365 partitions": summary(interleaved(store, runs), OURS),
        "S3 + Hive: load 365 partitions": summary(interleaved(load, runs), OURS),
    }


def _commits(
    warehouse: sfx.Warehouse, stack: Stack, peers: Mapping[str, Ask], folder: Path, runs: int
) -> dict[str, object]:
    small = pd.DataFrame({"n": range(500), "text": [f"item {number}" for number in range(500)]})
    some = {name: ask for name, ask in peers.items() if name != "pandas + s3fs"}
    _hand_over(some, "small", small.assign(date=DAY), folder)
    contestants = {
        OURS: lambda: warehouse.store_dataframe(small, "bench", "small", [DAY]),
        "delta-rs": lambda: _delta(stack, "small", small.assign(date=DAY), f"date = '{DAY}'"),
        **{name: (lambda ask=ask: ask("store", "small")) for name, ask in some.items()},
    }
    return {
        "S3 + Hive: one-partition commit of 10 kB": summary(
            interleaved(contestants, 3 * runs), OURS
        )
    }


def _pins(warehouse: sfx.Warehouse, stack: Stack, runs: int) -> dict[str, object]:
    """Measure pins of the table that `partition_count_of` has widened."""
    clients = HiveClients(Address.parse(f"127.0.0.1:{stack.metastore_port}", {}))
    contestants = {
        OURS: lambda: warehouse.pin("bench", "wide"),
        "one raw get_partitions": lambda: clients.call(
            lambda client: client.get_partitions("bench", "wide", -1)
        ),
    }
    return {"S3 + Hive: pins of 10,000 partitions": summary(interleaved(contestants, runs), OURS)}


def _overwrites(warehouse: sfx.Warehouse, peers: Mapping[str, Ask]) -> dict[str, object]:
    ours = overwritten(
        lambda frame: warehouse.store_dataframe(frame.drop(columns="date"), "bench", "busy", [DAY]),
        lambda: warehouse.load_dataframe("bench", "busy", [DAY]),
    )
    # PyIceberg's catalog is for one thread.
    theirs = {"awswrangler": peers["awswrangler"]("overwrites", "busy")}
    return {f"S3 + Hive: reads during {OVERWRITES} overwrites": {OURS: ours, **theirs}}


class _BulkCalls:
    """The metastore calls of a year of partitions: read all, and move all in one call."""

    def __init__(self, warehouse: sfx.Warehouse, stack: Stack, frame: pd.DataFrame) -> None:
        days = frame.drop_duplicates("date")
        warehouse.store_dataframe(days, "bench", "flights_bulk", partition_by=["date"])
        self._clients = HiveClients(Address.parse(f"127.0.0.1:{stack.metastore_port}", {}))
        self._names = [f"date={day}" for day in days["date"]]

    def __call__(self) -> None:
        found = self._clients.call(
            lambda client: client.get_partitions_by_names("bench", "flights_bulk", self._names)
        )
        for partition in found:
            partition.sd.location = f"{partition.sd.location.rpartition('/')[0]}/{uuid.uuid4().hex}"
        self._clients.call_once(
            lambda client: client.alter_partitions("bench", "flights_bulk", found), seconds=120
        )


def _s3(stack: Stack) -> S3FileSystem:
    return S3FileSystem(
        endpoint_override=f"127.0.0.1:{stack.ports['s3']}", scheme="http", region="us-east-1"
    )


def _delta_uri(table: str) -> str:
    return f"s3://warehouse/peers/delta/{table}"


def _delta_options(stack: Stack) -> dict[str, str]:
    return {**stack.environment(), "AWS_ALLOW_HTTP": "true", "aws_conditional_put": "etag"}


def _delta(stack: Stack, table: str, frame: pd.DataFrame, predicate: str | None) -> None:
    plain = frame.astype(
        {name: "str" for name, kind in frame.dtypes.items() if str(kind) == "category"}
    )
    write_deltalake(
        _delta_uri(table), plain, partition_by=["date"], mode="overwrite", predicate=predicate,
        storage_options=_delta_options(stack),
    )  # fmt: skip


def _hand_over(peers: Mapping[str, Ask], table: str, frame: pd.DataFrame, folder: Path) -> None:
    path = folder / f"{table}.feather"
    frame.to_feather(path)
    for ask in peers.values():
        ask("frame", table, path=str(path))


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    stack = up(folder)
    os.environ.update(
        {name: value for name, value in stack.environment().items() if name.startswith("AWS_")}
    )
    try:
        yield stack
    finally:
        down(folder)


@contextmanager
def _glue() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen(
        [program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _peer(name: str, stack: Stack, glue: str) -> Iterator[Ask]:
    environment = {
        **os.environ,
        **stack.environment(),
        "AWS_DEFAULT_REGION": "us-east-1",
        "GLUE_ENDPOINT": glue,
        "METASTORE": f"thrift://127.0.0.1:{stack.metastore_port}",
    }
    command = [PEERS_PYTHON, "-W", "ignore", "bench/peers.py", name]
    with asking(command, name, env=environment) as ask:
        yield lambda what, table, **more: ask(do=what, table=table, **more)
