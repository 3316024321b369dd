"""Checks that a frame must pass before its batch is published.

If a check fails, the batch stays staged and the current batch is unchanged. A check is any callable
of the frame: None or true passes, false or a text fails. Pandera schemas and models are checks too.
The checks in this module accept pandas, polars and Arrow frames.

Example:
    >>> import pandas as pd
    >>> rows_between(1, 3)(pd.DataFrame({"n": [1, 2]})) is None
    True
    >>> not_null("n")(pd.DataFrame({"n": [1.0, None]}))
    "column 'n' has 1 null"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, SchemaMismatch

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.core.manifest import Manifest

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH, _EARLIEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

__all__ = ["fresh", "has_columns", "not_null", "rows_between", "rows_like_before", "unique"]


@dataclass(frozen=True)
class rows_between:  # in lower case, as checks read like functions
    """Require between ``low`` and ``high`` rows, both included.

    Args:
        low: The minimum number of rows.
        high: The maximum number of rows; ``float("inf")`` for no maximum.

    Raises:
        InvalidName: A bound is not a number, or they are in the wrong order.

    Example:
        >>> import pandas as pd
        >>> rows_between(2, 1000)(pd.DataFrame({"n": [1]}))
        '1 rows, not between 2 and 1000'
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"rows_between({self.low}, {self.high})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        rows = _table(frame).num_rows
        return (
            None
            if self.low <= rows <= self.high
            else f"{rows} rows, not between {self.low} and {self.high}"
        )


class not_null:
    """Require columns without nulls (and without NaN, in a pandas frame).

    Args:
        columns: The names of the columns.

    Raises:
        InvalidName: No column is named.

    Example:
        >>> import pandas as pd
        >>> not_null("n", "name")(pd.DataFrame({"n": [1.0, None], "name": ["hat", "shoe"]}))
        "column 'n' has 1 null"
    """

    def __init__(self, *columns: str) -> None:
        self.columns = _names(columns)

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"not_null({', '.join(map(repr, self.columns))})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        table = _table(frame)
        counts = {column: _column(table, column).null_count for column in self.columns}
        return (
            "; ".join(f"column {c!r} has {n} null{'s' * (n > 1)}" for c, n in counts.items() if n)
            or None
        )


class unique:
    """Require that no two rows have the same values in all of the columns.

    Nulls are equal to one another, and 0.0 is equal to -0.0.

    Args:
        columns: The names of the columns.

    Raises:
        InvalidName: No column is named.

    Example:
        >>> import pandas as pd
        >>> unique("item", "day")(pd.DataFrame({"item": ["hat", "hat"], "day": ["mon", "mon"]}))
        '1 row repeats item, day'
    """

    def __init__(self, *columns: str) -> None:
        self.columns = _names(columns)

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"unique({', '.join(map(repr, self.columns))})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        from airflow_sfx.warehouse.diff.rows import repeated_rows

        table = _table(frame)
        for column in self.columns:
            _column(table, column)
        repeated = repeated_rows(table, self.columns)
        return (
            f"{repeated} row{'s repeat' if repeated > 1 else ' repeats'} {', '.join(self.columns)}"
            if repeated
            else None
        )


class has_columns:
    """Require exactly these columns, of these types, in any order.

    An index without a name is not a column. Types are Arrow's names (``int64``, ``string``,
    ``timestamp[us, tz=UTC]``). Every text column matches ``string``, and a category matches the
    type of its values.

    Args:
        columns: Types by column name, or None for any type.
        more: Whether other columns are allowed.

    Raises:
        InvalidName: The columns are not a dictionary.

    Example:
        >>> import pandas as pd
        >>> has_columns({"n": "int64", "name": "string"})(pd.DataFrame({"n": [1.5], "extra": [1]}))
        "column 'name' is missing; column 'n' is double, not int64; column 'extra' is not expected"
    """

    def __init__(self, columns: Mapping[str, str | None], *, more: bool = False) -> None:
        if not isinstance(columns, Mapping):
            raise InvalidName(
                f"has_columns({columns!r:.80}) is not given a dictionary: pass types by column,"
                " such as has_columns({'n': 'int64'})"
            )
        self.columns = {name: None if kind is None else str(kind) for name, kind in columns.items()}
        self.more = more

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"has_columns({self.columns!r}{', more=True' if self.more else ''})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        from airflow_sfx.frames.pandas.metadata import unnamed_index_columns

        schema = _table(frame).schema
        nameless = unnamed_index_columns(schema)
        found = {
            field.name: _type_name(field.type) for field in schema if field.name not in nameless
        }
        wrong = [f"column {name!r} is missing" for name in self.columns if name not in found]
        wrong += [
            f"column {name!r} is {found[name]}, not {kind}"
            for name, kind in self.columns.items()
            if name in found and kind is not None and found[name] != kind
        ]
        wrong += [
            f"column {name!r} is not expected"
            for name in found
            if not self.more and name not in self.columns
        ]
        return "; ".join(wrong) or None


class fresh:
    """Require that the newest time in a column is recent.

    Args:
        column: A column of times or dates. Times without a time zone are read as UTC, dates as
            their midnight.
        within: The maximum age of the newest time when the check runs.

    Raises:
        InvalidName: ``within`` is not a timedelta.

    Example:
        >>> import pandas as pd
        >>> fresh("at", timedelta(hours=1))(pd.DataFrame({"at": [pd.Timestamp.now("UTC")]})) is None
        True
    """

    def __init__(self, column: str, within: timedelta) -> None:
        (self.column,) = _names([column])
        if not isinstance(within, timedelta):
            raise InvalidName(
                f"within={within!r:.80} is not a timedelta: pass one, such as timedelta(hours=36)"
            )
        self.within = within

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"fresh({self.column!r}, {self.within})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        import pyarrow.compute as pc

        newest: Any = pc.max(_times(_column(_table(frame), self.column), self.column))
        if not newest.is_valid:
            return f"column {self.column!r} has no time in it"
        # A whole number, as the time may be beyond Python's calendar.
        moment = newest.value * 10**6 // _PER_SECOND[newest.type.unit]
        if (datetime.now(UTC) - self.within - _EPOCH) // _MICROSECOND <= moment:
            return None
        found = _EPOCH + max(moment, (_EARLIEST - _EPOCH) // _MICROSECOND) * _MICROSECOND
        age = datetime.now(UTC) - found
        return (
            f"the newest {self.column!r} is {found.replace(tzinfo=None).isoformat()}, {age} old,"
            f" and may be at most {self.within} old"
        )


class rows_like_before:
    """Require about as many rows as in the replaced batch.

    A partition's first batch passes.

    Args:
        low: The minimum, as a factor of the number of rows before: 0.5 for half as many.
        high: The maximum, likewise.

    Raises:
        InvalidName: A factor is not a number, or they are in the wrong order.

    Example:
        >>> rows_like_before(0.5, 2.0).name
        'rows_like_before(0.5, 2.0)'
    """

    def __init__(self, low: float, high: float) -> None:
        _check_bounds(low, high)
        self.low = low
        self.high = high

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"rows_like_before({self.low}, {self.high})"

    def __call__(self, frame: object) -> None:
        """Pass, as there is nothing to compare with."""

    def compare(self, frame: object, before: Sequence[Manifest]) -> str | None:
        """Compare with the replaced batches.

        Args:
            frame: The frame.
            before: The manifests of the replaced batches.

        Returns:
            What is wrong, or None.
        """
        if not before:
            return None
        rows, had = _table(frame).num_rows, sum(manifest.rows for manifest in before)
        if self.low * had <= rows and (rows <= self.high * had or self.high == float("inf")):
            return None
        return (
            f"{rows} rows, and {had} before: not between {self.low} and {self.high} times as many"
        )


def _type_name(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    return str(kind)


def _table(frame: object) -> pa.Table:
    from airflow_sfx.frames.inputs import to_source

    table = to_source(frame).table
    if table is None:
        raise SchemaMismatch(f"a check needs a frame in memory, not a {type(frame).__name__}")
    return table


def _column(table: pa.Table, name: str) -> Any:
    from airflow_sfx.frames.types.encodings import decode_column

    if name not in table.column_names:
        raise SchemaMismatch(
            f"the check names the column {name!r}, but the frame has"
            f" {', '.join(table.column_names)}: name one of these"
        )
    return decode_column(table.column(name))  # Arrow does not count the nulls of run ends


def _times(column: Any, name: str) -> Any:
    """Return the times of a column; dates as their midnight."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _times(column.cast(kind.value_type), name)
    if pa.types.is_null(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("s" if pa.types.is_date32(kind) else "ms"))
    if not pa.types.is_timestamp(kind) or isinstance(kind, pa.BaseExtensionType):
        raise SchemaMismatch(
            f"column {name!r} is {kind}, but the check `fresh` needs times or dates: convert it"
            " first"
        )
    return column


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns, at least one."""
    if not columns or not all(isinstance(name, str) for name in columns):
        raise InvalidName(
            f"the check names {', '.join(map(repr, columns)) or 'no column'}: pass names of columns"
            " as text"
        )
    return tuple(columns)


def _check_bounds(low: float, high: float) -> None:
    for bound in (low, high):
        is_nan = bound != bound  # noqa: PLR0124
        if isinstance(bound, bool) or not isinstance(bound, Real) or is_nan:
            raise InvalidName(
                f"{bound!r:.80} is not a number of rows: pass numbers, as in (1, 1000), or"
                " float('inf')"
            )
    if low > high:
        raise InvalidName(f"nothing is between {low} and {high}: pass the lower bound first")
