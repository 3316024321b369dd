"""Stores and loads of one large and of 365 small partitions, with peers."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

import airflow_sfx as sfx
from bench.data import flights, mixed
from bench.timing import interleaved, summary

OURS = "airflow_sfx"


def one_partition(folder: Path, runs: int) -> dict[str, object]:
    frame = mixed()
    warehouse = sfx.connect(f"embedded://{folder}/one")
    raw = folder / "raw.parquet"

    def ours() -> object:
        return warehouse.store_dataframe(frame, "bench", "mixed", ["20161031"])

    def theirs() -> object:
        return pq.write_table(
            pa.Table.from_pandas(frame, preserve_index=False), raw, compression="zstd"
        )

    store = interleaved({OURS: ours, "pyarrow write_table": theirs}, runs)
    load = interleaved(
        {
            OURS: lambda: warehouse.load_dataframe("bench", "mixed", ["20161031"]),
            "pyarrow read_table": lambda: pq.read_table(raw).to_pandas(),
        },
        runs,
    )
    return {
        "store 2,000,000 rows": summary(store, OURS),
        "load 2,000,000 rows": summary(load, OURS),
    }


def many_partitions(folder: Path, runs: int) -> dict[str, object]:
    frame = flights()
    warehouse = sfx.connect(f"embedded://{folder}/many")
    number = itertools.count()
    plain = folder / "plain"

    def ours() -> object:
        return warehouse.store_dataframe(frame, "bench", "flights", partition_by=["date"])

    def delta() -> object:
        return write_deltalake(folder / "delta", frame, partition_by=["date"], mode="overwrite")

    def arrow() -> object:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        target = plain / str(next(number))
        options = ds.ParquetFileFormat().make_write_options(compression="zstd")
        ds.write_dataset(
            table,
            target,
            format="parquet",
            partitioning=["date"],
            max_partitions=1000,
            file_options=options,
        )
        return target

    store = interleaved({OURS: ours, "delta-rs": delta, "pyarrow write_dataset": arrow}, runs)
    written = plain / "0"
    load = interleaved(
        {
            OURS: lambda: warehouse.load_dataframe("bench", "flights"),
            "pyarrow dataset": lambda: (
                ds.dataset(written, partitioning=["date"]).to_table().to_pandas()
            ),
            "delta-rs": lambda: DeltaTable(folder / "delta").to_pandas(),
        },
        runs,
    )
    return {
        "store 365 partitions": summary(store, OURS),
        "load 365 partitions": summary(load, OURS),
    }
