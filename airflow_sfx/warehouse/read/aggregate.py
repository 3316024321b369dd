"""Aggregates: one number of a whole column, of pinned batches."""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from types import MappingProxyType
from typing import Any, Literal, get_args

import pyarrow as pa

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.frames._typing import AnyColumn
from airflow_sfx.frames.pandas.metadata import MADE_FROM

How = Literal["count", "sum", "mean", "min", "max", "median", "std"]
"""What is computed of the values that are not missing."""

_MOST_DIGITS = 76
_NUMERIC = ("sum", "mean", "median", "std")


@dataclass(frozen=True, slots=True)
class Reading:
    """An aggregate as it was computed.

    Args:
        value: The value.
        pin: The batches that it was computed of.
    """

    value: Any
    pin: BatchPin


class Aggregate:
    """A number of a whole column, computed once and pinned; see `Warehouse.aggregate`.

    Args:
        source: The table, or the batches.
        column: The column.
        how: What is computed.
        partitions: The partitions, or None for all.
        find: Returns the batches that are current now.
        load: Returns the column in some batches, as Arrow.
    """

    def __init__(
        self,
        source: str | BatchPin,
        column: str,
        how: How,
        partitions: Sequence[object] | None,
        find: Callable[[TableRef, Sequence[object] | None], BatchPin],
        load: Callable[[BatchPin, str], AnyColumn],
    ) -> None:
        if not isinstance(how, str) or how not in get_args(How):
            raise InvalidName(
                f"how={how!r:.80} is not an aggregate: pass one of {', '.join(get_args(How))}"
            )
        if not isinstance(column, str):
            raise InvalidName(f"column={column!r:.80} is not a name: pass a column's name")
        if isinstance(source, BatchPin) and partitions is not None:
            raise InvalidName("a pin already names its partitions: pass the pin alone")
        self._source = source if isinstance(source, BatchPin) else TableRef.parse(source)
        self._column, self._how, self._partitions = column, how, partitions
        self._find, self._load = find, load
        self._lock = threading.Lock()
        self._current: Reading | None = None

    @property
    def name(self) -> str:
        """What it is, for people: ``mean of age in crm.clients``."""
        source = self._source.ref if isinstance(self._source, BatchPin) else self._source
        return f"{self._how} of {self._column} in {source}"

    @property
    def value(self) -> Any:
        """The value; the same during a whole call of a portable function.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: It has no batch.
            SchemaMismatch: It has no such column, or the column has no such aggregate.
        """
        return self.reading().value

    @property
    def pin(self) -> BatchPin:
        """The batches that the value was computed of."""
        return self.reading().pin

    def reading(self) -> Reading:
        """Return value and pin together, computed when they are first read."""
        read, fixed = _READ.get(), _FIXED.get()
        if read is not None and self in read:
            return read[self]
        found = fixed.get(self, self._current)
        if found is None:
            with self._lock:
                if self._current is None:
                    self._current = self.computed(self.newest())
                found = self._current
        if read is not None:
            read[self] = found
        return found

    def follow(self) -> bool:
        """Compute the value anew if its table has other batches now.

        Returns:
            Whether it has.
        """
        pin = self.newest()
        if self._current is not None and self._current.pin == pin:
            return False
        self._current = self.computed(pin)
        return True

    def newest(self) -> BatchPin:
        """Return the batches that are current now; those of its pin if it was made of one."""
        if isinstance(self._source, BatchPin):
            return self._source
        return self._find(self._source, self._partitions)

    def computed(self, pin: BatchPin) -> Reading:
        """Compute the value of some batches, without keeping it."""
        values = values_of(self._load(pin, self._column))
        try:
            return Reading(aggregated(values, self._how), pin)
        except (TypeError, ValueError) as error:
            raise SchemaMismatch(
                f"{self.name} cannot be computed ({error}): name a column of numbers with values,"
                " or count, min or max",
                table=str(pin.ref),
            ) from error

    def __repr__(self) -> str:
        return f"<Aggregate {self.name}>"


def values_of(column: AnyColumn) -> list[Any]:
    """Return the values of a column that are not missing, as Python's."""
    known = column.drop_null()
    kind: Any = known.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return [one for one in known.to_numpy().tolist() if one == one]  # noqa: PLR0124  NaN
    return known.to_pylist()  # type: ignore[no-any-return]


def aggregated(values: list[Any], how: How) -> Any:  # noqa: PLR0911  a table of kinds
    """Return an aggregate of values: the same on every machine and in every order.

    Args:
        values: The values; none is missing.
        how: What is computed.

    Raises:
        ValueError: There are none.
        TypeError: They are not numbers, and a number is computed.

    Example:
        >>> aggregated([0.1] * 10, "sum"), aggregated([3, 1, 2], "median")
        (1.0, 2.0)
    """
    if how == "count":
        return len(values)
    if not values:
        raise ValueError("it has no values")
    if how in _NUMERIC and not all(isinstance(one, int | float | Decimal) for one in values):
        raise TypeError("it has other values than numbers")
    match how:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "sum":
            return _sum(values)
        case "median":
            return float(statistics.median(values))
    mean = _sum(values) / len(values)
    if how == "mean":
        return float(mean)
    if len(values) == 1:
        raise ValueError("the standard deviation needs two values")
    squares = math.fsum((float(one) - float(mean)) ** 2 for one in values)
    return math.sqrt(squares / (len(values) - 1))


def _sum(values: list[Any]) -> Any:
    if all(isinstance(one, int) for one in values):
        return sum(values)
    if all(isinstance(one, Decimal) for one in values):
        with localcontext(Context(prec=_MOST_DIGITS)):
            return sum(values)
    return math.fsum(values)


_NONE: Mapping[Any, Reading] = MappingProxyType({})
_READ: ContextVar[dict[Aggregate, Reading] | None] = ContextVar("_READ", default=None)


_FIXED: ContextVar[Mapping[Aggregate, Reading]] = ContextVar("_FIXED", default=_NONE)


@contextmanager
def fixed(readings: Mapping[Aggregate, Reading]) -> Iterator[None]:
    """Read aggregates as they are given, during a block of one thread or task."""
    token = _FIXED.set(readings)
    try:
        yield
    finally:
        _FIXED.reset(token)


class Readings:
    """Keeps each aggregate as it was first read, during a block of one thread or task.

    Attributes:
        read: The aggregates that were read.
    """

    __slots__ = ("_token", "read")

    def __enter__(self) -> dict[Aggregate, Reading]:
        """Begin; the aggregates that are read from now on are added to the result."""
        self.read: dict[Aggregate, Reading] = {}
        self._token = _READ.set(self.read)
        return self.read

    def __exit__(self, *error: object) -> None:
        """End."""
        _READ.reset(self._token)


def with_pins(frame: Any, read: dict[Aggregate, Reading]) -> None:
    """Name the batches of aggregates in a frame, so that a store records them as inputs."""
    if read:
        known = frame.attrs.get(MADE_FROM, [])
        pins = (one.pin.to_json() for one in read.values())
        frame.attrs[MADE_FROM] = list(dict.fromkeys([*known, *pins]))


def pins_of(frame: object) -> tuple[BatchPin, ...]:
    """Return the pins that `with_pins` has named in a frame, or a frame made from it.

    Example:
        >>> pins_of([1, 2])
        ()
    """
    attrs = getattr(frame, "attrs", None)
    named = attrs.get(MADE_FROM, ()) if isinstance(attrs, dict) else ()
    return tuple(BatchPin.from_json(one) for one in named)
