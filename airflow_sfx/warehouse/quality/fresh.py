"""The check that the newest time of a column is recent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.warehouse.quality.checks import BuiltInCheck, names_of

if TYPE_CHECKING:
    from airflow_sfx.warehouse.quality.subjects import Subject

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH, _EARLIEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


class fresh(BuiltInCheck):
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
        (self.column,) = names_of([column])
        if not isinstance(within, timedelta):
            raise InvalidName(
                f"within={within!r:.80} is not a timedelta: pass one, such as timedelta(hours=36)"
            )
        self.within = within

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        return f"fresh({self.column!r}, {self.within})"

    @property
    def needs(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values: ``within`` in hours."""
        return {"column": self.column, "within_hours": self.within / _HOUR}

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Create the check from its parameters.

        Raises:
            InvalidName: A parameter is missing, unknown or invalid.
        """
        hours = parameters.get("within_hours")
        known = set(parameters) == {"column", "within_hours"}
        if not known or not isinstance(hours, int | float) or isinstance(hours, bool):
            raise InvalidName(
                f"the check fresh does not accept {dict(parameters)!r:.200}: its parameters are"
                " column, a name, and within_hours, a number"
            )
        return cls(parameters["column"], hours * _HOUR)

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        import pyarrow.compute as pc

        from airflow_sfx.warehouse.quality.subjects import decoded

        column = decoded(subject.table([self.column]), self.column)
        newest: Any = pc.max(_times(column, self.column))
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
