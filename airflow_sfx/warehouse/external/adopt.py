"""Adopting a directory of Parquet files as the first batches of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airflow_sfx.core.errors import CommitConflict, InvalidName, counted
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.partition import Partition, PartitionKey, partition_keys, unescape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.concurrency import Progress
from airflow_sfx.warehouse.batch.parquet_files import Place, data_files, open_directory
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.add_files import add_files
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import Head
from airflow_sfx.warehouse.table.table import Table

Named = Sequence[str] | Mapping[str, str] | None


def adopt_directory(
    target: Target, directory: str, named: Named, author: Author, progress: Progress | None = None
) -> BatchPin:
    """Make a directory's files the first batches of a table, without moving them.

    Args:
        target: The table.
        directory: An absolute path or a URI.
        named: The partition keys if the directories are not named ``key=value``, or their Hive
            types, or None.
        author: Who adopts, and why.
        progress: Called with the number of files read so far and in total, or None.

    Returns:
        The pin of the first batches.

    Raises:
        InvalidName: There are no Parquet files, or the directories do not fit the keys.
        SchemaMismatch: The files do not fit one another, or do not fit the table.
        CommitConflict: A partition already has a batch.

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
    store, base = open_directory(target.store, directory)
    groups = _by_directory(data_files(store, base))
    keys = target.keys(named, _keys(target, directory, groups, named))
    target.refuse_bare_values()
    places = {
        partition: Place(store, "/".join(filter(None, (base, *steps))), tuple(groups[steps]))
        for partition, steps in _partitions(directory, groups, keys).items()
    }
    root = f"{store.uri}/{base}".rstrip("/")
    return add_files(target, keys, places, root, Operation.ADOPT, author, _refuse_known, progress)


Steps = tuple[str, ...]
"""The directories between the adopted one and a file."""


def _location(directory: str, steps: Steps) -> str:
    return "/".join((directory.rstrip("/"), *steps))


def _by_directory(paths: Iterable[str]) -> dict[Steps, list[str]]:
    groups: dict[Steps, list[str]] = {}
    for path in paths:
        *steps, name = path.split("/")
        groups.setdefault(tuple(steps), []).append(name)
    return groups


def _keys(
    target: Target, directory: str, directories: Iterable[Steps], named: Named
) -> tuple[PartitionKey, ...]:
    depths = {len(steps) for steps in directories}
    if len(depths) != 1:
        raise InvalidName(
            f"the files in {directory} are at different depths: move them, or adopt the"
            " subdirectories one by one"
        )
    (depth,) = depths
    if named is not None:
        if len(named) != depth:
            levels = "directory" if depth == 1 else "directories"
            raise InvalidName(
                f"the files in {directory} are {depth} {levels} deep, but the call names"
                f" {counted(len(named), 'partition key')}: name one for each directory"
            )
        return partition_keys(named, depth)
    written = {
        tuple(step.partition("=")[0].lower() for step in steps if "=" in step)
        for steps in directories
    }
    names = list(written.pop()) if len(written) == 1 else []
    if not names and target.existing is not None:
        names = [key.name for key in target.existing.keys]
    if len(names) != depth:
        names_needed = f"{counted(depth, 'name')}, one for each directory above the files"
        raise InvalidName(
            f"the directories in {directory} are not all named key=value with the same keys",
            remedy=f"pass partition_keys= with {names_needed}",
            cli_remedy=f"name them by --key, {names_needed}",
        )
    return partition_keys(names, depth)


def _partitions(
    directory: str, directories: Iterable[Steps], keys: Sequence[PartitionKey]
) -> dict[Partition, Steps]:
    """Return the directory of each partition."""
    found: dict[Partition, Steps] = {}
    for steps in directories:
        try:
            partition = _partition(steps, keys)
        except InvalidName as error:
            raise InvalidName(
                f"the directory {_location(directory, steps)} is not a partition: {error.rule}",
                remedy=error.remedy,
                cli_remedy=error.cli_remedy,
            ) from error
        other = found.setdefault(partition, steps)
        if other != steps:
            raise InvalidName(
                f"{_location(directory, other)} and {_location(directory, steps)} are the same"
                " partition: move the files into one of them"
            )
    return found


def _partition(steps: Steps, keys: Sequence[PartitionKey]) -> Partition:
    values = []
    for key, step in zip(keys, steps, strict=True):
        name, equals, value = step.partition("=")
        if equals and name.lower() != key.name:
            raise InvalidName(
                f"its key is {name!r}, not {key.name!r}",
                remedy="name the keys as the directories do, with partition_keys=, or rename these",
                cli_remedy="name the keys as the directories do, with --key, or rename these",
            )
        values.append(unescape(value if equals else step))
        key.check(values[-1])
    return Partition(tuple(values))


def _refuse_known(table: Table, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        if head.batch_id is not None:
            raise CommitConflict(
                f"{table.describe(name)} already has the batch {head.batch_id}, and files are"
                " adopted as first batches only: read them and store them as a new batch",
                table=str(table.ref),
                partition=name,
                batch_id=head.batch_id,
            )
