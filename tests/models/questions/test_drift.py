"""What drifted: real models, real batches, and the formulas on any shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.questions.distances import LEAST, jensen_shannon, kolmogorov_smirnov, psi
from airflow_sfx.models.questions.drift import Baseline
from tests.models.conftest import flights

SHARES = st.lists(st.integers(0, 1000), min_size=6, max_size=6).filter(any)


def shares(counts: list[int]) -> np.ndarray:
    return np.array(counts) / sum(counts)


@settings(max_examples=50, deadline=None)
@given(SHARES, SHARES)
def test_index_and_distance_are_those_of_their_definitions(one, other) -> None:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    p, q = shares(one), shares(other)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-6)
    assert 0 <= jensen_shannon(p, q) <= 1
    assert psi(p, q) == pytest.approx(psi(q, p))
    assert psi(p, q) >= 0
    assert psi(p, p) == 0
    if min(p.min(), q.min()) >= LEAST:
        assert psi(p, q) == pytest.approx(entropy(p, q) + entropy(q, p))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=200), st.integers(0, 5))
def test_a_baseline_of_few_rows_has_the_exact_distribution(numbers, shift) -> None:
    from scipy.stats import ks_2samp

    ordered = np.sort(np.array(numbers, dtype=float))[:60]
    places = np.linspace(0, len(ordered) - 1, 64).round().astype(int)
    baseline = Baseline(ordered[places].tolist(), len(ordered))
    expected, found = baseline.shares(ordered)
    assert expected.tolist() == pytest.approx(found.tolist())
    now = ordered + shift
    assert kolmogorov_smirnov(*baseline.cumulative(now)) == pytest.approx(
        ks_2samp(ordered, now).statistic
    )


@pytest.fixture
def version(models, train, pipeline):
    return models.save(pipeline, "delays", inputs={"train": train}, target="late")


def stored(warehouse: sfx.Warehouse, frame: pd.DataFrame) -> sfx.BatchPin:
    return warehouse.store_dataframe(frame, "air", "tonight", ["20161101"])


def test_a_shift_is_found_in_rows_and_if_it_is_large_in_predictions(
    models, warehouse, version
) -> None:
    frame = flights(10_000, 1)
    same = models.drift(version, stored(warehouse, frame))
    assert same.drifted == ()
    assert [one.column for one in same.columns] == [
        "distance",
        "hour",
        "carrier",
        "late",
        "prediction",
    ]
    frame["distance"] += 90  # the deviation is 300
    assert models.drift(version, stored(warehouse, frame)).drifted == ("distance",)
    frame["distance"] += 110
    report = models.drift(version, stored(warehouse, frame))
    assert report.drifted == ("distance", "prediction")
    distance = report.columns[0]
    assert distance.mean_after - distance.mean_before == pytest.approx(200, abs=15)
    assert report.as_dict()["columns"][0]["column"] == "distance"
    assert "distance" in report._repr_html_()


def test_new_categories_and_missing_values_are_named(models, warehouse, version) -> None:
    frame = flights(2000, 1)
    frame.loc[:30, "carrier"] = "XX"
    frame["hour"] = frame["hour"].astype("Int64")
    frame.loc[:9, "hour"] = pd.NA
    report = models.drift(version, stored(warehouse, frame))
    found = {one.column: one for one in report.columns}
    assert found["carrier"].reasons == ("new",)
    assert (found["carrier"].new, found["carrier"].new_share) == (("XX",), 31 / 2000)
    assert found["hour"].reasons == ("nulls",), "the model refuses them"
    assert (report.rows, report.scored) == (2000, 1990)


def test_a_category_that_the_model_cannot_score_is_said(models, warehouse, train) -> None:
    model = Coefficients({"carrier[UA]": 1.0}, levels={"carrier": ["AA", "DL", "UA"]})
    version = models.save(model, "levels", inputs={"train": train})
    frame = flights(500, 1)
    frame.loc[0, "carrier"] = "XX"
    report = models.drift(version, stored(warehouse, frame))
    assert (report.drifted, report.scored) == (("carrier",), 0)
    assert "level 'XX'" in report.note


def test_rows_of_one_distribution_rarely_drift(models, warehouse, version) -> None:
    reports = [
        models.drift(version, stored(warehouse, flights(rows, seed)), threshold=1e-9)
        for seed, rows in enumerate([60, 200, 1000, 4000] * 5, 1)
    ]
    assert sum(bool(one.drifted) for one in reports) <= 2


def test_times_are_compared_in_the_unit_of_the_training_rows(models, warehouse) -> None:
    times = pd.date_range("2016-10-31", periods=300, freq="min")
    frame = pd.DataFrame({"x": np.arange(300.0), "late": times})
    pin = warehouse.store_dataframe(frame, "air", "timed", ["a"])
    version = models.save(Coefficients({"x": 1.0}), "t", inputs={"train": pin}, target="late")
    assert models.drift(version, pin).drifted == ()
    frame["late"] = (times + pd.Timedelta("3h")).astype("datetime64[s]")
    later = warehouse.store_dataframe(frame, "air", "timed2", ["a"])
    assert models.drift(version, later).drifted == ("late",)


def test_what_cannot_be_compared_is_refused(models, warehouse, version) -> None:
    frame = flights(100, 1)
    pin = stored(warehouse, frame)
    with pytest.raises(InvalidName, match="positive"):
        models.drift(version, pin, threshold=0)
    with pytest.raises(InvalidName, match="no rows"):
        models.drift(version, stored(warehouse, frame.head(0)))
    other = warehouse.store_dataframe(frame.drop(columns="hour"), "air", "other", ["a"])
    with pytest.raises(SchemaMismatch, match="no column 'hour'"):
        models.drift(version, other)
    with pytest.raises(InvalidName):
        models.drift(version, "air.flights")
