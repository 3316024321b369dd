"""What the warehouse tells of its work, for metrics and lineage. It knows nobody who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_sfx.core.pin import BatchPin


@dataclass(frozen=True, slots=True)
class Committed:
    """Partitions were changed.

    Args:
        pin: What is current in them now; None where they have no batch.
        table: ``database.table``.
        operation: ``publish``, ``rollback``, ``adopt`` or ``foreign_change``.
        partitions: How many.
        rows: The rows of what is current now.
        bytes: Its bytes.
        seconds: How long the commit took, with all of its tries.
        conflicts: How often somebody else's change came first.
    """

    pin: BatchPin | None
    table: str
    operation: str
    partitions: int
    rows: int
    bytes: int
    seconds: float
    conflicts: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Batches are being read.

    Args:
        pin: Which.
    """

    pin: BatchPin


Observer = Callable[[Committed | Loaded], None]
"""Is told in the thread that does the work, and must neither raise nor take long."""

_observers: list[Observer] = []

Guard = Callable[[BatchPin], None]
"""Raises `InvalidName` where a pin is not one that the work of this process may use."""

_guards: list[Guard] = []


def subscribe(observer: Observer) -> None:
    """Notify an observer of all work of this process; a second call has no effect.

    Args:
        observer: Whom.

    Example:
        >>> import pandas as pd, tempfile, airflow_sfx as sfx
        >>> seen = []
        >>> subscribe(seen.append)
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> frame = pd.DataFrame({"n": [1, 2]})
        >>> pin = warehouse.store_dataframe(frame, "sales", "items", ["20161031"])
        >>> seen[0].operation, seen[0].rows, seen[0].conflicts
        ('publish', 2, 0)
        >>> unsubscribe(seen.append)
    """
    if observer not in _observers:
        _observers.append(observer)


def unsubscribe(observer: Observer) -> None:
    """Tell somebody nothing more."""
    _observers.remove(observer)


def add_pin_guard(one: Guard) -> None:
    """Have somebody look at every pin that is used in this process from now on.

    Args:
        one: Who looks; the second time for the same one, nothing happens.
    """
    if one not in _guards:
        _guards.append(one)


def check_pin(pin: BatchPin) -> None:
    """Have all guards look at a pin that came from outside.

    Args:
        pin: The pin.

    Raises:
        InvalidName: One of them refuses it.
    """
    for one in _guards:
        one(pin)


def emit(work: Committed | Loaded) -> None:
    """Tell all observers."""
    for observer in _observers:
        observer(work)
