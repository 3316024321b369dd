"""Directories of Parquet files: their files, footers and common schema."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName, SchemaMismatch, WarehouseUnavailable
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.core.io.uris import parse_uri, refuse_login
from airflow_sfx.core.manifest import DataFile
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.factory import open_place
from airflow_sfx.warehouse.batch.data_files import link_out
from airflow_sfx.warehouse.batch.file_listing import is_hidden, is_parquet
from airflow_sfx.warehouse.batch.file_writer import FoundFile
from airflow_sfx.warehouse.batch.table_formats import refuse_logged

if TYPE_CHECKING:
    import pyarrow as pa


_NANOSECONDS_FROM, _NANOSECONDS_BEFORE = "1678", "2262"
"""The years in which 64-bit nanoseconds hold every time: first, and first one after."""

_LIKE_A_URI = re.compile("[:?#@]")
"""Characters of misspelt URIs, which may hold a secret, and of hardly any path."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file with the facts of its footer.

    Args:
        found: The file as part of a batch.
        schema: Its columns.
    """

    found: FoundFile
    schema: pa.Schema


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with the files of a partition.

    Args:
        store: The storage that it is in.
        directory: Its path there; empty for the storage's root.
        names: The files' names.
        deeper: Files in directories of it, which an engine does not read from here.
    """

    store: ObjectStore
    directory: str
    names: tuple[str, ...]
    deeper: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """The directory as a URI."""
        return f"{self.store.uri}/{self.directory}".rstrip("/")

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return f"{self.directory}/{name}".lstrip("/")


def open_directory(near: ObjectStore, directory: str) -> tuple[ObjectStore, str]:
    """Return a directory in its object store; a local one must exist.

    Args:
        near: The warehouse's storage, whose credentials are used.
        directory: An absolute path, or a URI.

    Returns:
        The storage and the directory's path in it.

    Raises:
        InvalidName: There is no such directory.
    """
    if "://" not in directory:
        refuse_login(directory, "the directory to adopt")
        directory = f"file://{directory}"
    elif directory.startswith("file:"):  # from a person, who encodes
        directory = unquote(directory)
    if directory.startswith("file:"):
        path = directory.removeprefix("file:").removeprefix("//")
        if not path.startswith("/"):
            raise InvalidName(
                "the directory to adopt is not an absolute path: pass one that begins with /, or"
                " a URI"
            )
        refuse_login(path, "the directory to adopt")
        if not os.path.isdir(path):
            shown = "as the one to adopt" if _LIKE_A_URI.search(path) else path
            raise InvalidName(f"there is no directory {shown}: name one that holds Parquet files")
    elif parse_uri(directory, "the directory to adopt").options:
        raise InvalidName("the directory to adopt has options behind a ?: name the directory alone")
    return open_place(directory, near)


def data_files(store: ObjectStore, directory: str) -> list[str]:
    """Return the sorted paths of the visible Parquet files below a directory.

    Raises:
        InvalidName: There are none, or they are a Delta, Iceberg or Hudi table's.
    """
    below = f"{directory}/" if directory else ""
    paths = [info.path.removeprefix(below) for info in store.list(directory)]
    refuse_logged(f"{store.uri}/{directory}".rstrip("/"), paths)
    found = sorted(
        path
        for path in paths
        if not any(is_hidden(step) for step in path.split("/")) and is_parquet(path)
    )
    if not found:
        raise InvalidName(
            f"{store.uri}/{directory} holds no Parquet files (*.parquet, *.parq, part-*): name the"
            " directory above them"
        )
    return found


class PlaceUnavailable(WarehouseUnavailable):
    """A directory outside of the warehouse cannot be read."""


@contextlib.contextmanager
def reading_place(near: ObjectStore, uri: str) -> Iterator[None]:
    """Distinguish failures outside of the warehouse from its own.

    Args:
        near: The warehouse's object store.
        uri: The directory that the block reads.

    Raises:
        PlaceUnavailable: A directory outside of the warehouse cannot be read.
        WarehouseUnavailable: A directory of the warehouse cannot be read.
    """
    try:
        yield
    except WarehouseUnavailable as error:
        if uri.startswith(f"{near.uri}/"):
            raise
        raise PlaceUnavailable(str(error)) from error


def place_of(near: ObjectStore, location: str) -> Place:
    """Return a directory with its visible files, which engines read.

    Args:
        near: The warehouse's object store, whose credentials are used.
        location: The directory as the metastore has it.

    Returns:
        The directory.

    Raises:
        InvalidName: The kind of object store is not supported, or the directory is a Delta,
            Iceberg or Hudi table's.
        PlaceUnavailable: It cannot be read, and is outside of the warehouse.
    """
    with reading_place(near, location):
        store, directory = open_place(location, near)
    below = f"{directory}/" if directory else ""
    with reading_place(near, f"{store.uri}/{directory}"):
        names = [info.path.removeprefix(below) for info in store.list(directory)]
    refuse_logged(f"{store.uri}/{directory}".rstrip("/"), names)
    seen = sorted(name for name in names if not any(map(is_hidden, name.split("/"))))
    return Place(
        store,
        directory,
        tuple(name for name in seen if "/" not in name),
        tuple(name for name in seen if "/" in name),
    )


def inspect(place: Place, name: str) -> Inspected:
    """Read a file for its checksum, and its footer for columns, rows and bounds.

    Raises:
        SchemaMismatch: It is not a Parquet file, is a link to another directory, or has columns
            that no table can have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_sfx.frames.column_names import check_names
    from airflow_sfx.frames.parquet.statistics import statistics_of

    store, path = place.store, place.path(name)
    if link_out(store, place.directory, path):
        raise SchemaMismatch(
            f"{place.uri}/{name} is a symbolic link to another directory, where changes would"
            " change the batch: put the file itself there, or remove the link"
        )
    try:
        local = store.local_path(path)
        if local is not None:  # a large file need not pass through memory
            footer = pq.read_metadata(local)
            with open(local, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        else:
            data = store.get(path) or b""
            footer = pq.read_metadata(io.BytesIO(data))
            digest, size = hashlib.sha256(data).hexdigest(), len(data)
        schema = _plain(footer.schema.to_arrow_schema())
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        if short := resource_error(error, f"reading {place.uri}/{name}"):
            raise short from error
        raise SchemaMismatch(
            f"{place.uri}/{name} is not a Parquet file ({error}): move it elsewhere"
        ) from error
    try:
        check_names(schema.names)
    except InvalidName as error:
        raise SchemaMismatch(f"{place.uri}/{name} cannot be adopted: {error}") from error
    statistics = statistics_of(footer, schema.names)
    return Inspected(
        FoundFile(DataFile(name, size, footer.num_rows, digest, _etag(store, path)), statistics),
        schema,
    )


def _etag(store: ObjectStore, path: str) -> str:
    info = store.head(path)
    return info.etag if info else ""


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return the schema without categories and pandas' metadata."""
    import pyarrow as pa

    from airflow_sfx.frames.column_names import without_open_prefix

    # The other columns are open.
    known = [field for field in schema if without_open_prefix(field.name) == field.name]
    return pa.schema([field.with_type(_stored(field.type)).remove_metadata() for field in known])


def _stored(kind: Any) -> Any:
    """Return the type of values that are stored for an extension type or a category."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    return _stored(kind.value_type) if isinstance(kind, pa.DictionaryType) else kind


def common_schema(files: Mapping[str, Inspected]) -> pa.Schema:
    """Return the schema that one scan can read all files as.

    Args:
        files: The files by URI.

    Returns:
        Every file's columns, with types that hold the values of all.

    Raises:
        SchemaMismatch: The files have no common schema.
    """
    from airflow_sfx.frames.evolution.unify import scan_together, unify
    from airflow_sfx.frames.parquet.plan import scan_type
    from airflow_sfx.frames.types.hive import columns_of
    from airflow_sfx.frames.types.logical import LogicalSchema

    schemas = _usual_last(files)
    usual = next(reversed(schemas))
    for uri, one in schemas.items():
        _refuse_capitals(uri, one)
        try:
            columns_of(one)  # refuses a type that no table can have
            unify([LogicalSchema(one), LogicalSchema(schemas[usual])])
        except SchemaMismatch as error:
            beside = f" beside {usual} and the files like it" if uri != usual else ""
            raise SchemaMismatch(f"{uri} does not fit{beside}: {error}") from error
    schema = unify([LogicalSchema(one) for one in schemas.values()]).schema
    schema = _with_finest_times(files, schema)
    for uri, one in schemas.items():
        for field in one:
            kind = schema.field(field.name).type
            if not scan_together(field.type, kind):
                raise SchemaMismatch(
                    f"{uri} has the column {field.name!r} as {field.type} and other files as"
                    f" {kind}: write them with one type, or adopt them as two tables"
                )
            if not _castable(field.type, scan_type(kind)):
                raise SchemaMismatch(
                    f"{uri} has the column {field.name!r} as {field.type}, which cannot be read as"
                    " it lies: load the files and store them as a new table"
                )
    return schema


def _usual_last(files: Mapping[str, Inspected]) -> dict[str, pa.Schema]:
    """Return the schemas of files by the first file that has each, the most frequent last."""
    counts: dict[str, int] = {}
    for uri, file in files.items():
        known = (one for one in counts if files[one].schema.equals(file.schema))
        first = next(known, uri)
        counts[first] = counts.get(first, 0) + 1
    return {uri: files[uri].schema for uri in sorted(counts, key=counts.__getitem__)}


def _with_finest_times(files: Mapping[str, Inspected], schema: pa.Schema) -> pa.Schema:
    """Return the schema with nanoseconds where a file has them.

    Raises:
        SchemaMismatch: Another file may have times that nanoseconds cannot hold.
    """
    import pyarrow as pa

    for place, column in enumerate(schema):
        kinds = {
            uri: file.schema.field(column.name).type
            for uri, file in files.items()
            if column.name in file.schema.names
        }
        units = {uri: kind.unit for uri, kind in kinds.items() if pa.types.is_timestamp(kind)}
        if "ns" not in units.values():
            continue
        for uri, unit in units.items():
            if unit != "ns" and not _in_years_of_nanoseconds(files[uri], column.name):
                raise SchemaMismatch(
                    f"{uri} has times in {column.name!r} that nanoseconds, as other files have"
                    " them, may not hold: write them with one unit, or load the files and store"
                    " them as a new table"
                )
        kind: Any = column.type
        schema = schema.set(place, column.with_type(pa.timestamp("ns", kind.tz)))
    return schema


def _in_years_of_nanoseconds(file: Inspected, column: str) -> bool:
    known = file.found.statistics.get(column)
    if known is None:
        return False
    if known.null_count == file.found.file.rows:
        return True
    bounds = (known.minimum, known.maximum)
    return all(
        isinstance(one, str) and _NANOSECONDS_FROM <= one < _NANOSECONDS_BEFORE for one in bounds
    )


def _castable(kind: Any, other: Any) -> bool:
    import pyarrow as pa

    try:
        pa.nulls(0, kind).cast(other)
    except pa.ArrowException:
        return False
    return True


def _refuse_capitals(uri: str, schema: pa.Schema) -> None:
    """Return the schema with Hive's lower-case names, by which files are read."""
    for name in schema.names:
        if name != name.lower():
            raise SchemaMismatch(
                f"{uri} has the column {name!r}, and Hive knows names in lower case only: write the"
                f" files with {name.lower()!r}, or load them and store them as a new table"
            )
