"""Calls of a portable function, and outcomes that can be compared."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.portability.check.state import State

if TYPE_CHECKING:
    from airflow_sfx.portability.calls import PortableCalls

Row = Mapping[str, Any]
_FAR = "Pacific/Kiritimati"
"""A time zone that is not the machine's: no other is as far east."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the function gave for one row, or how it failed.

    Args:
        values: The values by column; empty if it failed.
        error: The error, or None.
    """

    values: Row
    error: Exception | None = None

    def differing(self, other: Outcome) -> str | None:
        """Return the first column that is not the same to the bit; empty if one failed.

        None if all are the same, or both failed in the same way.
        """
        if self.error is not None or other.error is not None:
            return None if type(self.error) is type(other.error) else ""
        for name, value in self.values.items():
            if _bits(value) != _bits(other.values[name]):
                return name
        return None

    def shown(self, column: str) -> Any:
        """Return the value of a column, or the error."""
        if self.error is not None:
            return self.error
        return self.values[column] if column else dict(self.values)


def _bits(value: Any) -> object:
    if isinstance(value, float):
        return struct.pack("<d", value)
    return type(value), str(value) if hasattr(value, "as_tuple") else value


class Runs:
    """Calls of a function, each with the state in which the check began.

    Args:
        portable: The function.

    Attributes:
        calls: How often the function was called.
        state: What it keeps between calls.
    """

    def __init__(self, portable: PortableCalls) -> None:
        self.portable, self.state = portable, State(portable.function)
        self.calls = 0

    def alone(self, row: Row, *, fresh: bool = True) -> Outcome:
        """Return the outcome of a row that the function gets alone.

        Args:
            row: The row.
            fresh: Whether what it keeps between calls is put back first.
        """
        if fresh:
            self.state.reset()
        self.calls += 1
        try:
            return Outcome(self.portable.of_row(row))
        except Exception as error:  # of any function
            return Outcome({}, error)

    def together(self, rows: Sequence[Row], *, fresh: bool = True) -> list[Outcome]:
        """Return the outcomes of rows that the function gets together."""
        if fresh:
            self.state.reset()
        self.calls += 1
        try:
            return [Outcome(one) for one in self.portable.of_rows(rows)]
        except Exception as error:  # of any function
            return [Outcome({}, error)] * len(rows)

    def streamed(self, rows: Sequence[Row], batch: int) -> list[Outcome]:
        """Return the outcomes of rows as records of a stream."""
        self.state.reset()
        self.calls += -(-len(rows) // batch)
        try:
            return [Outcome(one) for one in self.portable.stream(rows, batch=batch)]
        except Exception as error:  # of any function
            return [Outcome({}, error)] * len(rows)


@contextmanager
def other_zone() -> Iterator[None]:
    """Give the process another time zone during a block."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = _FAR
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
