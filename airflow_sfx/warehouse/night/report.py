"""The report of a night: what needs attention, in which table, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.results import Tabular


class Concern(StrEnum):
    """Why something needs attention, gravest first."""

    REFUSED = "refused"
    FOREIGN_CHANGE = "foreign change"
    STALE = "stale"
    LATE = "late"
    UNUSUAL = "unusual values"
    SMALL = "unusually small"
    LARGE = "unusually large"
    WARNED = "warned"
    ROLLED_BACK = "rolled back"
    STAGED = "staged"


@dataclass(frozen=True, slots=True)
class NightItem:
    """Something that needs attention.

    Args:
        concern: Why.
        table: The table as ``database.table``; of several, the first by name.
        partition: The partition, or None for several, or for the whole of a table that is late.
        partitions: The number of partitions; 0 for a table that is late.
        batch_id: The batch of that partition, or None.
        commit: The commit that it happened in; empty if it is not one commit.
        at: When it happened, in UTC, or None if unknown.
        producer: Who did it, or None if unknown.
        detail: What was found, in one sentence.
        tables: The number of tables: more than 1 for an undo in several.
        undo: The ID that the commits of one undo share, or empty.
    """

    concern: Concern
    table: str
    partition: str | None
    partitions: int
    batch_id: str | None
    commit: str
    at: datetime | None
    producer: Producer | None
    detail: str
    tables: int = 1
    undo: str = ""


@dataclass(frozen=True, slots=True)
class UnreadableTable:
    """A table that could not be looked at.

    Args:
        table: The table as ``database.table``.
        message: Why.
    """

    table: str
    message: str


@dataclass(frozen=True, slots=True)
class NightReport(Tabular):
    """What needs attention after a night.

    Args:
        since: The beginning of the night, in UTC.
        until: When the report was made, in UTC.
        tables: The number of tables of the warehouse.
        changed: The number of tables that were published in the night.
        items: What needs attention, gravest first.
        unreadable: The tables that could not be looked at; the others are complete.
        full: Whether stale batches, foreign changes that are not in the history yet, and unusual
            values in all that was published were looked for, which reads all tables.
    """

    since: datetime
    until: datetime
    tables: int
    changed: int
    items: tuple[NightItem, ...]
    unreadable: tuple[UnreadableTable, ...]
    full: bool

    def table_rows(self) -> Sequence[object]:
        """Return what needs attention."""
        return self.items

    @property
    def needs_attention(self) -> bool:
        """Whether anything does, or could not be looked at."""
        return bool(self.items or self.unreadable)
