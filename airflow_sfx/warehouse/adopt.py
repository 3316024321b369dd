"""Adopt: a directory of Parquet files becomes a table as it lies; each partition's files are its first batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import CommitConflict, InvalidName, SchemaMismatch
from airflow_sfx.core.ledger import Change, Operation
from airflow_sfx.core.partition import Partition, PartitionKey, partition_keys, unescape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.parallel import each
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.adopt_files import common_schema, data_files, inspect, open_directory
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.publish import publish_change
from airflow_sfx.warehouse.target import Target
from airflow_sfx.warehouse.writing import BatchSet, Content

if TYPE_CHECKING:
    import pyarrow as pa

Named = Sequence[str] | Mapping[str, str] | None

_READERS = 4


def adopt_directory(target: Target, directory: str, named: Named, author: Author) -> BatchPin:
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
        CommitConflict: A partition has a batch already.

    Example:
        >>> import tempfile, pathlib, pandas as pd, airflow_sfx as sfx
        >>> old = pathlib.Path(tempfile.mkdtemp(), "day=20161031")
        >>> old.mkdir()
        >>> pd.DataFrame({"n": [1, 2]}).to_parquet(old / "one.parquet")
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> pin = warehouse.adopt("sales", "items", str(old.parent))
        >>> list(pin.batches), warehouse.load_dataframe(pin)["n"].tolist()
        (['20161031'], [1, 2])
    """
    from airflow_sfx.frames.hive import columns_of
    from airflow_sfx.frames.logical import LogicalSchema
    from airflow_sfx.frames.schema_text import schema_to_text

    store = open_directory(directory)
    groups = _by_directory(data_files(store))
    keys = target.keys(named, _keys(target, store, groups, named))
    places = _partitions(store, groups, keys)
    if target.existing is not None:
        _refuse_known(known := target.open(keys, target.existing.columns), _heads(known, places))

    paths = [path for group in groups.values() for path in group]
    files = dict(zip(paths, each(lambda path: inspect(store, path), paths, _READERS), strict=True))
    schema = common_schema(store, files)
    _refuse_key_columns(store, schema, keys)
    columns = target.fit(keys, columns_of(schema), evolve="safe", untyped=())

    table = target.open(keys, columns)
    ledger = Ledger(table)
    text = schema_to_text(LogicalSchema(schema))
    batches = BatchSet(table, ledger, Content(lambda: text, columns_of(schema), author.producer))
    names = {table.layout.name(partition): steps for partition, steps in places.items()}
    batches.claim(list(names))
    for name, steps in names.items():
        batches.take_over(name, _location(store, steps), [files[path].found for path in groups[steps]])
    manifests = batches.seal(staged=False)
    target.ensure(table, columns, "safe")

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        _refuse_known(table, heads)
        return [publish_change(manifest, Operation.ADOPT) for manifest in manifests]

    commit(table, ledger, batches.heads, plan, author)
    return table.pin(batches.batches)


Steps = tuple[str, ...]
"""The directories between the adopted one and a file."""


def _location(store: Store, steps: Steps) -> str:
    return "/".join((store.uri, *steps))


def _by_directory(paths: Iterable[str]) -> dict[Steps, list[str]]:
    groups: dict[Steps, list[str]] = {}
    for path in paths:
        groups.setdefault(tuple(path.split("/")[:-1]), []).append(path)
    return groups


def _keys(target: Target, store: Store, directories: Iterable[Steps], named: Named) -> tuple[PartitionKey, ...]:
    depths = {len(steps) for steps in directories}
    if len(depths) != 1:
        raise InvalidName(f"the files in {store.uri} lie at different depths: move them, or adopt the parts one by one")
    (depth,) = depths
    if named is not None:
        if len(named) != depth:
            raise InvalidName(
                f"the files in {store.uri} lie {depth} directories deep, and {len(named)} partition keys are named: name one "
                "for each directory"
            )
        return partition_keys(named, depth)
    written = {tuple(step.partition("=")[0].lower() for step in steps if "=" in step) for steps in directories}
    names = list(written.pop()) if len(written) == 1 else []
    if not names and target.existing is not None:
        names = [key.name for key in target.existing.keys]
    if len(names) != depth:
        raise InvalidName(
            f"the directories in {store.uri} are not called key=value, all with the same keys: pass partition_keys= with "
            f"{depth} name{'' if depth == 1 else 's'}, one for each directory above the files"
        )
    return partition_keys(names, depth)


def _partitions(store: Store, directories: Iterable[Steps], keys: Sequence[PartitionKey]) -> dict[Partition, Steps]:
    """The directory of each partition."""
    found: dict[Partition, Steps] = {}
    for steps in directories:
        try:
            partition = _partition(steps, keys)
        except InvalidName as error:
            raise InvalidName(f"the directory {_location(store, steps)} is no partition's: {error}") from error
        other = found.setdefault(partition, steps)
        if other != steps:
            raise InvalidName(
                f"{_location(store, other)} and {_location(store, steps)} are the same partition: move the files into one "
                "of them"
            )
    return found


def _partition(steps: Steps, keys: Sequence[PartitionKey]) -> Partition:
    values = []
    for key, step in zip(keys, steps, strict=True):
        name, equals, value = step.partition("=")
        if equals and name.lower() != key.name:
            raise InvalidName(f"the partition key at {step!r} is {key.name!r}")
        values.append(unescape(value if equals else step))
        key.check(values[-1])
    return Partition(tuple(values))


def _refuse_key_columns(store: Store, schema: pa.Schema, keys: Sequence[PartitionKey]) -> None:
    for key in keys:
        if key.name in schema.names:
            raise SchemaMismatch(
                f"the files in {store.uri} have the partition key {key.name!r} as a column: write them without it, or load "
                "them and store them as a new table"
            )


def _heads(table: OpenTable, partitions: Iterable[Partition]) -> dict[str, Head]:
    names = [table.layout.name(partition) for partition in partitions]
    pointers = table.pointers([table.layout.partition(name) for name in names])
    return Ledger(table).heads({name: pointers[name].sequence if name in pointers else 0 for name in names})


def _refuse_known(table: OpenTable, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        if head.batch_id is not None:
            raise CommitConflict(
                f"{table.describe(name)} has the batch {head.batch_id} already: files are adopted as a first batch only; "
                "read them and store them as a new one",
                table=str(table.ref),
                partition=name,
                batch_id=head.batch_id,
            )
