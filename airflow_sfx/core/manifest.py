"""Manifests: the files, columns and origin of a batch, written after its files.

The text ends with the SHA-256 of all that comes before, so that edits and truncation are detected
without another object to compare with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics, StatisticsRecord, TableFit
from airflow_sfx.core.serde import (
    Count,
    Record,
    Time,
    check_time,
    decode,
    decoding,
    encode,
    python_json,
)
from airflow_sfx.core.table import TableRef

FORMAT_VERSION = 1
_CHECKSUM = ',"checksum":"'

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

    def to_text(self) -> str:
        """Encode the manifest as JSON that ends with its checksum."""
        body = encode(
            {
                "format_version": FORMAT_VERSION,
                "database": self.ref.database,
                "table": self.ref.table,
                "partition": self.partition,
                "partition_keys": [[key.name, key.type] for key in self.keys],
                "batch_id": self.batch_id,
                "replaced": self.replaced,
                "staged": self.staged,
                "created_at": self.created_at.isoformat(),
                "rows": self.rows,
                "bytes": self.bytes,
                "location": self.location,
                "files": [
                    {
                        "path": f.path,
                        "size": f.size,
                        "rows": f.rows,
                        "sha256": f.sha256,
                        "etag": f.etag,
                    }
                    for f in self.files
                ],
                "columns": [[column.name, column.type] for column in self.columns],
                "schema": self.schema,
                "statistics": python_json(
                    {name: value.to_json() for name, value in self.statistics.items()}
                ),
                "producer": self.producer.to_json(),
                "inputs": [pin.to_json() for pin in self.inputs],
                "checks": [one.to_json() for one in self.checks],
                **({"fit": fit} if (fit := self.fit.to_json()) else {}),
            }
        )[:-1]
        return f'{body}{_CHECKSUM}{_digest(body)}"}}'

    @classmethod
    def from_text(cls, text: str, where: str) -> Manifest:
        """Decode a manifest; members that this version does not know are ignored.

        Args:
            text: The manifest's text.
            where: Its path, for messages.

        Returns:
            The manifest.

        Raises:
            InconsistentBatch: It was edited or truncated after it was written, or a later format
                wrote it.
        """
        what = f"the manifest {where}"
        body, mark, rest = text.rpartition(_CHECKSUM)
        if not mark or rest != f'{_digest(body)}"}}':
            raise InconsistentBatch(
                f"{what} does not match its checksum: it was edited or"
                " truncated. Load another batch of the partition, or restore the object"
            )
        version = decode(text, _Format, what).format_version
        if version > FORMAT_VERSION:
            raise InconsistentBatch(f"{what} has the format {version}: install a later airflow_sfx")
        record = decode(text, _ManifestRecord, what)
        with decoding(what):
            return record.manifest()


class _Format(Record):
    format_version: Count


class _ManifestRecord(Record):
    """A manifest as it is stored, with some members in another shape."""

    database: str
    table: str
    partition: str
    partition_keys: tuple[tuple[str, str], ...]
    batch_id: str
    staged: bool
    created_at: Time
    location: str
    files: tuple[DataFile, ...]
    columns: tuple[tuple[str, str], ...]
    schema: str
    statistics: dict[str, StatisticsRecord]
    producer: Producer
    inputs: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    replaced: str | None = None
    fit: TableFit = msgspec.field(default_factory=TableFit)

    def manifest(self) -> Manifest:
        """Check the members further, and make the manifest of them."""
        for file in self.files:
            _check_path(file.path)
        return Manifest(
            ref=TableRef(self.database, self.table),
            partition=self.partition,
            keys=tuple(PartitionKey(*pair) for pair in self.partition_keys),
            batch_id=check_batch_id(self.batch_id),
            schema=self.schema,
            columns=tuple(Column(*pair) for pair in self.columns),
            files=self.files,
            created_at=check_time(self.created_at, "created_at"),
            statistics={name: ColumnStatistics.of(one) for name, one in self.statistics.items()},
            producer=self.producer,
            inputs=tuple(map(BatchPin.from_json, self.inputs)),
            replaced=self.replaced,
            location=self.location,
            staged=self.staged,
            checks=self.checks,
            fit=self.fit,
        )


def _check_path(path: str) -> None:
    if any(step in ("", ".", "..") for step in path.split("/")) or "\0" in path:
        raise InvalidName(f"the file {path!r} is not below the batch's directory")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
