"""Categorical columns without a category fit every type, as columns of nulls do."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NOTHING: dict[str, Any] = {
    "None": pd.DataFrame({"c": pd.Categorical([None, None])}),
    "None, ordered": pd.DataFrame({"c": pd.Categorical([None, None], ordered=True)}),
    "no categories": pd.DataFrame({"c": pd.Categorical([None, None], categories=[])}),
    "no rows": pd.DataFrame({"c": pd.Categorical([])}),
    "Arrow": pa.table({"c": pa.DictionaryArray.from_arrays(pa.nulls(2, pa.int32()), pa.nulls(0))}),
    "Arrow, null as a category": pa.table({"c": pa.nulls(2).dictionary_encode()}),
    "Arrow, two chunks": pa.table({"c": pa.chunked_array([pa.nulls(1).dictionary_encode()] * 2)}),
}
CATEGORIES: dict[str, Any] = {
    "text": pd.Categorical(["b", "a"]),
    "text, ordered": pd.Categorical(["b", "a"], categories=["b", "a", "unused"], ordered=True),
    "text objects": pd.Categorical(["b", "a"], categories=pd.Index(["b", "a"], dtype=object)),
    "numbers": pd.Categorical([5, 7]),
    "numbers, ordered": pd.Categorical([5, 7], categories=[7, 5], ordered=True),
    "times": pd.Categorical(pd.to_datetime(["2016-10-31", "2016-11-01"]).tz_localize("UTC")),
    "durations": pd.Categorical(pd.to_timedelta([1, 2], unit="s")),
    "months": pd.Categorical(pd.PeriodIndex(["2016-10", "2016-11"], freq="M")),
    "intervals": pd.cut([1.0, 5.0], 2),
}


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def comparable(frame: Any) -> Any:
    """A frame, with Arrow's columns as their values: codes may be other ones."""
    if not isinstance(frame, pa.Table):
        return frame
    return [(column.type, column.to_pylist()) for column in frame.columns]


def check_pin(warehouse: Warehouse, pin: sfx.BatchPin, stored: Any) -> None:
    """A pin gives the frame that was stored, dtypes and all."""
    if isinstance(stored, pd.DataFrame):
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), stored)
    elif isinstance(stored, pl.DataFrame):
        assert warehouse.load_dataframe(pin, as_="polars").equals(stored)
    else:
        assert comparable(warehouse.load_dataframe(pin, as_="arrow")) == comparable(stored)
        assert warehouse.load_dataframe(pin)["c"].isna().all()


@pytest.mark.parametrize("turned", [False, True], ids=["nothing first", "nothing last"])
@pytest.mark.parametrize("name", NOTHING)
def test_categories_of_nothing_go_with_categories_of_everything_in_either_order(
    embedded, name, turned
) -> None:
    nothing = NOTHING[name]
    for number, categories in enumerate(CATEGORIES.values()):
        table, something = f"t{number}", pd.DataFrame({"c": categories})
        frames = [something, nothing] if turned else [nothing, something]
        pins = [
            embedded.store_dataframe(frame, "db", table, [str(i)]) for i, frame in enumerate(frames)
        ]
        for pin, frame in zip(pins, frames, strict=True):
            check_pin(embedded, pin, frame)
        whole = embedded.load_dataframe("db", table)
        assert whole["c"].dtype == something["c"].dtype
        assert whole["c"].dtype.categories.dtype == categories.categories.dtype
        assert whole["c"].dropna().tolist() == list(categories)
        assert whole["c"].isna().sum() == len(whole) - len(something)
        values = (
            embedded.load_dataframe(pins[0 if turned else 1], as_="arrow").column("c").to_pylist()
        )
        for found in (embedded.load_dataframe("db", table, as_=as_) for as_ in ("arrow", "polars")):
            column = found["c"].to_pylist() if isinstance(found, pa.Table) else found["c"].to_list()
            assert len([one for one in column if one is not None]) == 2
            if isinstance(found, pa.Table):
                assert [one for one in column if one is not None] == values
        assert not embedded.diff(*pins).identical


@pytest.mark.parametrize("turned", [False, True], ids=["nothing first", "nothing last"])
def test_categories_of_nothing_leave_a_polars_enum_what_it_is(embedded, turned) -> None:
    enum = pl.DataFrame({"c": pl.Series(["b", "a"], dtype=pl.Enum(["b", "a", "unused"]))})
    for i, frame in enumerate([enum, NOTHING["None"]] if turned else [NOTHING["None"], enum]):
        check_pin(embedded, embedded.store_dataframe(frame, "db", "t", [str(i)]), frame)
    whole = embedded.load_dataframe("db", "t", as_="polars")
    assert whole.schema["c"] == enum.schema["c"]
    assert whole["c"].drop_nulls().to_list() == ["b", "a"]


@pytest.mark.parametrize("name", NOTHING)
def test_categories_of_nothing_go_with_plain_columns(embedded, name) -> None:
    for number, values in enumerate([[5, 7], ["a", "b"], [[1], []], [{"a": 1}, None]]):
        for i, frame in enumerate([NOTHING[name], pa.table({"c": values}), NOTHING[name]]):
            check = embedded.store_dataframe(frame, "db", f"t{number}", [str(i)])
            assert len(embedded.load_dataframe(check)) == len(frame)
        found = embedded.load_dataframe("db", f"t{number}", as_="arrow").column("c").to_pylist()
        assert [one for one in found if one is not None] == [
            one for one in values if one is not None
        ]


def test_a_column_is_open_until_a_category_comes_and_known_ever_after(embedded) -> None:
    embedded.store_dataframe(NOTHING["None"], "db", "t", ["1"])
    assert [one.kind.description for one in embedded.show("db", "t").columns] == ["open"]
    embedded.store_dataframe(
        pd.DataFrame({"c": pd.Categorical([5])}), "db", "t", ["2"], evolve="none"
    )
    embedded.store_dataframe(NOTHING["None"], "db", "t", ["3"])
    assert [(one.type, one.kind.description) for one in embedded.show("db", "t").columns] == [
        ("bigint", "")
    ]
    with pytest.raises(sfx.SchemaMismatch, match="'c'"):
        embedded.store_dataframe(pd.DataFrame({"c": pd.Categorical(["a"])}), "db", "t", ["4"])


def test_categories_whose_dtype_somebody_chose_have_a_type_though_there_are_none(embedded) -> None:
    none = pd.DataFrame({"c": pd.Categorical.from_codes([-1], pd.Index([], dtype="int64"))})
    embedded.store_dataframe(none, "db", "t", ["1"])
    embedded.store_dataframe(
        pl.DataFrame({"c": pl.Series([None], dtype=pl.Categorical)}), "db", "u", ["1"]
    )
    assert [embedded.show("db", table).columns[0].type for table in "tu"] == ["bigint", "string"]
    with pytest.raises(sfx.SchemaMismatch, match="'c'"):
        embedded.store_dataframe(pd.DataFrame({"c": pd.Categorical(["a"])}), "db", "t", ["2"])
    with pytest.raises(sfx.SchemaMismatch, match="'c'"):
        embedded.store_dataframe(pd.DataFrame({"c": pd.Categorical([5])}), "db", "u", ["2"])


@pytest.mark.parametrize("first", ["None", "None, ordered", "no categories"])
@pytest.mark.parametrize("name", CATEGORIES)
def test_a_stream_has_the_categories_of_the_first_piece_that_has_some(
    embedded, first, name
) -> None:
    something = pd.DataFrame({"c": CATEGORIES[name]})
    pieces = [NOTHING[first], something, NOTHING[first], something]
    found = embedded.load_dataframe(embedded.store_dataframe(iter(pieces), "db", "t", ["1"]))
    assert found["c"].dtype == something["c"].dtype
    assert found["c"].isna().tolist() == [True, True, False, False] * 2
    assert found["c"].dropna().tolist() == list(CATEGORIES[name]) * 2


def test_a_stream_of_intervals_may_begin_with_nulls_and_with_categories_of_nothing_only(
    embedded,
) -> None:
    intervals = pd.DataFrame({"c": CATEGORIES["intervals"]})
    pieces = [pd.DataFrame({"c": pd.Series([None], dtype=object)}), intervals]
    found = embedded.load_dataframe(embedded.store_dataframe(iter(pieces), "db", "t", ["1"]))
    assert found["c"].dtype == intervals["c"].dtype
    for table, name in zip("uvw", ("None", "no rows", "Arrow, null as a category"), strict=True):
        pin = embedded.store_dataframe(iter([NOTHING[name]] * 2), "db", table, ["1"])
        assert embedded.load_dataframe(pin)["c"].isna().sum() == 2 * len(NOTHING[name])


def test_filters_and_erasures_see_null_in_categories_of_nothing(embedded) -> None:
    pin = embedded.store_dataframe(NOTHING["None"], "db", "t", ["1"])
    embedded.store_dataframe(pd.DataFrame({"c": pd.Categorical(["a", "b"])}), "db", "t", ["2"])
    for condition in (("c", "=", "a"), ("c", "<", 5), ("c", "in", ["a"])):
        assert len(embedded.load_dataframe(pin, filters=[condition])) == 0
    assert len(embedded.load_dataframe(pin, filters=[("c", "in", [None])])) == 2
    for where, erased in (("c = 'a'", 1), ("c IS NULL", 2)):
        report = embedded.erase("db", "t", where=where, reason="asked to")
        assert sum(batch.erased for batch in report.batches) == erased


def test_polars_reads_categories_that_one_enum_has_and_another_has_not(embedded) -> None:
    embedded.store_dataframe(pd.DataFrame({"c": pd.Categorical(["x"])}), "db", "t", ["1"])
    for night, labels in (("2", "ab"), ("3", "bc")):
        enum = pl.DataFrame({"c": pl.Series(list(labels), dtype=pl.Enum(list(labels)))})
        check_pin(embedded, embedded.store_dataframe(enum, "db", "t", [night]), enum)
        values = ["x", "a", "b"] if night == "2" else ["x", "a", "b", "b", "c"]
        assert embedded.load_dataframe("db", "t", as_="polars")["c"].to_list() == values
        assert (
            pl.from_arrow(embedded.load_dataframe("db", "t", as_="arrow"))["c"].to_list() == values
        )


def test_null_among_the_values_of_a_dictionary_is_null_and_the_others_keep_their_order(
    embedded,
) -> None:
    chunk = pa.DictionaryArray.from_arrays(
        pa.array([1, 2, None, 0]), pa.array(["b", None, "a"]), ordered=True
    )
    pin = embedded.store_dataframe(pa.table({"c": pa.chunked_array([chunk] * 2)}), "db", "t", ["1"])
    found = embedded.load_dataframe(pin)["c"]
    assert found.cat.categories.tolist() == ["b", "a"]
    assert found.cat.ordered
    assert found.isna().tolist() == [True, False, True, False] * 2


def test_categories_that_arrow_cannot_put_together_are_refused_with_the_column(embedded) -> None:
    codes = pa.array(range(100), pa.int8())
    chunks = [
        pa.DictionaryArray.from_arrays(codes, pa.array(range(n * 100, n * 100 + 100)))
        for n in range(3)
    ]
    with pytest.raises(sfx.SchemaMismatch, match="'c'"):
        embedded.store_dataframe(pa.table({"c": pa.chunked_array(chunks)}), "db", "t", ["1"])
    assert embedded.tables() == []


def test_the_unit_and_the_zone_of_categories_are_part_of_what_they_mean(embedded) -> None:
    pairs = {
        "units": [pd.to_timedelta([1, 2], unit="s").as_unit(unit) for unit in ("s", "ms")],
        "zones": [
            pd.to_datetime(["2016-10-31"]).tz_localize("UTC").tz_convert(zone)
            for zone in ("UTC", "Asia/Tokyo")
        ],
    }
    for table, values in pairs.items():
        frames = [pd.DataFrame({"c": pd.Categorical(one)}) for one in values]
        pins = [
            embedded.store_dataframe(frame, "db", table, [str(i)]) for i, frame in enumerate(frames)
        ]
        assert not embedded.diff(*pins).identical
        assert embedded.diff(pins[0], pins[0]).identical
