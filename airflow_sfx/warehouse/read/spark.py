"""Loading batches as a Spark DataFrame, whose executors read the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import SchemaMismatch, WarehouseUnavailable
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.core.schema import TimeMarks
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.batch.data_files import batch_files, open_file
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.parquet.scan import SourceFile

_PARTS_PER_CORE = 3


@dataclass(frozen=True)
class RemoteFile:
    """A file that an executor reads.

    Args:
        opener: Opens the object store.
        path: The path in the object store.
        file: The file in the manifest.
        source: The file in the driver's plan, without its content.
    """

    opener: Callable[[], ObjectStore]
    path: str
    file: DataFile
    source: SourceFile


def load_spark(
    table: Table,
    manifests: Sequence[Manifest],
    sources: Sequence[SourceFile],
    options: Mapping[str, Any],
) -> Any:
    """Make a Spark DataFrame of batches, with the types of Hive and Spark.

    Categories become text.

    Args:
        table: The table.
        manifests: The batches' manifests.
        sources: The planned files, in the manifests' order, without content.
        options: What to read of them, as for `read_table`.

    Returns:
        The Spark DataFrame, which reads exactly these batches whenever Spark runs it.

    Raises:
        WarehouseUnavailable: There is no Spark session, or pyspark is not installed.
        SchemaMismatch: A column is unknown or has times that Spark does not support, or a filter
            does not fit.
    """
    import pyarrow as pa

    from airflow_sfx.frames.evolution.unify import unify
    from airflow_sfx.frames.outputs import named_columns
    from airflow_sfx.frames.parquet.reader import empty_table
    from airflow_sfx.frames.schema.physical import physical_type

    session, from_arrow = _spark()
    whole = named_columns(empty_table(sources, **options)).schema
    kinds = [physical_type(field.type) for field in whole]
    schema = pa.schema(list(zip(map(str.lower, whole.names), kinds, strict=True)))
    names = dict(zip(schema.names, whole.names, strict=True))
    lead = unify([source.logical for source in sources] or [options["lead"]], options["lead"])
    for name in names.values():
        if name in lead.schema.names and lead.marks.get(name, TimeMarks()).finer:
            raise SchemaMismatch(
                f"column {name!r} has times finer than a microsecond, which Spark does not support:"
                ' leave it out with columns=, or load it with as_="pandas" or as_="arrow"'
            )
    files = []
    for manifest, file, source in zip(*_spread(manifests), sources, strict=True):
        store, directory = batch_files(table, manifest)
        files.append(
            RemoteFile(store.opener(), f"{directory}/{file.path}".lstrip("/"), file, source)
        )
    units = {name.lower(): lead.unit(name) or "us" for name in lead.schema.names}
    read = partial(
        _read, files, {**options, "lead": lead, "columns": list(whole.names)}, schema, names, units
    )
    context = session.sparkContext
    count = max(1, min(len(files), context.defaultParallelism * _PARTS_PER_CORE))
    numbers = session.range(0, len(files), 1, count)
    return numbers.mapInArrow(read, from_arrow(schema))


def _spread(manifests: Sequence[Manifest]) -> tuple[list[Manifest], list[DataFile]]:
    pairs = [(manifest, file) for manifest in manifests for file in manifest.files]
    return [manifest for manifest, _ in pairs], [file for _, file in pairs]


def _read(
    files: Sequence[RemoteFile],
    options: Mapping[str, Any],
    schema: pa.Schema,
    names: Mapping[str, str],
    units: Mapping[str, str],
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Read the rows of files by their numbers, in each Spark task."""
    from airflow_sfx.frames.parquet.reader import iter_batches
    from airflow_sfx.frames.schema.physical import convert

    for batch in batches:
        for number in batch.column(0).to_pylist():
            remote = files[int(number or 0)]
            source = replace(
                remote.source,
                source=open_file(remote.opener(), remote.path, remote.file, whole=False),
            )
            for table in iter_batches([source], **options):
                found = table.select(list(names.values())).replace_schema_metadata(None)
                # The cast decodes text that still has its dictionary.
                plain = convert(found, schema, schema, units).table.cast(schema)
                yield from plain.combine_chunks().to_batches()


def _spark() -> tuple[Any, Callable[[Any], Any]]:
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
        from pyspark.sql.pandas.types import from_arrow_schema
    except ImportError as error:
        raise WarehouseUnavailable(
            "pyspark is not installed: pip install 'airflow-sfx[spark]'"
        ) from error
    try:
        session = SparkSession.active()  # also one that another thread has made
    except PySparkRuntimeError as error:
        raise WarehouseUnavailable(
            "there is no Spark session: make one with SparkSession.builder.getOrCreate() before"
            " load_dataframe(as_='spark')"
        ) from error
    return session, from_arrow_schema
