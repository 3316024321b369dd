"""The usual band of figures: what lies inside, what outside, and when there is none."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from airflow_sfx.warehouse.quality.band import (
    LEAST_FIGURES,
    LEAST_WEEKS,
    WINDOW,
    Band,
    Figure,
    bands,
    day_of,
    usual_band,
)

MONDAY = date(2016, 10, 3)
LEVELS = (100, 100, 100, 100, 120, 30, 30)


def shop(weeks: int, noise: float = 0.1, seed: int = 0) -> list[Figure]:
    """Return the figures of days, which are lower at weekends."""
    chance = random.Random(seed)
    return [
        Figure(LEVELS[place % 7] * (1 + chance.gauss(0, noise)), MONDAY + timedelta(place))
        for place in range(7 * weeks)
    ]


def band_of(*values: float | None, day: date | None = None) -> Band | None:
    return usual_band([Figure(value) for value in values], day)


def test_there_is_no_band_of_few_figures() -> None:
    assert band_of(*[10.0] * (LEAST_FIGURES - 1)) is None
    assert band_of(*[10.0] * (LEAST_FIGURES - 1), None) is None
    assert band_of(*[10.0] * LEAST_FIGURES) is not None


def test_the_band_of_equal_figures_is_a_tenth_wide() -> None:
    band = band_of(*[10.0] * 20)
    assert band is not None
    assert (band.low, band.middle, band.high) == (9, 10, 11)


def test_one_wrong_figure_does_not_move_the_band() -> None:
    values = [98.0, 101, 99, 100, 102, 100, 97, 103, 100, 101]
    band, other = band_of(*values), band_of(*values, 1.0)
    assert band is not None
    assert other is not None
    assert other.low > 85
    assert not other.holds(1.0)


@pytest.mark.parametrize("weekday", range(7))
def test_a_hundredth_is_outside_on_each_weekday(weekday: int) -> None:
    figures = shop(5)
    band = usual_band(figures, MONDAY + timedelta(35 + weekday))
    assert band is not None
    assert band.weekday
    assert not band.holds(LEVELS[weekday] / 100)
    assert band.holds(LEVELS[weekday])


def test_a_weekday_as_low_as_a_sunday_is_outside() -> None:
    figures = shop(LEAST_WEEKS)
    sunday, monday = (usual_band(figures, MONDAY + timedelta(days)) for days in (34, 28))
    assert sunday is not None
    assert monday is not None
    assert sunday.holds(30)
    assert not monday.holds(30)


def test_the_first_weekends_are_not_outside_once_one_was_seen() -> None:
    band = usual_band(shop(2), MONDAY + timedelta(19))
    assert band is not None
    assert not band.weekday
    assert band.holds(30)
    assert not band.holds(1)


def test_few_good_figures_are_outside() -> None:
    outside = 0
    for seed in range(40):
        figures = shop(20, seed=seed)
        found = bands(figures, since=28)
        for figure, band in zip(figures[28:], found, strict=True):
            assert figure.value is not None
            outside += band is not None and not band.holds(figure.value)
    assert outside / (40 * 112) < 0.01


def test_only_the_figures_of_the_window_count() -> None:
    before = [Figure(1.0)] * 500 + [Figure(50.0)] * WINDOW
    band = usual_band(before)
    assert band is not None
    assert (band.middle, band.figures) == (50, WINDOW)


def test_each_figure_is_compared_with_those_before_it() -> None:
    figures = [Figure(10.0)] * 10 + [Figure(1.0)]
    found = list(bands(figures))
    assert found[:LEAST_FIGURES] == [None] * LEAST_FIGURES
    assert found[-1] == usual_band(figures[:-1])
    assert list(bands(figures, since=10)) == found[10:]


def test_a_small_part_of_nulls_can_be_usual() -> None:
    none = [Figure(0.0)] * 20
    band = usual_band(none, least_change=0.01)
    assert band is not None
    assert band.holds(0.005)
    assert not band.holds(0.02)
    assert not usual_band(none).holds(0.001)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["20161031"], (0, date(2016, 10, 31))),
        (["de", "2016-10-31"], (1, date(2016, 10, 31))),
        (["20161331"], None),
        (["2016103105"], None),
        (["2016-1031"], None),
        (["de"], None),
        (["٢٠١٦١٠٣١"], None),
        ([], None),
    ],
)
def test_a_day_is_found_in_the_values_of_a_partition(values: list[str], found: object) -> None:
    assert day_of(values) == found


def test_a_bad_day_leaves_the_bands_of_the_weeks_after_as_they_are() -> None:
    for bad in (9, 17, 31, 33):
        figures = shop(10)
        figures[bad] = Figure(figures[bad].value * 0.01, figures[bad].day)  # type: ignore[operator]
        without = [*figures[:bad], Figure(None, figures[bad].day), *figures[bad + 1 :]]
        assert list(bands(figures))[bad + 1 :] == list(bands(without))[bad + 1 :]
        for after in range(max(36, bad + 1), bad + 29):
            band = list(bands(figures[: after + 1]))[-1]
            assert band is not None
            assert not band.holds(LEVELS[after % 7] * 0.01), (bad, after)


def test_a_new_level_is_usual_after_two_weeks() -> None:
    figures = shop(6)
    grown = [Figure(3 * one.value, one.day) for one in shop(12)[42:]]  # type: ignore[operator]
    found = list(bands([*figures, *grown]))[42:]
    unusual = [
        band is not None and not band.holds(one.value or 0)
        for one, band in zip(grown, found, strict=True)
    ]
    assert all(unusual[:5])
    assert sum(unusual[14:]) <= 1
