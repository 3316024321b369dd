"""How versions and aliases are stored in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, SfxError
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.models.artifact.reader import FIRST_BYTES, read_first
from airflow_sfx.models.log.listing import ModelVersion
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.models.record import ModelRecord, record_from
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.data_files import batch_files
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.pins.trained import saves_of
from airflow_sfx.warehouse.table.table import Table


def artifact_path(table: Table, version: str) -> tuple[ObjectStore, str, Manifest]:
    """Return where the artifact of a version is, and its manifest.

    Args:
        table: The model's table.
        version: The version.

    Raises:
        BatchNotFound: There is no such version.
        InconsistentBatch: Its manifest is missing or altered.
    """
    try:
        manifest = table.manifest(LATEST, version)
    except BatchNotFound as error:
        raise _no_version(table, version) from error
    if len(manifest.files) != 1:
        raise InconsistentBatch(
            f"the version {version} of the model {table.ref.table!r} has"
            f" {len(manifest.files)} files, and a version has one: the manifest was altered"
        )
    store, directory = batch_files(table, manifest)
    return store, f"{directory}/{manifest.files[0].path}".lstrip("/"), manifest


def _no_version(table: Table, version: str) -> BatchNotFound:
    return BatchNotFound(
        f"the model {table.ref.table!r} has no version {version}: `sfx model list"
        f" {table.ref.table}` lists those that it has",
        table=str(table.ref),
        batch_id=version,
    )


def artifact_of(table: Table, pin: ModelPin) -> bytes:
    """Return the artifact of a version.

    Args:
        table: The model's table.
        pin: The version.

    Raises:
        BatchNotFound: There is no such version.
        InconsistentBatch: The artifact is missing.
    """
    store, path, manifest = artifact_path(table, pin.version)
    data = store.get(path)
    if data is None or len(data) != manifest.bytes:
        what = "is missing" if data is None else f"has {len(data)} bytes, not {manifest.bytes}"
        raise InconsistentBatch(
            f"the artifact of {pin} at {store.uri}/{path} {what}: restore it, or roll back to"
            " another version",
            table=str(table.ref),
            batch_id=pin.version,
        )
    return data


def put_in_alias(table: Table, alias: str, version: str) -> BatchPin:
    """Write the manifest that makes a version a batch of an alias; its artifact stays where it is.

    Args:
        table: The model's table.
        alias: The alias.
        version: The version.

    Returns:
        The pin to publish. Until then the manifest has no effect.
    """
    saved = table.manifest(LATEST, version)
    location = table.batch_location(LATEST, version)
    path = table.layout.manifest(alias, version)
    if table.store.head(path) is None:
        made = replace(
            saved, partition=alias, location=location, created_at=datetime.now(UTC), replaced=None
        )
        table.store.put_if_absent(path, made.to_text().encode())  # another one's is as good
    return table.pin({alias: version})


def saves(
    table: Table, name: str, aliases: Mapping[str, str], limit: int | None
) -> list[ModelVersion]:
    """Return the versions of a model, newest first.

    Args:
        table: The model's table.
        name: The model's name.
        aliases: The current version of each alias.
        limit: The maximum number of versions, or None for all.

    Raises:
        PartitionNotFound: There is no such model.
    """
    ledger = Ledger(table)
    head = ledger.head(LATEST)
    if head.entry is None:
        raise table.missing(LATEST)
    found: dict[str, LedgerEntry] = {}
    for entry in ledger.newest_first(LATEST, head):
        if entry.batch_id and entry.origin == entry.sequence:
            found[entry.batch_id] = entry  # the oldest entry of a version is its save
        if limit is not None and len(found) > limit:
            break
    versions = sorted(found, reverse=True)[:limit]
    records = map_concurrently(
        lambda version: _record(table, ModelPin(name, version)), versions, table.store.concurrency
    )
    return [
        ModelVersion.of(ModelPin(name, version), found[version], record, aliases)
        for version, record in zip(versions, records, strict=True)
    ]


def save_of(table: Table, pin: ModelPin, aliases: Mapping[str, str]) -> ModelVersion:
    """Return one version, as `saves` lists it.

    Args:
        table: The model's table.
        pin: The version.
        aliases: The current version of each alias.

    Raises:
        BatchNotFound: There is no such version.
    """
    ledger = Ledger(table)
    entries = ledger.newest_first(LATEST, ledger.head(LATEST))
    save = saves_of(entries, [pin.version]).get(pin.version)
    if save is None:
        raise _no_version(table, pin.version)
    return ModelVersion.of(pin, save, _record(table, pin), aliases)


def _record(table: Table, pin: ModelPin) -> ModelRecord | None:
    """Return the ``MODEL.json`` of a version; None if it cannot be read any more."""
    path = f"{table.layout.batch_dir(LATEST, pin.version)}/{pin.name}-{pin.version}.zip"
    try:
        part = table.store.view_part(path, 0, FIRST_BYTES)
        return None if part is None else record_from(read_first(part[0], str(pin)), str(pin))
    except SfxError:
        return None
