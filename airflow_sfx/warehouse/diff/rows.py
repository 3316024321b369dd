"""Finding the rows of two tables that differ, by numbers that encode values.

Equal values get equal numbers, and numbers are compared. So a null equals a null, NaN equals NaN
but not a null, and lists, structs and maps need no comparison of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from airflow_sfx.core.errors import SchemaMismatch, counted
from airflow_sfx.core.io.cancellation import raise_if_cancelled

if TYPE_CHECKING:
    import pyarrow as pa

MAX_EXAMPLES = 20
_NESTED_AT_ONCE = 1 << 16

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True, slots=True)
class RowExample:
    """One row that differs.

    Args:
        kind: Whether it is only after, only before, or in both with different values.
        before: Its values before by column, or None if it did not exist.
        after: Its values after by column, or None if it does not exist.
        columns: The columns in which a changed row differs.
    """

    kind: Literal["added", "removed", "changed"]
    before: Mapping[str, object] | None = field(hash=False)
    after: Mapping[str, object] | None = field(hash=False)
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowsDiff:
    """The numbers of rows that differ; zero by default.

    Args:
        added: Rows only after.
        removed: Rows only before.
        changed: Rows with the same key in both and different values.
        by_column: The number of changed rows in which each column differs; empty without keys.
        distinct: The number of distinct values of each column before and after, without nulls.
        examples: Some of the rows.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    by_column: Mapping[str, int] = field(default_factory=dict)
    distinct: tuple[Mapping[str, int], Mapping[str, int]] = field(default_factory=lambda: ({}, {}))
    examples: tuple[RowExample, ...] = ()


def compare_rows(before: pa.Table, after: pa.Table, keys: Sequence[str]) -> RowsDiff:
    """Compare rows by the columns that both tables have.

    Args:
        before: The first table.
        after: The second table.
        keys: Columns of both that identify a row. Without them, whole rows are compared, as
            multisets.

    Returns:
        The differences.

    Raises:
        SchemaMismatch: Several rows have the same key.

    Example:
        >>> import pyarrow as pa
        >>> before = pa.table({"id": [1, 2], "n": [5, None]})
        >>> after = pa.table({"id": [2, 3], "n": [6, 7]})
        >>> found = compare_rows(before, after, ["id"])
        >>> found.added, found.removed, found.changed, found.by_column
        (1, 1, 1, {'n': 1})
    """
    both = _Both(before, after)
    return both.by_key(keys) if keys else both.as_wholes()


def repeated_rows(table: pa.Table, columns: Sequence[str]) -> int:
    """Count the rows that repeat the values of an earlier row.

    Args:
        table: The rows.
        columns: The columns to compare.

    Returns:
        The number: 2 for three equal rows.

    Example:
        >>> import pyarrow as pa
        >>> repeated_rows(pa.table({"x": [[1], [1], [2]]}), ["x"])
        1
    """
    chosen = table.select(list(dict.fromkeys(columns)))
    counts = _Both(chosen.slice(0, 0), chosen).counts_after()
    return int((counts - 1).sum())


class _Both:
    """Two tables, one above the other, with their values as numbers."""

    def __init__(self, before: pa.Table, after: pa.Table) -> None:
        self._tables = before, after
        self._rows = before.num_rows
        self._shared = [name for name in before.column_names if name in after.column_names]
        self._codes: dict[str, Numbers] = {}
        self._distinct: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for name in dict.fromkeys([*before.column_names, *after.column_names]):
            sides = [
                table.column(name) if name in table.column_names else None for table in self._tables
            ]
            raise_if_cancelled()
            codes = _codes([side for side in sides if side is not None])
            if name in self._shared:
                self._codes[name] = codes
            start = 0
            for side, counts in zip(sides, self._distinct, strict=True):
                if side is not None:
                    some_null = 1 if side.null_count else 0
                    counts[name] = len(np.unique(codes[start : start + len(side)])) - some_null
                    start += len(side)

    def as_wholes(self) -> RowsDiff:
        """Compare whole rows as multisets: a row that occurs twice more adds two rows."""
        groups = self._groups(self._shared)
        more = groups["after_count"] - groups["before_count"]
        added = [("added", -1, row) for row in groups["after_min"][more > 0][:MAX_EXAMPLES]]
        removed = [("removed", row, -1) for row in groups["before_min"][more < 0][:MAX_EXAMPLES]]
        examples = self._examples(added, removed)
        return RowsDiff(
            int(more[more > 0].sum()), int(-more[more < 0].sum()), 0, {}, self._distinct, examples
        )

    def by_key(self, keys: Sequence[str]) -> RowsDiff:
        """Compare rows that have the same key in both tables."""
        groups = self._groups(keys)
        self._refuse_repeated(groups, keys)
        added, removed = groups["before_count"] == 0, groups["after_count"] == 0
        old, new = (groups[name][~(added | removed)] for name in ("before_min", "after_min"))
        differs = {
            name: codes[old] != codes[new]
            for name, codes in self._codes.items()
            if name not in keys
        }
        changed = np.zeros(len(old), dtype=bool)
        for flags in differs.values():
            changed |= flags
        examples = self._examples(
            [
                ("changed", *pair)
                for pair in zip(
                    old[changed][:MAX_EXAMPLES], new[changed][:MAX_EXAMPLES], strict=True
                )
            ],
            [("added", -1, row) for row in groups["after_min"][added][:MAX_EXAMPLES]],
            [("removed", row, -1) for row in groups["before_min"][removed][:MAX_EXAMPLES]],
        )
        by_column = {name: int(flags.sum()) for name, flags in differs.items()}
        return RowsDiff(
            int(added.sum()),
            int(removed.sum()),
            int(changed.sum()),
            by_column,
            self._distinct,
            examples,
        )

    def counts_after(self) -> Numbers:
        """Return how often each distinct row of the second table occurs in it."""
        return self._groups(self._shared)["after_count"]

    def _groups(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Group equal rows of some columns: counts in each table, and first rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        raise_if_cancelled()
        rows = np.arange(sum(table.num_rows for table in self._tables), dtype=np.int64)
        columns = {f"code_{place}": pa.array(self._codes[name]) for place, name in enumerate(names)}
        if not columns:  # all rows are equal
            columns = {"code_0": pa.array(np.zeros(len(rows), dtype=np.int32))}
        sides = {
            "before": pa.array(rows, mask=rows >= self._rows),
            "after": pa.array(rows, mask=rows < self._rows),
        }
        # One thread keeps the order of rows, so that examples are always the first ones.
        grouped = pa.table({**columns, **sides}).group_by(list(columns), use_threads=False)
        found: Any = grouped.aggregate(
            [(side, what) for side in sides for what in ("count", "min")]
        )
        return {
            f"{side}_{what}": np.asarray(pc.fill_null(found.column(f"{side}_{what}"), -1))
            for side in sides
            for what in ("count", "min")
        }

    def _refuse_repeated(self, groups: Mapping[str, Numbers], keys: Sequence[str]) -> None:
        for side, offset, table in zip(
            ("before", "after"), (0, self._rows), self._tables, strict=True
        ):
            counts = groups[f"{side}_count"]
            repeated = int((counts[counts > 1] - 1).sum())
            if repeated:
                row = int(groups[f"{side}_min"][counts > 1][0]) - offset
                shown = ", ".join(f"{key}={_value(table.column(key), row)!r:.60}" for key in keys)
                raise SchemaMismatch(
                    f"the key {', '.join(keys)} does not identify rows:"
                    f" {counted(repeated, 'row')} {side} {'repeats' if repeated == 1 else 'repeat'}"
                    f" it, such as {shown}. Name more key columns, or none to compare whole"
                    " rows"
                )

    def _examples(self, *kinds: Sequence[tuple[Any, Any, Any]]) -> tuple[RowExample, ...]:
        """Return some rows of each kind, within the limit."""
        present = [kind for kind in kinds if kind]
        share = MAX_EXAMPLES // max(1, len(present))
        return tuple(self._example(*found) for kind in present for found in kind[:share])

    def _example(
        self, kind: Literal["added", "removed", "changed"], old: int, new: int
    ) -> RowExample:
        before, after = self._tables
        columns = (
            [name for name, codes in self._codes.items() if codes[old] != codes[new]]
            if kind == "changed"
            else []
        )
        return RowExample(
            kind,
            None if old < 0 else dict(row_of(before, int(old))),
            None if new < 0 else dict(row_of(after, int(new) - self._rows)),
            tuple(columns),
        )


def row_of(table: pa.Table, number: int) -> Iterator[tuple[str, object]]:
    """Yield the values of a row by column; as text if Python has no object for them."""
    for name in table.column_names:
        yield name, _value(table.column(name), number)


def _value(column: Any, row: int) -> object:
    try:
        return column[row].as_py()
    except (ValueError, OverflowError, LookupError):  # a time or zone that Python cannot represent
        return _printed(column, row)


def _printed(column: Any, row: int) -> str:
    return " ".join(column.slice(row, 1).combine_chunks().to_string().split())


def _codes(columns: Sequence[Any]) -> Numbers:
    """Encode the values of the columns, one after the other, as numbers."""
    import pyarrow as pa

    chunks: list[Any] = [chunk for column in _alike(columns) for chunk in column.chunks]
    encoded: Any = pa.chunked_array(chunks or [pa.nulls(0)]).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # too much text for one array
        encoded = pa.concat_arrays([chunk.cast(_large(chunk.type)) for chunk in encoded.chunks])
    return np.asarray(encoded.dictionary_encode(null_encoding="encode").indices)


def _alike(columns: Sequence[Any]) -> list[Any]:
    """Cast columns to one type that holds the values of all and can be encoded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = [_plain(column) for column in columns]
    if len({column.type for column in plain}) > 1:
        try:
            schemas = [pa.schema([("x", column.type)]) for column in plain]
            kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
            plain = [column.cast(kind) for column in plain]
        except pa.ArrowException:  # no common type: equal numbers are equal as text, too
            plain = [_as_text(column) for column in plain]
    zero: Any = 0.0
    return [
        (
            pc.add(column, pa.scalar(zero, column.type))
            if pa.types.is_floating(column.type)
            else column
        )
        for column in plain
    ]


def _plain(column: Any) -> Any:
    """Cast a column to the plain type of its values.

    Nested values, and values that cannot be encoded, become text.
    """
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.DictionaryType):
        return column.cast(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        storage: Any = kind.storage_type
        return _plain(pa.chunked_array([chunk.storage for chunk in column.chunks], type=storage))
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_decimal(kind) and kind.bit_width < 128:  # noqa: PLR2004
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    if pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind):
        return _as_text(column)
    return column


def _as_text(column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type):
        try:
            return column.cast(pa.large_string())
        except pa.ArrowException:
            pass
    pieces: list[Any] = []
    for start in range(0, len(column), _NESTED_AT_ONCE):
        raise_if_cancelled()
        piece = column.slice(start, _NESTED_AT_ONCE)
        try:
            texts = [None if value is None else repr(value) for value in piece.to_pylist()]
        except (ValueError, OverflowError, LookupError):  # as in `_value`
            texts = [
                _printed(piece, row) if piece[row].is_valid else None for row in range(len(piece))
            ]
        pieces.append(pa.array(texts, pa.large_string()))
    return pa.chunked_array(pieces or [pa.nulls(0, pa.large_string())])


def _large(kind: Any) -> Any:
    import pyarrow as pa

    return {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}.get(kind, kind)
