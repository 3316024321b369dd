"""Comparison of the files in batch directories with the manifests of the batches.

Directories are listed, a thousand files in a request, and no file is read: size and version show
whether another program wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.data_files import batch_files
from airflow_sfx.warehouse.table.table import Table

COMPARED_AT_MOST = 1000
"""The most partitions of a table whose files are compared by default."""


class FileProblemKind(Enum):
    """What differs between a batch's manifest and its files."""

    UNREADABLE = "unreadable"
    """The manifest cannot be read."""
    MISSING = "missing"
    """A file of the manifest does not exist, or is not visible yet."""
    CHANGED = "changed"
    """A file has another size or version than the manifest records."""
    ADDED = "added"
    """A file that engines read is not in the manifest."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A difference between a batch's manifest and its files.

    Args:
        kind: The kind of difference.
        text: A sentence that describes it.
        is_parquet: Whether the file has the name of a Parquet file, which can be adopted.
    """

    kind: FileProblemKind
    text: str
    is_parquet: bool = True

    def __str__(self) -> str:
        return self.text


def is_hidden(name: str) -> bool:
    """Whether engines ignore a file of this name."""
    return name.startswith(("_", "."))


def is_parquet(path: str) -> bool:
    """Whether a file's name is one of Parquet files; Spark's and Hive's have no suffix."""
    return path.endswith((".parquet", ".parq")) or path.rpartition("/")[2].startswith("part-")


def invisible_files(table: Table, name: str, batch_id: str) -> list[FileProblem]:
    """Return the files of a batch that are missing, or not as they were written.

    Args:
        table: The table.
        name: The partition's name.
        batch_id: The batch.

    Returns:
        The differences; empty if there are none.
    """
    return _problems(table, name, batch_id, added=False)


def changed_files(
    table: Table, batches: Iterable[tuple[str, str]]
) -> dict[str, tuple[FileProblem, ...]]:
    """Return files that other programs removed, changed or added in batches.

    Args:
        table: The table.
        batches: Partition names and batch IDs.

    Returns:
        The differences by partition name, for the partitions that have any.
    """
    work = list(batches)
    found = map_concurrently(
        lambda item: tuple(_problems(table, *item, added=True)), work, table.store.concurrency
    )
    return {name: problems for (name, _), problems in zip(work, found, strict=True) if problems}


def _problems(table: Table, name: str, batch_id: str, *, added: bool) -> list[FileProblem]:
    try:
        manifest = table.manifest(name, batch_id)
    except (BatchNotFound, InconsistentBatch) as error:
        return [FileProblem(FileProblemKind.UNREADABLE, str(error))]
    store, directory = batch_files(table, manifest)
    there = {_below(info, directory): info for info in store.list(directory)}
    where = f"{store.uri}/{directory}".rstrip("/")
    found = [
        problem
        for file in manifest.files
        if (problem := _problem(f"{where}/{file.path}", file, there.get(file.path)))
    ]
    if added:
        found += [
            FileProblem(FileProblemKind.ADDED, f"{where}/{path} was added", is_parquet(path))
            for path in _added(manifest, there)
        ]
    return found


def _added(manifest: Manifest, there: Iterable[str]) -> list[str]:
    """Return the files that engines read and the manifest does not name."""
    known = {file.path for file in manifest.files}
    beside = [
        path for path in there if path not in known and "/" not in path and not is_hidden(path)
    ]
    # Other files beside adopted ones may have been there when these were adopted.
    return sorted(path for path in beside if not manifest.location or is_parquet(path))


def _below(info: ObjectInfo, directory: str) -> str:
    return info.path.removeprefix(f"{directory}/" if directory else "")


def _problem(path: str, file: DataFile, there: ObjectInfo | None) -> FileProblem | None:
    if there is None:
        return FileProblem(FileProblemKind.MISSING, f"{path} is missing")
    if there.size != file.size:
        return FileProblem(
            FileProblemKind.CHANGED, f"{path} has {there.size} bytes, not {file.size} as written"
        )
    if file.etag and there.etag and there.etag.strip('"') != file.etag.strip('"'):
        return FileProblem(
            FileProblemKind.CHANGED,
            f"{path} is another version ({there.etag}) than was written ({file.etag})",
        )
    return None
