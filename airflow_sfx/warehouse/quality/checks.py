"""The checks of the package: what they require of a frame, or of a batch.

Each judges a `Subject`, so that the same check runs on a frame before it is published, on the files
of a writer that had no frame, and on what is current.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

from airflow_sfx.core.errors import InvalidName, counted

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.warehouse.quality.subjects import Subject


class BuiltInCheck(ABC):
    """A check that can be stored with a table, as its name and parameters."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The call that made the check, as text."""

    @abstractmethod
    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong with a frame or a batch, or None."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values, which `of` accepts."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns without which every batch fails."""
        return ()

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Create the check from its parameters.

        Raises:
            InvalidName: A parameter is missing, unknown or invalid.
        """
        try:
            inspect.signature(cls).bind(**parameters)
        except TypeError as error:
            known = ", ".join(inspect.signature(cls).parameters)
            raise InvalidName(
                f"the check {cls.__name__} does not accept {dict(parameters)!r:.200} ({error}): its"
                f" parameters are {known}"
            ) from error
        return cls(**parameters)

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong with a frame, or None."""
        from airflow_sfx.warehouse.quality.subjects import FrameSubject

        return self.judge(FrameSubject(frame))


class _OfColumns(BuiltInCheck):
    """A check of some columns."""

    def __init__(self, *columns: str) -> None:
        self.columns = names_of(columns)

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"{type(self).__name__}({', '.join(map(repr, self.columns))})"

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values."""
        return {"columns": list(self.columns)}

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Create the check from its parameters.

        Raises:
            InvalidName: A parameter is missing, unknown or invalid.
        """
        columns = parameters.get("columns")
        if list(parameters) != ["columns"] or not isinstance(columns, list | tuple):
            raise InvalidName(
                f"the check {cls.__name__} does not accept {dict(parameters)!r:.200}: its parameter"
                " is columns, a list of names"
            )
        return cls(*columns)


@dataclass(frozen=True)
class _RowBounds(BuiltInCheck):
    """A check with a lower and an upper bound."""

    low: float
    high: float = float("inf")

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"{type(self).__name__}({self.low}, {self.high})"

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values; without the upper bound, if there is none."""
        return (
            {"low": self.low} if self.high == float("inf") else {"low": self.low, "high": self.high}
        )


class rows_between(_RowBounds):  # in lower case, as checks read like functions
    """Require between ``low`` and ``high`` rows, both included.

    Args:
        low: The minimum number of rows.
        high: The maximum number of rows; ``float("inf")`` for no maximum.

    Raises:
        InvalidName: A bound is not a number, or they are in the wrong order.

    Example:
        >>> import pandas as pd
        >>> rows_between(2, 1000)(pd.DataFrame({"n": [1]}))
        '1 row, not between 2 and 1000'
    """

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        rows = subject.rows
        return (
            None
            if self.low <= rows <= self.high
            else f"{counted(rows, 'row')}, not between {self.low} and {self.high}"
        )


class not_null(_OfColumns):
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

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        counts = {column: subject.nulls(column) for column in self.columns}
        return (
            "; ".join(f"column {c!r} has {counted(n, 'null')}" for c, n in counts.items() if n)
            or None
        )


class unique(_OfColumns):
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

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        from airflow_sfx.warehouse.diff.rows import repeated_rows

        repeated = repeated_rows(subject.table(self.columns), self.columns)
        return (
            f"{counted(repeated, 'row')} {'repeat' if repeated > 1 else 'repeats'}"
            f" {', '.join(self.columns)}"
            if repeated
            else None
        )


class has_columns(BuiltInCheck):
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

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values."""
        return {"columns": dict(self.columns), **({"more": True} if self.more else {})}

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        from airflow_sfx.frames.pandas.metadata import BLANK, column_specs, unnamed_index_columns

        schema, specs = subject.schema, column_specs(subject.schema)
        nameless = unnamed_index_columns(schema)
        found = {
            field.name: "double" if specs.get(field.name) == BLANK else _type_name(field.type)
            for field in schema
            if field.name not in nameless
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


class rows_like_before(_RowBounds):
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

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        return self._compare(subject.rows, subject.replaced())

    def compare(self, frame: object, before: Sequence[Manifest]) -> str | None:
        """Compare with the replaced batches.

        Args:
            frame: The frame.
            before: The manifests of the replaced batches.

        Returns:
            What is wrong, or None.
        """
        from airflow_sfx.warehouse.quality.subjects import FrameSubject

        return self._compare(FrameSubject(frame).rows, before)

    def _compare(self, rows: int, before: Sequence[Manifest]) -> str | None:
        if not before:
            return None
        had = sum(manifest.rows for manifest in before)
        if self.low * had <= rows and (rows <= self.high * had or self.high == float("inf")):
            return None
        return (
            f"{counted(rows, 'row')}, and {had:,} before: not between {self.low} and {self.high}"
            " times as many"
        )


def _type_name(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    return str(kind)


def names_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns, at least one."""
    if not columns or not all(isinstance(name, str) for name in columns):
        raise InvalidName(
            f"the check names {', '.join(map(repr, columns)) or 'no column'}: pass names of columns"
            " as text"
        )
    return tuple(columns)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_positive(value: object) -> bool:
    """Return whether a value is a finite number above 0."""
    return isinstance(value, int | float) and _is_number(value) and 0 < value < float("inf")


def _check_bounds(low: float, high: float) -> None:
    for bound in (low, high):
        is_nan = bound != bound  # noqa: PLR0124
        if not _is_number(bound) or is_nan:
            raise InvalidName(
                f"{bound!r:.80} is not a number of rows: pass numbers, as in (1, 1000), or"
                " float('inf')"
            )
    if low > high:
        raise InvalidName(f"nothing is between {low} and {high}: pass the lower bound first")
