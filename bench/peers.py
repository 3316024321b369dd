"""Peers that need their own environment, one per process.

A JSON line on standard input is a request; the answer is the seconds it took.

Run by `bench.contestants` with the Python of ``.venv-peers``; the addresses come in the
environment.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any

import pandas as pd
import pyarrow as pa
from overwrites import overwritten

BUCKET = "warehouse"


class Wrangler:
    """awswrangler: ``overwrite_partitions`` with a Glue catalog."""

    def __init__(self) -> None:
        import awswrangler as wr

        self.wr = wr
        wr.config.s3_endpoint_url = os.environ["AWS_ENDPOINT_URL"]
        wr.config.glue_endpoint_url = os.environ["GLUE_ENDPOINT"]
        self.root = f"s3://{BUCKET}/peers/wrangler"
        wr.catalog.create_database("bench", exist_ok=True)

    def store(self, table: str, frame: pd.DataFrame) -> None:
        self.wr.s3.to_parquet(
            frame,
            f"{self.root}/{table}/",
            dataset=True,
            mode="overwrite_partitions",
            partition_cols=["date"],
            database="bench",
            table=table,
            compression="zstd",
        )

    def load(self, table: str) -> Any:
        return self.wr.s3.read_parquet(f"{self.root}/{table}/", dataset=True)


class Iceberg:
    """PyIceberg: overwrite of partitions, in the Hive catalog of the same metastore."""

    def __init__(self) -> None:
        from pyiceberg.catalog import load_catalog

        self.catalog = load_catalog(
            "hive",
            type="hive",
            uri=os.environ["METASTORE"],
            warehouse=f"s3://{BUCKET}/peers/iceberg",
            **{
                "s3.endpoint": os.environ["AWS_ENDPOINT_URL"],
                "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
                "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
                "s3.region": "us-east-1",
            },
        )
        self.catalog.create_namespace_if_not_exists("iceberg")

    def store(self, table: str, frame: pd.DataFrame) -> None:
        from pyiceberg.transforms import IdentityTransform

        arrow = _plain(frame)
        name = f"iceberg.{table}"
        if not self.catalog.table_exists(name):
            made = self.catalog.create_table(name, arrow.schema)
            with made.update_spec() as spec:
                spec.add_field("date", IdentityTransform(), "date")
        self.catalog.load_table(name).dynamic_partition_overwrite(arrow)

    def load(self, table: str) -> Any:
        return self.catalog.load_table(f"iceberg.{table}").scan().to_pandas()


class S3fs:
    """pandas through s3fs: a file, no catalog, no partition."""

    def __init__(self) -> None:
        self.options = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
        self.root = f"s3://{BUCKET}/peers/s3fs"

    def store(self, table: str, frame: pd.DataFrame) -> None:
        frame.to_parquet(
            f"{self.root}/{table}.parquet",
            compression="zstd",
            storage_options=self.options,
            index=False,
        )

    def load(self, table: str) -> Any:
        return pd.read_parquet(f"{self.root}/{table}.parquet", storage_options=self.options)


def _plain(frame: pd.DataFrame) -> pa.Table:
    """Return the frame without dictionaries, which Iceberg cannot store."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f
        for f in table.schema
    ]
    return table.cast(pa.schema(fields)).replace_schema_metadata(None)


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer: Any = {"awswrangler": Wrangler, "PyIceberg": Iceberg, "pandas + s3fs": S3fs}[name]()
    frames: dict[str, pd.DataFrame] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        what = [asked["do"], asked["table"]]
        if what[0] == "overwrites":
            found = overwritten(
                lambda frame: peer.store(what[1], frame),  # noqa: B023
                lambda: peer.load(what[1]),  # noqa: B023
            )
            answers.write(json.dumps(found) + "\n")
            answers.flush()
            continue
        if what[0] == "frame":
            frames[what[1]] = pd.read_feather(asked["path"])
            seconds = 0.0
        else:
            gc.collect()
            begun = time.perf_counter()
            found = (
                peer.store(what[1], frames[what[1]]) if what[0] == "store" else peer.load(what[1])
            )
            seconds = time.perf_counter() - begun
            del found
        answers.write(json.dumps(seconds) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
