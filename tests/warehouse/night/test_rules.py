"""When a table is late, and which rows are unusual: rules without a warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_sfx.warehouse.log.event_index import Event
from airflow_sfx.warehouse.night.candidates import candidates
from airflow_sfx.warehouse.night.rules import Rows, days_to_read, late, rows_band

MONDAY = datetime(2016, 11, 7, tzinfo=UTC)
DAY = timedelta(days=1)


def nights(count: int, hour: float = 2, *, first: datetime = MONDAY) -> list[datetime]:
    return [first + number * DAY + timedelta(hours=hour) for number in range(count)]


def late_at(publishes: list[datetime], now: datetime, back: timedelta = DAY) -> str | None:
    found = late(publishes, now - back, now)
    return None if found is None else f"{found.usual:%d %H:%M}"


def test_a_table_is_late_an_hour_after_its_usual_time_until_it_comes() -> None:
    before = nights(10)
    tonight = MONDAY + 10 * DAY
    assert late_at(before, tonight + timedelta(hours=2, minutes=59)) is None
    assert late_at(before, tonight + timedelta(hours=3)) == "17 02:00"
    assert late_at(before, tonight + timedelta(hours=20)) == "17 02:00"
    came = [*before, tonight + timedelta(hours=5)]
    assert late_at(came, tonight + timedelta(hours=6)) is None


def test_a_night_that_came_late_does_not_hide_the_next_one() -> None:
    before = [*nights(9), MONDAY + 9 * DAY + timedelta(hours=9)]
    assert late_at(before, MONDAY + 10 * DAY + timedelta(hours=4)) == "17 02:00"


def test_times_that_vary_make_a_table_late_later() -> None:
    hours = (1, 4, 2, 5, 3, 1, 4, 2, 5, 3)
    before = [MONDAY + day * DAY + timedelta(hours=hour) for day, hour in enumerate(hours)]
    tonight = MONDAY + 10 * DAY
    assert late_at(before, tonight + timedelta(hours=6)) is None
    assert late_at(before, tonight + timedelta(hours=12)) == "17 03:00"


def test_midnight_does_not_cut_a_night() -> None:
    before = [one + timedelta(minutes=20 * (-1) ** day) for day, one in enumerate(nights(10, 0))]
    assert late_at(before, MONDAY + 10 * DAY + timedelta(hours=2)) == "17 00:00"
    came = [*before, MONDAY + 10 * DAY - timedelta(minutes=15)]
    assert late_at(came, MONDAY + 10 * DAY + timedelta(hours=2)) is None


def test_days_of_the_week_without_a_publish_are_not_expected() -> None:
    weekdays = [one for one in nights(26) if one.weekday() < 5]
    saturday = MONDAY + 26 * DAY
    assert saturday.weekday() == 5
    assert late_at(weekdays, saturday + timedelta(hours=6)) is None
    monday = MONDAY + 28 * DAY
    assert late_at(weekdays, monday + timedelta(hours=6)) == "05 02:00"
    mondays = [one for one in nights(36) if one.weekday() == 0]
    assert len(mondays) == 6
    assert late_at(mondays, MONDAY + 37 * DAY) is None
    assert late_at(mondays, MONDAY + 42 * DAY + timedelta(hours=6)) == "19 02:00"


def test_a_table_without_usual_times_is_never_late() -> None:
    now = MONDAY + 20 * DAY
    assert late_at([], now) is None
    assert late_at(nights(4), MONDAY + 4 * DAY + timedelta(hours=6)) is None
    sometimes = [MONDAY + day * DAY for day in (0, 1, 5, 11, 12, 19)]
    assert late_at(sometimes, now + timedelta(hours=6)) is None


def test_only_what_became_late_in_the_night_is_late() -> None:
    before = nights(10)
    long_after = MONDAY + 10 * DAY + timedelta(hours=23)
    assert late_at(before, long_after, timedelta(hours=12)) is None
    assert late_at(before, long_after, DAY) == "17 02:00"
    assert late_at(before, MONDAY + 12 * DAY, 3 * DAY) == "18 02:00", "the newest of two"


@pytest.mark.parametrize(
    ("rows", "usual"), [(100, True), (95, True), (0, False), (49, False), (1000, False)]
)
def test_rows_are_compared_with_those_of_the_nights_before(rows: int, usual: bool) -> None:
    before = [Rows(at, 97 + at.day % 7, 97 + at.day % 7) for at in nights(20)]
    band = rows_band(before, MONDAY + 20 * DAY)
    assert band is not None
    assert band.holds(rows) == usual


def test_weekends_have_their_own_rows_and_a_few_nights_have_no_band() -> None:
    counts = [(at, 10 if at.weekday() > 4 else 100) for at in nights(28)]
    before = [Rows(at, rows, rows) for at, rows in counts]
    saturday, monday = MONDAY + 33 * DAY, MONDAY + 28 * DAY
    for at, usual in ((saturday, 10), (monday, 100)):
        band = rows_band(before, at)
        assert band is not None
        assert (band.weekday, band.holds(usual), band.holds(55)) == (True, True, False)
    assert rows_band(before[:6], MONDAY + 6 * DAY) is None


def test_a_batch_that_was_rolled_back_is_not_usual() -> None:
    def event(day: int, rows: int, kind: str = "publish", batch: str = "") -> Event:
        return Event(MONDAY + day * DAY, kind, 1, rows, rows, "s.orders", "", f"{batch}..")

    bad = "20161109000000"
    before = [event(day, 1000 if day == 2 else 100, batch=bad * (day == 2)) for day in range(8)]
    night = [event(8, 1000)]
    since = MONDAY + 8 * DAY
    assert candidates([*before, *night], since, full=False) == []
    undone = event(7, 100, "rollback", bad)
    (found,) = candidates([*before, undone, *night], since, full=False)
    assert found.band is not None
    assert found.band.high == pytest.approx(110)


def test_a_night_may_begin_on_the_first_day_of_the_calendar() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    assert days_to_read(first, first + timedelta(days=60))[-1] == date(1, 3, 3)
