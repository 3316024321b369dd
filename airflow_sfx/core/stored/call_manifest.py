"""The manifests of all batches of a call, in one object of blocks.

The header has what the batches have in common, a record what is a partition's own: its files and
their statistics. So the manifest of one of ten thousand partitions takes two small reads. Checksums
detect edits and truncation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.manifest import CheckResult, DataFile, Manifest
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics, StatisticsRecord, TableFit
from airflow_sfx.core.serde import Count, Record, Time, check_time, decode, decoding, python_json
from airflow_sfx.core.stored.blocks import Blocks, Fetch, to_blocks
from airflow_sfx.core.table import TableRef

FORMAT_VERSION = 1


class _Batch(Record, array_like=True):
    """What is a partition's own, as it is stored."""

    name: str
    replaced: str | None
    location: str
    files: tuple[tuple[str, Count, Count, str, str], ...]
    statistics: dict[str, StatisticsRecord]
    checks: tuple[CheckResult, ...]


class _Header(Record):
    """What the batches of a call have in common, as it is stored."""

    format: Count
    database: str
    table: str
    batch_id: str
    partitions: Count
    partition_keys: tuple[tuple[str, str], ...]
    staged: bool
    created_at: Time
    columns: tuple[tuple[str, str], ...]
    schema: str
    producer: Producer
    inputs: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    fit: TableFit = msgspec.field(default_factory=TableFit)


def manifests_to_bytes(manifests: Sequence[Manifest]) -> bytes:
    """Encode the manifests of a call.

    Args:
        manifests: The manifests: of different partitions, with one batch ID, and with the same
            columns, producer and inputs.

    Returns:
        The content of their object.
    """
    first = manifests[0]
    checks = _shared([one.checks for one in manifests])
    header: dict[str, object] = {
        "format": FORMAT_VERSION,
        "database": first.ref.database,
        "table": first.ref.table,
        "batch_id": first.batch_id,
        "partitions": len(manifests),
        "partition_keys": [[key.name, key.type] for key in first.keys],
        "staged": first.staged,
        "created_at": first.created_at.isoformat(),
        "columns": [[column.name, column.type] for column in first.columns],
        "schema": first.schema,
        "producer": first.producer.to_json(),
        "inputs": [pin.to_json() for pin in first.inputs],
        "checks": [one.to_json() for one in checks],
    }
    if fit := first.fit.to_json():
        header["fit"] = fit
    return to_blocks(header, [_stored(one, len(checks)) for one in manifests])


def _shared(checks: Sequence[tuple[CheckResult, ...]]) -> tuple[CheckResult, ...]:
    """Return the results that all batches begin with."""
    shared = checks[0]
    while any(one[: len(shared)] != shared for one in checks):
        shared = shared[:-1]
    return shared


def _stored(one: Manifest, shared: int) -> _Batch:
    statistics: Any = python_json({name: it.to_json() for name, it in one.statistics.items()})
    checks: Any = tuple(result.to_json() for result in one.checks[shared:])
    files = tuple((it.path, it.size, it.rows, it.sha256, it.etag) for it in one.files)
    return _Batch(one.partition, one.replaced, one.location, files, statistics, checks)


def manifest_digest(manifest: Manifest) -> str:
    """Return the hexadecimal SHA-256 of what a manifest says."""
    return hashlib.sha256(manifests_to_bytes([manifest])).hexdigest()


class CallManifest:
    """The manifests of a call, which are read when they are asked for.

    Args:
        blocks: Their object.
        path: Its path, for messages.
    """

    def __init__(self, blocks: Blocks[_Batch], path: str) -> None:
        self.path = path
        self._blocks, self._what = blocks, f"the manifest {path}"
        header = decode(blocks.header, _Header, self._what)
        if header.format > FORMAT_VERSION:
            raise InconsistentBatch(
                f"{self._what} has the format {header.format}: install a later airflow_sfx"
            )
        with decoding(self._what):
            self.batch_id = check_batch_id(header.batch_id)
            self.ref = TableRef(header.database, header.table)
            self._keys = tuple(PartitionKey(*pair) for pair in header.partition_keys)
            self._columns = tuple(Column(*pair) for pair in header.columns)
            self._created_at = check_time(header.created_at, "created_at")
            self._inputs = tuple(map(BatchPin.from_json, header.inputs))
        self._header = header

    @classmethod
    def open(cls, fetch: Fetch, path: str) -> CallManifest | None:
        """Read what the batches have in common, or return None if the object does not exist.

        Raises:
            InconsistentBatch: It was altered or truncated after it was written, or a later format
                wrote it.
        """
        blocks = Blocks.open(fetch, _Batch, f"the manifest {path}")
        return None if blocks is None else cls(blocks, path)

    def find(self, names: Collection[str]) -> dict[str, Manifest]:
        """Return the manifests of some partitions, by name; others are left out."""
        return {name: self._manifest(one) for name, one in self._blocks.find(names).items()}

    def all(self) -> list[Manifest]:
        """Return all manifests, in the order of the partitions' names."""
        return [self._manifest(one) for one in self._blocks.all()]

    def _manifest(self, one: _Batch) -> Manifest:
        header = self._header
        with decoding(self._what):
            for path, *_ in one.files:
                _check_path(path)
            return Manifest(
                ref=self.ref,
                partition=one.name,
                keys=self._keys,
                batch_id=self.batch_id,
                schema=header.schema,
                columns=self._columns,
                files=tuple(DataFile(*file) for file in one.files),
                created_at=self._created_at,
                statistics={name: ColumnStatistics.of(it) for name, it in one.statistics.items()},
                producer=header.producer,
                inputs=self._inputs,
                replaced=one.replaced,
                location=one.location,
                staged=header.staged,
                checks=header.checks + one.checks,
                fit=header.fit,
            )


def _check_path(path: str) -> None:
    if any(step in ("", ".", "..") for step in path.split("/")) or "\0" in path:
        raise InvalidName(f"the file {path!r} is not below the batch's directory")
