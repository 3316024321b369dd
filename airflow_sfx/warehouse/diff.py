"""What differs between two pins: columns, counts and bounds from the manifests, and the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.statistics import ColumnStatistics
from airflow_sfx.warehouse.load import load_batches
from airflow_sfx.warehouse.opened import OpenTable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ColumnDiff:
    """What differs in one column.

    Args:
        name: The column.
        type_before: Its Hive type before; None where it was added.
        type_after: Its Hive type after; None where it was removed.
        before: Its statistics before, where the column was there.
        after: Its statistics after.
        changed: In how many of the changed rows it differs; None without keys.
    """

    name: str
    type_before: str | None
    type_after: str | None
    before: ColumnStatistics | None
    after: ColumnStatistics | None
    changed: int | None = None


@dataclass(frozen=True, slots=True)
class BatchDiff:
    """What differs between two pins.

    Args:
        before: The one pin.
        after: The other.
        rows_before: Rows of the one.
        rows_after: Rows of the other.
        columns: Every column of either.
        added: Rows only after; with keys, rows whose key is only there.
        removed: Rows only before; with keys, rows whose key was only there.
        changed: With keys, rows that are in both with other values; else 0.
    """

    before: BatchPin
    after: BatchPin
    rows_before: int
    rows_after: int
    columns: tuple[ColumnDiff, ...] = field(default=())
    added: int = 0
    removed: int = 0
    changed: int = 0

    @property
    def identical(self) -> bool:
        """Whether both hold the same columns and rows."""
        retyped = any(column.type_before != column.type_after for column in self.columns)
        return not (retyped or self.added or self.removed or self.changed)


def diff_batches(
    table: OpenTable, before: BatchPin, other: OpenTable, after: BatchPin, *, keys: Sequence[str] = ()
) -> BatchDiff:
    """Compare two pins. Partitions that have the same batch in both are not read.

    Args:
        table: The table of ``before``.
        before: The one pin.
        other: The table of ``after``.
        after: The other pin.
        keys: Columns that tell rows apart; without them rows are compared as a whole.

    Returns:
        The differences.

    Raises:
        SchemaMismatch: A key is not a column of both, or does not tell rows apart.
        InconsistentBatch: Stored objects are not what the manifest says.
    """
    first, second = table.manifests(before.batches), other.manifests(after.batches)
    old, new = _summary(first), _summary(second)
    types = [
        {c.name.lower(): c.type for manifest in manifests for c in manifest.columns} for manifests in (first, second)
    ]
    same = set(before.entries) & set(after.entries) if before.location == after.location else set()
    rows = _Rows.of(_read(table, before, same), _read(other, after, same), [key.lower() for key in keys])
    names = list(dict.fromkeys([*types[0], *types[1]]))
    columns = tuple(
        ColumnDiff(name, types[0].get(name), types[1].get(name), old.get(name), new.get(name), rows.by_column.get(name))
        for name in names
    )
    counts = [sum(manifest.rows for manifest in manifests) for manifests in (first, second)]
    return BatchDiff(before, after, counts[0], counts[1], columns, rows.added, rows.removed, rows.changed)


def _summary(manifests: Sequence[Manifest]) -> dict[str, ColumnStatistics]:
    from airflow_sfx.frames.footer import merge_statistics

    merged = merge_statistics([_Whole(manifest.rows, manifest.statistics) for manifest in manifests])
    return {name.lower(): statistics for name, statistics in merged.items()}


@dataclass(frozen=True, slots=True)
class _Whole:
    rows: int
    statistics: Mapping[str, ColumnStatistics]


def _read(table: OpenTable, pin: BatchPin, same: set[tuple[str, str]]) -> pa.Table | None:
    """The rows that may differ, names in lower case; None where nothing may."""
    batches = {name: batch_id for name, batch_id in pin.entries if (name, batch_id) not in same}
    if not batches:
        return None
    found = load_batches(
        table, batches, columns=None, filters=None, as_="arrow", stream=False, with_keys=len(pin.entries) > 1
    )
    return found.rename_columns([name.lower() for name in found.column_names])  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Rows:
    """How many rows differ."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    by_column: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, before: pa.Table | None, after: pa.Table | None, keys: Sequence[str]) -> _Rows:
        for found in (before, after):
            for key in keys:
                if found is not None and key not in found.column_names:
                    raise SchemaMismatch(f"the key {key!r} is not a column: there are {', '.join(found.column_names)}")
        if before is None or after is None:
            return cls(after.num_rows if after else 0, before.num_rows if before else 0)
        shared = [name for name in before.column_names if name in after.column_names]
        left, right = _comparable(before.select(shared)), _comparable(after.select(shared))
        return _by_key(left, right, keys, shared) if keys else _as_wholes(left, right, shared)


def _comparable(table: pa.Table) -> pa.Table:
    """Values that can be grouped and compared: nested ones as text, categories as their values, NaN as null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: list[Any] = []
    for stored in table.columns:
        column: Any = stored
        if isinstance(column.type, pa.DictionaryType):
            column = column.cast(column.type.value_type)
        if pa.types.is_nested(column.type):
            column = pa.array([None if value is None else repr(value) for value in column.to_pylist()], pa.string())
        elif pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _as_wholes(left: pa.Table, right: pa.Table, names: Sequence[str]) -> _Rows:
    """Rows as a multiset: a row that comes twice more is two added rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    right = right.cast(left.schema) if _castable(right, left) else _as_text(right)
    left = left if right.schema.equals(left.schema) else _as_text(left)
    signs = pa.array([-1] * left.num_rows + [1] * right.num_rows, pa.int64())
    both = pa.concat_tables([left, right]).append_column("sign", signs)
    sums = both.group_by(list(names)).aggregate([("sign", "sum")]).column("sign_sum")
    zero = pa.scalar(0, pa.int64())
    return _Rows(
        pc.sum(pc.max_element_wise(sums, zero)).as_py() or 0, -(pc.sum(pc.min_element_wise(sums, zero)).as_py() or 0)
    )


def _by_key(left: pa.Table, right: pa.Table, keys: Sequence[str], names: Sequence[str]) -> _Rows:
    import pyarrow as pa
    import pyarrow.compute as pc

    for found in (left, right):
        repeated = found.num_rows - found.group_by(list(keys)).aggregate([]).num_rows
        if repeated:
            raise SchemaMismatch(
                f"{', '.join(keys)} does not tell rows apart: {repeated} rows repeat it; name more keys"
            )
    values = [name for name in names if name not in keys]
    mine = left.append_column("in_left", pa.array([True] * left.num_rows, pa.bool_()))
    theirs = right.append_column("in_right", pa.array([True] * right.num_rows, pa.bool_()))
    joined = mine.join(theirs, list(keys), join_type="full outer", left_suffix="", right_suffix="_after")
    sides: list[Any] = [joined.column("in_left"), joined.column("in_right")]
    in_left, in_right = (pc.fill_null(side, False) for side in sides)
    both = joined.filter(pc.and_(in_left, in_right))
    differs = {name: _differs(both.column(name), both.column(f"{name}_after")) for name in values}
    total: Any = pc.sum
    any_differs: Any = pa.array([False] * both.num_rows, pa.bool_())
    for flags in differs.values():
        any_differs = pc.or_(any_differs, flags)
    return _Rows(
        added=total(pc.invert(in_left)).as_py() or 0,
        removed=total(pc.invert(in_right)).as_py() or 0,
        changed=total(any_differs).as_py() or 0,
        by_column={name: total(flags).as_py() or 0 for name, flags in differs.items()},
    )


def _differs(before: Any, after: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if before.type != after.type:
        try:
            after = after.cast(before.type)
        except pa.ArrowException:
            before, after = before.cast(pa.string()), after.cast(pa.string())
    one_null = pc.xor(pc.is_null(before), pc.is_null(after))
    return pc.or_(one_null, pc.fill_null(pc.not_equal(before, after), False))


def _castable(table: pa.Table, like: pa.Table) -> bool:
    import pyarrow as pa

    try:
        table.cast(like.schema)
    except pa.ArrowException:
        return False
    return True


def _as_text(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    return pa.table([column.cast(pa.string()) for column in table.columns], names=table.column_names)
