"""Adopt: a directory of Parquet files becomes a table as it lies; each partition's files are its first batch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_sfx.core.errors import CommitConflict, InvalidName, SchemaMismatch
from airflow_sfx.core.ledger import Change, Operation
from airflow_sfx.core.manifest import DataFile
from airflow_sfx.core.partition import Partition, PartitionKey, partition_keys, unescape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.statistics import ColumnStatistics
from airflow_sfx.storage.open import open_store
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.parallel import each
from airflow_sfx.warehouse.publish import publish_change
from airflow_sfx.warehouse.target import Target
from airflow_sfx.warehouse.writing import BatchSet, Content, FoundFile

if TYPE_CHECKING:
    import pyarrow as pa

_READERS = 4
_ENDINGS = (".parquet", ".parq")


def adopt_directory(
    target: Target, directory: str, named: Sequence[str] | Mapping[str, str] | None, author: Author
) -> BatchPin:
    """Make what lies in a directory the first batches of a table. The files stay where they are, untouched.

    Args:
        target: The table.
        directory: An absolute path, or a URI.
        named: The partition keys, where the directories are not called ``key=value``, or their Hive types.
        author: Who and why.

    Returns:
        The pin of the first batches.

    Raises:
        InvalidName: There are no Parquet files, or the directories do not fit the keys.
        SchemaMismatch: The files do not fit together, or do not fit the table.
        CommitConflict: A partition has batches already.
    """
    from airflow_sfx.frames.hive import columns_of
    from airflow_sfx.frames.logical import LogicalSchema
    from airflow_sfx.frames.schema_text import schema_to_text

    store = open_store(directory if "://" in directory else f"file://{quote(directory)}")
    paths = _data_files(store)
    steps = {path: tuple(path.split("/")[:-1]) for path in paths}
    keys = target.keys(named, _keys(store, set(steps.values()), named))
    partitions = {path: _partition(path, steps[path], keys) for path in paths}
    files = dict(zip(paths, each(lambda path: _inspect(store, path), paths, _READERS), strict=True))
    schema = _common_schema(store, files, {key.name for key in keys})
    columns = target.fit(keys, columns_of(schema), evolve="safe", untyped=())

    table = target.open(keys, columns)
    ledger = Ledger(table)
    text = schema_to_text(LogicalSchema(schema))
    batches = BatchSet(table, ledger, Content(lambda: text, columns_of(schema), author.producer))
    names = {partition: table.layout.name(partition) for partition in dict.fromkeys(partitions.values())}
    batches.claim(list(names.values()))
    _refuse_known(table, batches.heads)
    for partition, name in names.items():
        mine = [path for path in paths if partitions[path] == partition]
        location = f"{store.uri}/{'/'.join(steps[mine[0]])}".rstrip("/")
        batches.take_over(name, location, [files[path].found for path in mine])
    manifests = batches.seal(staged=False)
    target.ensure(table, columns, "safe")

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        _refuse_known(table, heads)
        return [publish_change(manifest, Operation.ADOPT) for manifest in manifests]

    commit(table, ledger, batches.heads, plan, author)
    return table.pin(batches.batches)


@dataclass(frozen=True, slots=True)
class _Inspected:
    found: FoundFile
    schema: pa.Schema


def _data_files(store: Store) -> list[str]:
    """The Parquet files below a directory, without what Hive and Spark hide."""
    found = sorted(
        info.path
        for info in store.list("")
        if not any(step.startswith(("_", ".")) for step in info.path.split("/"))
        and (info.path.endswith(_ENDINGS) or info.path.rpartition("/")[2].startswith("part-"))
    )
    if not found:
        raise InvalidName(
            f"{store.uri} holds no Parquet files (*.parquet, *.parq, part-*): name the directory above them"
        )
    return found


def _keys(
    store: Store, directories: set[tuple[str, ...]], named: Sequence[str] | Mapping[str, str] | None
) -> tuple[PartitionKey, ...]:
    depths = {len(steps) for steps in directories}
    if len(depths) != 1:
        raise InvalidName(f"the files in {store.uri} lie at different depths: move them, or adopt the parts one by one")
    written = {tuple(step.partition("=")[0] for step in steps if "=" in step) for steps in directories}
    (names,) = written if len(written) == 1 else ((),)
    depth = depths.pop()
    if named is None and len(names) != depth:
        raise InvalidName(
            f"the directories in {store.uri} are not called key=value: pass partition_keys= with {depth} names"
        )
    return partition_keys(named if named is not None else list(names), depth)


def _partition(path: str, steps: tuple[str, ...], keys: Sequence[PartitionKey]) -> Partition:
    values = []
    for key, step in zip(keys, steps, strict=True):
        name, equals, value = step.partition("=")
        if equals and name.lower() != key.name:
            raise InvalidName(f"{path} lies in {step!r}, and the partition key there is {key.name!r}")
        values.append(unescape(value if equals else step))
        key.check(values[-1])
    return Partition(tuple(values))


def _inspect(store: Store, path: str) -> _Inspected:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_sfx.frames.footer import statistics_of

    data = store.get(path) or b""
    try:
        footer = pq.read_metadata(io.BytesIO(data))
        schema = footer.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise SchemaMismatch(f"{store.uri}/{path} is no Parquet file ({error}): move it elsewhere") from error
    statistics: Mapping[str, ColumnStatistics] = statistics_of(footer, schema.names)
    file = DataFile(path.rpartition("/")[2], len(data), footer.num_rows, hashlib.sha256(data).hexdigest())
    return _Inspected(FoundFile(file, statistics), schema.remove_metadata())


def _common_schema(store: Store, files: Mapping[str, _Inspected], keys: set[str]) -> pa.Schema:
    import pyarrow as pa

    try:
        schema = pa.unify_schemas([file.schema for file in files.values()], promote_options="default")
    except pa.ArrowException as error:
        raise SchemaMismatch(f"the files in {store.uri} do not have the same columns: {error}") from error
    clash = [name for name in schema.names if name.lower() in keys]
    if clash:
        raise SchemaMismatch(
            f"the files in {store.uri} have the partition key {clash[0]!r} as a column: remove it from them"
        )
    return schema


def _refuse_known(table: OpenTable, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        if head.last:
            raise CommitConflict(
                f"{table.describe(name)} has batches already: files are adopted as a first batch only; read them and store "
                "them as a new one",
                table=str(table.ref),
                partition=name,
            )
