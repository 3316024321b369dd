"""A frame divided by its partition keys has the same rows, each once, in their order."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames.partitioning import StreamSplitter, key_columns, split_by


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-2, 2), st.booleans()), max_size=30))
def test_the_parts_are_the_rows(rows: list[tuple[str, int, bool]]) -> None:
    table = pa.table(
        {
            "a": pa.array([row[0] for row in rows], pa.string()),
            "row": pa.array(range(len(rows)), pa.int64()),
            "b": pa.array([row[1] for row in rows], pa.int8()),
            "c": pa.array([row[2] for row in rows], pa.bool_()),
        }
    )
    parts = split_by(table, ["a", "b", "c"])
    expected: dict[tuple[str, ...], list[int]] = {}
    for i, (a, b, c) in enumerate(rows):
        expected.setdefault((a, str(b), str(c).lower()), []).append(i)
    assert [(values, part.column("row").to_pylist()) for values, part in parts] == list(
        expected.items()
    )
    assert all(part.column_names == ["row"] for _, part in parts)


def test_a_table_without_rows_has_no_parts() -> None:
    assert (
        split_by(pa.table({"k": pa.array([], pa.string()), "n": pa.array([], pa.int8())}), ["k"])
        == []
    )


def test_rows_that_lie_together_are_not_copied() -> None:
    table = pa.table({"k": ["b", "b", "a"], "n": [1, 2, 3]})
    parts = split_by(table, ["k"])
    address = table.column("n").chunk(0).buffers()[1].address
    assert all(part.column("n").chunk(0).buffers()[1].address == address for _, part in parts)


def test_more_groups_than_fit_16_bits() -> None:
    count = 70_000
    keys = [(i * 7919) % count for i in range(count)] * 2
    parts = split_by(pa.table({"k": keys, "n": range(2 * count)}), ["k"])
    assert len(parts) == count
    assert parts[5][1].column("n").to_pylist() == [5, count + 5]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["01", "1"]), ["01", "1"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.DictionaryArray.from_arrays(pa.array([1, 1]), pa.array(["", "y"])), ["y"]),
        (pa.array([20161031, -1]), ["20161031", "-1"]),
        (pa.array([200, 1], pa.uint8()), ["200", "1"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([dt.date(2016, 10, 31), dt.date(1, 1, 1)]), ["2016-10-31", "0001-01-01"]),
        (pa.array([dt.datetime(2016, 10, 31, 5), dt.datetime(2016, 10, 31, 5, 0, 0, 1)]), None),
        (
            pa.array([0, 1_000_000_000], pa.timestamp("ns")),
            ["1970-01-01 00:00:00", "1970-01-01 00:00:01"],
        ),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["x", "y"])), ["x", "y"]),
        (pa.RunEndEncodedArray.from_arrays([1, 2], pa.array([7, 8])), ["7", "8"]),
    ],
)
def test_values_are_written_as_hive_writes_them(column: pa.Array, texts: list[str] | None) -> None:
    found = [values[0] for values, _ in split_by(pa.table({"k": column, "n": [1, 2]}), ["k"])]
    assert found == (texts or ["2016-10-31 05:00:00", "2016-10-31 05:00:00.000001"])


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (pa.array(["a", None]), "is null in 1 row, .*fillna"),
        (
            pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["a", None])),
            "is null in 1 row, .*fillna",
        ),
        (pa.array(["a", ""]), "cannot be empty"),
        (pa.array(["a", "b\nc"]), "control character"),
        (pa.array(["a", ".."]), "path"),
        (pa.array([1, 2], pa.timestamp("ns")), "finer than a microsecond"),
    ],
)
def test_a_value_that_cannot_name_a_partition_is_refused(column: pa.Array, why: str) -> None:
    with pytest.raises(InvalidName, match=why) as caught:
        split_by(pa.table({"key": column, "n": [1, 2]}), ["key"])
    assert "'key'" in str(caught.value)


def test_keys_are_found_without_regard_to_case() -> None:
    assert key_columns(pa.schema([("Day", pa.string()), ("n", pa.int8())]), ["DAY"]) == ("Day",)


def test_an_unknown_key_names_the_near_ones() -> None:
    with pytest.raises(SchemaMismatch, match="'country'"):
        split_by(pa.table({"country": ["a"], "n": [1]}), ["contry"])


def test_a_frame_of_keys_only_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="only the key columns"):
        split_by(pa.table({"k": ["a"]}), ["k"])


def test_a_key_that_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidName, match="twice"):
        split_by(pa.table({"k": ["a"], "n": [1]}), ["k", "K"])


def test_a_float_key_is_refused_with_a_remedy() -> None:
    with pytest.raises(SchemaMismatch, match=r"'x'.*converting the column to text"):
        split_by(pa.table({"x": [1.5], "n": [1]}), ["x"])


def test_a_stream_is_divided_in_bounded_memory() -> None:
    splitter = StreamSplitter(["k"], memory_bytes=2000)
    given_out: list[tuple[tuple[str, ...], pa.Table]] = []
    early = 0
    for start in range(0, 1000, 50):
        batch = pa.RecordBatch.from_pydict(
            {"k": ["a", "b"] * 25, "n": list(range(start, start + 50))}
        )
        given_out.extend(splitter.feed(batch))
        early = len(given_out)
    given_out.extend(splitter.finish())
    assert early > 2
    rows = {key: [] for key in "ab"}
    for (key,), part in given_out:
        rows[key].extend(part.column("n").to_pylist())
    assert rows == {"a": list(range(0, 1000, 2)), "b": list(range(1, 1000, 2))}


def test_strings_of_any_width_are_moved() -> None:
    table = pa.table({"k": ["a", "b", "a"], "v": pa.array(["x", "y", None], pa.string_view())})
    (_, first), _ = split_by(table, ["k"])
    assert first.column("v").to_pylist() == ["x", None]


def test_index_levels_can_be_keys() -> None:
    from airflow_sfx.frames.inputs import to_source

    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="day"))
    table = to_source(frame, partition_by=["day"]).table
    assert table is not None
    assert [values for values, _ in split_by(table, ["day"])] == [("a",), ("b",)]
