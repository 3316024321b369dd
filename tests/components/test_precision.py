"""Values in fewer digits stay within their bound, and predictions within theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import sparse

import airflow_sfx as sfx
from airflow_sfx import components
from tests.components import values

SOURCE = np.random.default_rng(0)
WEIGHTS = SOURCE.normal(size=3000)


@settings(max_examples=100, deadline=None)
@given(values.lumpy_vectors(), st.sampled_from([1e-6, 1e-3, 0.3, 1e5]))
def test_no_value_differs_by_more_than_its_bound(value: np.ndarray, bound: float) -> None:
    packed = components.pack(value, {"abs": bound})
    found = components.unpack(packed)
    assert (found.dtype, found.shape) == (value.dtype, value.shape)
    whole = np.isfinite(value)
    assert found[~whole].tobytes() == value[~whole].tobytes()
    error = float(np.abs(found[whole].astype("f8") - value[whole].astype("f8")).max(initial=0.0))
    assert error <= bound
    assert error == components.describe(packed).error


@pytest.mark.parametrize(("bound", "most"), [(1e-2, 0.19), (1e-4, 0.3), (1e-6, 0.42)])
def test_the_coarser_the_bound_the_smaller_the_component(bound: float, most: float) -> None:
    assert len(components.pack(WEIGHTS, {"abs": bound})) < most * len(components.pack(WEIGHTS))


def test_float32_takes_half() -> None:
    packed = components.pack(WEIGHTS, "float32")
    found = components.unpack(packed)
    assert found.dtype == WEIGHTS.dtype
    assert np.array_equal(found, WEIGHTS.astype("f4"))
    assert len(packed) < 0.55 * len(components.pack(WEIGHTS))
    assert components.describe(packed).precision == "float32"


@pytest.mark.parametrize("precision", ["float32", {"abs": 1e-3}])
def test_what_is_not_a_finite_float_stays_as_it_is(precision: Any) -> None:
    special = np.array([np.nan, np.inf, -np.inf, 1e300, 0.5, *([0.123456] * 40)])
    special[0:1].view("u8")[0] |= 5  # a payload
    found = components.unpack(components.pack(special, precision))
    assert found[:3].tobytes() == special[:3].tobytes()
    assert found[3] == 1e300
    for exact in (np.arange(9), np.array(["a"]), {"a": 1}, {"a": [0.1, "x"]}, [1, 2]):
        packed = components.pack(exact, precision)
        assert packed == components.pack(exact)
        assert components.describe(packed).precision == "exact"


def test_maps_lists_and_sparse_matrices_have_precision_too() -> None:
    scores = {f"n{number}": float(one) for number, one in enumerate(WEIGHTS)}
    found = components.unpack(components.pack(scores, {"abs": 0.01}))
    assert max(abs(found[name] - scores[name]) for name in scores) <= 0.01
    listed = components.unpack(components.pack(WEIGHTS.tolist(), {"abs": 0.01}))
    assert np.abs(np.array(listed) - WEIGHTS).max() <= 0.01
    matrix = sparse.random_array((300, 200), density=0.1, rng=0, format="csr")
    back = components.unpack(components.pack(matrix, {"abs": 0.01}))
    assert abs(back - matrix).max() <= 0.01
    assert back.nnz == matrix.nnz


@pytest.mark.parametrize(
    "precision",
    [
        "float16",
        {"abs": 0},
        {"abs": -1.0},
        {"abs": float("nan")},
        {"abs": True},
        {},
        {"rel": 0.1},
        {"abs": 1e-3, "predictions": 1e-3},
        {"predictions": 1e-3},
        None,
        3,
    ],
    ids=repr,
)
def test_what_is_not_a_precision_is_refused(precision: Any) -> None:
    with pytest.raises(sfx.InvalidName, match="precision="):
        components.pack(WEIGHTS, precision)


MODEL: dict[str, Any] = {
    "weights": SOURCE.normal(size=(40, 30)),
    "outer": SOURCE.normal(size=30) * 100,
    "offset": np.array([0.25]),
    "names": ["a", "b"],
}
FRAME = SOURCE.normal(size=(300, 40))


def predict(parts: Mapping[str, Any], frame: np.ndarray) -> np.ndarray:
    return np.tanh(frame @ parts["weights"]) @ parts["outer"] + parts["offset"]


@pytest.mark.parametrize("bound", [1e-3, 0.1, 10.0])
def test_predictions_stay_within_their_bound(bound: float) -> None:
    packed = components.pack_all(
        MODEL, precision={"predictions": bound}, predict=predict, validation=FRAME
    )
    parts = {name: components.unpack(data) for name, data in packed.components.items()}
    change = float(np.abs(predict(parts, FRAME) - predict(MODEL, FRAME)).max())
    assert packed.bound == bound
    assert packed.reached == change
    assert change <= bound
    choice = packed.choices["weights"]
    assert choice.bytes == len(packed.components["weights"]) < choice.exact_bytes
    assert choice.precision.startswith("abs")
    assert choice.error > 0
    assert packed.choices["names"].precision == "exact"
    total = sum(one.bytes for one in packed.choices.values())
    assert total < 0.5 * sum(one.exact_bytes for one in packed.choices.values())


@pytest.mark.parametrize("scale", [1.0, 5.0, 1e6])
def test_a_search_on_a_sample_keeps_the_bound_on_all_rows(scale: float) -> None:
    frame = FRAME.copy()
    frame[-1] *= scale  # which is not in the sample
    packed = components.pack_all(
        {"weights": WEIGHTS[:40]},
        precision={"predictions": 1e-3},
        predict=lambda parts, rows: rows @ parts["weights"],
        validation=frame,
        sample=frame[::10],
    )
    weights = components.unpack(packed.components["weights"])
    change = float(np.abs(frame @ weights - frame @ WEIGHTS[:40]).max())
    assert packed.reached == change <= 1e-3
    assert (packed.choices["weights"].precision == "exact") == (scale == 1e6)


def test_all_components_in_one_precision() -> None:
    exact = components.pack_all(MODEL)
    assert (exact.bound, exact.reached) == (None, None)
    assert exact.components == {name: components.pack(value) for name, value in MODEL.items()}
    narrow = components.pack_all(MODEL, precision="float32", predict=predict, validation=FRAME)
    assert narrow.bound is None
    assert narrow.reached is not None
    assert 0 < narrow.reached < 1e-3


def test_a_search_needs_numbers_to_compare() -> None:
    with pytest.raises(sfx.InvalidName, match="predict="):
        components.pack_all(MODEL, precision={"predictions": 0.1})
    with pytest.raises(sfx.SchemaMismatch, match="the probability of each class"):
        components.pack_all(
            MODEL,
            precision={"predictions": 0.1},
            predict=lambda parts, frame: np.array(["late"] * len(frame)),
            validation=FRAME,
        )
