"""Adding existing files as new batches of partitions.

Files stay where they are. Only those in the table's own directories are copied within the object
store, as retention deletes the directories of old batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.io.locations import is_below
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import Progress, map_concurrently, with_progress
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.fitting import fit
from airflow_sfx.warehouse.batch.parquet_files import (
    Inspected,
    Place,
    common_schema,
    inspect,
    reading_place,
)
from airflow_sfx.warehouse.batch.table_formats import refuse_below_logs
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.commit import Author, commit, publish_change
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns
from airflow_sfx.warehouse.table.table import Table

Admit = Callable[[Table, Mapping[str, Head]], None]
"""Raises if files must not be added to partitions with these heads."""

_INSPECT_CONCURRENCY = 4


def add_files(
    target: Target,
    keys: tuple[PartitionKey, ...],
    places: Mapping[Partition, Place],
    root: str,
    operation: Operation,
    author: Author,
    admit: Admit,
    progress: Progress | None = None,
) -> BatchPin:
    """Make existing files the newest batches of partitions.

    Args:
        target: The table.
        keys: The table's partition keys.
        places: The files of each partition.
        root: The URI of the directory that holds most of them. The files below it become readable
            as the table's.
        operation: The operation that the log records.
        author: Who adds them, and why.
        admit: Called before files are read, and again before the commit; raises to reject.
        progress: Called with the number of files read so far and in total, or None.

    Returns:
        The pin of the batches.

    Raises:
        InvalidName: There are no files, or they belong to a Delta, Iceberg or Hudi table.
        SchemaMismatch: The files do not fit one another, or do not fit the table.
    """
    from airflow_sfx.frames.schema.codec import schema_to_text
    from airflow_sfx.frames.schema.kinds import table_columns
    from airflow_sfx.frames.schema.time_marks import assumed_marks
    from airflow_sfx.frames.types.hive import columns_of
    from airflow_sfx.frames.types.logical import LogicalSchema

    if target.existing is not None:
        known = target.open(keys, target.existing.columns)
        admit(known, _heads(known, places))
    _refuse_parts_of_tables(target.store, places)
    inspected = inspect_places(target.store, places, progress)
    if not inspected:
        raise InvalidName(
            f"{', '.join(place.uri for place in places.values())} has no files: store the table"
            " instead"
        )
    schema = common_schema(inspected)
    refuse_key_columns(inspected, keys, target)
    logical = LogicalSchema(schema, marks=assumed_marks(schema))
    try:
        columns = fit(target, keys, table_columns(logical), evolve="safe", of_files=True)
    except SchemaMismatch as error:
        raise _of_file(target, keys, inspected, error) from error

    target = replace(
        target, places=tuple(_roots(target.open(keys, columns), root, places.values()))
    )
    table = target.open(keys, columns)
    log = PartitionLog(table)
    text = schema_to_text(logical)
    batches = BatchWriter(
        table, log, BatchContent(lambda: text, columns_of(schema), author.producer)
    )
    named = {table.layout.name(partition): place for partition, place in places.items()}
    batches.claim(list(named))
    for name, place in named.items():
        files = [inspected[f"{place.uri}/{file}"].found for file in place.names]
        if place.uri.startswith(f"{table.location}/"):
            batches.copy_in(name, place.uri.removeprefix(f"{table.store.uri}/"), files)
        else:
            batches.take_over(name, place.uri, files)
    manifests = batches.seal(staged=False)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        admit(table, heads)
        return [publish_change(manifest, operation) for manifest in manifests]

    give = GivenColumns(manifests, lambda: target.ensure(table, columns, "safe"))
    commit(table, log, batches.heads, plan, author, beside=give)
    return table.pin(batches.batches)


def _roots(table: Table, root: str, places: Iterable[Place]) -> list[str]:
    """Return the directories outside of the table's own that it cannot read yet."""
    new: list[str] = []
    for uri in sorted(place.uri for place in places):
        if not table.may_read(uri) and not any(is_below(uri, one) for one in new):
            new.append(root if is_below(uri, root) else uri)
    return new


def _refuse_parts_of_tables(near: ObjectStore, places: Mapping[Partition, Place]) -> None:
    uris = [place.uri for place in places.values()]
    with reading_place(near, uris[0] if uris else near.uri):
        refuse_below_logs(near, uris)


def inspect_places(
    near: ObjectStore, places: Mapping[Partition, Place], progress: Progress | None = None
) -> dict[str, Inspected]:
    """Inspect every file of the places.

    Args:
        near: The warehouse's object store.
        places: The directories.
        progress: Called with the number of files read so far and in total, or None.

    Returns:
        The inspected files, by URI.

    Raises:
        SchemaMismatch: A file is not a Parquet file, or has columns that a table cannot have.
        PlaceUnavailable: A file outside of the warehouse cannot be read.
    """

    def inspect_one(item: tuple[Place, str]) -> Inspected:
        with reading_place(near, item[0].uri):
            return inspect(*item)

    work = [(place, name) for place in places.values() for name in place.names]
    found = map_concurrently(
        with_progress(inspect_one, len(work), progress), work, _INSPECT_CONCURRENCY
    )
    return {f"{place.uri}/{name}": one for (place, name), one in zip(work, found, strict=True)}


def refuse_key_columns(
    inspected: Mapping[str, Inspected], keys: Sequence[PartitionKey], target: Target
) -> None:
    """Raise `SchemaMismatch` if a file has a partition key as a column."""
    for uri, file in inspected.items():
        for key in keys:
            if key.name in file.schema.names:
                raise SchemaMismatch(
                    f"{uri} has the partition key {key.name!r} as a column: write the files of"
                    f" {target.ref} without it, or load them and store them as a new table"
                )


def _of_file(
    target: Target,
    keys: tuple[PartitionKey, ...],
    inspected: Mapping[str, Inspected],
    error: SchemaMismatch,
) -> SchemaMismatch:
    """Return the error of the first file that does not fit the table, or the error of them all."""
    from airflow_sfx.frames.schema.kinds import table_columns
    from airflow_sfx.frames.schema.time_marks import assumed_marks
    from airflow_sfx.frames.types.logical import LogicalSchema

    have = target.existing.columns if target.existing else ()
    for uri, file in inspected.items():
        logical = LogicalSchema(file.schema, marks=assumed_marks(file.schema))
        names = {name.lower() for name in file.schema.names}
        others = tuple(one for one in have if one.name.lower() not in names)  # in other files
        try:
            columns = (*table_columns(logical), *others)
            fit(target, keys, columns, evolve="safe", of_files=True)
        except SchemaMismatch as alone:
            return SchemaMismatch(
                f"{uri} does not fit {target.ref}: {alone.rule}",
                remedy=alone.remedy,
                cli_remedy=alone.cli_remedy,
            )
    return error


def _heads(table: Table, partitions: Mapping[Partition, Place]) -> dict[str, Head]:
    return PartitionLog(table).heads([table.layout.name(partition) for partition in partitions])
