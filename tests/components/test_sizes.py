"""A packed component is small: beside the talk's figures, and beside general formats."""

from __future__ import annotations

import json
import timeit
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx import components
from bench.components.corpus import corpus
from bench.components.rows import SLACK, general, talk
from tests.components import values
from tests.components.values import same

TALK = talk()
MOST = {
    "sparse 0/1 matrix, 2,500 × 2,000": (21_000, 54_800),
    "map of 52,000 ids to scores": (36_000, 147_000),
    "vector of 500 flags and 110 weights": (520, 787),
}


@pytest.mark.parametrize("name", TALK)
def test_a_row_of_the_talk_is_as_small_as_promised(name: str) -> None:
    value, plain = TALK[name]
    ours, theirs = MOST[name]
    packed = components.pack(value)
    assert len(packed) <= ours
    assert len(zlib.compress(json.dumps(plain).encode())) == pytest.approx(theirs, rel=0.08)
    assert same(value, components.unpack(packed))


def test_the_vector_of_the_talk_is_as_small_in_any_shape() -> None:
    value, plain = TALK["vector of 500 flags and 110 weights"]
    for one in (value, plain, {"flags": plain[:500], "weights": plain[500:]}):
        packed = components.pack(one)
        assert len(packed) <= 580
        assert same(one, components.unpack(packed))


@pytest.fixture(scope="module")
def learned() -> dict[str, Any]:
    return corpus(3000)


def test_no_component_of_a_model_is_larger_than_in_a_general_format(learned) -> None:
    assert len(learned) >= 60
    excess = {}
    for name, value in learned.items():
        packed = components.pack(value)
        assert same(value, components.unpack(packed)), name
        excess[name] = len(packed) - min(general(value).values())
    assert {name: over for name, over in excess.items() if over > SLACK} == {}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(
        values.arrays(),
        values.lumpy_vectors(),
        values.sparse_matrices(),
        values.MAPS,
        values.JSON,
    )
)
def test_no_value_is_larger_than_in_a_general_format(value: Any) -> None:
    assert len(components.pack(value)) <= min(general(value).values()) + SLACK


@pytest.mark.parametrize("size", [96, 4000, 5000, 40_000])
@pytest.mark.parametrize("kind", ["u1", "i8", "f8", "f4", "f2"])
def test_noise_costs_no_more_than_its_header(kind: str, size: int) -> None:
    noise = np.frombuffer(np.random.default_rng(size).bytes(size), dtype=kind)
    assert len(components.pack(noise)) <= min(general(noise).values()) + SLACK


def test_sizes_lists_each_form_that_was_tried() -> None:
    found = components.sizes(TALK["map of 52,000 ids to scores"][0])
    assert (found.kind, found.codec) == ("map", "parquet")
    assert found.bytes == found.candidates["parquet"]
    assert "parquet(packed)+pco" in found.candidates
    assert found.ratio > 5
    packed = components.pack(TALK["map of 52,000 ids to scores"][0])
    assert components.describe(packed).ratio == found.ratio


def test_the_matrix_of_the_talk_is_unpacked_a_hundred_times_faster() -> None:
    value, plain = TALK["sparse 0/1 matrix, 2,500 × 2,000"]
    packed, theirs = components.pack(value), zlib.compress(json.dumps(plain).encode())
    ours = min(timeit.repeat(lambda: components.unpack(packed), number=1, repeat=9))
    general = min(timeit.repeat(lambda: json.loads(zlib.decompress(theirs)), number=1, repeat=3))
    assert general > 100 * ours
