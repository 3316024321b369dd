"""How files are read: which schema, which columns, which rows, and in how many scans.

One scan of pyarrow's dataset engine reads all files, in their order, on its own threads; it also
widens types, fills in columns that older files lack, and puts in the partition keys, which no file
has. What it cannot do follows on the rows.
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

_DICTIONARY = pa.dictionary(
    pa.int32(), pa.string()
)  # what pyarrow reads a text column's dictionary as


@dataclass(frozen=True, slots=True)
class Part:
    """Files that one scan can read.

    Args:
        files: The files.
        logical: The schema that they are read as.
    """

    files: Sequence[SourceFile]
    logical: LogicalSchema


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What is to be read of all files.

    Args:
        filesystem: Where paths are.
        target: The unified schema, with the keys that were asked for.
        key_types: The Hive type of each key that is read as a column.
        order: The columns of the result, or None for all.
        read: The columns that the scan must read for it, or None for all.
        pushed: The filter that the scan applies.
        late: The filter that is applied to finished rows.
    """

    filesystem: fs.FileSystem
    target: LogicalSchema
    key_types: Mapping[str, str]
    order: list[str] | None
    read: list[str] | None
    pushed: pc.Expression | None
    late: pc.Expression | None

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
        """Work out the plan; the arguments are those of `read_table`."""
        if not files and lead is None:
            raise ValueError("there is nothing to read: neither a file nor a schema")
        target = unify([file.logical for file in files] or [lead], lead)  # type: ignore[list-item]
        kinds = {key.lower(): kind for key, kind in key_types.items()}
        named = [key for file in files for key in file.keys] if files else key_types
        keys = {key.lower(): key for key in named}
        everything, extra = _with_keys(target, keys, kinds)
        expression = None if filters is None else expression_of(filters, everything)
        order = None if columns is None else _ordered(columns, everything, with_index)
        if order is None and expression is None:
            everything, extra = target, {}
        columns_of_keys = {
            name: extra.get(name) or key_type_of(everything.schema.field(own).type)
            for name in keys
            if (own := everything.resolve(name)) is not None
        }
        if order is None and extra:
            order = target.schema.names
        where = filesystem or fs.LocalFileSystem(use_mmap=True)
        plan = cls(where, everything, columns_of_keys, order, order, None, None)
        if expression is None:
            return plan
        if can_skip(expression, plan._pushable(files)):
            return replace(plan, pushed=expression)
        asked = [] if order is None else columns_used(expression, everything.schema)
        read = None if order is None else list(dict.fromkeys([*order, *asked]))
        return replace(plan, read=read, late=expression)

    def parts(self, files: Sequence[SourceFile]) -> Iterator[Part]:
        """The files in runs that one scan can read: as a rule, all of them."""
        if not files:
            return
        if all(
            self._fits(logical)
            for logical in {id(file.logical): file.logical for file in files}.values()
        ):
            yield Part(files, self.target)
            return
        for _, run in groupby(files, key=lambda file: id(file.logical)):
            group = list(run)
            keys = {key.lower(): key for file in group for key in file.keys}
            yield Part(group, _with_keys(group[0].logical, keys, dict(self.key_types))[0])

    def scan(self, part: Part) -> Scan:
        """How a part is scanned."""
        schema = self._scan_schema(part.logical)
        coded = [
            column.name
            for column in schema
            if column.type == _DICTIONARY and column.name not in self.key_types
        ]
        pushed = self.pushed if part.logical is self.target else None
        columns: list[str] | None = None
        if self.read is not None and pushed is self.pushed:
            there = set(schema.names)
            columns = [
                name
                for name in (_in_files(part.logical, one) for one in self.read)
                if name in there
            ]
        return Scan(part.files, schema, self.filesystem, self.key_types, coded, columns, pushed)

    def finished(self, read: pa.Table, part: Part) -> pa.Table:
        """Rows as scanned, as rows of the result."""
        table = from_physical(read, part.logical)
        if part.logical is not self.target:
            table = conform(table, self.target)
            if self.pushed is not None:
                table = filter_rows(table, self.pushed)
        if self.late is not None:
            table = filter_rows(table, self.late)
        return (
            table
            if self.order is None or table.column_names == self.order
            else table.select(self.order)
        )

    def nothing(self) -> pa.Table:
        """The result where there are no files."""
        table = conform(pa.table({}), self.target)
        return table if self.order is None else table.select(self.order)

    def culprit(self, files: Sequence[SourceFile], error: Exception) -> SfxError:
        """The error that says which file could not be read, or that the files do not go together, or not with the filter."""
        for file in files:
            try:
                self._try(file)
                self._rehearse(Part([file], file.logical))
            except MemoryError:
                raise
            except (pa.ArrowException, OSError) as found:
                if short := resource_error(found, f"reading {file}"):
                    return short
                return InconsistentBatch(
                    f"{file} cannot be read ({found}): it is missing, truncated or changed, and not"
                    " the file that the manifest names"
                )
        if self.pushed is not None:
            try:
                self._rehearse(Part(files, self.target))
                return filter_mismatch(self.pushed, self.target.schema, error)
            except (pa.ArrowException, OSError) as found:
                error = found  # the filter is not to blame
        return SchemaMismatch(
            f"the batches have types that cannot be brought together ({error}): load the partitions"
            " one by one, or name the columns that you need with columns="
        )

    def _try(self, file: SourceFile) -> None:
        if isinstance(file.source, str):
            with self.filesystem.open_input_file(file.source) as opened:
                pq.read_table(opened)
        elif isinstance(file.source, pa.Buffer):
            pq.read_table(pa.BufferReader(file.source))
        else:
            file.source.read_all()

    def _rehearse(self, part: Part) -> None:
        """Scan all rows of files, without the filter."""
        for scanner in replace(self, pushed=None, late=None).scan(part).bits(1 << 17):
            for _ in scanner.to_batches():
                pass

    def _fits(self, logical: LogicalSchema) -> bool:
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

    def _pushable(self, files: Sequence[SourceFile]) -> pa.Schema:
        """The columns that files have in the frame's own type, so that the scan can compare them, and skip by them."""
        schema = self._scan_schema(self.target)
        logicals = {id(file.logical): file.logical for file in files}.values()
        easy = []
        for column, scanned in zip(self.target.schema, schema, strict=True):
            same = scanned.type == column.type or (_is_text(scanned.type) and _is_text(column.type))
            if (
                same
                and column.name == scanned.name
                and all(_written_so(logical, column) for logical in logicals)
            ):
                easy.append(column)
        return pa.schema(easy)


def _in_files(logical: LogicalSchema, name: str) -> str:
    own = logical.resolve(name)
    return (
        name.lower()
        if own is None
        else file_name(logical.schema.field(own), open_names=logical.open_names)
    )


def scan_type(logical: AnyType, *, open_names: bool = True) -> AnyType:
    """The type that the scan is asked for: the frame's own where a cast of the file's makes it.

    Args:
        logical: The column's type in the frame.
        open_names: As `LogicalSchema.open_names`.

    Returns:
        The type; `from_physical` does the rest.

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
    """The schema with a column for each partition key that it has none for, and the Hive types of those."""
    extra = {name: kinds.get(name, "string") for name in keys if target.resolve(name) is None}
    if not extra:
        return target, {}
    schema = target.schema
    for name, kind in extra.items():
        schema = schema.append(pa.field(name, arrow_type_of_key(kind)))
    return replace(target, schema=schema), extra


def _ordered(columns: Sequence[str], logical: LogicalSchema, with_index: bool) -> list[str]:
    names = []
    for name in columns:
        if not isinstance(name, str):
            raise InvalidName(
                f"columns= holds {name!r:.80}, which is no column's name: names are text"
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


def _written_so(logical: LogicalSchema, column: AnyField) -> bool:
    own = logical.resolve(column.name)
    if own is None:
        return True
    kind = logical.schema.field(own).type
    return kind == column.type or (_is_text(kind) and _is_text(column.type))


def files_text(files: Sequence[SourceFile]) -> str:
    """Name files in a message."""
    return f"{files[0]}" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
