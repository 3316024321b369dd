"""What a frame was: its Arrow schema, and the dictionaries of its categorical columns, which a schema does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from airflow_sfx.core.schema import Column, TimeMarks
from airflow_sfx.frames.arrow import AnyArray, AnyColumn, AnyField


@dataclass(frozen=True, slots=True, eq=False)
class LogicalSchema:
    """A frame's schema, as complete as a frame without rows.

    Args:
        schema: Names, Arrow types, and the metadata that says what the columns were in pandas.
        dictionaries: For each dictionary column its values, in order, used or not.
        marks: For columns with times, what their values and files say of them.
        apart: Whether files have what is still open under names of its own; those of earlier versions have not.

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


def one_dictionary(table: pa.Table) -> pa.Table:
    """Give all chunks of each dictionary column the same values, each value once and none null."""
    if not any(pa.types.is_dictionary(column.type) for column in table.schema):
        return table
    table = table.unify_dictionaries()
    for position, column in enumerate(table.schema):
        if not pa.types.is_dictionary(column.type):
            continue
        chunked: AnyColumn = table.column(position)
        if not chunked.num_chunks:
            continue
        values = chunked.chunk(0).dictionary
        if values.null_count or not _distinct(values):
            decoded = pa.chunked_array([chunk.dictionary_decode() for chunk in chunked.chunks]).combine_chunks()
            encoded = decoded.dictionary_encode()
            fixed = pa.DictionaryArray.from_arrays(
                encoded.indices.cast(column.type.index_type), encoded.dictionary, ordered=column.type.ordered
            )
            table = table.set_column(position, column, fixed)
    return table


def _distinct(values: AnyArray) -> bool:
    try:
        return len(values.unique()) == len(values)
    except pa.ArrowNotImplementedError:  # string views and nested values cannot be hashed, nor unified above
        return True
