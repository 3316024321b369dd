"""Batches of one table that were stored with different schemas, loaded as one frame."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.outputs import SourceFile, read_table
from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text
from airflow_sfx.frames.types.logical import LogicalSchema
from tests.frames.builders import assert_same, category, objects, pandas, parquet, stored


def test_the_newest_schema_leads_and_what_is_missing_is_null() -> None:
    old = stored(pd.DataFrame({"gone": [1.5], "n": pd.Series([1], dtype="int8"), "s": ["a"]}))
    new = stored(
        pd.DataFrame(
            {"s": ["b"], "n": pd.Series([2**40]), "added": pd.Series([True], dtype="boolean")}
        )
    )
    back = pandas([*old, *new])
    expected = pd.DataFrame(
        {
            "s": ["a", "b"],
            "n": [1, 2**40],
            "added": pd.array([None, True], dtype="boolean"),
            "gone": [1.5, None],
        }
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
        stored(pd.DataFrame({"c": category(values, values)}))[0]
        for values in (["a", "b"], ["b", "c"], ["d"], ["a", "b"])
    ]
    back = pandas(nights)["c"]
    assert back.tolist() == ["a", "b", "b", "c", "d", "a", "b"]
    assert back.cat.categories.tolist() == ["a", "b", "d", "c"]
    same = pandas([nights[0], nights[3]])["c"]
    assert same.cat.categories.tolist() == ["a", "b"]


def test_the_order_of_categories_is_kept_only_where_all_nights_agree() -> None:
    one, same, other = (
        stored(pd.DataFrame({"c": category(["a"], values, ordered=True)}))[0]
        for values in (["a", "b"], ["a", "b"], ["b", "a"])
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
        (
            pa.array([1500], pa.duration("ms")),
            pa.array([2], pa.duration("s")),
            pa.array([1500, 2000], pa.duration("ms")),
        ),
        (
            pa.array([5], pa.timestamp("s")),
            pa.array([1], pa.timestamp("ns")),
            pa.array([5 * 10**9, 1], pa.timestamp("ns")),
        ),
        (
            pa.array([5], pa.timestamp("us", "Asia/Tokyo")),
            pa.array([6], pa.timestamp("us", "UTC")),
            pa.array([5, 6], pa.timestamp("us", "UTC")),
        ),
        (
            pa.array([{"a": 1}], pa.struct([("a", pa.int8())])),
            pa.array([{"a": 2, "b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
            pa.array(
                [{"a": 1, "b": None}, {"a": 2, "b": "x"}],
                pa.struct([("a", pa.int64()), ("b", pa.string())]),
            ),
        ),
        (pa.array([1]), pa.array(["x"]), pa.array(["1", "x"])),
        (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), pa.array(["a", "b"])),
        (pa.array([1], pa.uint8()), pa.array([-1], pa.int8()), pa.array([1, -1], pa.int16())),
        (
            pa.array(["a"], pa.string()),
            pa.array(["b"], pa.large_string()),
            pa.array(["a", "b"], pa.large_string()),
        ),
        (
            pa.array([[1]], pa.list_(pa.int8())),
            pa.array([[2]], pa.list_(pa.int64())),
            pa.array([[1], [2]]),
        ),
    ],
    ids=lambda one: str(one.type),
)
def test_types_of_several_batches_are_brought_together(
    old: pa.Array, new: pa.Array, expected: pa.Array
) -> None:
    back = read_table(
        [*stored(pa.table({"c": old, "k": [1]})), *stored(pa.table({"c": new, "k": [2]}))]
    )
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
        (pa.array([300], pa.int16()), pa.array([b"x"])),
        (pa.array([[1]]), pa.array([1])),
        (pa.array(["x"]).dictionary_encode(), pa.array([1]).dictionary_encode()),
    ],
    ids=lambda one: str(one.type),
)
def test_types_that_nothing_holds_both_of_are_refused_by_name(old: pa.Array, new: pa.Array) -> None:
    with pytest.raises(SchemaMismatch, match="'c'"):
        read_table([*stored(pa.table({"c": old})), *stored(pa.table({"c": new}))])


OTHER_VALUES: dict[str, tuple[pa.Array, pa.Array]] = {
    "numbers as truth": (pa.array([1, 5]), pa.array([True])),
    "numbers as times": (pa.array([5]), pa.array([0], pa.timestamp("us"))),
    "numbers as times that are out of range": (pa.array([2**62]), pa.array([0], pa.timestamp("s"))),
    "times as numbers": (pa.array([0], pa.timestamp("us")), pa.array([5])),
    "numbers as days": (pa.array([5], pa.int32()), pa.array([0], pa.date32())),
    "days as numbers": (pa.array([0], pa.date32()), pa.array([5], pa.int32())),
    "times as days": (pa.array([5], pa.timestamp("us")), pa.array([0], pa.date32())),
    "far times as days": (pa.array([2**60], pa.timestamp("us")), pa.array([0], pa.date32())),
    "days as moments": (
        pa.array([0], pa.date32()),
        pa.array([0], pa.timestamp("us", "Asia/Tokyo")),
    ),
    "long decimals as floats": (pa.array([Decimal("1234567890.12345678901")]), pa.array([1.5])),
    "text as numbers": (pa.array(["05"]), pa.array([5])),
    "text as categories of numbers": (pa.array(["05"]), pa.array([5]).dictionary_encode()),
    "long text as floats": (pa.array(["0.1234567890123456789"]), pa.array([1.5])),
    "in lists": (pa.array([None, [5]]), pa.array([[0]], pa.list_(pa.timestamp("us")))),
    "in maps": (
        pa.array([[("k", 5)]], pa.map_(pa.string(), pa.int64())),
        pa.array([[("k", True)]], pa.map_(pa.string(), pa.bool_())),
    ),
    "in structs": (pa.array([{"a": 5}]), pa.array([{"a": True}])),
    "categories": (pa.array([5]).dictionary_encode(), pa.array([True]).dictionary_encode()),
}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_no_value_of_an_older_batch_is_read_as_another(name) -> None:
    old, new = OTHER_VALUES[name]
    with pytest.raises(SchemaMismatch, match=r"'c' is .* in a newer one"):
        read_table([*stored(pa.table({"c": old})), *stored(pa.table({"c": new}))])


SAME_VALUES: dict[str, tuple[pa.Array, pa.Array, list[Any]]] = {
    "truth": (pa.array([1, 0, None]), pa.array([True]), [True, False, None, True]),
    "decimals": (pa.array([Decimal("1.2"), Decimal("0.7")]), pa.array([1.5]), [1.2, 0.7, 1.5]),
    "fine decimals": (
        pa.array([Decimal("1.2")], pa.decimal128(38, 18)),
        pa.array([1.5]),
        [1.2, 1.5],
    ),
    "decimals in lists": (
        pa.array([[Decimal("1.2")], None]),
        pa.array([[1.5]]),
        [[1.2], None, [1.5]],
    ),
    "days": (
        pa.array([0], pa.date32()),
        pa.array([0], pa.timestamp("us")),
        [dt.datetime(1970, 1, 1)] * 2,
    ),
    "text": (pa.array(["5"]), pa.array([6]), [5, 6]),
    "short floats": (pa.array([1.5, None], pa.float16()), pa.array(["x"]), ["1.5", None, "x"]),
    "unused categories": (
        pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["5", "x"])),
        pa.array([6]),
        [5, 6],
    ),
    "maps": (
        pa.array([None, [("k", 1), ("l", None)]], pa.map_(pa.string(), pa.int64())),
        pa.array([[("k", "x")]], pa.map_(pa.string(), pa.string())),
        [None, [("k", "1"), ("l", None)], [("k", "x")]],
    ),
}


@pytest.mark.parametrize("name", SAME_VALUES)
def test_values_of_an_older_batch_are_read_as_a_newer_type_that_has_them(name) -> None:
    old, new, expected = SAME_VALUES[name]
    found = read_table([*stored(pa.table({"c": old})), *stored(pa.table({"c": new}))])
    assert found.column("c").to_pylist() == expected


def test_attrs_are_kept_where_all_nights_agree() -> None:
    def night(source: str) -> SourceFile:
        frame = pd.DataFrame({"n": [1]})
        frame.attrs["source"] = source
        return stored(frame)[0]

    assert pandas([night("till"), night("till")]).attrs == {"source": "till"}
    assert pandas([night("till"), night("web")]).attrs == {}


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


def test_times_too_far_apart_for_one_unit_are_refused() -> None:
    far = stored(pa.table({"c": pa.array([2**60], pa.timestamp("us"))}))
    fine = stored(pa.table({"c": pa.array([1], pa.timestamp("ns"))}))
    with pytest.raises(SchemaMismatch, match="one by one"):
        read_table([*far, *fine])


def test_files_of_earlier_versions_have_durations_in_the_unit_of_their_frame() -> None:
    table = pa.table({"d": pa.array([90], pa.duration("s")), "t": pa.array([5], pa.time32("ms"))})
    units = {"d": "", "t": ""}
    text = schema_to_text(LogicalSchema(table.schema))  # as they wrote it: without a word on units
    old = SourceFile(parquet(table, units=units), schema_from_text(text), {}, 1)
    assert pq.read_table(pa.BufferReader(old.source)).to_pylist() == [{"d": 90, "t": 5}]
    assert read_table([old]).equals(table)
    both = read_table([old, *stored(table)])
    assert both.equals(pa.concat_tables([table, table]))
    assert both.schema == table.schema
