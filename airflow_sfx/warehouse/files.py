"""Where a batch's files are: beside its manifest, or, when it was adopted, where they were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.storage.awaiting import awaited
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.opened import OpenTable

if TYPE_CHECKING:
    import pyarrow as pa


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


def open_file(store: Store, path: str, file: DataFile) -> str | pa.Buffer:
    """A file of a batch, after a look at its size.

    Args:
        store: The storage.
        path: The file's path in it.
        file: What the manifest says of it.

    Returns:
        Its path on this machine, or its bytes.

    Raises:
        InconsistentBatch: It is missing, or has another size.
    """
    import pyarrow as pa

    source: str | pa.Buffer | None
    size: int | None
    local = store.local_path(path)
    if local is not None:
        info = store.head(path)
        source, size = local, info.size if info else None
    else:
        data = awaited(store, lambda: store.view(path))
        source, size = (None, None) if data is None else (pa.py_buffer(data), data.nbytes)
    if source is None or size != file.size:
        what = "is missing" if size is None else f"has {size} bytes, and {file.size} were written"
        raise InconsistentBatch(
            f"{store.uri}/{path} {what}: load or roll back to another batch, or restore the object; `sfx verify` checks "
            "every file",
            problems=(f"{store.uri}/{path} {what}",),
        )
    return source
