"""Columns of a table with their Hive types, kinds, time marks and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.serde import Count, Record, compact, decode

Evolve: TypeAlias = Literal["none", "safe", "any"]
"""Which changes of columns a store may make: none; adding and widening; any."""


OPEN = "open"
"""The kind of a part of a column that has had no value yet, so that its type is open."""


Unit: TypeAlias = Literal["", "us", "ns"]
_UNITS: tuple[Unit, ...] = ("", "us", "ns")


_MICROSECONDS, _NANOSECONDS = "microseconds", "nanoseconds"


@dataclass(frozen=True, slots=True)
class TimeMarks:
    """What is known of a column's times beyond their type.

    Args:
        unit: The unit of durations and times of day in files, ``us`` or ``ns``. It is empty if
            there are none, or if files have the frame's unit, as adopted files do.
        finer: Whether a timestamp is finer than a microsecond.
        beyond: Whether a timestamp is outside of the range of nanoseconds, 1677 to 2262.

    Example:
        >>> TimeMarks("us") | TimeMarks("ns", finer=True)
        TimeMarks(unit='ns', finer=True, beyond=False)
    """

    unit: Unit = ""
    finer: bool = False
    beyond: bool = False

    def __or__(self, other: TimeMarks) -> TimeMarks:
        """Merge the marks of two columns."""
        unit = max(self.unit, other.unit, key=_UNITS.index)
        return TimeMarks(unit, self.finer or other.finer, self.beyond or other.beyond)

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object, without those that are absent."""
        found: dict[str, object] = {"unit": self.unit, "finer": self.finer, "beyond": self.beyond}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """The logical type of a column beyond its Hive type; empty for most columns.

    Args:
        parts: The kinds of the column's parts by path: the column itself is ``""``, a list's items
            are ``[]``, a map's keys ``{key}`` and values ``{value}``, a struct's field ``.name``.
        marks: What is known of its times.
        declared: Whether a caller declared the column's type with ``types=``, so that no frame
            widens it.

    Example:
        >>> ColumnKind((("", "duration"),), TimeMarks("us")).description
        'duration in microseconds'
    """

    parts: tuple[tuple[str, str], ...] = ()
    marks: TimeMarks = field(default_factory=TimeMarks)
    declared: bool = False

    def __bool__(self) -> bool:
        """Return whether the kind is not empty."""
        return bool(self.parts) or self.marks != TimeMarks() or self.declared

    @property
    def by_path(self) -> dict[str, str]:
        """The parts by their paths."""
        return dict(self.parts)

    @property
    def description(self) -> str:
        """A description for people, or empty text."""
        shown = [f"{path.removeprefix('.')}: {what}" if path else what for path, what in self.parts]
        if self.marks.unit:
            shown[-1:] = [
                f"{one} in {_NANOSECONDS if self.marks.unit == 'ns' else _MICROSECONDS}"
                for one in shown[-1:]
            ]
        return "; ".join(shown)

    def merged(self, other: ColumnKind, where: str) -> TimeMarks:
        """Return the marks of a column that holds the values of both.

        Args:
            other: The kind of the values that are added.
            where: The column and its table, for messages.

        Returns:
            The marks. Durations keep the unit that the column has.

        Raises:
            SchemaMismatch: No type holds both.
        """
        mine, theirs = self.marks, other.marks
        if mine.unit == "us" and theirs.unit == "ns":
            raise SchemaMismatch(
                f"{where} has durations or times of day in microseconds, and the frame has finer"
                ' ones: round them, as with .dt.round("us"), or store whole nanoseconds as int64'
            )
        both = mine | theirs
        if both.finer and both.beyond:
            first, then = ("finer than a microsecond", "outside of the years 1678 to 2261")
            has, comes = (first, then) if mine.finer else (then, first)
            raise SchemaMismatch(
                f"{where} has times {has}, and the frame has times {comes}, which no type holds"
                f" together: {_remedy(mine.finer)}"
            )
        return replace(both, unit=mine.unit or theirs.unit)

    def to_text(self) -> str:
        """Encode the kind as JSON."""
        declared = {"declared": True} if self.declared else {}
        return compact({"parts": dict(self.parts), **self.marks.to_json(), **declared})

    @classmethod
    def from_text(cls, text: str) -> ColumnKind:
        """Decode the text that `to_text` returned.

        Raises:
            InconsistentBatch: The text was changed.

        Example:
            >>> kind = ColumnKind((("", "period[M]"),))
            >>> ColumnKind.from_text(kind.to_text()) == kind
            True
        """
        record = decode(
            text, _KindRecord, f"a column's record in the table's parameters, {text!r:.80},"
        )
        marks = TimeMarks(record.unit, record.finer, record.beyond)
        return cls(tuple(sorted(record.parts.items())), marks, record.declared)


class _KindRecord(Record):
    parts: dict[str, str]
    unit: Unit = ""
    finer: bool = False
    beyond: bool = False
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: The column's name as the frame wrote it; Hive compares names without regard to case.
        type: The Hive type, for example ``bigint`` or ``array<string>``.
        kind: What the Hive type does not express.

    Example:
        >>> Column("price", "double").type
        'double'
    """

    name: str
    type: str
    kind: ColumnKind = field(default_factory=ColumnKind, repr=False)

    @property
    def plain(self) -> Column:
        """The column without its kind, as engines see it."""
        return replace(self, kind=ColumnKind())

    def declared(self, given: bool) -> Column:
        """Return the column with its type declared or not."""
        if self.kind.declared == given:
            return self
        return replace(self, kind=replace(self.kind, declared=given))


@dataclass(frozen=True, slots=True)
class TableFit:
    """How a frame was fitted to its table, where the two differ.

    Args:
        casts: The Hive types that the frame had, by column, where its values were cast to the
            table's type.
        wider: The Hive types of the files' columns, by column, where they are wider than the
            frame's, because the table's are.
        declared: The columns whose types the caller declared.
        evolve: Which changes of the table's columns the caller allowed.

    Example:
        >>> TableFit({"n": "double"}).to_json()
        {'casts': {'n': 'double'}}
    """

    casts: Mapping[str, str] = field(default_factory=dict, hash=False)
    wider: Mapping[str, str] = field(default_factory=dict, hash=False)
    declared: tuple[str, ...] = ()
    evolve: Evolve = "safe"

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object, without those that are absent."""
        found: dict[str, object] = {
            "casts": dict(self.casts),
            "wider": dict(self.wider),
            "declared": list(self.declared),
            "evolve": "" if self.evolve == "safe" else self.evolve,
        }
        return {name: value for name, value in found.items() if value}


def _remedy(finer: bool) -> str:
    if finer:
        return "store them in a column of their own"
    return 'round them, as with .dt.round("us")'


Bound = bool | int | float | str
"""A bound: numbers as numbers, all else as text, dates and times in ISO 8601."""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """The statistics of one column of a file or a batch.

    Args:
        null_count: The number of nulls.
        minimum: The smallest value, or None if all are null or it is not known. Long text is cut
            and marked with ``…``.
        maximum: The greatest value, likewise.
        total: The sum of its numbers, or of its true values; nulls and NaN are left out. None if it
            has no numbers, or an infinite one, or if it is not known.
        nans: The number of NaN values, as far as ``total`` is known.

    Example:
        >>> ColumnStatistics(1, 2, 30, 32.0).to_json()
        {'nulls': 1, 'min': 2, 'max': 30, 'sum': 32.0}
    """

    null_count: int
    minimum: Bound | None = None
    maximum: Bound | None = None
    total: float | None = None
    nans: int = 0

    def mean(self, rows: int) -> float | None:
        """Return the mean of the numbers, or None if it is not known.

        Args:
            rows: The number of rows, nulls included.

        Example:
            >>> ColumnStatistics(1, 2, 30, 32.0).mean(3)
            16.0
        """
        numbers = rows - self.null_count - self.nans
        return self.total / numbers if self.total is not None and numbers > 0 else None

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object, without those that are absent."""
        data: dict[str, object] = {"nulls": self.null_count}
        if self.minimum is not None:
            data["min"] = self.minimum
        if self.maximum is not None:
            data["max"] = self.maximum
        if self.total is not None:
            data["sum"] = self.total
        if self.nans:
            data["nans"] = self.nans
        return data

    @classmethod
    def of(cls, record: StatisticsRecord) -> ColumnStatistics:
        """Create statistics from a decoded record.

        Example:
            >>> ColumnStatistics.of(StatisticsRecord(1, 2, 30))
            ColumnStatistics(null_count=1, minimum=2, maximum=30, total=None, nans=0)
        """
        return cls(record.nulls, record.min, record.max, record.sum, record.nans)


class StatisticsRecord(Record):
    """The statistics of one column, as they are stored."""

    nulls: Count
    min: Bound | None = None
    max: Bound | None = None
    sum: float | None = None
    nans: Count = 0
