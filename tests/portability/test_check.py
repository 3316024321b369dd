"""The check finds each listed cause, on few rows, and passes what is portable."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.testing import assert_portable
from tests.portability import functions
from tests.portability.functions import PLANTED, PURE

ROWS = 40


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    moments = pd.Timestamp("2016-10-31") + pd.to_timedelta(chance.integers(0, 10**7, ROWS), "s")
    found = pd.DataFrame(
        {
            "x": chance.normal(size=ROWS),
            "n": pd.array(chance.integers(0, 9, ROWS), dtype="Int64"),
            "s": chance.choice(list("abc"), ROWS),
            "t": moments,
            "z": moments.tz_localize("UTC"),
            "c": chance.choice(["AA", "UA"], ROWS),
            "b": chance.choice([True, False], ROWS),
            "d": moments.date,
            "p": [f"{one:.2f}" for one in chance.normal(size=ROWS)],
            "f": chance.normal(size=ROWS).astype("float32"),
            "k": chance.integers(0, 99, ROWS),
        }
    )
    for place, name in enumerate(["x", "n", "s", "t", "z", "c", "d", "p"]):
        found.loc[place + 3, name] = None
    return found


@pytest.mark.parametrize("function", PURE, ids=lambda one: one.name)
def test_a_pure_function_passes_two_hundred_random_splits(function, frame) -> None:
    report = function.check(frame, splits=200)
    assert report, str(report)
    assert report.rows == ROWS
    assert report.calls > ROWS + 400  # of pieces, and of the rows in another order
    assert "is the same to the bit for 40 rows" in str(report)


@pytest.mark.parametrize("function", PLANTED, ids=lambda one: one.name)
def test_a_planted_cause_is_found_and_named_with_few_rows(function, frame) -> None:
    report = function.check(frame)
    found = report.difference
    assert found is not None
    assert found.cause == PLANTED[function], str(report)
    alone = found.cause in ("clock", "randomness", "naive times", "global state")
    assert len(found.rows) == (1 if alone else 2)
    assert found.why
    assert found.remedy.rstrip(".").lower() in str(report).lower()


def test_a_check_leaves_state_and_zone_as_they_were(frame) -> None:
    functions.SEEN.clear()
    before = os.environ.get("TZ"), time.tzname, functions.calls
    functions.numbered.check(frame)
    functions.counted.check(frame)
    functions.seconds.check(frame)
    assert (os.environ.get("TZ"), time.tzname, functions.calls) == before
    assert functions.SEEN == {}


def test_a_frame_is_sampled_and_a_list_of_records_is_rows_too() -> None:
    function = sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})(lambda rows: rows)
    assert function.check(pd.DataFrame({"n": range(5000)}), most=20, splits=2).rows == 20
    assert function.check([{"n": 1}, {"n": 1.0}], splits=2).rows == 2
    with pytest.raises(sfx.InvalidName, match="there are no rows"):
        function.check([])
    with pytest.raises(sfx.InvalidName, match="splits=0"):
        function.check([{"n": 1}], splits=0)


def test_a_function_that_fails_on_rows_together_only_is_not_portable() -> None:
    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def picky(rows):
        if len(set(rows["n"])) > 1:
            raise ValueError("several")
        return rows

    found = picky.check([{"n": n} for n in range(9)]).difference
    assert found is not None
    assert (len(found.rows), repr(found.other)) == (2, "ValueError('several')")


def test_the_check_of_a_store_stages_what_is_not_portable(sfx_warehouse, frame) -> None:
    flights = sfx.store_dataframe(frame, "air", "flights", ["1"])
    rows = sfx.load_dataframe(flights)
    good, bad = functions.scaled, functions.centred
    sfx.store_dataframe(
        good(rows), "air", "late", ["1"], checks=[sfx.checks.portable(good, flights)]
    )
    with pytest.raises(sfx.CheckFailed, match="mean over the batch"):
        sfx.store_dataframe(
            bad(rows), "air", "late", ["2"], checks=[sfx.checks.portable(bad, flights)]
        )
    both = rows.assign(y=good(rows)["y"])
    assert sfx.checks.portable(good)(both) is None
    both.loc[7, "y"] = 0.0
    assert "online for 'y' of row 7, and the frame has 0.0" in sfx.checks.portable(good)(both)
    with pytest.raises(sfx.InvalidName, match="is not a portable function"):
        sfx.checks.portable(len)


def test_the_helper_for_pytest_fails_with_rows_and_cause(frame) -> None:
    assert_portable(functions.scaled, frame)
    with pytest.raises(AssertionError, match="Likely cause: rank"):
        assert_portable(functions.ranked, frame)
