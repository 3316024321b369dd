"""The plan of a read: schema, columns, filter, and the scans of all files.

One scan of pyarrow's dataset engine reads all files, in their order, on its own threads. It also
widens types, adds columns that older files lack, and adds the partition keys, which files do not
have. Conversions that it does not support are done on the rows that it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs, types

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, SchemaMismatch, SfxError
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.frames._typing import AnyField, AnyType
from airflow_sfx.frames.column_names import unknown_column
from airflow_sfx.frames.evolution.project import conform
from airflow_sfx.frames.evolution.remedies import APART, APART_CLI
from airflow_sfx.frames.evolution.unify import scan_together, unify
from airflow_sfx.frames.pandas.metadata import index_columns
from airflow_sfx.frames.parquet.scan import TEXT, Scan, SourceFile
from airflow_sfx.frames.predicates.expressions import (
    Filters,
    can_skip,
    columns_used,
    expression_of,
    filter_mismatch,
    filter_rows,
)
from airflow_sfx.frames.schema.physical import file_name, from_physical, physical_type
from airflow_sfx.frames.types.hive import arrow_type_of_key, key_type_of
from airflow_sfx.frames.types.logical import LogicalSchema

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())  # the type of text read by its dictionary


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files that one scan can read.

    Args:
        files: The files.
        logical: The schema that they are read as.
    """

    files: Sequence[SourceFile]
    logical: LogicalSchema


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """The plan of a read.

    Args:
        filesystem: The filesystem of paths.
        target: The unified schema, with the partition keys that are read as columns.
        key_types: The Hive types of keys that are read as columns.
        output_columns: The columns of the result, or None for all.
        scan_columns: The columns that the scan reads, or None for all.
        pushed_filter: The filter that the scan applies, or None.
        residual_filter: The filter that is applied to converted rows, or None.
    """

    filesystem: fs.FileSystem
    target: LogicalSchema
    key_types: Mapping[str, str]
    output_columns: list[str] | None
    scan_columns: list[str] | None
    pushed_filter: pc.Expression | None
    residual_filter: pc.Expression | None

    @classmethod
    def of(
        cls,
        files: Sequence[SourceFile],
        filesystem: fs.FileSystem | None,
        columns: Sequence[str] | None,
        filters: Filters | None,
        lead: LogicalSchema | None,
        key_types: Mapping[str, str],
        with_index: bool,
    ) -> ReadPlan:
        """Create the plan; the arguments are those of `read_table`."""
        if not files and lead is None:
            raise ValueError("there is nothing to read: pass files or a schema")
        target = unify([file.logical for file in files] or [lead], lead)  # type: ignore[list-item]
        kinds = {key.lower(): kind for key, kind in key_types.items()}
        named = [key for file in files for key in file.keys] if files else key_types
        keys = {key.lower(): key for key in named}
        full, extra = _with_keys(target, keys, kinds)
        expression = None if filters is None else expression_of(filters, full)
        order = None if columns is None else _output_columns(columns, full, with_index)
        if order is None and expression is None:
            full, extra = target, {}
        columns_of_keys = {
            name: extra.get(name) or key_type_of(full.schema.field(own).type)
            for name in keys
            if (own := full.resolve(name)) is not None
        }
        if order is None and extra:
            order = target.schema.names
        where = filesystem or fs.LocalFileSystem(use_mmap=True)
        plan = cls(where, full, columns_of_keys, order, order, None, None)
        if expression is None:
            return plan
        if can_skip(expression, plan._pushdown_schema(files)):
            return replace(plan, pushed_filter=expression)
        asked = [] if order is None else columns_used(expression, full.schema)
        read = None if order is None else list(dict.fromkeys([*order, *asked]))
        return replace(plan, scan_columns=read, residual_filter=expression)

    def groups(self, files: Sequence[SourceFile]) -> Iterator[FileGroup]:
        """Group consecutive files that one scan can read: usually all of them."""
        if not files:
            return
        if all(
            self._scans_together(logical)
            for logical in {id(file.logical): file.logical for file in files}.values()
        ):
            yield FileGroup(files, self.target)
            return
        for _, run in groupby(files, key=lambda file: id(file.logical)):
            members = list(run)
            keys = {key.lower(): key for file in members for key in file.keys}
            yield FileGroup(members, _with_keys(members[0].logical, keys, dict(self.key_types))[0])

    def scan(self, group: FileGroup) -> Scan:
        """Return the scan of a group of files."""
        schema = self._scan_schema(group.logical)
        dictionaries = [
            column.name
            for column in schema
            if column.type == _DICTIONARY and column.name not in self.key_types
        ]
        pushed = self.pushed_filter if group.logical is self.target else None
        columns: list[str] | None = None
        if self.scan_columns is not None and pushed is self.pushed_filter:
            there = set(schema.names)
            columns = [
                name
                for name in (_file_column(group.logical, one) for one in self.scan_columns)
                if name in there
            ]
        return Scan(
            group.files, schema, self.filesystem, self.key_types, dictionaries, columns, pushed
        )

    def finish(self, read: pa.Table, group: FileGroup) -> pa.Table:
        """Convert scanned rows to rows of the result."""
        table = from_physical(read, group.logical)
        if group.logical is not self.target:
            table = conform(table, self.target)
            if self.pushed_filter is not None:
                table = filter_rows(table, self.pushed_filter)
        if self.residual_filter is not None:
            table = filter_rows(table, self.residual_filter)
        return (
            table
            if self.output_columns is None or table.column_names == self.output_columns
            else table.select(self.output_columns)
        )

    def empty_result(self) -> pa.Table:
        """Return the result of a read without files."""
        table = conform(pa.table({}), self.target)
        return table if self.output_columns is None else table.select(self.output_columns)

    def read_error(self, files: Sequence[SourceFile], error: Exception) -> SfxError:
        """Find the cause of a failed read: a damaged file, the filter, or the types."""
        for file in files:
            try:
                self._read_fully(file)
                self._scan_unfiltered(FileGroup([file], file.logical))
            except MemoryError:
                raise
            except (pa.ArrowException, OSError) as found:
                if short := resource_error(found, f"reading {file}"):
                    return short
                return InconsistentBatch(
                    f"{file} cannot be read ({found}): it is missing, truncated or changed, and not"
                    " the file that the manifest names"
                )
        if self.pushed_filter is not None:
            try:
                self._scan_unfiltered(FileGroup(files, self.target))
                return filter_mismatch(self.pushed_filter, self.target.schema, error)
            except (pa.ArrowException, OSError) as found:
                error = found  # the filter is not the cause
        return SchemaMismatch(
            f"the batches have types that cannot be read together ({error})",
            remedy=APART,
            cli_remedy=APART_CLI,
        )

    def _read_fully(self, file: SourceFile) -> None:
        if isinstance(file.source, str):
            with self.filesystem.open_input_file(file.source) as opened:
                pq.read_table(opened)
        elif isinstance(file.source, pa.Buffer):
            pq.read_table(pa.BufferReader(file.source))
        else:
            file.source.read_all()

    def _scan_unfiltered(self, group: FileGroup) -> None:
        """Scan all rows of a group of files, without a filter."""
        for scanner in (
            replace(self, pushed_filter=None, residual_filter=None).scan(group).scanners(1 << 17)
        ):
            for _ in scanner.to_batches():
                pass

    def _scans_together(self, logical: LogicalSchema) -> bool:
        if logical is self.target:
            return True
        if logical.open_names != self.target.open_names:
            return False
        return all(
            own is None
            or (
                scan_together(column.type, self.target.schema.field(own).type)
                and logical.unit(column.name) == self.target.unit(own)
            )
            for column in logical.schema
            for own in [self.target.resolve(column.name)]
        )

    def _scan_schema(self, logical: LogicalSchema) -> pa.Schema:
        fields = []
        for column in logical.schema:
            key = self.key_types.get(column.name.lower())
            kind = (
                arrow_type_of_key(key)
                if key
                else scan_type(column.type, open_names=logical.open_names)
            )
            fields.append(pa.field(file_name(column, open_names=logical.open_names), kind))
        return pa.schema(fields)

    def _pushdown_schema(self, files: Sequence[SourceFile]) -> pa.Schema:
        """Return the columns that files have in the frame's type, to filter by."""
        schema = self._scan_schema(self.target)
        logicals = {id(file.logical): file.logical for file in files}.values()
        easy = []
        for column, scanned in zip(self.target.schema, schema, strict=True):
            same = scanned.type == column.type or (_is_text(scanned.type) and _is_text(column.type))
            if (
                same
                and column.name == scanned.name
                and all(_stored_unchanged(logical, column) for logical in logicals)
            ):
                easy.append(column)
        return pa.schema(easy)


def _file_column(logical: LogicalSchema, name: str) -> str:
    own = logical.resolve(name)
    return (
        name.lower()
        if own is None
        else file_name(logical.schema.field(own), open_names=logical.open_names)
    )


def scan_type(logical: AnyType, *, open_names: bool = True) -> AnyType:
    """Return the type that a scan reads a column as: the frame's if it can cast to it.

    Args:
        logical: The column's type in the frame.
        open_names: As `LogicalSchema.open_names`.

    Returns:
        The type; `from_physical` converts it to the frame's.

    Example:
        >>> scan_type(pa.uint8()), scan_type(pa.duration("s"))
        (DataType(uint8), DataType(int64))
    """
    stored = physical_type(logical, finest="ns", open_as="renamed_text" if open_names else "text")
    if types.is_dictionary(logical):
        return _DICTIONARY if logical.value_type in TEXT else stored
    if types.is_timestamp(logical) or types.is_null(logical):
        return stored
    plain = types.is_integer(logical) or types.is_floating(logical) or types.is_date(logical)
    if plain or logical in (*TEXT, pa.large_binary()):
        return logical
    return stored


def _with_keys(
    target: LogicalSchema, keys: Mapping[str, str], kinds: Mapping[str, str]
) -> tuple[LogicalSchema, dict[str, str]]:
    """Add columns for partition keys that the schema lacks; return their Hive types."""
    extra = {name: kinds.get(name, "string") for name in keys if target.resolve(name) is None}
    if not extra:
        return target, {}
    schema = target.schema
    for name, kind in extra.items():
        schema = schema.append(pa.field(name, arrow_type_of_key(kind)))
    return replace(target, schema=schema), extra


def _output_columns(columns: Sequence[str], logical: LogicalSchema, with_index: bool) -> list[str]:
    names = []
    for name in columns:
        if not isinstance(name, str):
            raise InvalidName(
                f"columns= holds {name!r:.80}, which is not a column's name: names are text"
            )
        own = name if name in logical.schema.names else logical.resolve(name)
        if own is None:
            raise unknown_column(name, logical.schema.names)
        if own not in names:
            names.append(own)
    if with_index:
        names.extend(name for name in index_columns(logical.schema) if name not in names)
    return names


def _is_text(kind: Any) -> bool:
    return kind in TEXT or (types.is_dictionary(kind) and kind.value_type in TEXT)


def _stored_unchanged(logical: LogicalSchema, column: AnyField) -> bool:
    own = logical.resolve(column.name)
    if own is None:
        return True
    kind = logical.schema.field(own).type
    return kind == column.type or (_is_text(kind) and _is_text(column.type))


def files_text(files: Sequence[SourceFile]) -> str:
    """Name a group of files for messages."""
    return f"{files[0]}" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
