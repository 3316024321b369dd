"""Differences between two batches."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

import airflow_sfx as sfx
from airflow_sfx.warehouse.diff import diff as diff_module
from airflow_sfx.warehouse.diff.diff import PartitionsDiff
from airflow_sfx.warehouse.diff.rows import MAX_EXAMPLES, compare_rows

DAY = ["20161031"]
NAN = float("nan")
BASE = pd.DataFrame(
    {"id": [1, 2, 3], "price": [1.0, np.nan, 3.0], "tags": [["a"], None, ["b", "c"]]}
)


def put(warehouse: sfx.Warehouse, frame: object, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(frame, "sales", "items", DAY, **options)


def column(found, name: str):
    return next(one for one in found.columns if one.name == name)


def test_equal_batches_are_identical_whatever_the_order_of_rows(warehouse) -> None:
    first, second = put(warehouse, BASE), put(warehouse, BASE.iloc[::-1].reset_index(drop=True))
    assert warehouse.diff(first, second).identical
    assert warehouse.diff(first, second, keys=["id"]).identical
    assert warehouse.diff(first, first).identical


def test_the_first_and_the_last_times_that_there_are_can_be_compared(warehouse) -> None:
    last = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
    kinds = {
        "at": pa.array([last, dt.datetime(1, 1, 1)], pa.timestamp("us")),
        "last": pa.array([last, last], pa.timestamp("us")),
        "east": pa.array([last, last], pa.timestamp("us", "Pacific/Apia")),
        "west": pa.array([dt.datetime(1, 1, 1)] * 2, pa.timestamp("us", "America/New_York")),
        "day": pa.array([dt.date(9999, 12, 31), dt.date(1, 1, 1)]),
    }
    pins = [put(warehouse, pa.table({"id": ids, **kinds})) for ids in ([1, 2], [1, 3])]
    for keys in ([], ["id"]):
        found = warehouse.diff(*pins, keys=keys)
        assert (found.added, found.removed, found.changed) == (1, 1, 0)


def test_rows_are_compared_as_wholes_without_keys(warehouse) -> None:
    first = put(warehouse, BASE)
    second = put(warehouse, pd.concat([BASE.iloc[:2], BASE.iloc[:1]], ignore_index=True))
    found = warehouse.diff(first, second)
    assert (found.added, found.removed, found.changed) == (1, 1, 0)
    assert not found.identical
    assert [(row.kind, (row.after or row.before)["id"]) for row in found.examples] == [
        ("added", 1),
        ("removed", 3),
    ]


def test_rows_are_compared_by_key(warehouse) -> None:
    other = pd.DataFrame({"id": [2, 3, 4], "price": [2.0, 3.0, 4.0], "tags": [None, ["b"], ["d"]]})
    found = warehouse.diff(put(warehouse, BASE), put(warehouse, other), keys=["ID"])
    assert (found.added, found.removed, found.changed) == (1, 1, 2)
    assert {one.name: one.changed for one in found.columns} == {"id": None, "price": 1, "tags": 1}
    price = column(found, "price")
    assert (price.before.null_count, price.after.null_count, price.after.maximum) == (1, 0, 4.0)
    assert (price.mean_before, price.mean_after, price.distinct_before, price.distinct_after) == (
        2.0,
        3.0,
        2,
        3,
    )
    assert (column(found, "tags").before.null_count, column(found, "tags").after.null_count) == (
        1,
        1,
    )
    assert (found.rows_before, found.rows_after) == (3, 3)
    changed = [
        (row.before["id"], row.columns, row.after["price"])
        for row in found.examples
        if row.kind == "changed"
    ]
    assert changed == [(2, ("price",), 2.0), (3, ("tags",), 3.0)]
    assert {row.kind: (row.before is None, row.after is None) for row in found.examples} == {
        "changed": (False, False),
        "added": (True, False),
        "removed": (False, True),
    }


def test_columns_added_removed_and_retyped_are_told(warehouse) -> None:
    first = put(warehouse, BASE.drop(columns="tags"))
    second = put(
        warehouse, BASE.drop(columns="price").assign(id=["1", "2", "x"], note=1), evolve="any"
    )
    found = warehouse.diff(first, second)
    assert (found.columns_added, found.columns_removed, found.columns_retyped) == (
        ("tags", "note"),
        ("price",),
        ("id",),
    )
    assert (column(found, "id").type_before, column(found, "id").type_after) == ("bigint", "string")
    assert (found.added, found.removed) == (1, 1)  # 1 and "1" are the same number
    assert not found.identical


def test_a_widened_column_is_compared_by_value(warehouse) -> None:
    first = put(warehouse, pa.table({"n": pa.array([1, 2, 3], pa.int32())}))
    second = put(warehouse, pa.table({"n": pa.array([1, 2, 1 << 40], pa.int64())}))
    found = warehouse.diff(first, second)
    assert found.columns_retyped == ("n",)
    assert (found.added, found.removed) == (1, 1)


SAME = [1, 2, 3]
MEANT = {
    "frequency": (
        pd.period_range("2020-01", periods=3, freq="M"),
        pd.PeriodIndex.from_ordinals([600, 601, 602], freq="D"),
    ),
    "number and duration": (pa.array(SAME), pa.array(SAME, pa.duration("us"))),
    "number and time of day": (pa.array(SAME), pa.array(SAME, pa.time64("us"))),
    "number and period": (SAME, pd.PeriodIndex.from_ordinals(SAME, freq="M")),
    "zone": (
        pa.array(SAME, pa.timestamp("us", "UTC")),
        pa.array(SAME, pa.timestamp("us", "Asia/Tokyo")),
    ),
    "no zone": (pa.array(SAME, pa.timestamp("us")), pa.array(SAME, pa.timestamp("us", "UTC"))),
    "unit": (
        pa.array(SAME, pa.timestamp("s")),
        pa.array([n * 10**6 for n in SAME], pa.timestamp("us")),
    ),
    "side": (
        pd.IntervalIndex.from_breaks([0, 1, 2, 3], closed="left"),
        pd.IntervalIndex.from_breaks([0, 1, 2, 3]),
    ),
    "text and category": (["a", "b", "a"], pd.Categorical(["a", "b", "a"])),
    "order": (
        pd.Categorical(["a", "b", "a"], ["a", "b"], ordered=True),
        pd.Categorical(["a", "b", "a"], ["b", "a"], ordered=True),
    ),
    "no order": (pd.Categorical(["a", "b", "a"]), pd.Categorical(["a", "b", "a"], ordered=True)),
}


@pytest.mark.parametrize("column_of", MEANT.values(), ids=MEANT.keys())
def test_equal_values_of_another_logical_type_are_not_identical(warehouse, column_of) -> None:
    """A bigint of Hive may be a number, a duration or a month."""
    pins = []
    for number, values in enumerate(column_of):  # two tables, as one refuses most of these
        arrow = isinstance(values, pa.Array)
        frame = (
            pa.table({"id": SAME, "x": values})
            if arrow
            else pd.DataFrame({"id": SAME, "x": values})
        )
        pins.append(warehouse.store_dataframe(frame, "sales", f"items_{number}", DAY))
    for keys in ([], ["id"]):
        found = warehouse.diff(*pins, keys=keys)
        assert found.columns_retyped == ("x",)
        assert not found.identical
        told = column(found, "x")
        assert (told.meaning_before is None) == (told.meaning_after is None)
        assert (told.type_before, told.meaning_before) != (told.type_after, told.meaning_after)
    assert warehouse.diff(pins[0], pins[0]).identical


def with_attrs(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs["source"] = "till 3"
    return frame


PLAIN = pd.DataFrame({"n": [1, 2, 3], "s": ["a", "b", "a"]})
CATEGORIES = PLAIN.astype("category")
SHOWN = {
    "nullable": (PLAIN, {"n": "Int64"}),
    "pyarrow": (PLAIN, {"n": "int64[pyarrow]"}),
    "text of pyarrow": (PLAIN, {"s": pd.ArrowDtype(pa.string())}),
    "text with NA": (PLAIN, {"s": "string"}),
    "objects": (PLAIN, {"s": object}),
    "wider text of pyarrow": (
        PLAIN.astype({"s": pd.ArrowDtype(pa.string())}),
        {"s": pd.ArrowDtype(pa.large_string())},
    ),
    "an unused category": (CATEGORIES, {"s": pd.CategoricalDtype(["a", "b", "c"])}),
    "nullable categories": (
        CATEGORIES,
        {"n": pd.CategoricalDtype(pd.Index([1, 2, 3], dtype="Int64"))},
    ),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_another_dtype_in_pandas_is_another_type(warehouse, kind: str) -> None:
    frame, dtypes = SHOWN[kind]
    pins = [put(warehouse, frame), put(warehouse, frame.astype(dtypes))]
    assert (
        warehouse.load_dataframe(pins[1]).dtypes.to_dict() == frame.astype(dtypes).dtypes.to_dict()
    )
    found = warehouse.diff(*pins)
    assert (found.identical, found.columns_retyped) == (False, tuple(dtypes))
    assert (found.added, found.removed) == (0, 0)
    assert warehouse.diff(pins[1], put(warehouse, frame.astype(dtypes))).identical


def test_kinds_of_null_are_part_of_a_type(warehouse) -> None:
    nulls = [
        pd.DataFrame({"s": pd.Series(["a", null], dtype=object)})
        for null in (None, float("nan"), pd.NA)
    ]
    first, *others = [put(warehouse, frame) for frame in nulls]
    assert [warehouse.diff(first, other).columns_retyped for other in others] == [("s",), ("s",)]
    assert (
        column(warehouse.diff(first, others[0]), "s").meaning_after
        == "string (objects of str, null is nan)"
    )


BESIDE = {
    "columns in another order": (PLAIN[["s", "n"]], "columns n, s", "columns s, n"),
    "range": (PLAIN.set_axis(range(10, 13)), "", '{"index":{"name":null,"range":[10,13,1]}}'),
    "name of the index": (PLAIN.rename_axis("row"), "", '{"index":{"name":"row","range":[0,3,1]}}'),
    "name of the axis": (PLAIN.rename_axis(columns="what"), "", '{"axis":"what"}'),
    "attrs": (with_attrs(PLAIN.copy()), "", '{"attrs":{"source":"till 3"}}'),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_a_load_gives_beside_columns_is_part_of_the_frame(warehouse, kind: str) -> None:
    frame, before, after = BESIDE[kind]
    found = warehouse.diff(put(warehouse, PLAIN), put(warehouse, frame))
    assert (found.frame_before, found.frame_after, found.identical) == (before, after, False)
    assert (found.columns_retyped, found.columns_renamed, found.added, found.removed) == (
        (),
        (),
        0,
        0,
    )
    assert warehouse.diff(found.after, put(warehouse, frame)).identical


def test_a_long_description_of_a_frame_is_cut_and_still_tells_it_from_others(warehouse) -> None:
    frames = []
    for end in "ab":
        frames.append(PLAIN.copy())
        frames[-1].attrs["note"] = "x" * 1000 + end
    found = warehouse.diff(*[put(warehouse, frame) for frame in frames])
    assert found.frame_before != found.frame_after
    assert max(len(found.frame_before), len(found.frame_after)) < 220


def test_names_are_compared_as_they_are_spelled(warehouse) -> None:
    found = warehouse.diff(
        put(warehouse, PLAIN), put(warehouse, PLAIN.rename(columns={"n": "N"})), keys=["n"]
    )
    assert (found.columns_renamed, found.identical) == (("N",), False)
    assert (column(found, "N").name_before, column(found, "s").name_before) == ("n", None)
    assert (found.added, found.removed, found.changed, found.columns_added) == (0, 0, 0, ())


def test_of_several_batches_the_newest_spelling_counts_as_in_a_load(warehouse) -> None:
    frames = {"a": PLAIN.rename(columns={"n": "N"}), "b": PLAIN}

    def led_by(day: str, other: str) -> sfx.BatchPin:
        while True:  # two partitions may have batches of one second
            warehouse.store_dataframe(frames[day], "sales", "days", [day])
            pin = warehouse.pin("sales", "days")
            if pin.batches[day] > pin.batches[other]:
                return pin

    warehouse.store_dataframe(frames["b"], "sales", "days", ["b"])
    upper = led_by("a", "b")
    warehouse.store_dataframe(frames["a"], "sales", "days", ["a"])
    lower = led_by("b", "a")
    assert [next(iter(warehouse.load_dataframe(pin))) for pin in (upper, lower)] == ["N", "n"]
    found = warehouse.diff(upper, lower)
    assert (found.columns_renamed, column(found, "n").name_before) == (("n",), "N")


def test_what_only_arrow_shows_is_no_difference(warehouse) -> None:
    """Widths of offsets and codes, runs, metadata and `not null` do not count."""
    held = [
        pa.table({"n": [1, 1], "s": ["a", "b"], "many": [[1], []]}),
        pa.table(
            {
                "n": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1])),
                "s": pa.array(["a", "b"], pa.large_string()),
                "many": pa.array([[1], []], pa.large_list(pa.int64())),
            }
        ),
        pa.table(
            {"n": [1, 1], "s": ["a", "b"], "many": [[1], []]},
            pa.schema(
                [
                    pa.field("n", pa.int64(), False),
                    ("s", pa.string()),
                    ("many", pa.list_(pa.int64())),
                ],
                {"k": "v"},
            ),
        ),
    ]
    first, *others = [put(warehouse, frame) for frame in held]
    assert all(warehouse.diff(first, other).identical for other in others)
    in_any_order = [
        pd.DataFrame({"c": pd.Categorical(["a"], listed)}) for listed in (["a", "b"], ["b", "a"])
    ]
    pins = [warehouse.store_dataframe(one, "sales", "shops", DAY) for one in in_any_order]
    assert warehouse.diff(*pins).identical
    assert warehouse.load_dataframe(pins[0]).dtypes.equals(warehouse.load_dataframe(pins[1]).dtypes)


def test_keys_that_are_no_columns_or_repeat_are_refused(warehouse) -> None:
    first = put(warehouse, BASE)
    second = put(warehouse, BASE.assign(id=1))
    with pytest.raises(sfx.SchemaMismatch, match="'prize': did you mean 'price'"):
        warehouse.diff(first, second, keys=["prize"])
    with pytest.raises(sfx.SchemaMismatch, match="'prize'"):
        warehouse.diff(first, first, keys=["prize"])
    with pytest.raises(sfx.SchemaMismatch, match="2 rows after repeat it, such as id=1"):
        warehouse.diff(first, second, keys=["id"])
    with pytest.raises(sfx.SchemaMismatch, match="2 rows before repeat it"):
        warehouse.diff(second, first, keys=["id"])


def test_partitions_with_the_same_batch_are_not_read(warehouse, monkeypatch) -> None:
    read = []
    load = diff_module.load_batches
    monkeypatch.setattr(
        diff_module,
        "load_batches",
        lambda table, due, **o: read.append(list(due)) or load(table, due, **o),
    )
    frame = pd.DataFrame({"day": ["a", "b", "c"], "n": [1, 2, 3]})
    before = warehouse.store_dataframe(frame, "sales", "days", partition_by=["day"])
    warehouse.store_dataframe(pd.DataFrame({"n": [5, 6]}), "sales", "days", ["b"])
    warehouse.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "days", ["d"])
    found = warehouse.diff(before, warehouse.pin("sales", "days"))
    assert found.partitions == PartitionsDiff((), ("d",), ("b",), ("a", "c"))
    assert read == [["b"], ["b", "d"]]
    assert (found.added, found.removed, found.rows_before, found.rows_after) == (3, 1, 3, 5)
    assert (column(found, "n").before.minimum, column(found, "n").after.maximum) == (2, 7)
    read.clear()
    assert warehouse.diff(before, before).identical
    assert read == []


def test_rows_of_several_partitions_are_told_apart_by_the_partition_key(warehouse) -> None:
    frame = pd.DataFrame({"day": ["a", "b"], "id": [1, 1], "n": [1, 2]})
    before = warehouse.store_dataframe(frame, "sales", "days", partition_by=["day"])
    after = warehouse.store_dataframe(frame.assign(n=[1, 3]), "sales", "days", partition_by=["day"])
    with pytest.raises(sfx.SchemaMismatch, match="repeat"):
        warehouse.diff(before, after, keys=["id"])
    found = warehouse.diff(before, after, keys=["day", "id"])
    assert (found.added, found.removed, found.changed) == (0, 0, 1)
    assert found.examples[0].after == {"id": 1, "n": 3, "day": "b"}


def test_a_partition_can_be_compared_with_another(warehouse) -> None:
    first = put(warehouse, BASE)
    second = warehouse.store_dataframe(BASE.iloc[:2], "sales", "items", ["20161101"])
    found = warehouse.diff(first, second, keys=["id"])
    assert (found.added, found.removed, found.changed) == (0, 1, 0)
    assert found.partitions == PartitionsDiff(("20161031",), ("20161101",))


def test_an_empty_batch_differs_by_all_rows(warehouse) -> None:
    first, second = put(warehouse, BASE), put(warehouse, BASE.iloc[:0])
    for keys in ([], ["id"]):
        assert (
            warehouse.diff(first, second, keys=keys).removed,
            warehouse.diff(second, first, keys=keys).added,
        ) == (
            3,
            3,
        )


KINDS = {
    "null": pa.nulls(3),
    "bool": pa.array([True, None, False]),
    "half": pa.array([1.5, None, NAN], pa.float16()),
    "float": pa.array([1.5, None, NAN], pa.float32()),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal128(5, 2)),
    "small": pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal32(5, 2)),
    "wide": pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal256(50, 2)),
    "bytes": pa.array([b"\xff", None, b""]),
    "view": pa.array(["a", None, ""], pa.string_view()),
    "category": pa.array(["a", None, "b"]).dictionary_encode(),
    "far": pa.array([1 << 60, None, -(1 << 60)], pa.timestamp("s", "UTC")),
    "nanos": pa.array([1, None, 2], pa.timestamp("ns")),
    "took": pa.array([1, None, 2], pa.duration("ns")),
    "interval": pa.array([(1, 2, 3), None, (0, 0, 0)], pa.month_day_nano_interval()),
    "list": pa.array([[1.5, NAN], None, []]),
    "struct": pa.array([{"a": 1, "b": [None]}, None, {"a": None, "b": None}]),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "farlist": pa.array([[1 << 60], None, []], pa.list_(pa.timestamp("s"))),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8])),
    "code": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([b"a" * 16, None, b"b" * 16], pa.binary(16))
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_value_equals_itself_and_nothing_else(kind: str) -> None:
    rows = pa.table({"id": [1, 2, 3], "x": KINDS[kind]})
    again = pa.concat_tables([rows.slice(2), rows.slice(0, 2)])
    for keys in ([], ["id"]):
        same = compare_rows(rows, again, keys)
        assert (same.added, same.removed, same.changed) == (0, 0, 0)
    shifted = rows.set_column(
        1, "x", pa.concat_arrays([KINDS[kind].slice(2), KINDS[kind].slice(0, 2)])
    )
    # Moved on by one place, each row holds another value, but for the first two of `runs` and all
    # of `null`.
    expected = {"null": 0, "runs": 2}.get(kind, 3)
    assert compare_rows(rows, shifted, ["id"]).changed == expected
    assert compare_rows(rows, shifted, []).added == expected


def test_null_is_not_nan_and_minus_zero_is_zero() -> None:
    rows = pa.table({"id": pa.array([1, None]), "x": [NAN, 0.0]})
    other = pa.table({"id": pa.array([1, None]), "x": pa.array([None, -0.0])})
    found = compare_rows(rows, other, ["id"])
    assert (found.added, found.removed, found.changed) == (0, 0, 1)


def test_examples_are_few_and_of_every_kind() -> None:
    rows = pa.table({"id": list(range(100)), "x": [0] * 100})
    other = pa.table({"id": list(range(50, 150)), "x": [1] * 100})
    found = compare_rows(rows, other, ["id"])
    assert len(found.examples) <= MAX_EXAMPLES
    assert Counter(row.kind for row in found.examples) == {"changed": 6, "added": 6, "removed": 6}


ROWS = st.lists(
    st.tuples(st.integers(0, 4) | st.none(), st.sampled_from(["a", "b", None])), max_size=12
)


def frame(rows) -> pa.Table:
    return pa.table(
        {
            "n": pa.array([n for n, _ in rows], pa.int64()),
            "s": pa.array([s for _, s in rows], pa.string()),
        }
    )


@given(ROWS, ROWS)
def test_wholes_are_compared_as_multisets(old, new) -> None:
    found = compare_rows(frame(old), frame(new), [])
    assert found.added == sum((Counter(new) - Counter(old)).values())
    assert found.removed == sum((Counter(old) - Counter(new)).values())


@given(st.dictionaries(st.integers(0, 9) | st.none(), st.none() | st.sampled_from("ab")), st.data())
def test_keyed_rows_are_compared_as_mappings(old, data) -> None:
    new = data.draw(
        st.dictionaries(st.integers(0, 9) | st.none(), st.none() | st.sampled_from("ab"))
    )
    found = compare_rows(frame(old.items()), frame(new.items()), ["n"])
    assert found.added == len(new.keys() - old.keys())
    assert found.removed == len(old.keys() - new.keys())
    assert (
        found.changed
        == found.by_column["s"]
        == sum(old[key] != new[key] for key in old.keys() & new.keys())
    )


def test_dates_and_times_of_two_types_do_not_crash_it() -> None:
    days = pa.table({"d": pa.array([dt.date(2016, 10, 31)])})
    found = compare_rows(days, pa.table({"d": pa.array([dt.datetime(2016, 10, 31)])}), [])
    assert (found.added, found.removed) == (1, 1)


def test_bounds_of_decimals_are_compared_as_numbers(warehouse) -> None:
    def stored(factor: int) -> sfx.BatchPin:
        prices = [Decimal(text) * factor for text in ("9.00", "10.00", "-5.00", "-10.00")]
        frame = pd.DataFrame({"day": list("abcd"), "price": prices})
        return warehouse.store_dataframe(frame, "sales", "decimals", partition_by=["day"])

    (price,) = [one for one in warehouse.diff(stored(1), stored(2)).columns if one.name == "price"]
    assert (price.before.minimum, price.before.maximum) == ("-10.00", "10.00")
    assert (price.after.minimum, price.after.maximum) == ("-20.00", "20.00")
