"""How files are read: which schema, which columns, which rows, and in how many scans.

One scan of pyarrow's dataset engine reads all files, in their order, on its own threads; it also widens types, fills in
columns that older files lack, and puts in the partition keys, which no file has. What it cannot do follows on the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs, types

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, SchemaMismatch, SfxError
from airflow_sfx.frames.arrow import AnyField, AnyType
from airflow_sfx.frames.conform import conformed
from airflow_sfx.frames.file_format import TEXT, file_format, texts_of_few_values
from airflow_sfx.frames.filters import Filters, can_skip, columns_used, expression_of
from airflow_sfx.frames.hive import arrow_type_of_key, key_type_of
from airflow_sfx.frames.keys import key_scalar
from airflow_sfx.frames.logical import LogicalSchema
from airflow_sfx.frames.names import unknown_column
from airflow_sfx.frames.pandas_frame import index_columns
from airflow_sfx.frames.physical import from_physical, physical_type
from airflow_sfx.frames.unify import scan_together, unify

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())  # what pyarrow reads a text column's dictionary as

_MANY_ROWS = 1 << 16
"""From how many rows on it pays to look how a file's text is written before it is read."""
_ROW_GROUPS_AT_ONCE = 2
"""Of files that are read in ranges: one is fetched while the rows of the other are given out."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Args:
        source: Its path in the filesystem, or its bytes, or a file that fetches them a range at a time.
        logical: What the frame was that it is of.
        keys: The file's partition: for each key its value as text.
        rows: How many rows it must have, if that is known.
        name: How messages name it; its path if not given.
    """

    source: str | pa.Buffer | pa.NativeFile
    logical: LogicalSchema
    keys: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.name or (self.source if isinstance(self.source, str) else "a file held in memory")


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
        keys = {key.lower(): key for file in files for key in file.keys}
        everything, extra = _with_keys(target, keys, kinds)
        expression = None if filters is None else expression_of(filters, everything.schema)
        order = None if columns is None else _ordered(columns, everything, with_index)
        if order is None and expression is None:
            everything, extra = target, {}
        columns_of_keys = {
            name: extra.get(name) or key_type_of(everything.schema.field(own).type)
            for name in keys
            if (own := everything.own(name)) is not None
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
        if all(self._fits(logical) for logical in {id(file.logical): file.logical for file in files}.values()):
            yield Part(files, self.target)
            return
        for _, run in groupby(files, key=lambda file: id(file.logical)):
            group = list(run)
            keys = {key.lower(): key for file in group for key in file.keys}
            yield Part(group, _with_keys(group[0].logical, keys, dict(self.key_types))[0])

    def scanner(self, part: Part) -> ds.Scanner:
        """The scan of a part."""
        layout = self._file_format(part, ahead=any(map(_is_ranged, part.files)))
        return self._scan(part, layout, [self._fragment(file, layout) for file in part.files], {})

    def scanners(self, part: Part, batch_rows: int) -> Iterator[ds.Scanner]:
        """The scans of a part whose rows are given out bit by bit, each of what may be in memory at once."""
        layout = self._file_format(part, ahead=True)
        options = {"batch_size": batch_rows, "batch_readahead": 2, "fragment_readahead": 1}
        for ranged, files in groupby(part.files, key=_is_ranged):
            fragments: list[Any] = [self._fragment(file, layout) for file in files]  # the stubs know no row groups
            if ranged:  # what a scan has fetched of a file stays until it is done with that
                fragments = [group for fragment in fragments for group in fragment.split_by_row_group()]
            size = _ROW_GROUPS_AT_ONCE if ranged else len(fragments)
            for start in range(0, len(fragments), size):
                yield self._scan(part, layout, fragments[start : start + size], options)

    def _file_format(self, part: Part, *, ahead: bool) -> ds.ParquetFileFormat:
        schema = self._scan_schema(part.logical)
        coded = {column.name for column in schema if column.type == _DICTIONARY and column.name not in self.key_types}
        large = next((file for file in part.files if file.rows is not None and file.rows >= _MANY_ROWS), None)
        if large is not None:
            with self._opened(large) as source:
                coded |= texts_of_few_values(pq.read_metadata(source), schema)
        return file_format(coded, ahead=ahead)

    @contextmanager
    def _opened(self, file: SourceFile) -> Iterator[pa.NativeFile]:
        if isinstance(file.source, str):
            with self.filesystem.open_input_file(file.source) as opened:
                yield opened
        else:  # which the scan reads as well
            yield file.source if isinstance(file.source, pa.NativeFile) else pa.BufferReader(file.source)

    def _scan(
        self, part: Part, layout: ds.ParquetFileFormat, fragments: list[ds.Fragment], options: dict[str, Any]
    ) -> ds.Scanner:
        import pyarrow.dataset as ds

        schema = self._scan_schema(part.logical)
        dataset = ds.FileSystemDataset(fragments, schema, layout, self.filesystem)
        chosen: dict[str, Any] = {}
        pushes = self.pushed is not None and part.logical is self.target
        if pushes:
            chosen["filter"] = self.pushed
        if self.read is not None and (pushes or self.pushed is None):
            there = set(schema.names)
            chosen["columns"] = [name for name in map(str.lower, self.read) if name in there]
        return dataset.scanner(**chosen, **options)

    def finished(self, read: pa.Table, part: Part) -> pa.Table:
        """Rows as scanned, as rows of the result."""
        table = from_physical(read, part.logical)
        if part.logical is not self.target:
            table = conformed(table, self.target)
            if self.pushed is not None:
                table = table.filter(self.pushed)
        if self.late is not None:
            table = table.filter(self.late)
        return table if self.order is None or table.column_names == self.order else table.select(self.order)

    def nothing(self) -> pa.Table:
        """The result where there are no files."""
        table = conformed(pa.table({}), self.target)
        return table if self.order is None else table.select(self.order)

    def culprit(self, files: Sequence[SourceFile], error: Exception) -> SfxError:
        """The error that says which file could not be read, or that the files do not go together."""
        for file in files:
            try:
                with self._opened(file) as source:
                    pq.read_table(source)
            except (pa.ArrowException, OSError) as found:
                return InconsistentBatch(
                    f"{file} cannot be read ({found}): it is missing, truncated or changed, and not the file that the "
                    "manifest names"
                )
        if len({id(file.logical) for file in files}) > 1:
            return SchemaMismatch(
                f"the batches have types that cannot be brought together ({error}): load the partitions one by one, or "
                "name the columns that you need with columns="
            )
        return InconsistentBatch(f"{shown(files)} cannot be read ({error}): they are not the files that were written")

    def _fits(self, logical: LogicalSchema) -> bool:
        if logical is self.target:
            return True
        return all(
            own is None or scan_together(column.type, self.target.schema.field(own).type)
            for column in logical.schema
            for own in [self.target.own(column.name)]
        )

    def _scan_schema(self, logical: LogicalSchema) -> pa.Schema:
        fields = []
        for column in logical.schema:
            name = column.name.lower()
            key = self.key_types.get(name)
            fields.append(pa.field(name, arrow_type_of_key(key) if key else scan_type(column.type)))
        return pa.schema(fields)

    def _fragment(self, file: SourceFile, layout: ds.ParquetFileFormat) -> ds.Fragment:
        condition: pc.Expression | None = None
        for key, text in file.keys.items():
            kind = self.key_types.get(key.lower())
            if kind is not None:
                one = pc.field(key.lower()) == key_scalar(text, kind, str(file))
                condition = one if condition is None else condition & one
        filesystem = self.filesystem if isinstance(file.source, str) else None
        source: Any = file.source  # the stubs know paths only
        return layout.make_fragment(source, filesystem=filesystem, partition_expression=condition)

    def _pushable(self, files: Sequence[SourceFile]) -> pa.Schema:
        """The columns that files have in the frame's own type, so that the scan can compare them, and skip by them."""
        schema = self._scan_schema(self.target)
        logicals = {id(file.logical): file.logical for file in files}.values()
        easy = []
        for column, scanned in zip(self.target.schema, schema, strict=True):
            same = scanned.type == column.type or (_is_text(scanned.type) and _is_text(column.type))
            if same and column.name == scanned.name and all(_written_so(logical, column) for logical in logicals):
                easy.append(column)
        return pa.schema(easy)


def _is_ranged(file: SourceFile) -> bool:
    return isinstance(file.source, pa.NativeFile)


def scan_type(logical: AnyType) -> AnyType:
    """The type that the scan is asked for: the frame's own where a cast of the file's makes it.

    Args:
        logical: The column's type in the frame.

    Returns:
        The type; `from_physical` does the rest.

    Example:
        >>> scan_type(pa.uint8()), scan_type(pa.duration("s"))
        (DataType(uint8), DataType(int64))
    """
    if types.is_dictionary(logical):
        return _DICTIONARY if logical.value_type in TEXT else physical_type(logical, finest="ns")
    if types.is_timestamp(logical) or types.is_null(logical):
        return physical_type(logical, finest="ns")
    plain = types.is_integer(logical) or types.is_floating(logical) or types.is_date(logical)
    if plain or logical in (*TEXT, pa.large_binary()):
        return logical
    return physical_type(logical, finest="ns")


def _with_keys(
    target: LogicalSchema, keys: Mapping[str, str], kinds: Mapping[str, str]
) -> tuple[LogicalSchema, dict[str, str]]:
    """The schema with a column for each partition key that it has none for, and the Hive types of those."""
    extra = {name: kinds.get(name, "string") for name in keys if target.own(name) is None}
    if not extra:
        return target, {}
    schema = target.schema
    for name, kind in extra.items():
        schema = schema.append(pa.field(name, arrow_type_of_key(kind)))
    return LogicalSchema(schema, target.dictionaries), extra


def _ordered(columns: Sequence[str], logical: LogicalSchema, with_index: bool) -> list[str]:
    names = []
    for name in columns:
        if not isinstance(name, str):
            raise InvalidName(f"columns= holds {name!r:.80}, which is no column's name: names are text")
        own = name if name in logical.schema.names else logical.own(name)
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
    own = logical.own(column.name)
    if own is None:
        return True
    kind = logical.schema.field(own).type
    return kind == column.type or (_is_text(kind) and _is_text(column.type))


def shown(files: Sequence[SourceFile]) -> str:
    """Name files in a message."""
    return f"{files[0]}" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
