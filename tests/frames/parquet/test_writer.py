"""The files: how many, how encoded, and what their footers say."""

from __future__ import annotations

import datetime as dt
import io
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column, ColumnStatistics, StatisticsRecord
from airflow_sfx.core.serde import decode, encode
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.parquet.dictionaries import dictionary_columns
from airflow_sfx.frames.parquet.statistics import merge_statistics
from airflow_sfx.frames.parquet.writer import Encoder, ParquetFacts, gather, slices, write_parquet


def facts_of(table: pa.Table) -> ParquetFacts:
    return write_parquet(table, pa.BufferOutputStream())


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([3, None, 1]), ColumnStatistics(1, 1, 3, 4.0)),
        (pa.array([2.5, float("nan"), -1.0]), ColumnStatistics(0, -1.0, 2.5, 1.5, nans=1)),
        (pa.array([1.0, float("inf")]), ColumnStatistics(0, 1.0, None)),
        (pa.array([True, False]), ColumnStatistics(0, False, True, 1.0)),
        (pa.array(["b", "a", None]), ColumnStatistics(1, "a", "b")),
        (pa.array(["x" * 100]), ColumnStatistics(0, "x" * 63 + "…", "x" * 63 + "…")),
        (pa.array([None, None], pa.int8()), ColumnStatistics(2)),
        (pa.array([dt.date(2016, 10, 31)]), ColumnStatistics(0, "2016-10-31", "2016-10-31")),
        (
            pa.array([0], pa.timestamp("us")),
            ColumnStatistics(0, "1970-01-01T00:00:00", "1970-01-01T00:00:00"),
        ),
        (pa.array([Decimal("1.50")]), ColumnStatistics(0, "1.50", "1.50", 1.5)),
        (
            pa.array([2**64 - 1], pa.uint64()),
            ColumnStatistics(0, str(2**64 - 1), str(2**64 - 1), float(2**64)),
        ),
        (pa.array([2**62, 2**62, 2**62]), ColumnStatistics(0, 2**62, 2**62, 3.0 * 2**62)),
        (pa.array([2**62, 2**62, None]), ColumnStatistics(1, 2**62, 2**62, 2.0 * 2**62)),
        (pa.array([True, None]), ColumnStatistics(1, True, True, 1.0)),
        (pa.array([1e308, 1e308]), ColumnStatistics(0, 1e308, 1e308)),
        (pa.array([float("nan"), None]), ColumnStatistics(1, nans=1)),
        (pa.array(["b", None, "a", "b"]).dictionary_encode(), ColumnStatistics(1, "a", "b")),
    ],
)
def test_statistics_come_from_the_footer_and_sums_from_the_values(
    array: pa.Array, expected: ColumnStatistics
) -> None:
    facts = facts_of(pa.table({"Name": array}))
    assert facts.statistics == {"Name": expected}
    assert facts.rows == len(array)
    record = decode(encode(expected.to_json()), StatisticsRecord, "m")
    assert ColumnStatistics.of(record) == expected


def test_nested_columns_have_no_statistics() -> None:
    assert facts_of(pa.table({"n": [1], "l": [[1]], "s": [{"n": 5}]})).statistics.keys() == {"n"}


def test_the_size_is_the_files(tmp_path: object) -> None:
    sink = io.BytesIO(b"")
    facts = write_parquet(pa.table({"n": [1]}).to_batches(), sink)
    assert facts.size == len(sink.getvalue())
    assert pq.read_table(io.BytesIO(sink.getvalue())).to_pydict() == {"n": [1]}


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-99, 99))), min_size=1, max_size=4))
def test_statistics_of_several_files_are_those_of_all_rows(files: list[list[int | None]]) -> None:
    merged = merge_statistics(
        [facts_of(pa.table({"n": pa.array(rows, pa.int64())})) for rows in files],
        [Column("n", "bigint")],
    )
    everything = [value for rows in files for value in rows]
    values = [value for value in everything if value is not None]
    if not everything:
        assert merged == {}
    else:
        nulls = len(everything) - len(values)
        total = float(sum(values)) if values else None
        assert merged == {
            "n": ColumnStatistics(
                nulls, min(values, default=None), max(values, default=None), total
            )
        }


def test_a_bound_that_one_file_does_not_know_is_not_known() -> None:
    known = ParquetFacts(2, 0, {"t": ColumnStatistics(0, "1970", "1971")})
    unknown = ParquetFacts(2, 0, {"t": ColumnStatistics(0)})
    nulls = ParquetFacts(2, 0, {"t": ColumnStatistics(2)})
    summed = ParquetFacts(3, 0, {"t": ColumnStatistics(0, "1970", "1971", 9.0)})
    assert merge_statistics([known, summed], [])["t"].total is None
    assert merge_statistics([summed, nulls, summed], [])["t"].mean(8) == 3
    assert merge_statistics([known, unknown], []) == {"t": ColumnStatistics(0)}
    assert merge_statistics([known, nulls], []) == {"t": ColumnStatistics(2, "1970", "1971")}
    assert merge_statistics([known, ParquetFacts(2, 0, {})], []) == {}


def test_columns_of_few_values_get_a_dictionary() -> None:
    rng = np.random.default_rng(0)
    rows = 200_000
    frame = pd.DataFrame(
        {
            "few": rng.integers(0, 100, rows),
            "thousands": rng.integers(0, 20_000, rows),
            "unique": rng.permutation(rows),
            "noise": rng.normal(size=rows),
            "flag": rng.random(rows) > 0.5,
            "city": rng.choice(["Oslo", "Lima"], rows),
            "category": pd.Categorical(rng.choice(["a", "b"], rows)),
        }
    )
    table = to_source(frame).table
    assert table is not None
    assert dictionary_columns(table) == ["few", "thousands", "city", "category"]


@pytest.mark.parametrize("ordered", [False, True])
def test_a_file_is_no_larger_than_pyarrow_makes_it(ordered: bool) -> None:
    rng = np.random.default_rng(0)
    rows = 300_000
    values = [rng.integers(0, n, rows) for n in (10, 1000, 50_000, 200_000, 2**40)]
    table = pa.table({f"c{i}": np.sort(one) if ordered else one for i, one in enumerate(values)})
    table = table.append_column("s", pa.array([f"name {i}" for i in values[2]]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    assert facts_of(table).size < 1.05 * sink.tell()


def test_every_engine_knows_the_encodings() -> None:
    """Check the encodings of `docs/decisions/0013-encodings-that-every-engine-reads.md`.

    RLE is for the levels of nulls.
    """
    rows = 20_000
    columns = {
        "in_sequence": pa.array(range(rows)),
        "times": pa.array(range(0, 7 * rows, 7), pa.timestamp("us")),
        "days": pa.array(range(rows), pa.date32()),
        "numbers": pa.array([None, *(number / 7 for number in range(1, rows))]),
        "flags": pa.array([number % 3 == 0 for number in range(rows)]),
        "few": pa.array(["CA", "NY"] * (rows // 2)),
        "texts": pa.array([f"item {number}" for number in range(rows)]),
        "lists": pa.array([[number, None] for number in range(rows)]),
        "prices": pa.array([Decimal(number) / 100 for number in range(rows)], pa.decimal128(12, 2)),
    }
    for few in (rows, 100):  # large files, and small ones
        sink = pa.BufferOutputStream()
        write_parquet(pa.table(columns).slice(0, few), sink)
        footer = pq.read_metadata(pa.BufferReader(sink.getvalue()))
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        found = {
            one
            for group in groups
            for n in range(group.num_columns)
            for one in group.column(n).encodings
        }
        assert (
            {"PLAIN", "RLE_DICTIONARY"}
            <= found
            <= {"PLAIN", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "RLE"}
        )


def test_one_encoder_serves_many_threads() -> None:
    table = pa.table({"k": ["a"] * 5000, "n": list(range(5000))})
    encoder = Encoder(table.schema, keys=["K"])
    pieces = [table.slice(i * 100, 100) for i in range(50)]

    def encode(piece: pa.Table) -> list[int]:
        sink = pa.BufferOutputStream()
        facts = encoder.write(piece, sink)
        assert facts.statistics["n"].minimum == piece.column("n")[0].as_py()
        back = pq.read_table(pa.BufferReader(sink.getvalue()))
        assert back.column_names == ["n"]
        return back.column("n").to_pylist()

    with ThreadPoolExecutor(8) as pool:
        assert [value for values in pool.map(encode, pieces) for value in values] == list(
            range(5000)
        )


def test_a_frame_of_keys_only_has_nothing_to_store() -> None:
    with pytest.raises(SchemaMismatch, match="besides the partition keys"):
        Encoder(pa.schema([("k", pa.string())]), keys=["k"])


def test_a_small_table_is_one_file_and_a_large_one_as_many_as_threads() -> None:
    small = pa.table({"n": range(1000)})
    large = pa.table({"n": np.zeros(4_000_000)})
    assert slices(small, threads=8) == [small]
    assert [len(one) for one in slices(large, threads=3)] == [1_333_334, 1_333_334, 1_333_332]
    assert len(slices(large, threads=64)) == large.nbytes // (8 << 20)
    assert len(slices(large, threads=1, target_bytes=10 << 20)) == 4
    assert pa.concat_tables(slices(large, threads=3)).equals(large)
    assert len(slices(small[:0], threads=8)) == 1


def test_a_stream_is_gathered_to_files_of_a_size() -> None:
    batches = [
        pa.RecordBatch.from_pydict({"n": list(range(i, i + 1000))}) for i in range(0, 50_000, 1000)
    ]
    tables = list(gather(iter(batches), target_bytes=80_000))
    assert {len(table) for table in tables} == {10_000}
    assert pa.concat_tables(tables).column("n").to_pylist() == list(range(50_000))
    huge = pa.RecordBatch.from_pydict({"n": list(range(50_000))})
    assert {len(table) for table in gather([huge], target_bytes=80_000)} == {10_000}
    assert [len(table) for table in gather([huge[:0]])] == [0]
