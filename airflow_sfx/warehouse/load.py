"""Load: manifests, then exactly the files that they name. Nothing is listed, so nobody's writing can disturb a read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.arguments import listed
from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.storage.parallel import each
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.files import batch_files, open_file
from airflow_sfx.warehouse.observers import Loaded, tell
from airflow_sfx.warehouse.opened import OpenTable

if TYPE_CHECKING:
    from airflow_sfx.frames.plan import SourceFile


def load_batches(
    table: OpenTable,
    batches: Mapping[str, str],
    *,
    columns: Sequence[str] | None,
    filters: Any,
    as_: Any,
    stream: bool,
    with_keys: bool,
) -> Any:
    """Read batches as one frame, or as an iterator of frames.

    Args:
        table: The table.
        batches: Batch IDs by partition name; at least one.
        columns: The columns to read; None for all.
        filters: The rows to keep; None for all.
        as_: The kind of frame.
        stream: Whether to give an iterator, for data larger than memory.
        with_keys: Whether the partition keys become columns even where the stored frames had none.

    Returns:
        The frame or the iterator.

    Raises:
        BatchNotFound: A batch is not there.
        InconsistentBatch: Stored objects are not what the manifest says.
        SchemaMismatch: A column is unknown or a filter does not fit.
    """
    from airflow_sfx.frames.output import to_output
    from airflow_sfx.frames.reading import iter_batches, read_table, without_rows
    from airflow_sfx.frames.schema_text import schema_from_text

    manifests = table.manifests(dict(batches))
    tell(Loaded(table.pin(dict(batches))))
    lead = schema_from_text(max(manifests, key=lambda manifest: (manifest.batch_id, manifest.created_at)).schema)
    content = no_content if as_ == "spark" else _content
    files = source_files(table, manifests, content)
    wanted = None if columns is None else listed(columns, "columns")
    options = {
        "columns": _with_keys(table, files, lead) if with_keys and wanted is None else wanted,
        "filters": filters,
        "lead": lead,
        "key_types": {key.name: key.type for key in table.info.keys},
    }
    if as_ == "spark":
        from airflow_sfx.warehouse.spark_load import load_spark

        if stream:
            raise InvalidName(
                'batches=True and as_="spark" do not go together: a Spark DataFrame is read piece by piece'
            )
        return load_spark(table, manifests, files, options)
    if not stream:
        return to_output(read_table(files, **options), as_)

    def frames() -> Iterator[Any]:
        empty = True
        for piece in iter_batches(files, **options):
            empty = False
            yield to_output(piece, as_)
        if empty:  # that too has columns, for whoever puts the frames together or stores them
            yield to_output(without_rows(files, **options), as_)

    return frames()


def source_files(table: OpenTable, manifests: Sequence[Manifest], content: Content | None = None) -> list[SourceFile]:
    """The files of batches, opened, in the order of their rows."""
    work = [one for manifest in manifests for one in _planned(table, manifest)]
    return each(lambda one: one.opened(table, content or _content), work, table.store.readers)


Content = Callable[[OpenTable, Manifest, Store, str, DataFile], Any]
"""Gives a file's path on this machine, or its bytes."""


def no_content(table: OpenTable, manifest: Manifest, store: Store, path: str, file: DataFile) -> str:
    """For a plan that others carry out."""
    return path


@dataclass(frozen=True, slots=True)
class _Planned:
    """A file that is to be read, and where it is."""

    manifest: Manifest
    store: Store
    path: str
    file: DataFile
    source: SourceFile

    def opened(self, table: OpenTable, content: Content) -> SourceFile:
        """The file with its content, or with the path that leads to it."""
        return replace(self.source, source=content(table, self.manifest, self.store, self.path, self.file))


def _planned(table: OpenTable, manifest: Manifest) -> list[_Planned]:
    from airflow_sfx.frames.plan import SourceFile
    from airflow_sfx.frames.schema_text import schema_from_text

    store, directory = batch_files(table, manifest)
    logical = schema_from_text(manifest.schema)
    values = table.layout.partition(manifest.partition).values
    keys = dict(zip(table.layout.keys, values, strict=True))
    found = []
    for file in manifest.files:
        path = f"{directory}/{file.path}".lstrip("/")
        source = SourceFile(path, logical, keys, file.rows, f"{store.uri}/{path}")
        found.append(_Planned(manifest, store, path, file, source))
    return found


def _content(table: OpenTable, manifest: Manifest, store: Store, path: str, file: DataFile) -> Any:
    try:
        return open_file(store, path, file)
    except InconsistentBatch as error:
        error.table, error.partition, error.batch_id = str(table.ref), manifest.partition, manifest.batch_id
        raise


def _with_keys(table: OpenTable, files: Sequence[SourceFile], lead: Any) -> list[str]:
    """All columns, and the partition keys that the stored frames had no column for."""
    from airflow_sfx.frames.unify import unify

    names = list(unify([file.logical for file in files] or [lead], lead).schema.names)
    known = {name.lower() for name in names}
    return names + [key for key in table.layout.keys if key not in known]
