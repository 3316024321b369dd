"""What lies in the directories of batches, beside what their manifests name.

Files are compared by listing, a thousand a request, and never read: size and version tell that
something else wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.data_files import batch_files
from airflow_sfx.warehouse.table.table import Table

COMPARED_AT_MOST = 1000
"""Up to how many partitions the files of a whole table are compared where nobody says."""


def is_hidden(name: str) -> bool:
    """Whether engines leave a file of this name out."""
    return name.startswith(("_", "."))


def is_parquet(path: str) -> bool:
    """Whether a file of this name is taken for Parquet; Spark and Hive give theirs no ending."""
    return path.endswith((".parquet", ".parq")) or path.rpartition("/")[2].startswith("part-")


def unseen(table: Table, name: str, batch_id: str) -> list[str]:
    """What of a batch cannot be seen, or not as it was written.

    Args:
        table: The table.
        name: The partition's name.
        batch_id: The batch.

    Returns:
        A sentence for each thing that is amiss.
    """
    return _compared(table, name, batch_id, strangers=False)


MISSING = "is not to be seen"


def altered(table: Table, batches: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return how other programs changed files of batches: removed, replaced, added.

    Args:
        table: The table.
        batches: Partition names and batch IDs.

    Returns:
        By partition name a sentence for each thing; only the partitions where there is any.
    """
    work = list(batches)
    found = map_concurrently(
        lambda item: tuple(_compared(table, *item, strangers=True)), work, table.store.concurrency
    )
    return {name: sentences for (name, _), sentences in zip(work, found, strict=True) if sentences}


def _compared(table: Table, name: str, batch_id: str, *, strangers: bool) -> list[str]:
    try:
        manifest = table.manifest(name, batch_id)
    except (BatchNotFound, InconsistentBatch) as error:
        return [str(error)]
    store, directory = batch_files(table, manifest)
    there = {_below(info, directory): info for info in store.list(directory)}
    where = f"{store.uri}/{directory}".rstrip("/")
    told = [
        f"{where}/{file.path} {amiss}"
        for file in manifest.files
        if (amiss := _amiss(there.get(file.path), file.size, file.etag))
    ]
    return told + [f"{where}/{path} was added" for path in _strangers(manifest, there) if strangers]


def _strangers(manifest: Manifest, there: Iterable[str]) -> list[str]:
    """The files that an engine reads and the manifest does not name."""
    known = {file.path for file in manifest.files}
    beside = [
        path for path in there if path not in known and "/" not in path and not is_hidden(path)
    ]
    # What lay beside adopted files when they were adopted is no news: it was left out then.
    return sorted(path for path in beside if not manifest.location or is_parquet(path))


def _below(info: ObjectInfo, directory: str) -> str:
    return info.path.removeprefix(f"{directory}/" if directory else "")


def _amiss(info: ObjectInfo | None, size: int, etag: str) -> str:
    if info is None:
        return MISSING
    if info.size != size:
        return f"has {info.size} bytes, and {size} were written"
    if etag and info.etag and info.etag.strip('"') != etag.strip('"'):
        return f"is another version ({info.etag}) than was written ({etag})"
    return ""
