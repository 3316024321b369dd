"""How versions and aliases are stored in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.models.log.listing import ModelVersion
from airflow_sfx.models.log.saves import Save, SaveLog, with_records
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.batch.data_files import batch_files
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
    log = SaveLog(table)
    found: dict[str, Save] = {}
    for one in log.newest_first():
        if (
            limit is not None
            and len(found) >= limit
            and sum(version > one.newest for version in found) >= limit
        ):
            break  # what is below was saved before all of these
        found[one.version] = one  # the oldest entry of a version is its save
    chosen = with_records(table, [found[one] for one in sorted(found, reverse=True)[:limit]])
    if limit is None:
        log.summarise({one.version: one.record for one in chosen})
    return [ModelVersion.of(name, one, aliases) for one in chosen]


def save_of(table: Table, pin: ModelPin, aliases: Mapping[str, str]) -> ModelVersion:
    """Return one version, as `saves` lists it.

    Args:
        table: The model's table.
        pin: The version.
        aliases: The current version of each alias.

    Raises:
        BatchNotFound: There is no such version.
    """
    found: Save | None = None
    for one in SaveLog(table).newest_first():
        if one.newest < pin.version:
            break
        if one.version == pin.version:
            found = replace(one, record=None)
    if found is None:
        raise _no_version(table, pin.version)
    (save,) = with_records(table, [found])
    return ModelVersion.of(pin.name, save, aliases)
