"""Inputs that can be stored, and streams whose parts must agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames.inputs import FrameSource, to_source
from airflow_sfx.frames.outputs import SourceFile, read_table, to_output
from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text
from tests.frames.builders import assert_same, category, objects, parquet


class Stream:
    """Another library's frame."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    """Another library's batch."""

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return pa.RecordBatch.from_pydict({"n": [1, 2]}).__arrow_c_array__(requested_schema)


TABLE = pa.table({"n": [1, 2]})


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"n": [1, 2]}),
        pl.DataFrame({"n": [1, 2]}),
        pl.LazyFrame({"n": [1, 2]}),
        TABLE,
        TABLE.to_batches()[0],
        TABLE.to_reader(),
        Stream(TABLE),
        Batch(),
        iter([TABLE]),
        [TABLE.slice(0, 1), pd.DataFrame({"n": [2]})],
        (part for part in (TABLE.slice(0, 1), pl.DataFrame({"n": [2]}))),
        [TABLE.slice(0, 1).to_reader(), Stream(TABLE.slice(1))],
    ],
    ids=lambda data: type(data).__name__,
)
def test_every_kind_of_frame_is_taken(data: Any) -> None:
    source = to_source(data)
    assert source.schema.field("n").type == pa.int64()
    assert pa.Table.from_batches(source.batches()).column("n").to_pylist() == [1, 2]


def test_a_spark_frame_is_taken_through_arrow() -> None:
    spark = type(
        "DataFrame",
        (),
        {"__module__": "pyspark.sql.classic.dataframe", "toArrow": lambda self: TABLE},
    )
    assert to_source(spark()).table == TABLE


def test_a_subclass_of_a_data_frame_is_one() -> None:
    class Sales(pd.DataFrame):
        pass

    assert to_source(Sales({"n": [1]})).table is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"n": [1]}, "a dict cannot be stored"),
        (5, "a int cannot be stored"),
        ("text", "a str cannot be stored"),
        (None, "a NoneType"),
        (pd.Series([1]), "to_frame"),
        (pl.Series([1]), "is not a table"),
        (np.zeros((2, 2)), "a ndarray"),
        (iter([5]), "a int"),
        (iter([]), "no frames"),
        ([], "no frames"),
        (iter([[TABLE]]), "a list"),
        (pa.table({}), "no columns"),
    ],
)
def test_anything_else_is_refused(data: Any, why: str) -> None:
    with pytest.raises(SchemaMismatch, match=why):
        to_source(data)


@pytest.mark.parametrize("names", [["a", "A"], ["a", "a"], ["a,b"], [""]])
def test_names_are_checked_whatever_the_frame(names: list[str]) -> None:
    table = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)
    with pytest.raises(InvalidName):
        to_source(table)
    with pytest.raises(InvalidName):
        to_source(table.to_reader())


def test_a_stream_is_read_once_and_a_table_any_number_of_times() -> None:
    table, stream = to_source(TABLE), to_source(iter([TABLE]))
    assert len(list(table.batches())) == len(list(table.batches())) == 1
    list(stream.batches())
    with pytest.raises(SchemaMismatch, match="read before"):
        list(stream.batches())


def test_a_stream_is_not_read_ahead() -> None:
    taken = []

    def frames() -> Iterator[pa.Table]:
        for i in range(3):
            taken.append(i)
            yield pa.table({"n": [i]})

    source = to_source(frames())
    assert taken == [0]
    next(source.batches())
    assert taken == [0]


def test_a_reader_without_batches_has_a_schema() -> None:
    reader = pa.RecordBatchReader.from_batches(
        pa.schema([("c", pa.dictionary(pa.int8(), pa.string()))]), []
    )
    source = to_source(reader)
    assert [len(batch) for batch in source.batches()] in ([], [0])
    assert source.schema.names == ["c"]


def loaded(source: FrameSource) -> pd.DataFrame:
    """A stream through one file and back."""
    table = pa.Table.from_batches(list(source.batches()), source.schema)
    logical = schema_from_text(schema_to_text(source.logical))
    return to_output(read_table([SourceFile(parquet(table), logical)]), "pandas")


def test_chunks_of_a_frame_come_back_as_the_frame() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3, 4], dtype="Int64"),
            "c": category(["a", None, "b", "a"], ["b", "a"]),
            "s": ["x", None, "y", "z"],
            "t": pd.date_range("2016", periods=4, tz="UTC").as_unit("ns"),
            "o": objects("a", None, None, None),
        }
    )
    # Their indexes are 0, 1, 2, 3, as of the chunks of pandas' readers.
    chunks = (frame.iloc[i : i + 1] for i in range(4))
    assert_same(loaded(to_source(chunks)), frame)


def test_columns_may_come_in_another_order() -> None:
    source = to_source(iter([pa.table({"a": [1], "b": ["x"]}), pa.table({"b": ["y"], "a": [2]})]))
    assert loaded(source).values.tolist() == [[1, "x"], [2, "y"]]


def test_categories_are_collected_on_the_way() -> None:
    source = to_source(
        iter(
            [pd.DataFrame({"c": category(one, one)}) for one in (["a", "b"], ["c", "b"], [], ["a"])]
        )
    )
    back = loaded(source)["c"]
    assert back.tolist() == ["a", "b", "c", "b", "a"]
    assert back.cat.categories.tolist() == ["a", "b", "c"]


def periods(value: str, freq: str) -> pd.Series:
    """A column of one period, as a category."""
    return pd.Series(pd.Categorical(pd.PeriodIndex([value], freq=freq)))


def test_categories_of_objects_may_come_after_a_frame_without_any() -> None:
    kinds = [pd.Index(names, dtype=object) for names in ([], ["a"], [], ["b"])]
    frames = [pd.DataFrame({"c": category([*names, None][:1], names)}) for names in kinds]
    back = loaded(to_source(iter(frames)))["c"]
    assert back.isna().tolist() == [True, False, True, False]
    assert back.cat.categories.tolist() == ["a", "b"]


def test_a_later_frame_may_lack_some_ordered_categories() -> None:
    frames = [
        pd.DataFrame({"c": category(["c"], list(which), ordered=True)})
        for which in ("abc", "ac", "c")
    ]
    frames.append(pd.DataFrame({"c": category([None], [], ordered=True)}))
    back = loaded(to_source(iter(frames)))["c"]
    assert back.dropna().tolist() == ["c", "c", "c"]
    assert back.cat.categories.tolist() == ["a", "b", "c"]


def intervals(*breaks: float) -> pd.Series:
    """A column of intervals, each once, as a category without an order."""
    return pd.Series(pd.Categorical(pd.IntervalIndex.from_breaks(breaks)))


def test_intervals_as_categories_are_collected_on_the_way() -> None:
    pieces = [
        intervals(0, 1),
        intervals(0, 1, 2),
        category([None], []),
        intervals(5, 6),
        intervals(1, 2),
    ]
    back = loaded(to_source(iter(pd.DataFrame({"c": piece}) for piece in pieces)))["c"]
    assert back.cat.categories.tolist() == [pd.Interval(0, 1), pd.Interval(1, 2), pd.Interval(5, 6)]
    assert back.dropna().tolist() == [
        value for piece in pieces for value in piece if isinstance(value, pd.Interval)
    ]


def test_periods_as_categories_are_collected_on_the_way() -> None:
    frames = [pd.DataFrame({"c": periods(month, "M")}) for month in ("2020-01", "2020-02")]
    frames.insert(1, pd.DataFrame({"c": category([None], [])}))
    back = loaded(to_source(iter(frames)))["c"]
    assert back.isna().tolist() == [False, True, False]
    assert back.dropna().tolist() == [pd.Period("2020-01", "M"), pd.Period("2020-02", "M")]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (
            pd.Series([1]),
            pd.Series([np.nan, 1.5]),
            r"'c' is int64 in the first .* double in frame 2, where row 1 has 1.5: .*missing val",
        ),
        (pd.Series(["a"]), pd.Series([1]), "large_string .* int64"),
        (objects("a"), pd.Series(["a"]), "string .* large_string"),
        (objects("a"), pd.Series(["a"], dtype="string[python]"), "another pandas dtype"),
        (pd.Series([1]), pd.Series([1], dtype="Int64"), "another pandas dtype"),
        (
            category(["a"], ["a", "b"], ordered=True),
            category(["a"], ["a", "c"], ordered=True),
            "ordered categories",
        ),
        (
            category(["a"], ["a", "b"], ordered=True),
            category(["b"], ["b", "a"], ordered=True),
            "in another order",
        ),
        (
            intervals(0, 1),
            intervals(0.5, 1.5),
            "category of intervals of int64 before, category of intervals of double",
        ),
        (
            intervals(0, 1),
            category(["(0, 1]"], pd.Index(["(0, 1]"], dtype=object)),
            "category of object of str now",
        ),
        (category(["a"], ["a"]), category([1], [1]), "frame 2"),
        (category(["a"], ["a"]), category(["a"], ["a"], ordered=True), "ordered=1"),
        (
            periods("2020-01", "M"),
            periods("2020-01-01", "D"),
            r"category of period\[M\] before, category of period\[D\]",
        ),
        (
            periods("2020-01", "M"),
            category([600], [600]),
            r"category of period\[M\] before, category now",
        ),
        (
            periods("2020-01", "M"),
            periods("2020-01-01", "D").where([False]),
            "another pandas dtype",
        ),
    ],
)
def test_a_later_frame_of_other_types_is_refused_with_both(
    first: pd.Series, second: pd.Series, why: str
) -> None:
    source = to_source(iter([pd.DataFrame({"c": first}), pd.DataFrame({"c": second})]))
    with pytest.raises(SchemaMismatch, match=why) as caught:
        list(source.batches())
    assert "'c'" in str(caught.value)


def test_nulls_of_objects_that_come_later_in_a_stream_stay_what_they_are() -> None:
    source = to_source(
        iter([pd.DataFrame({"o": objects("a")}), pd.DataFrame({"o": objects("b", np.nan)})])
    )
    table = pa.Table.from_batches(list(source.batches())).replace_schema_metadata(
        source.logical.schema.metadata
    )
    assert_same(to_output(table, "pandas"), pd.DataFrame({"o": objects("a", "b", np.nan)}))
    mixed = to_source(
        iter([pd.DataFrame({"o": objects("a", None)}), pd.DataFrame({"o": objects("b", np.nan)})])
    )
    with pytest.raises(
        SchemaMismatch,
        match="'o' has nan for null in frame 2 of the iterator and None in an earlier",
    ):
        list(mixed.batches())


@pytest.mark.parametrize(
    "second", [{"a": [1]}, {"a": [1], "b": [1], "z": [1]}, {"a": [1], "B": [1]}]
)
def test_a_later_frame_of_other_columns_is_refused(second: dict[str, list[int]]) -> None:
    source = to_source(iter([pa.table({"a": [1], "b": [1]}), pa.table(second)]))
    with pytest.raises(SchemaMismatch, match="frame 2 of the iterator has other columns"):
        list(source.batches())


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (pd.Series([1]), pd.Series([2.0, np.nan]), [1, 2, None]),
        (pd.Series([1.5]), pd.Series([2]), [1.5, 2.0]),
        (pd.Series(["a"]), pd.Series([np.nan]), ["a", None]),
        (pd.Series([1]), pd.Series([np.nan]), [1, None]),
    ],
)
def test_a_later_frame_is_cast_where_no_value_is_lost(first, second, values) -> None:
    source = to_source(iter([pd.DataFrame({"c": first}), pd.DataFrame({"c": second})]))
    assert pa.Table.from_batches(list(source.batches()))["c"].to_pylist() == values


def test_a_later_frame_of_nothing_fits() -> None:
    source = to_source(
        iter([pd.DataFrame({"o": objects("a")}), pd.DataFrame({"o": objects(None)})])
    )
    assert loaded(source)["o"].tolist() == ["a", None]


def test_importing_the_room_imports_no_library_of_frames() -> None:
    import subprocess
    import sys

    code = (
        "import sys, airflow_sfx.frames.outputs, airflow_sfx.frames.inputs;"
        "import airflow_sfx.frames.partitioning;"
        + ("print([m for m in ('pandas', 'polars', 'pyspark', 'airflow') if m in sys.modules])")
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
