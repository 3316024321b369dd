"""A selection of a table's changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.core.validation import at_least_one, named, zoned


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A selection of changes; None selects all.

    Args:
        since: Changes from this time on, with a time zone; kept in UTC.
        until: Changes before this time, with a time zone; kept in UTC.
        actor: The user.
        dag_id: The DAG.
        run_id: The DAG run.
        limit: The maximum number of changes of a table, newest first.
        operation: The kind of change.

    Raises:
        InvalidName: A time has no time zone, a name is empty, or the limit is invalid.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    limit: int | None = None
    operation: Operation | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            at_least_one(self.limit, "limit")
        for name, text in (("actor", self.actor), ("dag_id", self.dag_id), ("run_id", self.run_id)):
            if text is not None:
                named(text, name)
        for name, value in (("since", self.since), ("until", self.until)):
            if value is not None:
                object.__setattr__(self, name, zoned(value, name))

    def selects(self, header: EntryHeader, at: datetime) -> bool:
        """Return whether a commit is selected.

        Args:
            header: What its changes have in common.
            at: When it was made, in UTC.
        """
        producer = header.producer
        asked = (
            (self.actor, producer.user),
            (self.dag_id, producer.dag_id),
            (self.run_id, producer.run_id),
            (self.operation, header.operation),
        )
        in_time = (self.since is None or at >= self.since) and (
            self.until is None or at < self.until
        )
        return in_time and all(wanted is None or wanted == found for wanted, found in asked)
