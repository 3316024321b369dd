"""What differs between two pins: columns, counts and bounds from the manifests, and the rows themselves."""

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
from airflow_sfx.warehouse.diff.distribution import Distribution
from airflow_sfx.warehouse.read.load import BatchFiles, load_batches
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.schema.signature import Signature
    from airflow_sfx.warehouse.diff.rows import RowExample, RowsDiff


@dataclass(frozen=True, slots=True)
class PartitionsDiff:
    """Which partitions two pins have.

    Args:
        only_before: Those of the one pin alone.
        only_after: Those of the other alone.
        changed: Those of both, with another batch.
        same: Those of both, with the same batch: equal without reading them.
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
        type_before: Its Hive type before; None where it was added.
        type_after: Its Hive type after; None where it was removed.
        before: Its nulls and bounds before, from the manifests; None where nobody knows.
        after: Its nulls and bounds after.
        mean_before: The mean of its numbers before, without nulls and NaN.
        mean_after: The mean of its numbers after.
        distinct_before: How many different values it had, nulls left out.
        distinct_after: How many different values it has.
        changed: In how many of the changed rows it differs; None without keys.
        distribution: How its values are spread before and after; None of nested columns and where
            the type changed.
        meaning_before: What it was to the frames, where its Hive type does not tell it from what it
            is after: a period's frequency, a time's zone, the order of categories, a nullable
            dtype. None where it means the same.
        meaning_after: What it is to the frames now.
        name_before: Its name before, where that has other upper and lower case after; else None.
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
class BatchDiff:
    """What differs between two pins.

    Args:
        before: The one pin.
        after: The other.
        rows_before: Rows of the one.
        rows_after: Rows of the other.
        partitions: Which partitions differ.
        columns: Every column of either, with its figures in the partitions that differ.
        added: Rows only after; with keys, rows whose key is only there.
        removed: Rows only before; with keys, rows whose key was only there.
        changed: With keys, rows that are in both with other values; else 0.
        keys: The columns that told rows apart.
        examples: Some of the rows that differ, at most 20.
        frame_before: What the one frame has beside its columns and rows, where the other has
            something else: the columns' order, pandas' index, attrs. None where both have the same.
        frame_after: What the other has.
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

    @property
    def columns_added(self) -> tuple[str, ...]:
        """The columns that are only after."""
        return tuple(column.name for column in self.columns if column.type_before is None)

    @property
    def columns_removed(self) -> tuple[str, ...]:
        """The columns that were only before."""
        return tuple(column.name for column in self.columns if column.type_after is None)

    @property
    def columns_retyped(self) -> tuple[str, ...]:
        """The columns of both that have another type after, in Hive or to the frames."""
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
        """The columns whose names have other upper and lower case after."""
        return tuple(column.name for column in self.columns if column.name_before is not None)

    @property
    def identical(self) -> bool:
        """Whether loads of the partitions that have another batch give the same frame, in whatever order its rows are.

        That is: columns of the same names in the same order, each of the same logical type and
        pandas dtype, with the same categories; the same index and attrs; the same rows. Not part of
        it is what Arrow alone shows: the widths of offsets and codes, metadata, ``not null``.
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
    """Compare two pins. Partitions that have the same batch in both are not read; the others once.

    Args:
        table: The table of ``before``.
        before: The one pin.
        other: The table of ``after``.
        after: The other pin.
        keys: Columns that tell rows apart; without them rows are compared as wholes. Columns that
            only one side has do not take part in the comparison of rows.
        memory: How many bytes the comparison may take, as the files' footers tell it before they
            are read; None for any.

    Returns:
        The differences.

    Raises:
        InvalidName: It would take more memory.
        SchemaMismatch: A key is not a column of both, or does not tell rows apart.
        InconsistentBatch: Stored objects are not what the manifest says.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> old, new = (warehouse.store_dataframe(pd.DataFrame({"id": [1, 2], "price": prices}), "sales", "items", ["a"])
        ...             for prices in ([5.0, 7.0], [5.0, 9.0]))
        >>> found = warehouse.diff(old, new, keys=["id"])
        >>> found.added, found.removed, found.changed, found.identical
        (0, 0, 1, False)
        >>> found.columns[1].name, found.columns[1].changed, found.columns[1].mean_before, found.columns[1].mean_after
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
    looks = [None if table is None else Signature.of(table) for table in loaded]
    tables = [None if table is None else _in_lower_case(table) for table in loaded]
    rows = _compared(tables, wanted)
    names = list(dict.fromkeys([*sides[1].names, *sides[0].names]))
    return BatchDiff(
        before,
        after,
        sides[0].rows,
        sides[1].rows,
        partitions,
        tuple(_column(name, sides, looks, tables, rows) for name in names),
        rows.added,
        rows.removed,
        rows.changed,
        keys,
        rows.examples,
        *_beside(looks),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the pins: what its manifests say.

    Args:
        table: Its table.
        rows: Rows of all its batches.
        due: The manifests of the batches that may differ from the other side's.
        names: The columns' names as the frames had them, by the name in lower case.
        types: Their Hive types.
        statistics: Their figures in the batches that may differ.
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
        """Refuse keys that are no columns, with the names that look like them."""
        from airflow_sfx.frames.column_names import unknown_column

        for key in keys:
            if key.lower() not in self.types:
                raise unknown_column(key, [*self.names.values(), *self.table.layout.keys])

    def memory(self) -> Iterator[int]:
        """About how many bytes of memory the comparison of each of the files takes, as their footers tell."""
        from airflow_sfx.frames.parquet.memory_estimate import memory_to_compare

        return map(memory_to_compare, BatchFiles(self.table, self.due, whole=False).footers())

    def read(self, with_keys: bool) -> pa.Table | None:
        """The rows that may differ, as one frame; None where nothing may."""
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
    """Refuse a comparison that takes more memory; no more footers are read than it takes to know."""
    needed = 0
    for of_file in chain.from_iterable(side.memory() for side in sides):
        needed += of_file
        if needed > memory:
            raise InvalidName(
                f"comparing the rows takes more than {memory >> 20} MiB of memory, which is the"
                " most here: run `sfx diff` where there is more, or compare fewer partitions at a"
                " time"
            )


@dataclass(frozen=True, slots=True)
class _Whole:
    rows: int
    statistics: Mapping[str, ColumnStatistics]


def _column_names(keys: Sequence[str]) -> tuple[str, ...]:
    for key in (names := listed(keys, "keys")):
        if not isinstance(key, str):
            raise InvalidName(f"keys= holds {key!r:.80}, which is no column's name: names are text")
    return names


def _in_lower_case(table: pa.Table) -> pa.Table:
    return table.rename_columns([name.lower() for name in table.column_names])


def _beside(looks: Sequence[Signature | None]) -> tuple[str, str] | tuple[None, None]:
    """What the frames have beside their columns, where they differ in it."""
    from airflow_sfx.frames.schema.signature import shortened

    before, after = looks
    if before is None or after is None:
        return None, None
    orders = [list(look.names) for look in (before, after)]
    moved = orders[0] != orders[1] and set(orders[0]) == set(orders[1])
    texts = [f"columns {', '.join(order)}" if moved else "" for order in orders]
    if before.extras != after.extras:
        texts = [
            "; ".join(filter(None, (text, look.extras)))
            for text, look in zip(texts, (before, after), strict=True)
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
    looks: Sequence[Signature | None],
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
    meanings = [None if look is None else look.columns.get(name) for look in looks]
    if None in meanings or meanings[0] == meanings[1]:
        meanings = [None, None]
    old, new = (look and look.names.get(name) for look in looks)
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
        mean_before=_mean(read[0]),
        mean_after=_mean(read[1]),
        distinct_before=distinct[0],
        distinct_after=distinct[1],
        changed=rows.by_column.get(name),
        distribution=Distribution.of(read[0], read[1]),
        meaning_before=meanings[0],
        meaning_after=meanings[1],
        name_before=old if old and new and old != new else None,
    )


def _known(statistics: ColumnStatistics | None, values: Any) -> ColumnStatistics | None:
    """Of nested columns the manifests say nothing; how many are null is seen from the values."""
    if statistics is not None or values is None:
        return statistics
    return ColumnStatistics(values.null_count)


def _mean(values: Any) -> float | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if values is None or not any(is_kind(values.type) for is_kind in kinds):
        return None
    numbers = values.cast(pa.float64(), safe=False)
    numbers = numbers.filter(pc.invert(pc.is_nan(numbers)))
    found: float | None = pc.mean(numbers).as_py()
    return found
