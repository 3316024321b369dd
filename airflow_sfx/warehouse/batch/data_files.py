"""Locate and read the data files of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.io.locations import escapes
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.storage.factory import open_place
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.parquet.byte_ranges import RangedFile

_LARGE_FILE = 4 << 20
"""From this size in bytes, parts of a remote file are read by ranges."""


def batch_files(table: Table, manifest: Manifest) -> tuple[ObjectStore, str]:
    """Return the object store that holds a batch's files, and their directory in it.

    Args:
        table: The batch's table.
        manifest: The batch's manifest.

    Returns:
        The storage and the directory's path, empty for its root.

    Raises:
        InconsistentBatch: A file is a symbolic link to elsewhere, or lies behind one.
    """
    if manifest.location:
        store, directory = open_place(manifest.location, table.store)
        top = directory
    else:
        store, directory = (
            table.store,
            table.layout.batch_dir(manifest.partition, manifest.batch_id),
        )
        top = table.layout.root
    for file in manifest.files:
        if linked := link_out(store, top, f"{directory}/{file.path}".lstrip("/")):
            raise InconsistentBatch(
                f"{linked} leads elsewhere by a symbolic link, which no store makes: it is not"
                " read. Put the file itself there, or load or roll back to another batch",
                problems=(f"{linked} is a link",),
                table=str(table.ref),
                partition=manifest.partition,
                batch_id=manifest.batch_id,
            )
    return store, directory


def link_out(store: ObjectStore, top: str, path: str) -> str | None:
    """Return a file's local path if symbolic links lead it out of a directory.

    Such links would let a writer of the directory expose files that he may not read himself.

    Args:
        store: The object store.
        top: The directory, or empty for the store's root.
        path: The file's path in the store, below the directory.

    Returns:
        The file's path on this machine, or None if it stays inside, as in object stores.
    """
    root, local = store.local_path(top), store.local_path(path)
    return (
        local
        if root is not None and local is not None and escapes(root.rstrip("/"), local)
        else None
    )


def open_file(
    store: ObjectStore, path: str, file: DataFile, *, whole: bool, **facts: str
) -> str | pa.Buffer | RangedFile:
    """Open a file of a batch, after checking its size.

    Args:
        store: The storage.
        path: The file's path in it.
        file: What the manifest says of it.
        whole: Whether all of it will be read, and may be in memory at once.
        facts: Whose it is, for errors: ``table``, ``partition``, ``batch_id``.

    Returns:
        Its path on this machine, or its bytes; of a large file elsewhere of which not all is read
        at once, what fetches them, with the same errors.

    Raises:
        InconsistentBatch: It is missing, or has another size.
    """
    import pyarrow as pa

    from airflow_sfx.frames.parquet.byte_ranges import RangedFile

    def wrong(size: int | None) -> InconsistentBatch:
        what = "is missing" if size is None else f"has {size} bytes, and {file.size} were written"
        return InconsistentBatch(
            f"{store.uri}/{path} {what}: load or roll back to another batch, or restore the object;"
            " `sfx verify` checks every file",
            problems=(f"{store.uri}/{path} {what}",),
            **facts,
        )

    def part(wanted: tuple[int, int]) -> memoryview:
        found = wait_until_visible(store, lambda: store.view_part(path, *wanted))
        if found is None or found[1] != file.size:
            raise wrong(None if found is None else found[1])
        if found[0].nbytes != wanted[1] - wanted[0]:
            raise WarehouseUnavailable(
                f"{store.uri}/{path} came short of what was asked for: {found[0].nbytes} bytes; try"
                " again"
            )
        return found[0]

    def parts(wanted: Sequence[tuple[int, int]]) -> list[memoryview]:
        return map_concurrently(
            part, [(start, min(stop, file.size)) for start, stop in wanted], store.concurrency
        )

    local = store.local_path(path)
    if local is not None:
        info = store.head(path)
        if info is None or info.size != file.size:
            raise wrong(info.size if info else None)
        return local
    if file.size >= _LARGE_FILE and not whole:
        return RangedFile.of(file.size, parts)
    data = wait_until_visible(store, lambda: store.view(path))
    if data is None or data.nbytes != file.size:
        raise wrong(None if data is None else data.nbytes)
    return pa.py_buffer(data)
