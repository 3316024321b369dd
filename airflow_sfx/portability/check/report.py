"""What a check of a portable function found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_sfx.core.errors import counted

Cause = Literal[
    "mean over the batch",
    "rank",
    "fillna of a mean",
    "category codes",
    "clock",
    "randomness",
    "dtype upcast",
    "rounding",
    "order",
    "naive times",
    "global state",
    "other rows",
]
"""Why a function is not portable, as far as it shows."""

Way = Literal["beside the others", "when it comes again", "in another time zone", "at any time"]
"""How the row was given where its value differs from that of the row alone."""

_REMEDIES: dict[Cause, str] = {
    "mean over the batch": "compute it in batch with sfx.aggregate(…), and use its value",
    "rank": "compute limits in batch with sfx.aggregate(…), and compare each row with them",
    "fillna of a mean": "fill with the value of sfx.aggregate(…), or with a constant",
    "category codes": "declare the column as its list of categories, whose codes are fixed",
    "clock": "take the time as a column",
    "randomness": "derive it from a column, for example by a hash of the row's key",
    "dtype upcast": "convert to one dtype whatever the rows are, as with .astype('Int64')",
    "rounding": "round the result, or compute it with operations on columns",
    "order": "use the values of each row only, or take the earlier value as a column",
    "naive times": "declare times with their zone, as timestamp[us, tz=UTC]",
    "global state": "keep nothing between calls: declare it as a column or a constant",
    "other rows": "use the values of each row only",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The smallest rows for which a function is not portable.

    Args:
        cause: The likely cause.
        why: What shows it.
        rows: The rows: as few, and with as plain values, as were found.
        row: Which of them differs, from 0.
        column: The column that differs; empty if the function failed.
        other: Its value when the row was given in another way.
        alone: Its value where the row came alone.
        way: The other way.
    """

    cause: Cause
    why: str
    rows: tuple[Mapping[str, Any], ...]
    row: int
    column: str
    other: Any
    alone: Any
    way: Way = "beside the others"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.cause]

    def __str__(self) -> str:
        shown = "\n".join(f"  {number}: {dict(row)!r}" for number, row in enumerate(self.rows))
        what = f"{self.column!r} of row {self.row}" if self.column else f"row {self.row}"
        if self.way == "at any time":
            return f"{what} {self.why}. {self.remedy[0].upper()}{self.remedy[1:]}.\n{shown}"
        return (
            f"{what} is {self.alone!r} alone, and {self.other!r} {self.way}. Likely cause:"
            f" {self.cause} ({self.why}). {self.remedy[0].upper()}{self.remedy[1:]}.\n{shown}"
        )


@dataclass(frozen=True, slots=True)
class PortabilityReport:
    """Whether a function gave the same values however its rows were divided.

    It is true if it did.

    Args:
        function: The function's name.
        rows: How many rows were compared.
        calls: How often the function was called.
        difference: The smallest rows that differ, or None.

    Example:
        >>> bool(PortabilityReport("late", 1000, 1100, None))
        True
    """

    function: str
    rows: int
    calls: int
    difference: Difference | None

    def __bool__(self) -> bool:
        return self.difference is None

    def __str__(self) -> str:
        rows = counted(self.rows, "row")
        if self.difference is None:
            return (
                f"{self.function} is the same to the bit for {rows} together, one by one, in pieces"
                f" and shuffled ({counted(self.calls, 'call')})"
            )
        return f"{self.function} is not portable ({rows}): {self.difference}"
