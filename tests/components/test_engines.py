"""Packed components of 4 kB and more are Parquet files that other engines read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from airflow_sfx import components

SOURCE = np.random.default_rng(0)
ROWS = 20_000
IDS = np.sort(SOURCE.choice(10**7, ROWS, replace=False))
SCORES = SOURCE.beta(2, 60, ROWS).round(2)


@pytest.fixture(params=["pyarrow", "duckdb", "polars"])
def read(request, tmp_path: Path) -> Any:
    """A function that reads a Parquet file by another engine."""

    def with_engine(packed: bytes) -> pd.DataFrame:
        assert packed[:4] == packed[-4:] == b"PAR1"
        if request.param == "pyarrow":
            return pq.read_table(io.BytesIO(packed)).to_pandas()
        if request.param == "polars":
            return pl.read_parquet(io.BytesIO(packed)).to_pandas()
        path = tmp_path / "component.parquet"
        path.write_bytes(packed)
        return duckdb.connect().sql(f"from '{path}'").df()

    return with_engine


def test_a_map_is_its_gaps_and_its_values(read: Any) -> None:
    found = read(components.pack(dict(zip(IDS.tolist(), SCORES.tolist(), strict=True))))
    assert found.columns.tolist() == ["key_gap", "value"]
    assert np.array_equal(found["key_gap"].cumsum(), IDS)
    assert np.array_equal(found["value"].astype(float), SCORES)


def test_a_map_from_texts_is_its_keys_and_its_values(read: Any) -> None:
    names = [f"N{number}" for number in IDS[:4000]]
    found = read(components.pack(dict(zip(names, SCORES.tolist()[:4000], strict=True))))
    by_name = dict(zip(found["key"], found["value"].astype(float), strict=True))
    assert by_name == dict(zip(names, SCORES.tolist()[:4000], strict=True))


def test_a_table_is_itself(read: Any) -> None:
    table = pd.DataFrame(
        {"id": IDS, "score": SOURCE.normal(size=ROWS), "who": SOURCE.choice(["a", "b", None], ROWS)}
    )
    pd.testing.assert_frame_equal(read(components.pack(table)), table, check_dtype=False)


def test_a_vector_is_its_values(read: Any) -> None:
    values = SOURCE.normal(size=3000)
    packed = components.pack(values)
    found = read(packed)
    if components.describe(packed).codec == "parquet":
        assert np.array_equal(found["value"], values)
    else:
        assert found.columns.tolist() == ["packed"]
        assert len(found) == 1


def test_a_sparse_matrix_is_the_gaps_of_its_positions(read: Any) -> None:
    cells = np.sort(SOURCE.choice(2500 * 2000, 12_000, replace=False))
    matrix = sparse.csr_matrix((np.ones(12_000), np.divmod(cells, 2000)), shape=(2500, 2000))
    found = read(components.pack(matrix))
    assert np.array_equal(found["position_gap"].cumsum(), cells)


def test_a_query_undoes_the_gaps(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(components.pack(dict(zip(IDS.tolist(), SCORES.tolist(), strict=True))))
    query = f"""
        select sum(key_gap) over (rows unbounded preceding) as id, value as score from '{path}'
    """
    found = duckdb.connect().sql(query).df()
    assert found["id"].astype(int).tolist() == IDS.tolist()


@pytest.mark.parametrize(
    "values",
    [
        np.arange(20_000) ** 2,
        np.full(3, 7).repeat(4000),
        SOURCE.integers(-(1 << 63), 1 << 62, 2000),
        SOURCE.integers(0, 2, 200_000) == 1,
        SOURCE.normal(size=3000).astype("f4"),
        SOURCE.normal(size=(60, 50)).round(3),
        SOURCE.choice(SOURCE.normal(size=40), 90_000),
    ],
    ids=lambda values: f"{values.dtype}-{len(values)}",
)
def test_what_pyarrow_reads_is_what_was_written(values: np.ndarray) -> None:
    """Of the Parquet form, also where another form is kept."""
    from airflow_sfx.components.forms import forms
    from airflow_sfx.components.opening import opened

    for form in forms(values):
        assert np.array_equal(opened(form.data).value(), values), form.codec
        if form.codec == "parquet":
            table = pq.read_table(io.BytesIO(form.data))
            (name,) = table.column_names
            assert table.num_rows == values.size
            if name == "value":
                assert np.array_equal(np.array(table["value"], dtype=values.dtype), values.ravel())
