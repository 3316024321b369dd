"""Files to one Arrow table, or to a stream of them, with the types that the frames had.

One scan of pyarrow's dataset engine reads all files, in their order, on its own threads; it also widens types, fills in
columns that older files lack, and puts in the partition keys, which no file has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs, types

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.frames.arrays import to_stored
from airflow_sfx.frames.filters import Filters, expression_of, failure
from airflow_sfx.frames.hive import arrow_type_of_key, key_type_of
from airflow_sfx.frames.keys import key_scalar
from airflow_sfx.frames.logical import LogicalSchema
from airflow_sfx.frames.names import unknown_column
from airflow_sfx.frames.pandas_frame import index_columns
from airflow_sfx.frames.physical import from_physical, physical_type
from airflow_sfx.frames.unify import scan_together, unify

_TEXT = (pa.string(), pa.large_string())
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())  # what pyarrow reads a text column's dictionary as


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file to read.

    Args:
        source: Its path in the filesystem, or its bytes.
        logical: What the frame was that it is of.
        keys: The file's partition: for each key its value as text.
        rows: How many rows it must have, if that is known.
        name: How messages name it; its path if not given.
    """

    source: str | pa.Buffer
    logical: LogicalSchema
    keys: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.name or (self.source if isinstance(self.source, str) else "a file held in memory")


def read_table(
    files: Sequence[DataFile],
    *,
    filesystem: fs.FileSystem | None = None,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    lead: LogicalSchema | None = None,
    key_types: Mapping[str, str] | None = None,
    with_index: bool = True,
) -> pa.Table:
    """Read files as the frame that they are of.

    Args:
        files: The files, in the order of their rows; at least one, unless ``lead`` is given.
        filesystem: Where paths are; the local one if it is not given.
        columns: Which columns, by the frame's names, in that order; all if it is not given. A partition key that the
            frame had no column for may be named too.
        filters: Which rows.
        lead: The newest schema, where the files' schemas differ; that of the last file if it is not given.
        key_types: The Hive types of partition keys that the frames had no column for; string if it is not given.
        with_index: Whether columns that hold a DataFrame's index are read though ``columns`` does not name them.

    Returns:
        The table, with the frame's types and metadata.

    Raises:
        SchemaMismatch: A column is unknown, a filter does not fit, or the files' types cannot be brought together.
        InconsistentBatch: A file is missing, truncated, or not what it was.
    """
    plan = _Plan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    tables = []
    for part in plan.parts(files):
        scanner = plan.scanner(part)
        try:
            read = scanner.to_table()
        except (pa.ArrowException, OSError) as error:
            raise plan.culprit(part.files, error) from error
        expected = [file.rows for file in part.files]
        if filters is None and None not in expected and len(read) != sum(filter(None, expected)):
            raise InconsistentBatch(
                f"{_shown(part.files)} have {len(read)} rows and {sum(filter(None, expected))} were written: they are not "
                "the files that the manifest names"
            )
        tables.append(plan.finished(read, part))
    if not tables:
        return plan.target.schema.empty_table() if plan.order is None else plan.target.schema.empty_table().select(plan.order)
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


def iter_batches(
    files: Sequence[DataFile],
    *,
    filesystem: fs.FileSystem | None = None,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    lead: LogicalSchema | None = None,
    key_types: Mapping[str, str] | None = None,
    with_index: bool = True,
    batch_rows: int = 1 << 17,
) -> Iterator[pa.Table]:
    """Read files as `read_table` does, a piece at a time, in memory that does not grow with them.

    Args:
        files: As for `read_table`, like the next ones.
        filesystem: Where paths are.
        columns: Which columns.
        filters: Which rows.
        lead: The newest schema.
        key_types: The Hive types of keys without a column.
        with_index: Whether index columns come along.
        batch_rows: The most rows that a piece has.

    Yields:
        Tables with the frame's types; none is empty.

    Raises:
        SchemaMismatch: As for `read_table`.
        InconsistentBatch: As for `read_table`; rows before the bad file may have been given out.
    """
    plan = _Plan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    for part in plan.parts(files):
        batches = plan.scanner(part, batch_rows=batch_rows).to_batches()
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise plan.culprit(part.files, error) from error
            if batch is None:
                break
            if len(batch):
                table = plan.finished(pa.Table.from_batches([batch]), part)
                if len(table):
                    yield table


@dataclass(frozen=True, slots=True)
class _Part:
    """Files that one scan can read.

    Args:
        files: The files.
        logical: The schema that they are read as.
    """

    files: Sequence[DataFile]
    logical: LogicalSchema


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be read of all files.

    Args:
        filesystem: Where paths are.
        target: The unified schema, with the keys that were asked for.
        key_types: The Hive type of each key that is read as a column.
        order: The columns of the result, or None for all.
        pushed: The filter that the scan applies.
        late: The filter that is applied to finished rows.
    """

    filesystem: fs.FileSystem
    target: LogicalSchema
    key_types: Mapping[str, str]
    order: list[str] | None
    pushed: pc.Expression | None
    late: pc.Expression | None

    @classmethod
    def of(
        cls,
        files: Sequence[DataFile],
        filesystem: fs.FileSystem | None,
        columns: Sequence[str] | None,
        filters: Filters | None,
        lead: LogicalSchema | None,
        key_types: Mapping[str, str],
        with_index: bool,
    ) -> _Plan:
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
            name: extra.get(name) or key_type_of(everything.schema.field(_own(everything, name)).type)
            for name in keys
            if _own(everything, name) is not None
        }
        if order is None and extra:
            order = target.schema.names
        where = filesystem or fs.LocalFileSystem(use_mmap=True)
        plan = cls(where, everything, columns_of_keys, order, None, None)
        if expression is None:
            return plan
        easy = plan._pushable(files)
        if failure(expression, easy) is None:
            return cls(where, everything, columns_of_keys, order, expression, None)
        return cls(where, everything, columns_of_keys, order, None, expression)

    def parts(self, files: Sequence[DataFile]) -> Iterator[_Part]:
        """The files in runs that one scan can read: as a rule, all of them."""
        if not files:
            return
        if all(self._fits(logical) for logical in {id(file.logical): file.logical for file in files}.values()):
            yield _Part(files, self.target)
            return
        for _, run in groupby(files, key=lambda file: id(file.logical)):
            group = list(run)
            keys = {key.lower(): key for file in group for key in file.keys}
            yield _Part(group, _with_keys(group[0].logical, keys, dict(self.key_types))[0])

    def scanner(self, part: _Part, *, batch_rows: int | None = None) -> ds.Scanner:
        """The scan of a part."""
        schema = self._scan_schema(part.logical)
        coded = [column.name for column in schema if column.type == _DICTIONARY and column.name not in self.key_types]
        layout = ds.ParquetFileFormat(dictionary_columns=coded, pre_buffer=batch_rows is not None)
        fragments = [self._fragment(file, layout) for file in part.files]
        dataset = ds.FileSystemDataset(fragments, schema, layout, self.filesystem)
        wanted = None if self.order is None or self.late is not None else [name.lower() for name in self.order]
        options: dict[str, Any] = {"columns": wanted and [name for name in wanted if name in schema.names]}
        if self.order is not None and wanted == []:
            options["columns"] = []
        if self.pushed is not None and part.logical is self.target:
            options["filter"] = self._lowered(self.pushed)
        if batch_rows is not None:
            options |= {"batch_size": batch_rows, "batch_readahead": 2, "fragment_readahead": 1}
        return dataset.scanner(**options)

    def finished(self, read: pa.Table, part: _Part) -> pa.Table:
        """Rows as scanned, as rows of the result."""
        table = from_physical(read, part.logical)
        if part.logical is not self.target:
            table = self._conformed(table)
            if self.pushed is not None:
                table = table.filter(self.pushed)
        if self.late is not None:
            table = table.filter(self.late)
        return table if self.order is None or table.column_names == self.order else table.select(self.order)

    def culprit(self, files: Iterable[DataFile], error: Exception) -> InconsistentBatch:
        """Find the file that could not be read."""
        for file in files:
            try:
                self._try(file)
            except (pa.ArrowException, OSError) as found:
                return InconsistentBatch(
                    f"{file} cannot be read ({found}): it is missing, truncated or changed, and not the file that the "
                    "manifest names"
                )
        return InconsistentBatch(f"{_shown(list(files))} cannot be read together ({error})")

    def _try(self, file: DataFile) -> None:
        if isinstance(file.source, str):
            with self.filesystem.open_input_file(file.source) as opened:
                pq.read_table(opened)
        else:
            pq.read_table(pa.BufferReader(file.source))

    def _fits(self, logical: LogicalSchema) -> bool:
        if logical is self.target:
            return True
        return all(
            own is None or scan_together(column.type, self.target.schema.field(own).type)
            for column in logical.schema
            for own in [_own(self.target, column.name)]
        )

    def _scan_schema(self, logical: LogicalSchema) -> pa.Schema:
        fields = []
        for column in logical.schema:
            name = column.name.lower()
            key = self.key_types.get(name)
            fields.append(pa.field(name, arrow_type_of_key(key) if key else scan_type(column.type)))
        return pa.schema(fields)

    def _fragment(self, file: DataFile, layout: ds.ParquetFileFormat) -> ds.Fragment:
        condition: pc.Expression | None = None
        for key, text in file.keys.items():
            kind = self.key_types.get(key.lower())
            if kind is not None:
                one = pc.field(key.lower()) == key_scalar(text, kind, str(file))
                condition = one if condition is None else condition & one
        filesystem = self.filesystem if isinstance(file.source, str) else None
        return layout.make_fragment(file.source, filesystem=filesystem, partition_expression=condition)

    def _pushable(self, files: Sequence[DataFile]) -> pa.Schema:
        """The columns that files have in the frame's own type, so that the scan can compare them, and skip by them."""
        schema = self._scan_schema(self.target)
        easy = []
        for column, scanned in zip(self.target.schema, schema, strict=True):
            same = scanned.type == column.type or (_is_text(scanned.type) and _is_text(column.type))
            if same and column.name == scanned.name and all(_written_so(file.logical, column) for file in files):
                easy.append(column)
        return pa.schema(easy)

    def _lowered(self, expression: pc.Expression) -> pc.Expression:
        """The filter in the files' names: only columns named in lower case are ever pushed down."""
        return expression

    def _conformed(self, table: pa.Table) -> pa.Table:
        columns = []
        for column in self.target.schema:
            own = next((name for name in table.column_names if name.lower() == column.name.lower()), None)
            if own is None:
                columns.append(pa.chunked_array([_nulls(len(table), column, self.target)], type=column.type))
                continue
            columns.append(_cast(table.column(own), column, self.target))
        return pa.Table.from_arrays(columns, schema=self.target.schema)


def scan_type(logical: Any) -> pa.DataType:
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
        return _DICTIONARY if logical.value_type in _TEXT else physical_type(logical, finest="ns")
    if types.is_timestamp(logical) or types.is_null(logical):
        return physical_type(logical, finest="ns")
    plain = types.is_integer(logical) or types.is_floating(logical) or types.is_date(logical)
    if plain or logical in (*_TEXT, pa.large_binary()):
        return logical  # type: ignore[no-any-return]
    return physical_type(logical, finest="ns")


def _with_keys(
    target: LogicalSchema, keys: Mapping[str, str], kinds: Mapping[str, str]
) -> tuple[LogicalSchema, dict[str, str]]:
    """The schema with a column for each partition key that it has none for, and the Hive types of those."""
    extra = {name: kinds.get(name, "string") for name in keys if _own(target, name) is None}
    if not extra:
        return target, {}
    schema = target.schema
    for name, kind in extra.items():
        schema = schema.append(pa.field(name, arrow_type_of_key(kind)))
    return LogicalSchema(schema, target.dictionaries), extra


def _own(logical: LogicalSchema, name: str) -> Any:
    """The name that a schema has for a column, without regard to case; None if it has no such column."""
    return next((own for own in logical.schema.names if own.lower() == name.lower()), None)


def _ordered(columns: Sequence[str], logical: LogicalSchema, with_index: bool) -> list[str]:
    names = []
    for name in columns:
        own = name if name in logical.schema.names else _own(logical, name)
        if own is None:
            raise unknown_column(name, logical.schema.names)
        if own not in names:
            names.append(own)
    if with_index:
        names.extend(name for name in index_columns(logical.schema) if name not in names)
    return names


def _is_text(kind: Any) -> bool:
    return kind in _TEXT or (types.is_dictionary(kind) and kind.value_type in _TEXT)


def _written_so(logical: LogicalSchema, column: pa.Field[Any]) -> bool:
    own = _own(logical, column.name)
    if own is None:
        return True
    kind = logical.schema.field(own).type
    return kind == column.type or (_is_text(kind) and _is_text(column.type))


def _nulls(rows: int, column: pa.Field[Any], target: LogicalSchema) -> Any:
    if not isinstance(column.type, pa.DictionaryType):
        return pa.nulls(rows, column.type)
    codes: Any = pa.nulls(rows, column.type.index_type)
    return pa.DictionaryArray.from_arrays(codes, target.dictionaries[column.name], ordered=column.type.ordered)


def _cast(values: pa.ChunkedArray[Any], column: pa.Field[Any], target: LogicalSchema) -> pa.ChunkedArray[Any]:
    if values.type == column.type and not types.is_dictionary(column.type):
        return values
    try:
        if types.is_dictionary(column.type):
            one = LogicalSchema(pa.schema([column]), target.dictionaries)
            kind: Any = column.type
            plain = [to_stored(chunk, physical_type(kind.value_type, finest="ns")) for chunk in values.chunks]
            table = pa.table({column.name.lower(): pa.chunked_array(plain)})
            return from_physical(table, one).column(0)
        if types.is_struct(values.type) and types.is_struct(column.type):
            return pa.chunked_array([to_stored(chunk, column.type) for chunk in values.chunks], type=column.type)
        return values.cast(column.type)
    except (pa.ArrowException, InconsistentBatch) as error:
        raise SchemaMismatch(
            f"column {column.name!r} is {values.type} in one batch and {column.type} in a newer one, and cannot be "
            f"converted ({error}): load the partitions one by one, or leave the column out with columns="
        ) from error


def _shown(files: Sequence[DataFile]) -> str:
    return f"{files[0]}" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
