"""Where a batch's files are: beside its manifest, or, when it was adopted, where they were found."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from airflow_sfx.core.manifest import Manifest
from airflow_sfx.storage.open import open_store
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.opened import OpenTable


def batch_files(table: OpenTable, manifest: Manifest) -> tuple[Store, str]:
    """The storage that holds a batch's files, and their directory in it.

    Args:
        table: The batch's table.
        manifest: The batch's manifest.

    Returns:
        The storage and the directory's path, empty for its root.
    """
    if manifest.location:
        return _elsewhere(manifest.location), ""
    return table.store, table.layout.batch_dir(manifest.partition, manifest.batch_id)


@lru_cache(maxsize=64)
def _elsewhere(location: str) -> Store:
    # A location is written as Hive writes it, without encoding: a %2F in it is the directory's own.
    return open_store(quote(location, safe=":/") if location.startswith("file:") else location)
