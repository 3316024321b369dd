"""Manifests: the files, columns and origin of a batch, written after its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics, TableFit
from airflow_sfx.core.serde import Count
from airflow_sfx.core.table import TableRef

Severity: TypeAlias = Literal["fail", "warn"]
"""What a failed check does: reject the batch, or be recorded."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file of a batch.

    Args:
        path: Its path below the batch's location, without ``..``.
        size: Its size in bytes.
        rows: Its number of rows.
        sha256: The hexadecimal SHA-256 of its bytes, or empty for an adopted file that was not
            read completely.
        etag: The object store's ETag of this version, or empty if it has none.

    Example:
        >>> DataFile("part-00000.parquet", 1024, 10, "ab" * 32, "").size
        1024
    """

    path: str
    size: Count
    rows: Count
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check before publishing.

    Args:
        name: The check, for example ``rows_between(1, 500)``.
        passed: Whether the frame passed.
        detail: A description of the failure, or empty.
        severity: ``fail`` if the batch must pass to be published, ``warn`` if a failure is only
            recorded.

    Example:
        >>> CheckResult("not_null('carrier')", passed=True, detail="").passed
        True
    """

    name: str
    passed: bool
    detail: str
    severity: Severity = "fail"

    @property
    def blocks(self) -> bool:
        """Whether the result keeps the batch from being published."""
        return not self.passed and self.severity == "fail"

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object; without the usual severity."""
        data: dict[str, object] = {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
        }
        return data if self.severity == "fail" else data | {"severity": self.severity}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files, columns and origin of a batch.

    Args:
        ref: The table.
        partition: The partition's name, as in a pin.
        keys: The table's partition keys.
        batch_id: The batch.
        location: The directory of an adopted batch's files as a URI, or empty if they lie beside
            the manifest.
        schema: The Arrow schema as text, as `airflow_sfx.frames.schema.codec` writes it.
        columns: The columns with their Hive types, without the partition keys.
        files: The files in row order.
        statistics: Counts and bounds by column.
        created_at: The time at which the batch was complete, in UTC.
        producer: Who wrote it.
        inputs: The pins of the batches that it was made from.
        replaced: The batch that was current when it was written, or None for the first one.
        staged: Whether it was written to be published later.
        checks: The results of the checks before publishing.
        fit: How the frame was fitted to the table.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> frame = pd.DataFrame({"n": [1]})
        >>> pin = warehouse.store_dataframe(frame, "sales", "sold_items", ["20161031"])
        >>> (manifest,) = warehouse.manifests(pin)
        >>> manifest.rows, [column.type for column in manifest.columns], manifest.files[0].path
        (1, ['bigint'], 'part-00000.parquet')
    """

    ref: TableRef
    partition: str
    keys: tuple[PartitionKey, ...]
    batch_id: str
    schema: str
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    created_at: datetime
    statistics: Mapping[str, ColumnStatistics] = field(default_factory=dict, hash=False)
    producer: Producer = field(default_factory=Producer)
    inputs: tuple[BatchPin, ...] = ()
    replaced: str | None = None
    location: str = ""
    staged: bool = False
    checks: tuple[CheckResult, ...] = ()
    fit: TableFit = field(default_factory=TableFit)

    @property
    def rows(self) -> int:
        """The number of rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        return sum(file.size for file in self.files)
