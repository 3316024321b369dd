"""Finding rows of a batch by a condition, and writing the batch without them.

Files are read in full, a piece at a time, and the condition is evaluated in memory: a row is erased
only because it matches, and never because a scan skipped it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InconsistentBatch, counted
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.read.load import BatchFiles
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.store_plan import encoded

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.types.logical import LogicalSchema


@dataclass(frozen=True, slots=True)
class RowMatch:
    """The rows of a batch that match a condition.

    Args:
        manifest: The batch.
        rows: The number of matching rows.
        condition: The condition, as an expression.
        columns: The columns of the condition that the batch has, in lower case; they may be keys.
        categories: The matching categories by column, whether or not rows have them: a batch may
            name a person without having a row of that person.
    """

    manifest: Manifest
    rows: int
    condition: Any
    columns: list[str]
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether the batch holds anything to erase."""
        return bool(self.rows or self.categories)


def search(table: Table, name: str, batch_id: str, where: str, columns: list[str]) -> RowMatch:
    """Find the rows of a batch that match a condition.

    Args:
        table: The batch's table.
        name: The partition's name.
        batch_id: The batch.
        where: The condition.
        columns: The columns of the condition, in lower case.

    Returns:
        The matching rows. Columns that the batch lacks count as null.

    Raises:
        SchemaMismatch: The condition does not fit the columns.
        InconsistentBatch: The files do not match the manifest.
    """
    import pyarrow as pa

    from airflow_sfx.frames.parquet.reader import empty_table, iter_batches
    from airflow_sfx.frames.predicates.expressions import comparable_schema, filter_rows
    from airflow_sfx.frames.predicates.sql import condition_of

    manifest = table.manifest(name, batch_id)
    files, options = _reading(table, manifest)
    keys = set(map(str.lower, table.layout.keys)) if files.sources else set()
    there = [one for one in columns if one in keys or options["lead"].resolve(one) is not None]
    if not there:
        condition = condition_of(where, pa.schema([]))
        everything = len(pa.table({"any": [0]}).filter(condition)) == 1
        return RowMatch(manifest, manifest.rows if everything else 0, condition, there)
    schema = empty_table(files.sources, columns=there, with_index=False, **options).schema
    condition = condition_of(where, comparable_schema(schema))
    pieces = iter_batches(
        files.sources, opened=files.open, columns=there, with_index=False, **options
    )
    rows = sum(len(filter_rows(piece, condition)) for piece in pieces)
    return RowMatch(
        manifest, rows, condition, there, _matching_categories(options["lead"], there, condition)
    )


def _matching_categories(
    logical: LogicalSchema, columns: Sequence[str], condition: Any
) -> dict[str, frozenset[Any]]:
    """Return the matching categories of a condition on one column.

    The schema may have categories that no row has any more.
    """
    import pyarrow as pa

    from airflow_sfx.frames.predicates.expressions import filter_rows

    name = logical.resolve(columns[0]) if len(columns) == 1 else None
    if name is None or name not in _categorical(logical):
        return {}
    values = logical.dictionaries[name]
    codes: Any = pa.array(range(len(values)), logical.schema.field(name).type.index_type)
    column = pa.DictionaryArray.from_arrays(
        codes, values, ordered=logical.schema.field(name).type.ordered
    )
    meant: Any = filter_rows(pa.table({name: column}), condition).column(name).combine_chunks()
    found = frozenset(meant.dictionary_decode().to_pylist()) if len(meant) else frozenset()
    return {name: found} if found else {}


def _categorical(logical: LogicalSchema) -> list[str]:
    """Return the columns with categories, except intervals.

    Intervals have a record of their own, and name no person.
    """
    import pyarrow as pa

    from airflow_sfx.frames.pandas.metadata import column_specs

    records = column_specs(logical.schema)
    return [
        name
        for name, values in logical.dictionaries.items()
        if not pa.types.is_null(values.type) and "labels" not in (records.get(name) or {})
    ]


def without(table: Table, log: PartitionLog, matches: Sequence[RowMatch]) -> list[Manifest]:
    """Write batches again without the matching rows.

    Batches that one call wrote are written as those of one call, with one batch ID and manifest.
    Those with categories are not: what is left of them is each batch's own.

    Args:
        table: The table.
        log: The table's log.
        matches: The batches and their matching rows.

    Returns:
        The new batches, in the order of the matches, which no log entry names yet.

    Raises:
        InconsistentBatch: The number of remaining rows is wrong, as the files have changed.
    """
    calls: dict[tuple[str, ...], list[_Rest]] = {}
    for match in matches:
        rest, old = _Rest(table, match), match.manifest
        alone = _categorical(rest.logical)
        calls.setdefault((old.batch_id, old.partition if alone else ""), []).append(rest)
    new = {
        (one.partition, replaced.manifest.batch_id): one
        for call in calls.values()
        for replaced, one in zip(call, _rewritten(table, log, call), strict=True)
    }
    return [new[match.manifest.partition, match.manifest.batch_id] for match in matches]


def _rewritten(table: Table, log: PartitionLog, call: Sequence[_Rest]) -> list[Manifest]:
    """Write batches of one call again, in their order."""
    from airflow_sfx.frames.parquet.writer import Encoder, gather

    first = call[0]
    old, logical = first.manifest, first.logical
    keys = [key for key in table.layout.keys if logical.resolve(key) is not None]
    units = {name.lower(): logical.unit(name) for name in logical.schema.names}
    encoder = Encoder(logical.schema, keys=keys, columns=old.columns, units=units)
    batches = BatchWriter(
        table, log, BatchContent(first.schema_text, old.columns, old.producer, old.inputs)
    )
    names = [rest.manifest.partition for rest in call]
    chunks = ((rest.manifest.partition, rows) for rest in call for rows in gather(rest.pieces()))
    batches.write(chunks, partial(encoded, encoder), small=False, claim=names)
    for rest in call:
        rest.check(table)
    batches.add_results(
        {
            rest.manifest.partition: tuple(replace(one, detail="") for one in rest.manifest.checks)
            for rest in call
        }
    )
    return batches.seal(staged=old.staged)


class _Rest:
    """The remaining rows, without the categories that only erased rows had."""

    def __init__(self, table: Table, match: RowMatch) -> None:
        self._files, self._options = _reading(table, match.manifest)
        self._match = match
        self.manifest = match.manifest
        self.logical = self._options["lead"]
        self.rows = 0
        names = _categorical(self.logical)
        self._kept: dict[str, set[Any]] = {name: set() for name in names}
        self._gone: dict[str, set[Any]] = {name: set() for name in names}

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the remaining rows; afterwards the other members are complete."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from airflow_sfx.frames.parquet.reader import iter_batches
        from airflow_sfx.frames.predicates.expressions import filter_rows

        condition, names = self._match.condition, self.logical.schema.names
        others = ~pc.coalesce(condition, pc.scalar(False))
        keys = [one for one in self._match.columns if self.logical.resolve(one) is None]
        columns = [*names, *keys] if keys else None
        nothing = [pa.nulls(0, column.type) for column in self.logical.schema]
        # A batch without rows also has a file.
        yield pa.RecordBatch.from_arrays(nothing, schema=self.logical.schema)
        for piece in iter_batches(
            self._files.sources, opened=self._files.open, columns=columns, **self._options
        ):
            rest = filter_rows(piece, others).select(names)
            self.rows += len(rest)
            _add_values(self._kept, rest)
            if self._gone:
                _add_values(self._gone, filter_rows(piece, condition))
            yield from rest.to_batches()

    def check(self, table: Table) -> None:
        """Raise an error unless the rows that are left are all those that did not match."""
        old, found = self.manifest, self._match.rows
        if self.rows != old.rows - found:
            raise InconsistentBatch(
                f"{found} of {counted(old.rows, 'row')} were to be erased, but {self.rows} would be"
                " left: the files have changed since they were searched. The batch was not"
                " replaced; check it with `sfx verify`, and erase again",
                table=str(table.ref),
                partition=old.partition,
                batch_id=old.batch_id,
            )

    def schema_text(self) -> str:
        """Return the schema with the remaining categories, as text."""
        import pyarrow as pa

        from airflow_sfx.frames.schema.codec import schema_to_text

        left = dict(self.logical.dictionaries)
        for name, values in self._gone.items():
            meant = self._match.categories.get(name, frozenset())
            old, erased = left[name], (values | meant) - self._kept[name]
            left[name] = old.filter(
                pa.array([value.as_py() not in erased for value in old], pa.bool_())
            )
        return schema_to_text(replace(self.logical, dictionaries=left))


def _add_values(found: dict[str, set[Any]], piece: pa.Table) -> None:
    """Add the values of categorical columns to ``found``."""
    for name, values in found.items():
        column: Any = piece.column(name)
        values.update(
            one for chunk in column.chunks for one in chunk.dictionary_decode().unique().to_pylist()
        )


def _reading(table: Table, manifest: Manifest) -> tuple[BatchFiles, dict[str, Any]]:
    from airflow_sfx.frames.schema.codec import schema_from_text

    key_types = {key.name: key.type for key in table.info.keys}
    return BatchFiles(table, [manifest], whole=False), {
        "lead": schema_from_text(manifest.schema),
        "key_types": key_types,
    }
