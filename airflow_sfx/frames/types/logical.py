"""The logical schema of a frame: its Arrow schema, dictionaries and time marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column, TimeMarks
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyField


@dataclass(frozen=True, slots=True, eq=False)
class LogicalSchema:
    """A frame's schema, as complete as the frame without its rows.

    Args:
        schema: Names, Arrow types, and the pandas metadata.
        dictionaries: The values of each dictionary column, in order, used or not.
        marks: The time marks of columns with times.
        open_names: Whether files have open columns under the names that `open_name` gives; files
            of earlier versions do not.

    Example:
        >>> categories = pa.array(["x"]).dictionary_encode()
        >>> logical = LogicalSchema.of(pa.table({"n": [1], "c": categories}))
        >>> logical.dictionaries["c"].to_pylist()
        ['x']
    """

    schema: pa.Schema
    dictionaries: Mapping[str, AnyArray] = field(default_factory=dict)
    marks: Mapping[str, TimeMarks] = field(default_factory=dict)
    open_names: bool = True
    _names: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", {name.lower(): name for name in self.schema.names})

    def resolve(self, name: str) -> str | None:
        """Return the schema's spelling of a column name, ignoring case, or None if absent."""
        return self._names.get(name.lower())

    @classmethod
    def of(cls, table: pa.Table) -> LogicalSchema:
        """Create the logical schema of a table.

        Args:
            table: The table; the chunks of each column share one dictionary.

        Returns:
            Its schema and dictionaries, without time marks.
        """
        return cls(table.schema, dictionaries_of(table))

    def without(self, names: Sequence[str]) -> LogicalSchema:
        """Return the schema without some columns; names are case-insensitive."""
        gone = {name.lower() for name in names}
        kept = [column for column in self.schema if column.name.lower() not in gone]
        return replace(self, schema=schema_of(kept, self.schema.metadata))

    def unit(self, name: str) -> str:
        """Return the unit of a column's durations in files, as `TimeMarks.unit`."""
        marks = self.marks.get(name)
        return "" if marks is None else marks.unit

    def with_units_of(self, columns: Iterable[Column]) -> LogicalSchema:
        """Return the schema of files that are written with the units of a table's columns."""
        units = {column.name.lower(): column.kind.marks.unit for column in columns}
        marks = {
            name: replace(one, unit=units.get(name.lower()) or one.unit) if one.unit else one
            for name, one in self.marks.items()
        }
        return replace(self, marks=marks)


def schema_of(fields: Sequence[AnyField], metadata: Any) -> pa.Schema:
    """Create a schema from fields and metadata, around gaps in the type stubs."""
    return pa.schema(fields, metadata=metadata)


def dictionaries_of(table: pa.Table) -> dict[str, AnyArray]:
    """Return the dictionary of each dictionary column; its chunks share one."""
    names = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    return {name: dictionary_of(table.column(name)) for name in names}


def dictionary_of(column: AnyColumn) -> AnyArray:
    """Return the dictionary of a dictionary column; its chunks share one."""
    kind: Any = column.type
    chunks: list[Any] = column.chunks
    return chunks[0].dictionary if chunks else pa.array([], kind.value_type)


def with_shared_dictionaries(table: pa.Table) -> pa.Table:
    """Give all chunks of each dictionary column the same dictionary.

    Raises:
        SchemaMismatch: Arrow cannot unify the dictionaries of a column, or its index type is too
            narrow for the result.
    """
    return _with_dictionaries(table, _shared)


def with_distinct_dictionaries(table: pa.Table) -> pa.Table:
    """Give each dictionary column one dictionary of distinct, non-null values.

    Raises:
        SchemaMismatch: As for `with_shared_dictionaries`.
    """
    return _with_dictionaries(table, lambda column: _distinct(_shared(column)))


def _with_dictionaries(table: pa.Table, change: Callable[[AnyColumn], AnyColumn]) -> pa.Table:
    if not any(pa.types.is_dictionary(column.type) for column in table.schema):
        return table
    columns: list[AnyColumn] = []
    for column, values in zip(table.schema, table.columns, strict=True):
        try:
            columns.append(change(values) if pa.types.is_dictionary(column.type) else values)
        except pa.ArrowException as error:
            raise SchemaMismatch(
                f"column {column.name!r} ({column.type}) has categories that Arrow cannot unify"
                f" ({error}): convert it to plain values, or give all its chunks one dictionary"
            ) from error
    return pa.Table.from_arrays(columns, schema=table.schema)


def _shared(column: AnyColumn) -> AnyColumn:
    kind: Any = column.type
    if pa.types.is_null(kind.value_type):  # Arrow cannot unify dictionaries of null
        codes: Any = pa.nulls(len(column), kind.index_type)
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(codes, pa.nulls(0), ordered=kind.ordered)]
        )
    chunks: list[Any] = column.chunks
    if any(chunk.dictionary.null_count for chunk in chunks):
        column = _with_distinct_values(column)
    return column.unify_dictionaries()


def _distinct(column: AnyColumn) -> AnyColumn:
    values = dictionary_of(column)
    try:
        repeats = len(values.unique()) < len(values)
    except pa.ArrowNotImplementedError:  # string views and nested values have no hash in Arrow
        return column
    return _with_distinct_values(column) if repeats else column


def _with_distinct_values(column: AnyColumn) -> AnyColumn:
    """Make the dictionary of each chunk distinct and non-null, in its order."""
    kind: Any = column.type
    made: list[AnyArray] = []
    for chunk in column.chunks:
        values = chunk.dictionary.drop_null().unique()
        codes: Any = pc.index_in(chunk.dictionary, value_set=values).take(chunk.indices)
        made.append(
            pa.DictionaryArray.from_arrays(
                codes.cast(kind.index_type), values, ordered=kind.ordered
            )
        )
    return pa.chunked_array(made, type=kind)
