"""Reading files back: partition keys, which columns, which rows, in pieces."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.outputs import SourceFile, iter_batches, read_table, to_output
from airflow_sfx.frames.parquet.plan import ReadPlan
from airflow_sfx.frames.parquet.scan import Scan
from tests.frames.builders import (
    assert_same,
    category,
    objects,
    pandas,
    parquet,
    sales,
    stored,
    stored_by,
)


@pytest.mark.parametrize(
    "key",
    [
        pd.Series(["01", "1"] * 3),
        objects(*["a", "b"] * 3),
        pd.Series(["x", "y"] * 3, dtype="string[python]"),
        category(["x", "y"] * 3, ["y", "x", "z"], ordered=True),
        category([1, 2] * 3, [2, 1]),
        pd.Series([1, 2] * 3, dtype="int8"),
        pd.Series([1, 2] * 3, dtype="uint32"),
        pd.Series([1, 2] * 3, dtype="Int64"),
        pd.Series([True, False] * 3),
        pd.Series([True, False] * 3, dtype="boolean"),
        pd.Series(
            pd.to_datetime(
                ["2016-10-31 00:00:00", "2016-11-01 05:00:00.000005"] * 3, format="ISO8601"
            )
        ),
        pd.Series(pd.to_datetime(["2016-10-31", "2016-11-01"] * 3)).astype("datetime64[s]"),
        objects(*[dt.date(2016, 10, 31), dt.date(2016, 11, 1)] * 3),
    ],
    ids=lambda column: str(column.dtype),
)
def test_a_key_column_comes_back_at_its_place_with_its_dtype(key: pd.Series) -> None:
    frame = pd.DataFrame({"a": range(6), "Key": key, "z": list("abcdef")})
    files = stored_by(frame, ["Key"])
    assert len(files) == 2
    assert all(
        "key" not in pa.parquet.read_schema(pa.BufferReader(file.source)).names for file in files
    )
    back = pandas(files)
    assert_same(back, frame.iloc[[0, 2, 4, 1, 3, 5]].reset_index(drop=True))
    assert_same(pandas(files[1:]), frame.iloc[[1, 3, 5]].reset_index(drop=True))


def test_a_key_that_the_frame_had_not_is_read_only_if_asked_for() -> None:
    files = [
        replace(stored(pd.DataFrame({"n": [i]}))[0], keys={"day": f"2016-10-3{i}"}) for i in (0, 1)
    ]
    assert pandas(files).columns.tolist() == ["n"]
    named = pandas(files, columns=["day", "n"], key_types={"day": "date"})
    assert named["day"].tolist() == [dt.date(2016, 10, 30), dt.date(2016, 10, 31)]
    assert pandas(files, filters=[("day", "=", "2016-10-31")])["n"].tolist() == [1]
    assert pandas(files, filters=[("day", "=", "2016-10-31")]).columns.tolist() == ["n"]


def test_a_key_value_that_is_not_of_its_type_is_an_inconsistent_batch() -> None:
    file = stored_by(pd.DataFrame({"k": [1], "n": [1]}), ["k"])[0]
    with pytest.raises(InconsistentBatch, match="'x' is not of the key's type bigint"):
        read_table([replace(file, keys={"k": "x"})])


def test_columns_come_in_the_order_asked_for() -> None:
    back = pandas(stored(sales()), columns=["shop", "DAY"])
    assert_same(back, sales()[["shop", "Day"]])


def test_an_index_comes_along_unless_it_is_not_wanted() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=pd.Index(["x", "y"], name="k"))
    files = stored(frame)
    assert_same(pandas(files, columns=["b"]), frame[["b"]])
    assert read_table(files, columns=["b"], with_index=False).column_names == ["b"]


def test_an_unknown_column_names_the_near_ones() -> None:
    with pytest.raises(SchemaMismatch, match="'pirce': did you mean 'price'"):
        read_table(stored(sales()), columns=["pirce"])
    with pytest.raises(SchemaMismatch, match="'zzz': the columns are 'Day', 'price'"):
        read_table(stored(sales()), filters=[("zzz", "=", 1)])


BERLIN = pd.Timestamp("2016-11-01", tz="Europe/Berlin").to_pydatetime()
FILTERS: list[tuple[Any, Any]] = [
    ([("price", ">", 20)], lambda f: f.price > 20),
    ([("price", ">", 3), ("price", "<=", 5.0)], lambda f: (f.price > 3) & (f.price <= 5)),
    ([[("price", "<", 1)], [("price", ">", 24)]], lambda f: (f.price < 1) | (f.price > 24)),
    ([("n", "in", [3, 5, 70_000])], lambda f: f.n.isin([3, 5])),
    ([("n", "not in", [3, 5])], lambda f: ~f.n.isin([3, 5])),
    ([("shop", "==", "Oslo")], lambda f: f.shop == "Oslo"),
    ([("shop", "in", ["Oslo", "Rome"])], lambda f: f.shop == "Oslo"),
    ([("shop", "!=", "Oslo")], lambda f: f.shop != "Oslo"),
    ([("note", "=", "x")], lambda f: f.note == "x"),
    ([("Day", ">", dt.date(2016, 10, 31))], lambda f: f.Day > dt.date(2016, 10, 31)),
    ([("took", "<", dt.timedelta(seconds=7))], lambda f: f.took < pd.Timedelta(seconds=7)),
    ([("at", ">=", BERLIN)], lambda f: f["at"] >= BERLIN),
    ([("at", ">=", BERLIN.astimezone(dt.UTC))], lambda f: f["at"] >= BERLIN),
    (
        (pc.field("took") > pa.scalar(dt.timedelta(seconds=5))) & (pc.field("n") < 9),
        lambda f: f.n.between(6, 8),
    ),
    (pc.field("note").is_null(), lambda f: f.note.isna()),
    (pc.starts_with(pc.field("note"), "x"), lambda f: f.note == "x"),
]


@pytest.mark.parametrize(
    ("filters", "rows"), FILTERS, ids=lambda one: "" if callable(one) else str(one)[:60]
)
@pytest.mark.parametrize("by", [[], ["Day"], ["shop"]])
def test_filters_select_the_rows_that_pandas_would(filters: Any, rows: Any, by: list[str]) -> None:
    files = stored_by(sales(), by) if by else stored(sales())
    everything = pandas(files)
    back = pandas(files, filters=filters)
    assert 0 < len(back) < 100
    assert_same(back, everything[rows(everything)].reset_index(drop=True))
    projected = pandas(files, filters=filters, columns=["price"])
    assert projected["price"].tolist() == back["price"].tolist()


@pytest.mark.parametrize(
    "filters", [[("n", "~", 1)], [("n",)], 5, [("at", ">", "no time")], [("note", "<", 5)]]
)
def test_a_filter_that_does_not_fit_is_refused(filters: Any) -> None:
    with pytest.raises(SchemaMismatch, match="filter"):
        read_table(stored(sales()), filters=filters)


INTEGERS = ["int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "Int16"]


@settings(max_examples=60)
@given(
    st.sampled_from(INTEGERS),
    st.lists(st.integers(0, 100), min_size=1, max_size=20),
    st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
    st.integers(0, 100),
    st.booleans(),
)
def test_skipping_by_statistics_loses_no_row(
    kind: str, values: list[int], operator: str, limit: int, wide: bool
) -> None:
    frame = pd.DataFrame({"n": pd.Series(values, dtype=kind)})
    source = to_source(frame)
    assert source.table is not None
    columns = [Column("n", "decimal(22,2)" if kind == "uint64" else "bigint")] if wide else None
    files = [SourceFile(parquet(source.table, columns=columns), source.logical)]
    expected = frame[
        pc.call_function(NAMES[operator], [pa.array(values), limit]).to_numpy(zero_copy_only=False)
    ]
    assert_same(pandas(files, filters=[("n", operator, limit)]), expected.reset_index(drop=True))


NAMES = {
    "<": "less",
    "<=": "less_equal",
    "==": "equal",
    "!=": "not_equal",
    ">": "greater",
    ">=": "greater_equal",
}


X, DAY = pc.field("x"), pc.field("day")
NAN = float("nan")


@pytest.mark.parametrize(
    "filters",
    [
        pc.is_nan(X),
        X != 1,
        [("x", "!=", 1)],
        [("x", "not in", [1, 2])],
        [[("x", "!=", 1), ("day", "==", "a")]],
        ~(X < 5),
        ~pc.coalesce(X < 5, pc.scalar(False)),
        X.is_null(nan_is_null=True),
        X.isin([NAN, 7.0]),
        (DAY == "b") | ~(X <= 1),
        X < 5,
        (X > 0) & (DAY == "a"),
        X.is_null(),
        X + 1 > 1.5,
        pc.struct_field(pc.field("nested"), "x") != 1,
        pc.field(0) != 1,
        pc.field(2) == "b",
    ],
    ids=lambda filters: str(filters).replace("\n", ""),
)
@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
@pytest.mark.parametrize("values", [[1, 1, NAN], [1, 2, NAN, None]])
def test_a_nan_that_the_footer_leaves_out_is_found(
    filters: Any, kind: pa.DataType, values: list[float | None]
) -> None:
    days = ["a", "b", "a", "b"][: len(values)]
    nested = [{"x": one} for one in values]
    table = pa.table(
        {
            "x": pa.array(values, kind),
            "took": pa.array([1] * len(days), pa.duration("s")),
            "day": days,
            "nested": nested,
        }
    )
    files = stored(table)
    expression = (
        filters if isinstance(filters, pc.Expression) else pa.parquet.filters_to_expression(filters)
    )
    expected = table.filter(expression)
    assert str(read_table(files, filters=filters)["x"].to_pylist()) == str(
        expected["x"].to_pylist()
    )
    days_only = read_table(files, filters=filters, columns=["day"])
    assert days_only.to_pydict() == expected.select(["day"]).to_pydict()


def test_what_no_nan_is_still_skips_by_the_footer_and_other_filters_read_what_they_need() -> None:
    files = stored(pa.table({"x": [1.0, NAN], "y": [1.0, 2.0], "day": ["a", "b"], "n": [1, 2]}))

    def plan(filters: Any, columns: list[str] | None = None) -> ReadPlan:
        return ReadPlan.of(files, None, columns, filters, None, {}, with_index=False)

    for skips in (
        [("x", ">", 3)],
        [("x", "in", [3, 4]), ("day", "==", "a")],
        (X > 1) & (pc.field("y") > 1),
    ):
        assert plan(skips).pushed_filter is not None
    assert plan([("n", "!=", 3)]).pushed_filter is not None
    late = plan((X != 3) & (pc.field("n") > 0), ["day"])
    assert (late.pushed_filter, late.scan_columns) == (None, ["day", "x", "n"])


def test_pieces_are_the_rows_in_order_and_small() -> None:
    files = stored_by(sales(), ["shop"])
    pieces = list(iter_batches(files, batch_rows=16))
    assert max(map(len, pieces)) <= 16
    assert_same(to_output(pa.concat_tables(pieces), "pandas"), pandas(files))
    few = list(
        iter_batches(
            files,
            batch_rows=16,
            columns=["took"],
            filters=[("took", "<", dt.timedelta(seconds=20))],
        )
    )
    assert sum(map(len, few)) == 20
    assert all(piece.column_names == ["took"] for piece in few)


TEXTS = ["", "a", None, "ü" * 40, "a b"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
@pytest.mark.parametrize("different", [5, 60_000])
def test_text_of_many_rows_is_what_it_was(kind: Any, different: int) -> None:
    texts = TEXTS if different == 5 else [*TEXTS, *map(str, range(different))]
    rows = np.random.default_rng(0).integers(0, len(texts), 200_000)
    table = pa.table({"s": pa.array(texts).take(pa.array(rows)).cast(kind), "n": rows})
    files = stored(table)
    assert coded_texts(*files) == [
        {"s"} if different == 5 and not pa.types.is_dictionary(kind) else set()
    ]
    assert read_table(files)["s"].to_pylist() == table["s"].to_pylist()
    for filters, kept in (
        ([("s", "==", "a")], {"a"}),
        ([("s", "in", ["", "a b"])], {"", "a b"}),
        (pc.field("s").is_null(), {None}),
        ([("s", ">", "a")], {text for text in texts if text is not None and text > "a"}),
    ):
        assert read_table(files, filters=filters)["n"].to_pylist() == [
            row for row in rows if texts[row] in kept
        ]


def coded_texts(*files: SourceFile, columns: list[str] | None = None) -> list[set[str]]:
    """Return the text columns of each file that are read by their dictionaries."""
    plan = ReadPlan.of(files, None, columns, None, None, {}, with_index=False)
    (part,) = plan.groups(files)
    return [plan.scan(part).text_dictionaries(file) for file in files]


def of_text(column: Any, groups: int = 2) -> SourceFile:
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"s": column}),
        sink,
        row_group_size=max(1, len(column) // groups),
        store_schema=False,
    )
    return SourceFile(
        sink.getvalue(), to_source(pa.table({"s": pa.array([""])})).logical, {}, len(column)
    )


FEW = pa.array(["a", "b"] * 100_000)
MANY = pa.array([f"number {number}" for number in range(200_000)])


def test_text_is_read_by_its_dictionaries_where_all_of_it_seems_to_have_them() -> None:
    rare = pc.if_else(pa.array([number % 50 == 0 for number in range(200_000)]), MANY, None)
    files = [
        *map(of_text, (FEW, FEW[:100], MANY, rare)),
        of_text(pa.concat_arrays([FEW, MANY])),
        of_text(FEW[:0], 1),
    ]
    assert coded_texts(*files) == [{"s"}, set(), set(), set(), set(), set()]
    assert coded_texts(files[0], columns=["s"]) == [{"s"}]
    assert read_table(files)["s"].to_pylist() == [
        text for file in files for text in read_table([file])["s"].to_pylist()
    ]


def test_files_are_read_by_dictionaries_or_not_each_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    made = Scan._layout

    def noting(self: Scan, texts: Any, *, ahead: bool) -> Any:
        seen.append(set(texts))
        return made(self, texts, ahead=ahead)

    monkeypatch.setattr(Scan, "_layout", noting)
    assert len(read_table([of_text(FEW), of_text(MANY)])) == 400_000
    assert seen.count({"s"}) == 1


def test_more_text_than_an_array_holds_is_read_as_text() -> None:
    letters = pa.array([letter * 17_000 for letter in "abcd"])
    column = pa.DictionaryArray.from_arrays(pa.array(np.arange(131_072, dtype="int8") % 4), letters)
    file = of_text(column, 1)
    assert coded_texts(file) == [{"s"}]
    found = read_table([file])["s"]
    assert pc.sum(pc.binary_length(found)).as_py() == 131_072 * 17_000
    assert [str(one)[:1] for one in found.slice(70_000, 4)] == ["a", "b", "c", "d"]


def test_a_reader_may_stop_early() -> None:
    pieces = iter_batches(stored(sales()), batch_rows=10)
    assert len(next(pieces)) == 10
    pieces.close()


def test_no_files_are_a_frame_without_rows() -> None:
    logical = to_source(sales()).logical
    assert_same(pandas([], lead=logical), sales()[:0])
    assert_same(pandas([], lead=logical, columns=["n"]), sales()[["n"]][:0])
    assert list(iter_batches([], lead=logical)) == []
