"""Values that are components, and whether two of them are the same to the bit."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from airflow_sfx.components.kinds.parquet_tables import same_tables

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    hnp.complex_number_dtypes(sizes=(64, 128)),
    hnp.datetime64_dtypes(max_period="s", min_period="ns"),
    hnp.timedelta64_dtypes(max_period="s", min_period="ns"),
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40)
FLOATS = st.floats(width=64) | st.integers(-(10**6), 10**6).map(lambda one: one / 100)
LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(max_size=12)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of any type and shape, of any bits, in any order."""
    dtype = draw(DTYPES)
    shape = draw(SHAPES)
    found = np.zeros(shape, dtype=dtype)
    if dtype.kind == "f" and draw(st.booleans()):  # NaNs with payloads, too
        size = found.size * dtype.itemsize
        raw = draw(st.binary(min_size=size, max_size=size))
        found = np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
    else:
        found = draw(hnp.arrays(dtype, shape, fill=st.nothing() if found.size < 9 else None))
    return np.asfortranarray(found) if draw(st.booleans()) else found


@st.composite
def lumpy_vectors(draw: st.DrawFn) -> np.ndarray:
    """Vectors as models have them: runs, few distinct values, decimals, sorted numbers."""
    pieces = draw(
        st.lists(
            st.one_of(
                st.lists(st.sampled_from([0.0, 1.0, -0.0]), min_size=1, max_size=300),
                st.lists(FLOATS, min_size=1, max_size=30),
                st.builds(lambda one, many: [one] * many, FLOATS, st.integers(1, 2000)),
                st.lists(st.integers(0, 1 << 40), max_size=200).map(sorted),
            ),
            min_size=1,
            max_size=4,
        )
    )
    flat = [one for piece in pieces for one in piece]
    return np.array(flat, dtype=draw(st.sampled_from(["<f8", "<f4"])))


@st.composite
def sparse_matrices(draw: st.DrawFn) -> Any:
    height, width = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    cells = draw(st.sets(st.integers(0, max(height * width - 1, 0)), max_size=50))
    where = np.array(sorted(cells) if height * width else [], dtype="i8")
    values = np.ones(len(where))
    if draw(st.booleans()):
        values = np.array(draw(st.lists(FLOATS, min_size=len(where), max_size=len(where))), "f8")
    dtype = draw(st.sampled_from(["f8", "f4", "i8", "u1", "bool"]))
    with np.errstate(all="ignore"):
        values = values.astype(dtype)
    place = np.divmod(where, max(width, 1))
    form = draw(st.sampled_from(["csr", "csc", "coo"]))
    kind = draw(st.sampled_from([sparse.coo_array, sparse.coo_matrix]))
    return kind((values, place), shape=(height, width)).asformat(form)


MAPS = st.one_of(
    st.dictionaries(key, value, min_size=1, max_size=30)
    for key in (LONGS, TEXTS)
    for value in (LONGS, FLOATS, st.booleans())
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | FLOATS.filter(lambda one: not math.isnan(one))
    | TEXTS,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=40,
)


def same(one: Any, other: Any) -> bool:  # noqa: PLR0911
    """Return whether two values are the same: types, order, and every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        order = one.flags.f_contiguous, one.flags.c_contiguous
        kept = order == (other.flags.f_contiguous, other.flags.c_contiguous) or not any(order)
        return kept and (one.dtype, one.shape, one.tobytes()) == (
            other.dtype,
            other.shape,
            other.tobytes(),
        )
    if isinstance(one, np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if sparse.issparse(one):
        parts = ("row", "col") if one.format == "coo" else ("indices", "indptr")
        return (one.shape, one.format, one.dtype) == (other.shape, other.format, other.dtype) and (
            one.data.tobytes() == other.data.tobytes()
            and all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)
        )
    if isinstance(one, pa.Table):
        return same_tables(one.combine_chunks(), other.combine_chunks()) is None
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        return True
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
