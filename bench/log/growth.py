"""Cost of calls after 10,000 versions and with 10,000 partitions, on S3 and Hive."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import airflow_sfx as sfx
from bench.scaling import log_length_of, partition_count_of
from bench.stack import running


def versions(folder: Path, runs: int) -> dict[str, object]:
    with warehouse_on_stack(folder) as warehouse:
        return _named(log_length_of(warehouse, runs))


def partitions(folder: Path, runs: int) -> dict[str, object]:
    with warehouse_on_stack(folder) as warehouse:
        return _named(partition_count_of(warehouse, runs))


@contextmanager
def warehouse_on_stack(folder: Path) -> Iterator[sfx.Warehouse]:
    """Open a new warehouse on servers of its own."""
    with running(folder / "stack") as stack:
        hive = f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/{uuid.uuid4().hex}"
        yield sfx.connect(hive)


def _named(found: dict[str, object]) -> dict[str, object]:
    return {f"S3 + Hive: {name}": one for name, one in found.items()}
