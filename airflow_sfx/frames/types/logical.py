"""What a frame was: its Arrow schema, and the dictionaries of its categorical columns, which a schema does not hold."""

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
    """A frame's schema, as complete as a frame without rows.

    Args:
        schema: Names, Arrow types, and the metadata that says what the columns were in pandas.
        dictionaries: For each dictionary column its values, in order, used or not.
        marks: For columns with times, what their values and files say of them.
        apart: Whether files have what is still open under names of its own; those of earlier
            versions have not.

    Example:
        >>> logical = LogicalSchema.of(pa.table({"n": [1], "c": pa.array(["x"]).dictionary_encode()}))
        >>> logical.dictionaries["c"].to_pylist()
        ['x']
    """

    schema: pa.Schema
    dictionaries: Mapping[str, AnyArray] = field(default_factory=dict)
    marks: Mapping[str, TimeMarks] = field(default_factory=dict)
    apart: bool = True
    _names: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", {name.lower(): name for name in self.schema.names})

    def own(self, name: str) -> str | None:
        """The name that this schema has for a column, without regard to case; None if it has no such column."""
        return self._names.get(name.lower())

    @classmethod
    def of(cls, table: pa.Table) -> LogicalSchema:
        """The schema of a table whose chunks share their dictionaries.

        Args:
            table: The table.

        Returns:
            Its schema and dictionaries.
        """
        return cls(table.schema, dictionaries_of(table))

    def without(self, names: Sequence[str]) -> LogicalSchema:
        """The schema without some columns, named without regard to case."""
        gone = {name.lower() for name in names}
        kept = [column for column in self.schema if column.name.lower() not in gone]
        return replace(self, schema=schema_of(kept, self.schema.metadata))

    def unit(self, name: str) -> str:
        """The unit of the durations and times of day that files have of a column, as `TimeMarks` has it."""
        marks = self.marks.get(name)
        return "" if marks is None else marks.unit

    def written_as(self, columns: Iterable[Column]) -> LogicalSchema:
        """The schema of files that are written with the units that a table's columns have."""
        units = {column.name.lower(): column.kind.marks.unit for column in columns}
        marks = {
            name: replace(one, unit=units.get(name.lower()) or one.unit) if one.unit else one
            for name, one in self.marks.items()
        }
        return replace(self, marks=marks)


def schema_of(fields: Sequence[AnyField], metadata: Any) -> pa.Schema:
    """A schema of fields and metadata."""
    return pa.schema(fields, metadata=metadata)


def dictionaries_of(table: pa.Table) -> dict[str, AnyArray]:
    """The values of each dictionary column of a table whose chunks share them."""
    names = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    return {name: dictionary_of(table.column(name)) for name in names}


def dictionary_of(column: AnyColumn) -> AnyArray:
    """The values of a dictionary column whose chunks share them."""
    kind: Any = column.type
    chunks: list[Any] = column.chunks
    return chunks[0].dictionary if chunks else pa.array([], kind.value_type)


def with_shared_dictionaries(table: pa.Table) -> pa.Table:
    """Give all chunks of each dictionary column the same values.

    Raises:
        SchemaMismatch: Arrow cannot unify a column's values, or its codes are too few for all of
            them.
    """
    return _with_dictionaries(table, _shared)


def one_dictionary(table: pa.Table) -> pa.Table:
    """Give all chunks of each dictionary column the same values, each value once and none null.

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
                f"column {column.name!r} ({column.type}) has categories that Arrow cannot put"
                f" together ({error}): convert it to plain values, or give all its chunks one"
                " dictionary"
            ) from error
    return pa.Table.from_arrays(columns, schema=table.schema)


def _shared(column: AnyColumn) -> AnyColumn:
    kind: Any = column.type
    if pa.types.is_null(
        kind.value_type
    ):  # null may be among its values, and Arrow unifies none of them
        codes: Any = pa.nulls(len(column), kind.index_type)
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(codes, pa.nulls(0), ordered=kind.ordered)]
        )
    chunks: list[Any] = column.chunks
    if any(chunk.dictionary.null_count for chunk in chunks):
        column = _with_values_once(column)
    return column.unify_dictionaries()


def _distinct(column: AnyColumn) -> AnyColumn:
    values = dictionary_of(column)
    try:
        repeats = len(values.unique()) < len(values)
    except (
        pa.ArrowNotImplementedError
    ):  # string views and nested values cannot be hashed, nor unified above
        return column
    return _with_values_once(column) if repeats else column


def _with_values_once(column: AnyColumn) -> AnyColumn:
    """A dictionary column with each of its values once and none null, in their order, used or not."""
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
