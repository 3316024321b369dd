"""A stream of frames as one frame: all must match the schema of the first.

If a column of the first is open, the first frame with values in it decides its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import TimeMarks
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyField
from airflow_sfx.frames.column_names import check_names
from airflow_sfx.frames.evolution.exact_cast import LostValue, cast_exactly
from airflow_sfx.frames.pandas.interval_labels import joined_labels, label_type
from airflow_sfx.frames.pandas.metadata import (
    column_specs,
    pandas_metadata_of,
    with_pandas_metadata,
)
from airflow_sfx.frames.schema.time_marks import marks_of
from airflow_sfx.frames.types.casts import convert_chunks, widen_array
from airflow_sfx.frames.types.families import is_number
from airflow_sfx.frames.types.logical import (
    LogicalSchema,
    dictionaries_of,
    dictionary_of,
    schema_of,
    with_distinct_dictionaries,
)
from airflow_sfx.frames.types.open_types import fill_open, only_nulls, open_paths

_HELD_BYTES = 64 << 20
"""How many bytes of a stream are held back until no column is open."""


class FrameStream:
    """A stream of tables of one schema, which can be read once.

    Later tables may have more categories than the first; they are collected during the read.

    Args:
        tables: The tables. The first is read at once, and more while there are no rows or a column
            is open.

    Raises:
        SchemaMismatch: There is no table.

    Example:
        >>> stream = FrameStream(iter([pa.table({"n": [1]}), pa.table({"n": [2, 3]})]))
        >>> [batch.num_rows for batch in stream.batches()]
        [1, 2]
    """

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        first = next(tables, None)
        if first is None:
            raise SchemaMismatch(
                "the iterator has no frames, and so no schema: pass at least one, which may be"
                " empty"
            )
        check_names(first.schema.names)
        held, schema = _until_typed(first, tables)
        self.has_rows = any(map(len, held))
        """Whether the stream has rows."""
        self.schema = schema_of([_widest_codes(field) for field in schema], schema.metadata)
        self.dictionaries: dict[str, AnyArray] = {}
        self._marks: dict[str, TimeMarks] = {}
        for table in held:
            self._add_marks(table)
        self._tables: Iterator[pa.Table] | None = chain(held, tables)
        self._specs = column_specs(self.schema)
        self._nulls: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    @property
    def logical(self) -> LogicalSchema:
        """The logical schema of the values so far; complete at the end of the stream."""
        empty = dictionaries_of(self.schema.empty_table())
        return LogicalSchema(self.schema, empty | self.dictionaries, dict(self._marks))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the stream.

        Yields:
            The batches of all tables, of one schema.

        Raises:
            SchemaMismatch: A table does not match the first, or the stream was read before.
        """
        if self._tables is None:
            raise SchemaMismatch(
                "the stream was read before, and can be read once: pass a new iterator"
            )
        tables, self._tables = self._tables, None
        for number, table in enumerate(tables, 1):
            yield from self._conform(table, number).to_batches()
        self._complete_metadata()

    def _conform(self, table: pa.Table, number: int) -> pa.Table:
        names = set(table.column_names)
        missing = [name for name in self.schema.names if name not in names]
        added = [name for name in table.column_names if name not in self.schema.names]
        if missing or added:
            raise SchemaMismatch(
                f"frame {number} of the iterator has other columns than the first: it lacks"
                f" {missing} and adds {added}. Give all frames the same columns"
            )
        table = with_distinct_dictionaries(table)
        specs = column_specs(table.schema)
        known = dict(self.dictionaries)
        columns = [self._column(table.column(field.name), field, number) for field in self.schema]
        for field in self.schema:
            self._check_null_kind(
                field.name, specs.get(field.name), table.column(field.name), number
            )
        if number > 1:
            for field in self.schema:
                self._check_dtype(
                    field.name, specs.get(field.name), table.column(field.name), number
                )
                self._add_labels(field.name, specs.get(field.name), table.column(field.name), known)
        made = pa.Table.from_arrays(columns, schema=self.schema)
        self._add_marks(made)
        return made

    def _add_marks(self, table: pa.Table) -> None:
        for name, marks in marks_of(table).items():
            self._marks[name] = self._marks.get(name, marks) | marks

    def _column(self, column: AnyColumn, field: AnyField, number: int) -> AnyColumn:
        coded = isinstance(field.type, pa.DictionaryType) and types.is_dictionary(column.type)
        if coded and not only_nulls(column.type):
            return self._category(column, field, number)
        if column.type == field.type:
            return column
        if fill_open(column.type, field.type) == field.type:
            return convert_chunks(column, field.type, widen_array)
        empty = column.null_count == len(column) and not types.is_dictionary(field.type)
        if empty or (is_number(column.type) and is_number(field.type)):
            made = cast_exactly(column, field.type, nan_as_null=True)
            if not isinstance(made, LostValue):
                return made
            raise _type_mismatch(field.name, field.type, column.type, number, made)
        raise _type_mismatch(field.name, field.type, column.type, number)

    def _category(self, column: AnyColumn, field: AnyField, number: int) -> AnyColumn:
        wanted: Any = field.type
        kind: Any = column.type
        chunks: list[Any] = column.chunks
        values: Any = dictionary_of(column)
        known: Any = self.dictionaries.get(field.name)
        if kind.value_type != wanted.value_type or kind.ordered != wanted.ordered:
            if len(values):
                raise _type_mismatch(field.name, wanted, kind, number)
            values = pa.array([], wanted.value_type)
        if known is None or values.equals(known):
            self.dictionaries[field.name] = values
            codes = [chunk.indices.cast(pa.int32()) for chunk in chunks]
            grown = values
        else:
            new = values.filter(pc.invert(pc.is_in(values, value_set=known)))
            if wanted.ordered and (
                len(new) or not known.filter(pc.is_in(known, value_set=values)).equals(values)
            ):
                raise SchemaMismatch(
                    f"column {field.name!r} of frame {number} of the iterator has other ordered"
                    " categories than the first, or in another order: give all frames the same"
                    " categories in the same order"
                )
            grown = pa.concat_arrays([known, new]) if len(new) else known
            self.dictionaries[field.name] = grown
            places = pc.index_in(values, value_set=grown)
            codes = [places.take(chunk.indices) for chunk in chunks]
        made = [pa.DictionaryArray.from_arrays(one, grown, ordered=wanted.ordered) for one in codes]
        return pa.chunked_array(made, type=wanted)

    def _check_null_kind(self, name: str, spec: Any, column: AnyColumn, number: int) -> None:
        """Record the kind of null of a column of objects, and reject a second kind."""
        if not isinstance(spec, dict) or spec.get("kind") != "object" or not column.null_count:
            return
        known = self._nulls.setdefault(name, spec["null"])
        if known != spec["null"]:
            raise SchemaMismatch(
                f"column {name!r} has {spec['null']} for null in frame {number} of the iterator"
                f" and {known} in an earlier one: use one in all frames with"
                f' df["{name}"] ='
                f' df["{name}"].where(df["{name}"].notna(), None)'
            )

    def _add_labels(
        self, name: str, spec: Any, column: AnyColumn, known: Mapping[str, AnyArray]
    ) -> None:
        """Record interval categories that a table adds to a column."""
        if (
            _is_empty(column)
            or not isinstance(spec, dict)
            or "labels" not in spec
            or name not in known
        ):
            return
        first, values = self._specs[name], dictionary_of(column)
        if not values.equals(known[name]):
            labels = self._labels.get(name, first["labels"])
            self._labels[name] = joined_labels(
                [({**first, "labels": labels}, known[name]), (spec, values)]
            )

    def _complete_metadata(self) -> None:
        """Add the recorded kinds of null and intervals to the schema's pandas metadata."""
        pandas_metadata = pandas_metadata_of(self.schema) or {}
        for key, found in (("null", self._nulls), ("labels", self._labels)):
            for name, value in found.items():
                if name in pandas_metadata.get("columns", {}):
                    pandas_metadata["columns"][name][key] = value
        if self._nulls or self._labels:
            self.schema = with_pandas_metadata(self.schema, pandas_metadata)

    def _check_dtype(self, name: str, spec: Any, column: AnyColumn, number: int) -> None:
        """Reject a column whose pandas dtype differs although its Arrow type does not."""
        first = self._specs.get(name)
        if _comparable(first) == _comparable(spec) or _is_empty(column):
            return
        raise SchemaMismatch(
            f"column {name!r} of frame {number} of the iterator has another pandas dtype than in"
            f" the first ({_dtype_text(first)} before, {_dtype_text(spec)} now): give all frames"
            " the same dtypes"
        )


def _until_typed(first: pa.Table, more: Iterator[pa.Table]) -> tuple[list[pa.Table], pa.Schema]:
    """Read tables until there are rows and no open column; return them and a schema."""
    held, schema = [first], first.schema
    size, rows = first.nbytes, len(first)
    while not rows or (size < _HELD_BYTES and any(open_paths(field.type) for field in schema)):
        table = next(more, None)
        if table is None:
            break
        held.append(table)
        size, rows = size + table.nbytes, rows + len(table)
        schema = _fill_from(schema, table.schema)
    return held, schema


def _fill_from(schema: pa.Schema, later: pa.Schema) -> pa.Schema:
    """Fill the open columns of a schema with types and specs of a later table."""
    specs: tuple[Mapping[str, Any], ...] = tuple(column_specs(one) for one in (schema, later))
    known = dict(specs[0])
    fields = []
    for field in schema:
        position = later.get_field_index(field.name)
        kind = field.type if position < 0 else fill_open(field.type, later.field(position).type)
        fields.append(field.with_type(kind))
        if only_nulls(field.type) and kind != field.type:
            known.pop(field.name, None)
            if field.name in specs[1]:
                known[field.name] = specs[1][field.name]
            # The metadata of the later field are kept: they have the categories of polars' enums.
            fields[-1] = later.field(position).with_nullable(field.nullable)
    made = schema_of(fields, schema.metadata)
    pandas_metadata = pandas_metadata_of(schema)
    return (
        made
        if pandas_metadata is None or known == specs[0]
        else with_pandas_metadata(made, {**pandas_metadata, "columns": known})
    )


def _widest_codes(field: AnyField) -> AnyField:
    """Return a field with 32-bit codes, as later frames may have more categories."""
    if isinstance(field.type, pa.DictionaryType):
        return field.with_type(pa.dictionary(pa.int32(), field.type.value_type, field.type.ordered))
    return field


def _is_empty(column: AnyColumn) -> bool:
    """Return whether a column has neither values nor categories."""
    if column.null_count != len(column):
        return False
    return not types.is_dictionary(column.type) or not len(dictionary_of(column))


def _comparable(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return None
    found = {
        key: value for key, value in spec.items() if key not in ("type", "null", "labels", "values")
    }
    values = _comparable(spec.get("values"))
    if values is not None:
        found["values"] = values
    if "labels" in spec:
        found["labels"] = str(label_type(spec))
    return found


def _dtype_text(spec: Any) -> str:
    if not isinstance(spec, dict):
        return "a plain dtype"
    if "freq" in spec:
        return str(spec["freq"])
    if "labels" in spec:
        return f"category of intervals of {label_type(spec)}"
    inside = (
        spec["of"] if "of" in spec else _dtype_text(spec["values"]) if "values" in spec else None
    )
    return f"{spec['kind']} of {inside}" if inside else str(spec["kind"])


def _type_mismatch(
    name: str, first: pa.DataType, now: pa.DataType, number: int, lost: LostValue | None = None
) -> SchemaMismatch:
    what = f", where row {lost.row} has {lost.text}" if lost else ""
    return SchemaMismatch(
        f"column {name!r} is {first} in the first frame of the iterator and {now} in frame"
        f" {number}{what}: give all frames "
        f'the same types, for example with df["{name}"].astype(...) on each (a column of integers'
        " with missing values "
        "becomes float in pandas unless it is Int64), or name the type with types="
    )
