"""Comparing two pins: columns and counts from manifests, and the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.cancellation import raise_if_cancelled
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import ColumnStatistics
from airflow_sfx.core.validation import listed
from airflow_sfx.warehouse.diff.distribution import Distribution, mean
from airflow_sfx.warehouse.read.load import BatchFiles, load_batches
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.schema.signature import Signature
    from airflow_sfx.warehouse.diff.rows import RowExample, RowsDiff


@dataclass(frozen=True, slots=True)
class PartitionsDiff:
    """The partitions of two pins.

    Args:
        only_before: The partitions of the first pin alone.
        only_after: The partitions of the second pin alone.
        changed: The partitions of both with different batches.
        same: The partitions of both with the same batch, which are equal without reading them.
    """

    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @classmethod
    def of(cls, before: BatchPin, after: BatchPin) -> PartitionsDiff:
        """Compare two pins."""
        old, new = before.batches, after.batches
        if before.location != after.location:
            return cls(tuple(sorted(old)), tuple(sorted(new)))
        both = sorted(old.keys() & new.keys())
        return cls(
            tuple(sorted(old.keys() - new.keys())),
            tuple(sorted(new.keys() - old.keys())),
            tuple(name for name in both if old[name] != new[name]),
            tuple(name for name in both if old[name] == new[name]),
        )


@dataclass(frozen=True, slots=True)
class ColumnDiff:
    """One column before and after, in the partitions that differ.

    Args:
        name: The column.
        type_before: Its Hive type before, or None if it was added.
        type_after: Its Hive type after, or None if it was removed.
        before: Its nulls and bounds before, from the manifests, or None if unknown.
        after: Its nulls and bounds after, or None if unknown.
        mean_before: The mean of its numbers before, without nulls and NaN, or None.
        mean_after: The mean of its numbers after, or None.
        distinct_before: The number of distinct values before, without nulls, or None.
        distinct_after: The number of distinct values after, or None.
        changed: The number of changed rows in which it differs, or None without keys.
        distribution: The distribution of its values before and after, or None for nested columns
            and if the type changed.
        meaning_before: Its type in frames before, if that differs and the Hive types do not show
            it: a period's frequency, a time's zone, the order of categories, a nullable dtype. None
            if it is the same.
        meaning_after: Its type in frames after, or None if it is the same.
        name_before: Its name before if only upper and lower case differ, or None.
    """

    name: str
    type_before: str | None
    type_after: str | None
    before: ColumnStatistics | None = None
    after: ColumnStatistics | None = None
    mean_before: float | None = None
    mean_after: float | None = None
    distinct_before: int | None = None
    distinct_after: int | None = None
    changed: int | None = None
    distribution: Distribution | None = None
    meaning_before: str | None = None
    meaning_after: str | None = None
    name_before: str | None = None


@dataclass(frozen=True, slots=True)
class BatchDiff(Tabular):
    """The differences between two pins.

    Args:
        before: The first pin.
        after: The second pin.
        rows_before: The number of rows before.
        rows_after: The number of rows after.
        partitions: The partitions that differ.
        columns: Every column of either pin, with its statistics in the partitions that differ.
        added: The number of rows that are only after; with keys, rows whose key is only after.
        removed: The number of rows that are only before; with keys, rows whose key is only before.
        changed: With keys, the number of rows in both with different values; otherwise 0.
        keys: The columns that identify a row.
        examples: Some of the rows that differ, at most 20.
        frame_before: What else differs in the first frame: the order of columns, pandas' index,
            attrs. None if nothing else differs.
        frame_after: The same of the second frame, or None.
    """

    before: BatchPin
    after: BatchPin
    rows_before: int
    rows_after: int
    partitions: PartitionsDiff = field(default_factory=PartitionsDiff)
    columns: tuple[ColumnDiff, ...] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    keys: tuple[str, ...] = ()
    examples: tuple[RowExample, ...] = ()
    frame_before: str | None = None
    frame_after: str | None = None

    def table_rows(self) -> Sequence[object]:
        """Return the columns."""
        return self.columns

    @property
    def columns_added(self) -> tuple[str, ...]:
        """The columns that are only after."""
        return tuple(column.name for column in self.columns if column.type_before is None)

    @property
    def columns_removed(self) -> tuple[str, ...]:
        """The columns that are only before."""
        return tuple(column.name for column in self.columns if column.type_after is None)

    @property
    def columns_retyped(self) -> tuple[str, ...]:
        """The columns of both whose type differs, in Hive or in frames."""
        return tuple(
            column.name
            for column in self.columns
            if column.type_before is not None
            and column.type_after is not None
            and (column.type_before, column.meaning_before)
            != (column.type_after, column.meaning_after)
        )

    @property
    def columns_renamed(self) -> tuple[str, ...]:
        """The columns whose names differ in upper and lower case."""
        return tuple(column.name for column in self.columns if column.name_before is not None)

    @property
    def identical(self) -> bool:
        """Whether the partitions that differ load as the same frame, in any row order.

        The same frame has columns of the same names in the same order, each with the same logical
        type, pandas dtype and categories; the same index and attrs; and the same rows. Differences
        that only Arrow shows do not count: the widths of offsets and codes, metadata, ``not null``.
        """
        columns = (
            self.columns_added
            or self.columns_removed
            or self.columns_retyped
            or self.columns_renamed
        )
        frames_differ = self.frame_before != self.frame_after
        return not (columns or frames_differ or self.added or self.removed or self.changed)


def diff_batches(
    table: Table,
    before: BatchPin,
    other: Table,
    after: BatchPin,
    *,
    keys: Sequence[str] = (),
    memory: int | None = None,
) -> BatchDiff:
    """Compare two pins; partitions with the same batch in both are not read.

    Args:
        table: The table of ``before``.
        before: The first pin.
        other: The table of ``after``.
        after: The second pin.
        keys: Columns that identify a row. Without them, whole rows are compared. Columns of only
            one side are not compared.
        memory: The maximum memory in bytes, estimated from the files' footers before they are read,
            or None for no limit.

    Returns:
        The differences.

    Raises:
        InvalidName: The comparison would need more memory.
        SchemaMismatch: A key is not a column of both, or several rows have the same key.
        InconsistentBatch: Stored objects do not match the manifest.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> frame = pd.DataFrame({"id": [1, 2], "price": [5.0, 7.0]})
        >>> old = warehouse.store_dataframe(frame, "sales", "items", ["a"])
        >>> frame = pd.DataFrame({"id": [1, 2], "price": [5.0, 9.0]})
        >>> new = warehouse.store_dataframe(frame, "sales", "items", ["a"])
        >>> found = warehouse.diff(old, new, keys=["id"])
        >>> found.added, found.removed, found.changed, found.identical
        (0, 0, 1, False)
        >>> price = found.columns[1]
        >>> price.name, price.changed, price.mean_before, price.mean_after
        ('price', 1, 6.0, 7.0)
    """
    from airflow_sfx.frames.schema.signature import Signature

    partitions = PartitionsDiff.of(before, after)
    keys = _column_names(keys)
    wanted = [key.lower() for key in keys]
    with_keys = max(len(before.entries), len(after.entries)) > 1 or any(
        key in (*table.layout.keys, *other.layout.keys) for key in wanted
    )
    sides = [
        _Side.of(*one, partitions.same, with_keys) for one in ((table, before), (other, after))
    ]
    for side in sides:
        side.check(keys)
    if memory is not None:
        _refuse_above(memory, sides)
    loaded = []
    for side in sides:
        raise_if_cancelled()
        loaded.append(side.read(with_keys))
    signatures = [None if table is None else Signature.of(table) for table in loaded]
    tables = [None if table is None else _in_lower_case(table) for table in loaded]
    rows = _compared(tables, wanted)
    names = list(dict.fromkeys([*sides[1].names, *sides[0].names]))
    return BatchDiff(
        before,
        after,
        sides[0].rows,
        sides[1].rows,
        partitions,
        tuple(_column(name, sides, signatures, tables, rows) for name in names),
        rows.added,
        rows.removed,
        rows.changed,
        keys,
        rows.examples,
        *_frame_differences(signatures),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the pins, from its manifests.

    Args:
        table: The pin's table.
        rows: The number of rows of all its batches.
        due: The manifests of the batches to compare.
        names: The frames' names of the columns, by name in lower case.
        types: The Hive types of the columns, by name in lower case.
        statistics: The statistics of the columns in the batches to compare, by name in lower case.
    """

    table: Table
    rows: int
    due: Sequence[Manifest]
    names: Mapping[str, str]
    types: Mapping[str, str]
    statistics: Mapping[str, ColumnStatistics]

    @classmethod
    def of(cls, table: Table, pin: BatchPin, same: Sequence[str], with_keys: bool) -> _Side:
        from airflow_sfx.frames.parquet.statistics import merge_statistics

        manifests = table.manifests(pin.batches)
        due = [manifest for manifest in manifests if manifest.partition not in set(same)]
        columns = [column for manifest in manifests for column in manifest.columns]
        keys = {key.name: key.type for key in table.info.keys} if with_keys else {}
        merged = merge_statistics(
            [_Whole(manifest.rows, manifest.statistics) for manifest in due],
            columns,
        )
        return cls(
            table,
            sum(manifest.rows for manifest in manifests),
            due,
            {
                **{column.name.lower(): column.name for column in columns},
                **{name: name for name in keys},
            },
            {**{column.name.lower(): column.type for column in columns}, **keys},
            {name.lower(): statistics for name, statistics in merged.items()},
        )

    def check(self, keys: Sequence[str]) -> None:
        """Raise `SchemaMismatch` if a key is not a column, with similar names."""
        from airflow_sfx.frames.column_names import unknown_column

        for key in keys:
            if key.lower() not in self.types:
                raise unknown_column(key, [*self.names.values(), *self.table.layout.keys])

    def memory(self) -> Iterator[int]:
        """Yield the estimated bytes of memory for comparing each file."""
        from airflow_sfx.frames.parquet.memory_estimate import memory_to_compare

        return map(memory_to_compare, BatchFiles(self.table, self.due, whole=False).footers())

    def read(self, with_keys: bool) -> pa.Table | None:
        """Return the rows to compare as one frame, or None if there are none."""
        if not self.due:
            return None
        batches = {manifest.partition: manifest.batch_id for manifest in self.due}
        found: pa.Table = load_batches(
            self.table,
            batches,
            columns=None,
            filters=None,
            as_="arrow",
            stream=False,
            with_keys=with_keys,
        )
        return found


def _refuse_above(memory: int, sides: Sequence[_Side]) -> None:
    """Raise `InvalidName` if the comparison needs more memory.

    Footers are read only until the limit is exceeded.
    """
    needed = 0
    for of_file in chain.from_iterable(side.memory() for side in sides):
        needed += of_file
        if needed > memory:
            raise InvalidName(
                f"comparing the rows needs more than the limit of {memory >> 20} MiB of memory:"
                " compare fewer partitions at a time, or run `sfx diff` on a larger machine"
            )


@dataclass(frozen=True, slots=True)
class _Whole:
    rows: int
    statistics: Mapping[str, ColumnStatistics]


def _column_names(keys: Sequence[str]) -> tuple[str, ...]:
    for key in (names := listed(keys, "keys")):
        if not isinstance(key, str):
            raise InvalidName(f"keys= holds {key!r:.80}, which is not text: pass names of columns")
    return names


def _in_lower_case(table: pa.Table) -> pa.Table:
    return table.rename_columns([name.lower() for name in table.column_names])


def _frame_differences(
    signatures: Sequence[Signature | None],
) -> tuple[str, str] | tuple[None, None]:
    """Return what differs between the frames besides their columns and rows."""
    from airflow_sfx.frames.schema.signature import shortened

    before, after = signatures
    if before is None or after is None:
        return None, None
    orders = [list(signature.names) for signature in (before, after)]
    moved = orders[0] != orders[1] and set(orders[0]) == set(orders[1])
    texts = [f"columns {', '.join(order)}" if moved else "" for order in orders]
    if before.extras != after.extras:
        texts = [
            "; ".join(filter(None, (text, signature.extras)))
            for text, signature in zip(texts, (before, after), strict=True)
        ]
    return (None, None) if texts[0] == texts[1] else (shortened(texts[0]), shortened(texts[1]))


def _compared(tables: Sequence[pa.Table | None], keys: Sequence[str]) -> RowsDiff:
    from airflow_sfx.warehouse.diff.rows import RowsDiff, compare_rows

    known = [table for table in tables if table is not None]
    if not known:
        return RowsDiff()
    before, after = (known[0].slice(0, 0) if table is None else table for table in tables)
    return compare_rows(before, after, keys)


def _column(
    name: str,
    sides: Sequence[_Side],
    signatures: Sequence[Signature | None],
    tables: Sequence[pa.Table | None],
    rows: RowsDiff,
) -> ColumnDiff:
    raise_if_cancelled()
    read = [
        None if table is None or name not in table.column_names else table.column(name)
        for table in tables
    ]
    before, after = (
        _known(side.statistics.get(name), values) for side, values in zip(sides, read, strict=True)
    )
    meanings = [
        None if signature is None else signature.columns.get(name) for signature in signatures
    ]
    if None in meanings or meanings[0] == meanings[1]:
        meanings = [None, None]
    old, new = (signature and signature.names.get(name) for signature in signatures)
    distinct = [
        None if v is None else counts.get(name)
        for v, counts in zip(read, rows.distinct, strict=True)
    ]
    return ColumnDiff(
        name=new or sides[1].names.get(name) or sides[0].names[name],
        type_before=sides[0].types.get(name),
        type_after=sides[1].types.get(name),
        before=before,
        after=after,
        mean_before=mean(read[0]),
        mean_after=mean(read[1]),
        distinct_before=distinct[0],
        distinct_after=distinct[1],
        changed=rows.by_column.get(name),
        distribution=Distribution.of(read[0], read[1]),
        meaning_before=meanings[0],
        meaning_after=meanings[1],
        name_before=old if old and new and old != new else None,
    )


def _known(statistics: ColumnStatistics | None, values: Any) -> ColumnStatistics | None:
    """Return a column's statistics; for nested columns, which have none, the nulls."""
    if statistics is not None or values is None:
        return statistics
    return ColumnStatistics(values.null_count)
