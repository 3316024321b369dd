"""Reading files back: columns, rows, keys, several batches, pieces, and files that are not what they were."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.logical import LogicalSchema
from airflow_sfx.frames.output import SourceFile, iter_batches, read_table, to_output
from airflow_sfx.frames.source import to_source
from tests.frames.builders import assert_same, category, objects, parquet, stored, stored_by


def sales() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Day": pd.Series([dt.date(2016, 10, 31), dt.date(2016, 11, 1)] * 50, dtype=object),
            "price": np.arange(100) / 4,
            "n": np.arange(100, dtype="uint16"),
            "shop": pd.Categorical(["Oslo", "Lima"] * 50, categories=["Lima", "Oslo", "Rome"]),
            "took": pd.to_timedelta(np.arange(100), unit="s"),
            "at": pd.date_range("2016-10-31", periods=100, freq="h", tz="Europe/Berlin").as_unit("us"),
            "note": ["x", None] * 50,
        }
    )


def pandas(files: list[SourceFile], **options: Any) -> pd.DataFrame:
    return to_output(read_table(files, **options), "pandas")


# Partition keys


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
        pd.Series(pd.to_datetime(["2016-10-31", "2016-11-01 05:00:00.000005"] * 3)),
        pd.Series(pd.to_datetime(["2016-10-31", "2016-11-01"] * 3)).astype("datetime64[s]"),
        objects(*[dt.date(2016, 10, 31), dt.date(2016, 11, 1)] * 3),
    ],
    ids=lambda column: str(column.dtype),
)
def test_a_key_column_comes_back_at_its_place_with_its_dtype(key: pd.Series) -> None:
    frame = pd.DataFrame({"a": range(6), "Key": key, "z": list("abcdef")})
    files = stored_by(frame, ["Key"])
    assert len(files) == 2
    assert all("key" not in pa.parquet.read_schema(pa.BufferReader(file.source)).names for file in files)
    back = pandas(files)
    assert_same(back, frame.iloc[[0, 2, 4, 1, 3, 5]].reset_index(drop=True))
    assert_same(pandas(files[1:]), frame.iloc[[1, 3, 5]].reset_index(drop=True))


def test_a_key_that_the_frame_had_not_is_read_only_if_asked_for() -> None:
    files = [replace(stored(pd.DataFrame({"n": [i]}))[0], keys={"day": f"2016-10-3{i}"}) for i in (0, 1)]
    assert pandas(files).columns.tolist() == ["n"]
    named = pandas(files, columns=["day", "n"], key_types={"day": "date"})
    assert named["day"].tolist() == [dt.date(2016, 10, 30), dt.date(2016, 10, 31)]
    assert pandas(files, filters=[("day", "=", "2016-10-31")])["n"].tolist() == [1]
    assert pandas(files, filters=[("day", "=", "2016-10-31")]).columns.tolist() == ["n"]


def test_a_key_value_that_is_not_of_its_type_is_an_inconsistent_batch() -> None:
    file = stored_by(pd.DataFrame({"k": [1], "n": [1]}), ["k"])[0]
    with pytest.raises(InconsistentBatch, match="'x' is no bigint"):
        read_table([replace(file, keys={"k": "x"})])


# Columns and rows


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
    (pc.field("n") % 2 == 0 if hasattr(pc.Expression, "__mod__") else pc.field("n") < 50, None),
    ((pc.field("took") > pa.scalar(dt.timedelta(seconds=5))) & (pc.field("n") < 9), lambda f: f.n.between(6, 8)),
    (pc.field("note").is_null(), lambda f: f.note.isna()),
    (pc.starts_with(pc.field("note"), "x"), lambda f: f.note == "x"),
]


@pytest.mark.parametrize(("filters", "rows"), [pair for pair in FILTERS if pair[1]], ids=lambda one: str(one)[:60])
@pytest.mark.parametrize("by", [[], ["Day"], ["shop"]])
def test_filters_select_the_rows_that_pandas_would(filters: Any, rows: Any, by: list[str]) -> None:
    files = stored_by(sales(), by) if by else stored(sales())
    everything = pandas(files)
    back = pandas(files, filters=filters)
    assert 0 < len(back) < 100
    assert_same(back, everything[rows(everything)].reset_index(drop=True))
    projected = pandas(files, filters=filters, columns=["price"])
    assert projected["price"].tolist() == back["price"].tolist()


@pytest.mark.parametrize("filters", [[("n", "~", 1)], [("n",)], 5, [("at", ">", "no time")], [("note", "<", 5)]])
def test_a_filter_that_does_not_fit_is_refused(filters: Any) -> None:
    with pytest.raises(SchemaMismatch, match="filter"):
        read_table(stored(sales()), filters=filters)


INTEGERS = ["int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "Int16"]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(INTEGERS),
    st.lists(st.integers(0, 100), min_size=1, max_size=20),
    st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
    st.integers(0, 100),
    st.booleans(),
)
def test_skipping_by_statistics_loses_no_row(kind: str, values: list[int], operator: str, limit: int, wide: bool) -> None:
    frame = pd.DataFrame({"n": pd.Series(values, dtype=kind)})
    source = to_source(frame)
    assert source.table is not None
    columns = [Column("n", "decimal(22,2)" if kind == "uint64" else "bigint")] if wide else None
    files = [SourceFile(parquet(source.table, columns=columns), source.logical)]
    expected = frame[pc.call_function(NAMES[operator], [pa.array(values), limit]).to_numpy(zero_copy_only=False)]
    assert_same(pandas(files, filters=[("n", operator, limit)]), expected.reset_index(drop=True))


NAMES = {
    "<": "less",
    "<=": "less_equal",
    "==": "equal",
    "!=": "not_equal",
    ">": "greater",
    ">=": "greater_equal",
}


# Several batches


def test_the_newest_schema_leads_and_what_is_missing_is_null() -> None:
    old = stored(pd.DataFrame({"gone": [1.5], "n": pd.Series([1], dtype="int8"), "s": ["a"]}))
    new = stored(pd.DataFrame({"s": ["b"], "n": pd.Series([2**40]), "added": pd.Series([True], dtype="boolean")}))
    back = pandas([*old, *new])
    expected = pd.DataFrame(
        {"s": ["a", "b"], "n": [1, 2**40], "added": pd.array([None, True], dtype="boolean"), "gone": [1.5, None]}
    )
    assert_same(back, expected)
    assert pandas([*new, *old], lead=new[0].logical)["s"].tolist() == ["b", "a"]


def test_a_frame_of_one_batch_does_not_change_by_having_been_written_wider() -> None:
    frame = pd.DataFrame({"n": pd.Series([1], dtype="int8")})
    table = to_source(frame).table
    assert table is not None
    wide = replace(stored(frame)[0], source=parquet(table, columns=[Column("n", "bigint")]))
    assert_same(pandas([wide]), frame)


def test_categories_of_several_nights_are_put_together() -> None:
    nights = [
        stored(pd.DataFrame({"c": category(values, values)}))[0] for values in (["a", "b"], ["b", "c"], ["d"], ["a", "b"])
    ]
    back = pandas(nights)["c"]
    assert back.tolist() == ["a", "b", "b", "c", "d", "a", "b"]
    assert back.cat.categories.tolist() == ["a", "b", "d", "c"]
    same = pandas([nights[0], nights[3]])["c"]
    assert same.cat.categories.tolist() == ["a", "b"]


def test_the_order_of_categories_is_kept_only_where_all_nights_agree() -> None:
    one, same, other = (
        stored(pd.DataFrame({"c": category(["a"], values, ordered=True)}))[0] for values in (["a", "b"], ["a", "b"], ["b", "a"])
    )
    assert pandas([one, same])["c"].cat.ordered
    assert not pandas([one, other])["c"].cat.ordered


def test_a_night_of_nothing_has_the_type_of_the_others() -> None:
    nothing = stored(pd.DataFrame({"c": [None], "o": [None]}, dtype=object))
    something = stored(pd.DataFrame({"c": pd.Series([5], dtype="Int64"), "o": objects("x")}))
    for files in ([*nothing, *something], [*something, *nothing]):
        back = pandas(files)
        assert str(back["c"].dtype) == "Int64"
        assert back["o"].dtype == object
        assert back["c"].isna().sum() == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (pa.array([1500], pa.duration("ms")), pa.array([2], pa.duration("s")), pa.array([1500, 2000], pa.duration("ms"))),
        (pa.array([5], pa.timestamp("s")), pa.array([1], pa.timestamp("ns")), pa.array([5 * 10**9, 1], pa.timestamp("ns"))),
        (
            pa.array([5], pa.timestamp("us", "Asia/Tokyo")),
            pa.array([6], pa.timestamp("us", "UTC")),
            pa.array([5, 6], pa.timestamp("us", "UTC")),
        ),
        (
            pa.array([{"a": 1}], pa.struct([("a", pa.int8())])),
            pa.array([{"a": 2, "b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
            pa.array([{"a": 1, "b": None}, {"a": 2, "b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ),
        (pa.array([1]), pa.array(["x"]), pa.array(["1", "x"])),
        (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), pa.array(["a", "b"])),
        (pa.array([1], pa.uint8()), pa.array([-1], pa.int8()), pa.array([1, -1], pa.int16())),
        (pa.array(["a"], pa.string()), pa.array(["b"], pa.large_string()), pa.array(["a", "b"], pa.large_string())),
        (pa.array([[1]], pa.list_(pa.int8())), pa.array([[2]], pa.list_(pa.int64())), pa.array([[1], [2]])),
    ],
    ids=lambda one: str(one.type),
)
def test_types_of_several_batches_are_brought_together(old: pa.Array, new: pa.Array, expected: pa.Array) -> None:
    back = read_table([*stored(pa.table({"c": old, "k": [1]})), *stored(pa.table({"c": new, "k": [2]}))])
    assert back.column("c").combine_chunks().equals(expected)
    assert back.column("k").to_pylist() == [1, 2]
    filtered = read_table(
        [*stored(pa.table({"c": old, "k": [1]})), *stored(pa.table({"c": new, "k": [2]}))],
        filters=[("k", "=", 2)],
        columns=["c"],
    )
    assert filtered.column("c").combine_chunks().equals(expected[1:])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array(["x"]), pa.array([1])),
        (pa.array([2**60 + 1]), pa.array([1.5])),
        (pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC"))),
    ],
    ids=lambda one: str(one.type),
)
def test_types_that_nothing_holds_both_of_are_refused_by_name(old: pa.Array, new: pa.Array) -> None:
    with pytest.raises((SchemaMismatch, InconsistentBatch), match="'c'|cannot be read together"):
        read_table([*stored(pa.table({"c": old})), *stored(pa.table({"c": new}))])


def test_batches_that_differ_in_the_case_of_names_are_one_table() -> None:
    back = pandas([*stored(pd.DataFrame({"Price": [1]})), *stored(pd.DataFrame({"price": [2]}))])
    assert back["price"].tolist() == [1, 2]
    assert back.columns.tolist() == ["price"]


def test_batches_with_and_without_an_index_get_a_default_one() -> None:
    plain = pd.DataFrame({"n": [1, 2]})
    back = pandas([*stored(plain), *stored(plain.rename(index={0: "a", 1: "b"}))])
    assert_same(back, pd.DataFrame({"n": [1, 2, 1, 2]}))


def test_rows_come_in_the_order_of_the_files() -> None:
    files = [stored(pd.DataFrame({"n": range(i * 1000, i * 1000 + 1000)}))[0] for i in range(40)]
    assert pandas(files)["n"].tolist() == list(range(40_000))
    assert pandas(files[::-1])["n"].tolist()[:1000] == list(range(39_000, 40_000))


# Pieces


def test_pieces_are_the_rows_in_order_and_small() -> None:
    files = stored_by(sales(), ["shop"])
    pieces = list(iter_batches(files, batch_rows=16))
    assert max(map(len, pieces)) <= 16
    assert_same(to_output(pa.concat_tables(pieces), "pandas"), pandas(files))
    few = list(iter_batches(files, batch_rows=16, columns=["took"], filters=[("took", "<", dt.timedelta(seconds=20))]))
    assert sum(map(len, few)) == 20
    assert all(piece.column_names == ["took"] for piece in few)


def test_a_reader_may_stop_early() -> None:
    pieces = iter_batches(stored(sales()), batch_rows=10)
    assert len(next(pieces)) == 10
    pieces.close()


def test_no_files_are_a_frame_without_rows() -> None:
    logical = to_source(sales()).logical
    assert_same(pandas([], lead=logical), sales()[:0])
    assert_same(pandas([], lead=logical, columns=["n"]), sales()[["n"]][:0])
    assert list(iter_batches([], lead=logical)) == []


# Damage


def on_disk(folder: Path) -> list[SourceFile]:
    files = []
    for i in range(3):
        file = stored(pd.DataFrame({"n": range(1000), "s": "text"}))[0]
        path = folder / f"part-0000{i}.parquet"
        path.write_bytes(file.source)  # type: ignore[arg-type]
        files.append(replace(file, source=str(path)))
    return files


def test_files_on_disk_are_read(tmp_path: Path) -> None:
    assert len(read_table(on_disk(tmp_path))) == 3000


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "garbage", "flipped"])
@pytest.mark.parametrize("pieces", [False, True])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str, pieces: bool) -> None:
    files = on_disk(tmp_path)
    path = tmp_path / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flipped":
        for i in range(4, 200):
            content[i] ^= 0xFF
    if damage != "missing":
        path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 999}.get(damage, content))
    with pytest.raises(InconsistentBatch, match="part-00001.parquet") as caught:
        list(iter_batches(files)) if pieces else read_table(files)
    assert "part-00000.parquet" not in str(caught.value)


def test_a_file_with_other_rows_than_were_written_is_noticed() -> None:
    file = replace(stored(pd.DataFrame({"n": [1, 2]}))[0], rows=3, name="part-00000.parquet")
    with pytest.raises(InconsistentBatch, match=r"part-00000.parquet: 2 rows are there and 3"):
        read_table([file])
    with pytest.raises(InconsistentBatch, match="2 rows"):
        list(iter_batches([file]))


# polars and Arrow


def test_a_polars_frame_comes_back_exactly() -> None:
    frame = pl.DataFrame(
        {
            "i": pl.Series([1, None], dtype=pl.Int8),
            "u": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
            "f": pl.Series([float("nan"), None], dtype=pl.Float32),
            "s": ["a", None],
            "b": pl.Series([b"a", None], dtype=pl.Binary),
            "d": pl.Series([dt.date(2016, 10, 31), None]),
            "t": pl.Series([dt.time(1, 2, 3), None]),
            "ns": pl.Series([1, None]).cast(pl.Datetime("ns", "Europe/Berlin")),
            "ms": pl.Series([1, None]).cast(pl.Datetime("ms")),
            "dur": pl.Series([1, None]).cast(pl.Duration("ns")),
            "cat": pl.Series(["x", None], dtype=pl.Categorical),
            "enum": pl.Series(["x", None], dtype=pl.Enum(["y", "x"])),
            "dec": pl.Series(["1.50", None]).cast(pl.Decimal(20, 2)),
            "list": pl.Series([[1, None], None], dtype=pl.List(pl.Int16)),
            "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
            "struct": pl.Series([{"a": 1, "b": "x"}, None]),
            "null": pl.Series([None, None]),
            "bool": [True, None],
        }
    )
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame)), "polars"), frame)
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame.lazy())), "polars"), frame)
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame[:0])), "polars"), frame[:0])


def test_a_pandas_frame_can_be_had_as_polars_and_back() -> None:
    made = to_output(read_table(stored(sales())), "polars")
    assert made["shop"].to_list() == sales()["shop"].tolist()
    assert made["took"].dtype == pl.Duration


def test_whole_numbers_with_nulls_from_elsewhere_are_not_rounded() -> None:
    back = pandas(stored(pa.table({"n": [2**60 + 1, None], "small": [1, None]})))
    assert back["n"].tolist()[0] == 2**60 + 1
    assert back["small"].dtype == "float64"


def test_an_unknown_kind_of_frame_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="as_='r'"):
        to_output(pa.table({"n": [1]}), "r")  # type: ignore[call-overload]


def test_a_schema_without_columns_left_is_still_one() -> None:
    logical = LogicalSchema(pa.schema([("a", pa.int8()), ("B", pa.int8())]))
    assert logical.without(["b"]).schema.names == ["a"]
