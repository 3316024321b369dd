"""Loading batches from exactly the files that their manifests name.

Nothing is listed, so concurrent writers cannot disturb a read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.core.validation import listed
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.data_files import batch_files, open_file
from airflow_sfx.warehouse.log.events import Loaded, emit
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from airflow_sfx.frames.parquet.scan import SourceFile
    from airflow_sfx.frames.types.logical import LogicalSchema

_FOOTERS_AT_ONCE = 16


def load_batches(
    table: Table,
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
        batches: Batch IDs by partition name. Without any, the frame has the table's columns and no
            rows.
        columns: The columns to read, or None for all columns of the batches. A column that only the
            table has is read as null, also in ``filters``.
        filters: The rows to keep, or None for all.
        as_: The kind of frame.
        stream: Whether to return an iterator, for data larger than memory.
        with_keys: Whether the partition keys become columns even if the stored frames lacked them.

    Returns:
        The frame or the iterator.

    Raises:
        BatchNotFound: A batch does not exist.
        InconsistentBatch: Stored objects do not match the manifest.
        SchemaMismatch: A column is unknown or a filter does not fit.
    """
    from airflow_sfx.frames.predicates.expressions import read_filters

    filters = read_filters(filters)
    manifests = table.manifests(dict(batches))
    emit(Loaded(table.pin(dict(batches))))
    return load_manifests(
        table,
        manifests,
        columns=columns,
        filters=filters,
        as_=as_,
        stream=stream,
        with_keys=with_keys,
    )


def load_manifests(
    table: Table,
    manifests: Sequence[Manifest],
    *,
    columns: Sequence[str] | None,
    filters: Any,
    as_: Any,
    stream: bool,
    with_keys: bool = False,
) -> Any:
    """Read batches by their manifests, which need not be stored yet; see `load_batches`.

    Args:
        table: The table.
        manifests: The batches' manifests.
        columns: The columns to read, or None for all columns of the batches.
        filters: The rows to keep, as `read_filters` returns them, or None for all.
        as_: The kind of frame.
        stream: Whether to return an iterator.
        with_keys: Whether the partition keys become columns in any case.

    Returns:
        The frame or the iterator.
    """
    from airflow_sfx.frames.outputs import to_output
    from airflow_sfx.frames.parquet.reader import empty_table, iter_batches, read_table

    files, options = plan_load(
        table, manifests, columns=columns, filters=filters, stream=stream, with_keys=with_keys
    )
    if isinstance(as_, str) and as_ == "spark":
        from airflow_sfx.warehouse.read.spark import load_spark

        if stream:
            raise InvalidName(
                'batches=True cannot be combined with as_="spark": pass one of them, as a Spark'
                " DataFrame is read in pieces anyway"
            )
        return load_spark(table, list(manifests), files.sources, options)
    if not stream:
        return to_output(read_table(files.open(files.sources), **options), as_)

    def frames() -> Iterator[Any]:
        empty = True
        for piece in iter_batches(files.sources, opened=files.open, **options):
            empty = False
            yield to_output(piece, as_)
        if empty:  # a frame with columns and no rows, so that the caller can concatenate or store
            yield to_output(empty_table(files.sources, **options), as_)

    return frames()


def plan_load(
    table: Table,
    manifests: Sequence[Manifest],
    *,
    columns: Sequence[str] | None,
    filters: Any,
    stream: bool,
    with_keys: bool,
) -> tuple[BatchFiles, dict[str, Any]]:
    """Return the files of batches, and the arguments with which to read them.

    Args:
        table: The table.
        manifests: The batches' manifests.
        columns: As for `load_batches`.
        filters: As for `load_manifests`.
        stream: As for `load_batches`.
        with_keys: As for `load_batches`.

    Raises:
        SchemaMismatch: A column is unknown or a filter does not fit.
    """
    from airflow_sfx.frames.evolution.unify import with_missing_columns
    from airflow_sfx.frames.predicates.expressions import names_in

    plain = columns is None and filters is None
    files = BatchFiles(table, manifests, whole=plain and not stream)
    if manifests:
        lead = files.schemas[
            max(manifests, key=lambda manifest: (manifest.batch_id, manifest.created_at)).schema
        ]
    else:
        lead = _of_table(table)
    wanted = None if columns is None else listed(columns, "columns")
    full = lead
    if not plain:
        asked = [*names_in(filters), *(wanted or ())]
        full = with_missing_columns(
            lead, [file.logical for file in files.sources], table.info.columns, asked
        )
    if wanted is None and (with_keys or full is not lead):
        wanted = _all_columns(table, files.sources, lead, with_keys=with_keys)
    options = {
        "columns": wanted,
        "filters": filters,
        "lead": full,
        "key_types": _key_types(table),
    }
    return files, options


def _of_table(table: Table) -> LogicalSchema:
    """Return the schema of a frame without batches: the table's columns and keys."""
    import pyarrow as pa

    from airflow_sfx.frames.evolution.unify import with_missing_columns
    from airflow_sfx.frames.types.hive import arrow_type_of_key
    from airflow_sfx.frames.types.logical import LogicalSchema

    nothing = LogicalSchema(pa.schema([]))
    columns = with_missing_columns(nothing, [], table.info.columns).schema
    for key in table.info.keys:
        columns = columns.append(pa.field(key.name, arrow_type_of_key(key.type)))
    return LogicalSchema(columns)


class BatchFiles:
    """The files of batches, in the order of their rows.

    Args:
        table: The table.
        manifests: The batches' manifests.
        whole: Whether all files will be read in full and at once.
    """

    def __init__(self, table: Table, manifests: Sequence[Manifest], *, whole: bool) -> None:
        self._table, self._whole = table, whole
        self.schemas = schemas_of(table, manifests)
        """The schemas to read batches with, by the text in their manifests."""
        planned = [
            one
            for manifest in manifests
            for one in _planned(table, manifest, self.schemas[manifest.schema])
        ]
        self.sources = [one.source for one in planned]
        """The planned files, without their content."""
        self._planned = {id(one.source): one for one in planned}

    def open(self, sources: Sequence[SourceFile]) -> list[SourceFile]:
        """Return files with their content, or with a source that reads it."""
        planned = [self._planned[id(source)] for source in sources]
        return map_concurrently(
            lambda one: one.opened(self._table, whole=self._whole),
            planned,
            self._table.store.concurrency,
        )

    def footers(self) -> Iterator[pq.FileMetaData]:
        """Yield the footers of the files, with only a few files open at once."""
        from airflow_sfx.frames.parquet.reader import read_footer

        for start in range(0, len(self.sources), _FOOTERS_AT_ONCE):
            yield from map(read_footer, self.open(self.sources[start : start + _FOOTERS_AT_ONCE]))


@dataclass(frozen=True, slots=True)
class _Planned:
    """A file to read, and where it is."""

    manifest: Manifest
    store: ObjectStore
    path: str
    file: DataFile
    source: SourceFile

    def opened(self, table: Table, *, whole: bool) -> SourceFile:
        """Return the file with its content, or with a source that reads it."""
        facts = {
            "table": str(table.ref),
            "partition": self.manifest.partition,
            "batch_id": self.manifest.batch_id,
        }
        return replace(
            self.source, source=open_file(self.store, self.path, self.file, whole=whole, **facts)
        )


def schemas_of(table: Table, manifests: Sequence[Manifest]) -> dict[str, LogicalSchema]:
    """Return the schemas to read batches with, by the text in their manifests.

    They are in the order of the manifests.
    """
    from airflow_sfx.frames.schema.codec import schema_from_text
    from airflow_sfx.frames.schema.partition_values import unify_key_types

    texts = list(dict.fromkeys(manifest.schema for manifest in manifests))
    return dict(
        zip(
            texts,
            unify_key_types(list(map(schema_from_text, texts)), _key_types(table)),
            strict=True,
        )
    )


def _key_types(table: Table) -> dict[str, str]:
    return {key.name: key.type for key in table.info.keys}


def _planned(table: Table, manifest: Manifest, logical: LogicalSchema) -> list[_Planned]:
    from airflow_sfx.frames.parquet.scan import SourceFile

    store, directory = batch_files(table, manifest)
    values = table.layout.partition(manifest.partition).values
    keys = dict(zip(table.layout.keys, values, strict=True))
    found = []
    for file in manifest.files:
        path = f"{directory}/{file.path}".lstrip("/")
        source = SourceFile(path, logical, keys, file.rows, f"{store.uri}/{path}")
        found.append(_Planned(manifest, store, path, file, source))
    return found


def _all_columns(
    table: Table, files: Sequence[SourceFile], lead: Any, *, with_keys: bool
) -> tuple[str, ...]:
    """Return all columns of the batches, and the partition keys if wanted."""
    from airflow_sfx.frames.evolution.unify import unify

    names = tuple(unify([file.logical for file in files] or [lead], lead).schema.names)
    if not with_keys:
        return names
    known = {name.lower() for name in names}
    return names + tuple(key for key in table.layout.keys if key not in known)
