"""Distributions of values before and after, on one scale, with nothing lost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow.compute import run_end_encode

from airflow_sfx.warehouse.diff.distribution import BINS, MOST_VALUES, Distribution


def of(before: object, after: object) -> Distribution | None:
    sides = [side if side is None else pa.chunked_array([side]) for side in (before, after)]
    return Distribution.of(*sides)


def test_numbers_share_their_bins() -> None:
    found = of(pa.array([0, 0, 5]), pa.array([10, None]))
    assert found is not None
    assert (len(found.bins), found.bins[0], found.bins[10]) == (BINS, "0", "5")
    assert (found.before[0], found.before[10], sum(found.before)) == (2, 1, 3)
    assert (found.after[-1], sum(found.after)) == (1, 1)


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (pa.array([1.5, float("nan"), float("inf"), None]), "1.5"),
        (pa.array([Decimal("2.50")]), "2.5"),
        (pa.array([2**62, -(2**62)]), "-4.61169e+18"),
        (pa.array([date(2016, 10, 31)]), "2016-10-31"),
        (pa.array([datetime(2016, 10, 31, 5, tzinfo=UTC)]), "2016-10-31T05:00:00"),
        (pa.array([datetime(9999, 12, 31, 23, 59, 59, 999999)]), "10000-01-01T00:00:00"),
        (pa.array([datetime(1, 1, 1), datetime(9999, 12, 31)]), "0001-01-01T00:00:00"),
        (pa.array([date(9999, 12, 31)]), "9999-12-31"),
        (pa.array([2**63 - 1], pa.timestamp("us", "Pacific/Apia")), "294247-01-10T04:00:54"),
        (pa.array([True, False, True]), "True"),
        (pa.array(["b", "a", "b"]).dictionary_encode(), "b"),
        (pa.array(["b", None, "b"], pa.string_view()), "b"),
        (run_end_encode(pa.array([True, True, False])), "True"),
    ],
    ids=str,
)
def test_every_kind_of_value_has_bins(values, first: str) -> None:
    found = of(values, values)
    assert found is not None
    assert first in found.bins
    assert found.before == found.after
    assert sum(found.before) > 0


def test_many_values_are_shown_by_the_most_frequent_and_others() -> None:
    found = of(pa.array([f"v{n:03d}" for n in range(100)] + ["often"] * 5), pa.array(["new"] * 3))
    assert found is not None
    assert len(found.bins) == MOST_VALUES
    assert (found.bins[0], found.bins[1], found.bins[-1]) == ("often", "new", "others")
    assert (sum(found.before), sum(found.after)) == (105, 3)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (pa.array([1]), pa.array(["a"])),
        (pa.array([[1]]), pa.array([[1]])),
        (pa.array([b"x"]), pa.array([b"x"])),
        (pa.array([], pa.int64()), pa.array([None], pa.int64())),
        (pa.array([float("nan")]), None),
    ],
)
def test_what_cannot_be_put_in_bins_has_none(before, after) -> None:
    assert of(before, after) is None


def test_a_column_that_was_added_has_only_an_after() -> None:
    found = of(None, pa.array(["a"]))
    assert found == Distribution(("a",), (0,), (1,))
