"""Events of a night that may need attention, by the names of events alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from airflow_sfx.core.log_entry import Operation
from airflow_sfx.warehouse.log.event_facts import ColumnFacts, EventFacts, ended_batches
from airflow_sfx.warehouse.log.event_index import STAGE, Event
from airflow_sfx.warehouse.night.rules import Rows, unusual_rows
from airflow_sfx.warehouse.quality.band import Band, anomalous_after
from airflow_sfx.warehouse.quality.metric import LEAST_CHANGES

PUBLISH = Operation.PUBLISH.value
"""The kind of the events that are a night's work.

What was adopted, or written again without a column, has rows of earlier nights.
"""

_LOOKED_AT = {Operation.ROLLBACK.value, Operation.FOREIGN_CHANGE.value, STAGE}

_Past = tuple[date, EventFacts]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that may need attention.

    Args:
        event: The event.
        band: The usual rows of a publish that has unusual ones; or None.
        judged: Whether the figures and the checks of its batches are to be looked at: of a publish.
    """

    event: Event
    band: Band | None = None
    judged: bool = False


def candidates(events: Sequence[Event], since: datetime, *, full: bool) -> list[Candidate]:
    """Return the events of a table's night that may need attention.

    Args:
        events: The events of the table, oldest first, with those before the night.
        since: The beginning of the night, in UTC.
        full: Whether every publish is to be judged, not only those with unusual figures.
    """
    if not events or events[-1].at < since:
        return []
    ended = ended_batches(one.facts for one in events if one.kind == Operation.ROLLBACK.value)
    found: list[Candidate] = []
    rows: list[Rows] = []
    past: list[_Past] = []
    for event in events:
        if event.kind != PUBLISH:
            if event.at >= since and event.kind in _LOOKED_AT:
                found.append(Candidate(event))
            continue
        facts, of_event = event.facts, Rows(event.at, event.least, event.most)
        if event.at >= since:
            band = unusual_rows(rows, of_event)
            if full or band or facts.warned or _has_unusual(past, facts, event.at.date()):
                found.append(Candidate(event, band, judged=True))
        if ended.isdisjoint(facts.batches):
            rows.append(of_event)
            past.append((event.at.date(), facts))
    return found


def _has_unusual(past: Sequence[_Past], facts: EventFacts, day: date) -> bool:
    """Return whether a column's figures are outside of the bands of the events before."""
    known = [(of, one) for of, one in past if one.figures]
    return any(
        anomalous_after(before, value, day, least_change=least_change) is not None
        for number, own in facts.figures.items()
        for before, value, least_change in _series(
            [(of, one.figures.get(number)) for of, one in known], own
        )
    )


def _series(
    past: Sequence[tuple[date, ColumnFacts | None]], own: ColumnFacts
) -> Iterable[tuple[list[tuple[float, date | None]], float, float]]:
    """Yield the earlier figures of a column, its own one, and how much that may always differ."""
    if own.least is not None:
        least = [(one.least, of) for of, one in past if one and one.least is not None]
        yield [*least], own.least, 0.0
    if own.most is not None and own.most != own.least:
        most = [(one.most, of) for of, one in past if one and one.most is not None]
        yield [*most], own.most, 0.0
    # a column that is not named had no nulls
    yield [(one.nulls if one else 0.0, of) for of, one in past], own.nulls, LEAST_CHANGES["nulls"]
