"""Saves a version: a batch of the partition ``latest`` with one file.

What a dead process leaves at each step has no effect, and the next save of the same content goes
on from there: the artifact and its manifest; the record of the content's digest; the holds of the
training batches, which expire in a day until the version exists; and at last the entry of the log.
A summary of earlier saves may follow, which nothing depends on.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.errors import InvalidName, SfxError
from airflow_sfx.core.manifest import DataFile
from airflow_sfx.core.paths import CONTENT
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Record, decode, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.models.build import Content, finish
from airflow_sfx.models.log.saves import SaveLog
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.file_writer import FoundFile
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.holds import Hold
from airflow_sfx.warehouse.pins.lineage import record_downstream
from airflow_sfx.warehouse.table.log_only import DATABASE
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse

_UNTIL_SAVED = timedelta(days=1)
_SUMMARISES_ONE_OF = 64
"""One of how many saves writes the summaries that are due; the others make no request for it."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The warehouse of the data, and that of the models on the same storage.

    Args:
        data: The warehouse.
        models: The same storage with the metastore of models.
    """

    data: Warehouse
    models: Warehouse

    def table(self, name: str) -> Table:
        """Open the table of a model, whether it exists or not."""
        return Table.find(TableRef(DATABASE, name), self.models.store, self.models.metastore)


def save_content(
    registry: Registry, name: str, content: Content, producer: Producer, reason: str
) -> ModelPin:
    """Save an artifact as the latest version, unless a version has the same content.

    Args:
        registry: The warehouses.
        name: The model's name.
        content: The artifact's content.
        producer: Who saves it.
        reason: Why.

    Returns:
        The version: a new one, or that with the same content.

    Raises:
        StaleAttempt: A newer attempt of the same task instance has saved a version.
        InvalidName: The warehouse has a table of that name in the database ``models``.
    """
    table = registry.table(name)
    pins = tuple(one.pin for one in content.training.inputs)
    version = _known(table, content.digest)
    if version is None:
        _refuse_table(registry, table)
        version = _write(table, name, content, pins, producer)
    pin = ModelPin(name, version)
    held = _hold(registry, pin, pins, producer)
    made = table.pin({LATEST: version})
    record_downstream(table.store, pins, made, producer)
    registry.models.publish(made, reason=reason, force=True, producer=producer)
    for one in held:
        if one.until is not None:
            registry.data.hold(one.pin, one.name, renew=True, reason=one.reason, producer=producer)
    if int(content.digest, 16) % _SUMMARISES_ONE_OF == 0:
        with contextlib.suppress(SfxError, OSError):  # the version is saved
            SaveLog(table).summarise()
    return pin


def _write(
    table: Table, name: str, content: Content, pins: Sequence[BatchPin], producer: Producer
) -> str:
    """Write the artifact as a batch that is not current, and return its ID."""
    batches = BatchWriter(
        table, PartitionLog(table), BatchContent(_no_columns, (), producer, tuple(pins))
    )
    batches.claim([LATEST])
    version = batches.batches[LATEST]
    artifact = finish(content, name, version, producer)
    path = f"{name}-{version}.zip"
    etag = table.store.put(f"{table.layout.batch_dir(LATEST, version)}/{path}", artifact)
    digest = hashlib.sha256(artifact).hexdigest()
    batches.register(LATEST, [FoundFile(DataFile(path, len(artifact), 0, digest, etag), {})])
    batches.seal(staged=False)
    text = encode({"version": version, "digest": content.digest})
    if table.store.put_if_absent(_content_path(table, content.digest), text.encode()):
        return version
    return _known(table, content.digest) or version


def _no_columns() -> str:
    import pyarrow as pa

    from airflow_sfx.frames.schema.codec import schema_to_text
    from airflow_sfx.frames.types.logical import LogicalSchema

    return schema_to_text(LogicalSchema(pa.schema([])))


def _known(table: Table, digest: str) -> str | None:
    """Return the version that has a content, or None."""
    path = _content_path(table, digest)
    data = table.store.get(path)
    return None if data is None else decode(data, _ContentRecord, path).version


def _content_path(table: Table, digest: str) -> str:
    return f"{table.layout.root}/{CONTENT}/{digest}.json"


class _ContentRecord(Record):
    version: str


def _refuse_table(registry: Registry, table: Table) -> None:
    """Raise an error if another table has the directory of a new model."""
    if PartitionLog(table).read(LATEST, 1) is not None:
        return
    if registry.data.metastore.get_table(table.ref) is not None:
        raise InvalidName(
            f"the warehouse has a table {table.ref} already, whose directory a model"
            f" {table.ref.table!r} would have: choose another name for the model"
        )


def hold_name(pin: ModelPin, role: int) -> str:
    """Return the name of the hold of a version's training batches.

    Example:
        >>> hold_name(ModelPin("delays", "20161101002256"), 0)
        'model delays/20161101002256'
    """
    return f"model {pin}{f' {role + 1}' if role else ''}"


def _hold(
    registry: Registry, pin: ModelPin, pins: Sequence[BatchPin], producer: Producer
) -> list[Hold]:
    """Hold the training batches for a day, unless they are held for this version already."""
    until = datetime.now(UTC) + _UNTIL_SAVED
    return [
        registry.data.hold(
            one,
            hold_name(pin, role),
            until=until,
            reason=f"the model {pin} was trained on it",
            producer=producer,
        )
        for role, one in enumerate(dict.fromkeys(pins))
        if one.entries
    ]
