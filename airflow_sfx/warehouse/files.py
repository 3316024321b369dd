"""Where a batch's files are: beside its manifest, or, when it was adopted, where they were found."""

from __future__ import annotations

from airflow_sfx.core.manifest import Manifest
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
        return table.store.place(manifest.location)
    return table.store, table.layout.batch_dir(manifest.partition, manifest.batch_id)
