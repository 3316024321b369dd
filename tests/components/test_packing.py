"""Values come back from their packed form as they were, to the bit."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from scipy import sparse

import airflow_sfx as sfx
from airflow_sfx import components
from tests.components import values
from tests.components.values import same


def round_trip(value: Any) -> Any:
    return components.unpack(components.pack(value))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        values.arrays(),
        values.lumpy_vectors(),
        values.sparse_matrices(),
        values.MAPS,
        values.JSON,
        st.lists(values.LONGS | values.FLOATS, max_size=40),
    )
)
def test_a_value_comes_back_to_the_bit(value: Any) -> None:
    packed = components.pack(value)
    assert same(value, components.unpack(packed))
    assert components.pack(value) == packed
    assert packed[:4] == (b"SFXC" if len(packed) < 4096 else b"PAR1")


@settings(max_examples=40, deadline=None)
@given(values.lumpy_vectors(), st.integers(0, 3))
def test_a_long_vector_comes_back_from_parquet(value: np.ndarray, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=1500).astype(value.dtype)
    whole = np.concatenate([value, noise])
    packed = components.pack(whole)
    assert packed[:4] == b"PAR1"
    assert same(whole, components.unpack(packed))


@pytest.mark.parametrize(
    "value",
    [
        np.array([np.nan, -np.nan, 0.0, -0.0, np.inf, -np.inf, 5e-324, 1.8e308]),
        np.frombuffer(np.array([0x7FF0000000000001, 0xFFF8000000000ABC], "u8"), dtype="f8"),
        np.array([-(1 << 63), (1 << 63) - 1, 0, -1]),
        np.array([(1 << 64) - 1, 0, 1 << 63], dtype="u8"),
        np.array([], dtype="f4"),
        np.zeros((0, 5)),
        np.zeros((3, 0), order="F"),
        np.array(2.5),
        np.float32(0.1),
        np.int64(-5),
        np.bool(True),
        np.array(["carrier", "", "Zoë"]),
        np.array([["a", "b"], ["c", "dd"]], order="F"),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        {1: 0.5},
        {"a": np.float32(0.1), "b": np.float32(0.2)},
        {np.int32(4): 1, np.int32(2): 0},
        {-(1 << 63): 1, (1 << 63) - 1: 2},
        {"big": 1 << 70},
        {},
        [],
        [[]],
        [[], []],
        [[1, 2], [3, 4]],
        [[0.5, 1], [2, 3.5]],
        [True, False, True] * 9,
        [1, 2.0, 3, -0.0] * 5,
        [1 << 80, 1],
        None,
        "",
        "text",
        {"a": [1, None], "b": {"c": [0.25] * 40, "d": [[1, 2, 3]] * 9}},
        {"\x00sfx": 3, "x": [1.5] * 40},
    ],
    ids=repr,
)
def test_an_extreme_value_comes_back(value: Any) -> None:
    assert same(value, round_trip(value))


@pytest.mark.parametrize("rows", [0, 1, 3, 5000])
def test_a_table_and_a_data_frame_come_back(rows: int) -> None:
    source = np.random.default_rng(rows)
    frame = pd.DataFrame(
        {
            "n": pd.array([None if one % 5 == 0 else one for one in range(rows)], dtype="Int64"),
            "x": np.where(np.arange(rows) % 3 == 0, np.nan, source.normal(size=rows)),
            "carrier": pd.Categorical(
                source.choice(["UA", "AA"], rows), categories=["ZZ", "UA", "AA"], ordered=True
            ),
            "name": [None if one % 7 == 0 else f"n{one}" for one in range(rows)],
            "at": pd.date_range("2016-10-31", periods=rows, freq="s", tz="America/New_York"),
            "late": source.random(rows) < 0.5,
        }
    )
    assert same(frame, round_trip(frame))
    table = pa.Table.from_pandas(frame).append_column(
        "nested", pa.array([[1.5, None]] * rows, pa.list_(pa.float64()))
    )
    assert same(table, round_trip(table))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.timestamp("s")),
        pa.array([1, 2], pa.duration("ns")),
        pa.array([b"\x00", None]),
        pa.array([{"a": 1, "b": [1.0]}, None]),
        pa.array([float("nan"), -0.0], pa.float32()),
        pa.array(["x", None, "x"]).dictionary_encode(),
        pa.array([2**64 - 1, 0], pa.uint64()),
        pa.array([1, None], pa.decimal128(20, 3)),
        pa.array([None, None], pa.null()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_of_any_type_comes_back(column: Any) -> None:
    table = pa.table({"c": column}, metadata={"who": "me"})
    assert same(table, round_trip(table))


def test_the_same_map_has_the_same_bytes_in_any_order() -> None:
    one = {f"id{number}": number / 100 for number in range(500)}
    other = dict(sorted(one.items(), key=lambda item: -item[1]))
    assert components.pack(one) == components.pack(other)
    assert list(components.unpack(components.pack(other))) == sorted(one)


def test_a_sparse_matrix_comes_back_canonical() -> None:
    loose = sparse.csr_matrix(
        (np.array([1.0, 0.0, 2.0, 3.0]), np.array([3, 1, 0, 0]), np.array([0, 2, 4])), shape=(2, 4)
    )
    assert not loose.has_canonical_format
    back = round_trip(loose)
    assert back.has_canonical_format
    assert back.indices.tolist() == [1, 3, 0]
    assert back.data.tolist() == [0.0, 1.0, 5.0]
    assert loose.indices.tolist() == [3, 1, 0, 0], "the value itself was changed"


def test_without_scipy_a_sparse_matrix_is_a_value_of_its_own() -> None:
    code = (
        "import importlib.util as u, numpy as np\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'scipy' else found(name, *more)\n"
        "from airflow_sfx.components import SparseMatrix, pack, unpack\n"
        "one = SparseMatrix((2, 3), np.array([1, 0]), np.array([2, 1]), np.array([0.5, 1.5]))\n"
        "back = unpack(pack(one))\n"
        "import sys; assert 'scipy' not in sys.modules and type(back) is SparseMatrix\n"
        "print(back.toarray().tolist() == one.toarray().tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_a_small_component_is_unpacked_without_pyarrow() -> None:
    packed = components.pack({"late": 0.25, "on time": 0.75})
    code = (
        "import sys; from airflow_sfx import components\n"
        f"print(components.unpack({packed!r}), 'pyarrow' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{'late': 0.25, 'on time': 0.75} False False", done.stderr


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (object(), "a component is an array"),
        ((1, 2), "a tuple to a list"),
        ({1: "a"}, "a key of JSON is text"),
        ({"a": {1, 2}}, "of type set"),
        (np.array([1, "a"], dtype=object), "of type object"),
        (np.zeros(2, dtype=[("a", "f8")]), "pass each field"),
        (np.ma.masked_array([1.0], mask=[True]), "not a plain array"),
        (np.zeros(2, dtype=np.longdouble), "at most 8 bytes"),
        ({"a": float("nan"), "b": "x", "c": b"x"}, "of type bytes"),
        ({"a": [np.frombuffer(b"\x01" + b"\0" * 5 + b"\xf8\x7f").item(), "x"]}, "a payload"),
        ({"\ud800": 1.0}, "surrogate"),
        ("\ud800", "surrogate"),
        (np.array(["\ud800"]), "surrogate"),
        (sparse.coo_array(np.ones(3)), "reshape"),
    ],
)
def test_what_cannot_be_kept_is_refused(value: Any, what: str) -> None:
    with pytest.raises(sfx.SchemaMismatch, match=what):
        components.pack(value)


def test_nested_lists_are_refused_before_they_are_too_deep_to_read() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(sfx.SchemaMismatch, match="100 levels"):
        components.pack(value)
