"""The manifest of a batch: written last, once; a reader opens exactly the files that it names.

The text ends with the SHA-256 of all that comes before, so that an edited or truncated manifest is
noticed without another object to compare with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics
from airflow_sfx.core.serde import as_written, compact, member, moment, optional, parse_object
from airflow_sfx.core.table import TableRef

FORMAT_VERSION = 1
_CHECKSUM = ',"checksum":"'


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a batch.

    Args:
        path: Its path below the batch's location, without ``..``.
        size: Its size in bytes.
        rows: How many rows it holds.
        sha256: The hexadecimal SHA-256 of its bytes; empty for an adopted file that was not read
            whole.
        etag: What the object store called this version of the object; empty where it has none.

    Example:
        >>> DataFile("part-00000.parquet", 1024, 10, "ab" * 32).size
        1024
    """

    path: str
    size: int
    rows: int
    sha256: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check before publishing found.

    Args:
        name: The check, for example ``rows_between(1, 500)``.
        passed: Whether the frame passed.
        detail: What was found, for people.

    Example:
        >>> CheckResult("not_null('carrier')", passed=True).passed
        True
    """

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a batch consists of, where it comes from and what it replaced.

    Args:
        ref: The table.
        partition: The partition's name, as in a pin.
        keys: The table's partition keys.
        batch_id: The batch.
        location: Where the files are, as a URI, for an adopted batch; empty when they lie beside
            the manifest.
        schema: The Arrow schema as text, as `airflow_sfx.frames.schema.codec` writes it.
        columns: The columns with their Hive types, without the partition keys.
        files: The files in row order.
        statistics: Counts and bounds by column.
        created_at: When the batch was complete, in UTC.
        producer: Who made it.
        inputs: The pins of the batches that it was made from.
        replaced: The batch that was current when it was written; None for a partition's first.
        staged: Whether it was written to be published later.
        checks: What the checks before publishing found.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "sold_items", ["20161031"])
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

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_text(self) -> str:
        """As JSON, ending with its own checksum."""
        body = compact(
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
                "statistics": {name: value.to_json() for name, value in self.statistics.items()},
                "producer": self.producer.to_json(),
                "inputs": [pin.to_json() for pin in self.inputs],
                "checks": [
                    {"name": c.name, "passed": c.passed, "detail": c.detail} for c in self.checks
                ],
            }
        )[:-1]
        return f'{body}{_CHECKSUM}{_digest(body)}"}}'

    @classmethod
    def from_text(cls, text: str, where: str) -> Manifest:
        """Read a manifest; members that this version does not know are left out.

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
                f"{what} is not as it was written (its checksum does not fit): it was edited or"
                " truncated; load another batch of the partition, or restore the object"
            )
        data = parse_object(text, what)
        if member(data, "format_version", int, what) > FORMAT_VERSION:
            raise InconsistentBatch(
                f"{what} has the format {data['format_version']}: install a later airflow_sfx"
            )
        with as_written(what):
            return cls._from_json(data, what)

    @classmethod
    def _from_json(cls, data: Mapping[str, object], what: str) -> Manifest:
        statistics = member(data, "statistics", dict, what)
        return cls(
            ref=TableRef(member(data, "database", str, what), member(data, "table", str, what)),
            partition=member(data, "partition", str, what),
            keys=tuple(
                PartitionKey(name, type_)
                for name, type_ in member(data, "partition_keys", list, what)
            ),
            batch_id=check_batch_id(data.get("batch_id")),
            schema=member(data, "schema", str, what),
            columns=tuple(_column(one) for one in member(data, "columns", list, what)),
            files=tuple(_file(entry, what) for entry in member(data, "files", list, what)),
            created_at=moment(data, "created_at", what),
            statistics={
                name: ColumnStatistics.from_json(value) for name, value in statistics.items()
            },
            producer=Producer.from_json(member(data, "producer", dict, what)),
            inputs=tuple(BatchPin.from_json(text) for text in member(data, "inputs", list, what)),
            replaced=optional(data, "replaced", str, what),
            location=member(data, "location", str, what),
            staged=member(data, "staged", bool, what),
            checks=tuple(
                CheckResult(
                    member(entry, "name", str, what),
                    member(entry, "passed", bool, what),
                    member(entry, "detail", str, what),
                )
                for entry in member(data, "checks", list, what)
            ),
        )


def _column(pair: Sequence[object]) -> Column:
    name, type_ = pair
    if not isinstance(name, str) or not isinstance(type_, str):
        raise InvalidName(f"{pair!r:.80} is no column")
    return Column(name, type_)


def _file(entry: Mapping[str, object], what: str) -> DataFile:
    path = member(entry, "path", str, what)
    if any(step in ("", ".", "..") for step in path.split("/")) or "\0" in path:
        raise InvalidName(f"the file {path!r} is not below the batch's directory")
    size, rows = member(entry, "size", int, what), member(entry, "rows", int, what)
    if size < 0 or rows < 0:
        raise InvalidName(f"the file {path!r} cannot have {size} bytes and {rows} rows")
    return DataFile(
        path,
        size,
        rows,
        member(entry, "sha256", str, what),
        member(entry, "etag", str, what),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
