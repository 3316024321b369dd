"""Checks before publishing: a batch that fails one stays staged, with the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import fresh, has_columns, not_null, rows_between, rows_like_before, unique
from airflow_sfx.warehouse.warehouse import Warehouse

FRAME = pd.DataFrame({"n": [1, 2], "name": ["a", "b"]})


@pytest.mark.parametrize(
    "frame",
    [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), FRAME.astype({"name": "category"})],
    ids=["pandas", "polars", "arrow", "category"],
)
def test_columns_are_told_by_name_and_type_in_every_kind_of_frame(frame) -> None:
    assert has_columns({"name": "string", "n": "int64"})(frame) is None
    assert has_columns({"name": "string"}, more=True)(frame) is None
    assert has_columns({"name": None, "n": None})(frame) is None
    assert has_columns({"name": "string"})(frame) == "column 'n' is not expected"
    assert (
        has_columns({"name": "string", "n": "double"})(frame) == "column 'n' is int64, not double"
    )


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["us", "ns"])
def test_freshness_is_told_by_the_newest_time_whatever_its_zone(
    zone: str | None, unit: str
) -> None:
    now = pd.Timestamp.now("UTC")
    times = pd.DatetimeIndex([now - pd.Timedelta(hours=3), now - pd.Timedelta(minutes=30)]).as_unit(
        unit
    )
    frame = pd.DataFrame({"at": times.tz_convert(zone) if zone else times.tz_localize(None)})
    assert fresh("at", timedelta(hours=1))(frame) is None
    told = fresh("at", timedelta(minutes=10))(frame)
    assert told is not None
    assert "may be at most 0:10:00 old" in told
    assert "no time in it" in (fresh("at", timedelta(hours=1))(frame.head(0)) or "")


def rows(number: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(number), "day": [f"d{one % 2}" for one in range(number)]})


def test_rows_are_compared_with_the_batch_before(warehouse: Warehouse) -> None:
    checks = [rows_like_before(0.5, 2.0)]
    for number in (10, 6, 12):
        warehouse.store_dataframe(rows(number), "checked", "items", ["x"], checks=checks)
    with pytest.raises(
        sfx.CheckFailed, match="5 rows, and 12 before: not between 0.5 and 2.0 times as many"
    ):
        warehouse.store_dataframe(rows(5), "checked", "items", ["x"], checks=checks)
    assert len(warehouse.load_dataframe("checked", "items", ["x"])) == 12
    (staged,) = warehouse.show("checked", "items").staged
    (manifest,) = warehouse.manifests(staged)
    assert [check.passed for check in manifest.checks] == [False]


def test_rows_of_many_partitions_are_compared_with_all_that_they_replace(
    warehouse: Warehouse,
) -> None:
    warehouse.store_dataframe(rows(10), "checked", "days", partition_by=["day"])
    with pytest.raises(sfx.CheckFailed, match="21 rows, and 10 before"):
        warehouse.store_dataframe(
            rows(21), "checked", "days", partition_by=["day"], checks=[rows_like_before(1, 2)]
        )


def test_a_pandera_schema_and_a_pandera_model_are_checks(warehouse: Warehouse) -> None:
    import pandera.pandas as pandera

    schema = pandera.DataFrameSchema(
        {"n": pandera.Column(int, pandera.Check.ge(0)), "day": pandera.Column(str)}
    )

    class Model(pandera.DataFrameModel):
        n: int = pandera.Field(ge=0)

    for check in (schema, Model):
        warehouse.store_dataframe(rows(3), "checked", "pandera", ["x"], checks=[check])
        with pytest.raises(sfx.CheckFailed, match=r"n: greater_than_or_equal_to\(0\) fails for -1"):
            warehouse.store_dataframe(
                rows(3).assign(n=-1), "checked", "pandera", ["x"], checks=[check]
            )
    assert warehouse.load_dataframe("checked", "pandera", ["x"])["n"].tolist() == [0, 1, 2]


def test_a_failed_assert_is_a_failed_check_and_an_answer_for_each_row_is_refused(
    warehouse: Warehouse,
) -> None:
    def positive(frame: pd.DataFrame) -> None:
        assert (frame["n"] >= 0).all(), "n is below zero"

    warehouse.store_dataframe(rows(3), "checked", "asserted", ["x"], checks=[positive])
    with pytest.raises(sfx.CheckFailed, match="positive: n is below zero"):
        warehouse.store_dataframe(
            rows(3).assign(n=-1), "checked", "asserted", ["x"], checks=[positive]
        )
    with pytest.raises(
        sfx.InvalidName, match=r"returned a Series.*return one answer, as with \.all\(\)"
    ):
        warehouse.store_dataframe(
            rows(3), "checked", "asserted", ["x"], checks=[lambda frame: frame["n"] >= 0]
        )
    assert warehouse.load_dataframe("checked", "asserted", ["x"])["n"].tolist() == [0, 1, 2]
    assert len(warehouse.show("checked", "asserted").staged) == 1


def test_what_passed_is_in_the_manifest_by_its_name(warehouse: Warehouse) -> None:
    frame = pd.DataFrame({"at": [datetime.now(UTC)]})
    checks = [fresh("at", timedelta(hours=1)), has_columns({"at": None}), rows_like_before(0.5, 2)]
    (manifest,) = warehouse.manifests(
        warehouse.store_dataframe(frame, "checked", "names", ["x"], checks=checks)
    )
    assert [check.name for check in manifest.checks] == [
        "fresh('at', 1:00:00)",
        "has_columns({'at': None})",
        "rows_like_before(0.5, 2)",
    ]


async def forgotten(frame: pd.DataFrame) -> bool:
    return False


@pytest.mark.parametrize(
    "check",
    [
        lambda frame: ["n has a null"],
        lambda frame: [],
        lambda frame: (False, "n has a null"),
        lambda frame: {"n": "has a null"},
        lambda frame: 3,
        lambda frame: np.int64(0),
        lambda frame: 0.5,
        lambda frame: pd.NA,
        lambda frame: frame,
        lambda frame: (one for one in "ab"),
        forgotten,
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_merely_counts_as_true_or_false_is_no_answer(warehouse: Warehouse, check) -> None:
    with pytest.raises(
        sfx.InvalidName,
        match="returned a .* neither true nor false: return True, False, None or a text",
    ):
        warehouse.store_dataframe(rows(3), "checked", "answers", ["x"], checks=[check])
    with pytest.raises(sfx.TableNotFound):
        warehouse.pin("checked", "answers")


@pytest.mark.parametrize("answer", [True, np.True_, None, "", pa.scalar(True)])
def test_every_library_s_true_is_true_and_its_false_false(warehouse: Warehouse, answer) -> None:
    warehouse.store_dataframe(rows(3), "checked", "truths", ["x"], checks=[lambda frame: answer])
    for no in (False, np.False_, pa.scalar(False), "no"):
        with pytest.raises(sfx.CheckFailed):
            warehouse.store_dataframe(
                rows(3), "checked", "truths", ["x"], checks=[lambda frame, no=no: no]
            )


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.0, -0.0]),
        pa.array([[1], [1]]),
        pa.array([{"a": None}, {"a": None}]),
        pa.array([float("nan")] * 2),
        pa.nulls(2),
        pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1])),
        pa.array(["a", "a"]).dictionary_encode(),
        pa.array([1, 1], pa.duration("s")),
    ],
)
def test_equal_values_of_every_kind_repeat_each_other(values) -> None:
    table = pa.table({"x": values, "other": [1, 2]})
    assert unique("x")(table) == "1 row repeats x"
    assert unique("x", "other")(table) is None


def test_nulls_are_found_however_they_are_kept() -> None:
    lengths = pa.array([1, 2], pa.int32())
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([None, "a"]))
    for values in (pa.RunEndEncodedArray.from_arrays(lengths, pa.array([None, 1])), coded):
        assert not_null("x")(pa.table({"x": values})) == "column 'x' has 1 null"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1_700_000_000_000_000]),
        pa.array(["2026-01-01"]),
        pa.array([1.0]),
        pa.array([1], pa.duration("s")),
        pa.array([1], pa.time32("s")),
        pa.array([True]),
        pa.array([[1]]),
    ],
)
def test_only_times_and_dates_are_fresh(values) -> None:
    with pytest.raises(sfx.SchemaMismatch, match="column 'at' is .*needs times or dates"):
        fresh("at", timedelta(days=40_000))(pa.table({"at": values}))


@pytest.mark.parametrize(
    ("second", "is_fresh"), [(253_402_300_799, True), (9 * 10**12, True), (-(10**13), False)]
)
def test_times_beyond_the_calendar_are_compared_as_well(second: int, is_fresh: bool) -> None:
    told = fresh("at", timedelta(hours=1))(pa.table({"at": pa.array([second], pa.timestamp("s"))}))
    assert (told is None) == is_fresh


@pytest.mark.parametrize(
    "make",
    [
        not_null,
        unique,
        lambda: not_null(["n"]),
        lambda: rows_between("1", 2),
        lambda: rows_between(5, 1),
        lambda: rows_between(float("nan"), 2),
        lambda: rows_between(1, None),
        lambda: rows_like_before(2, 0.5),
        lambda: rows_like_before(None, 2),
        lambda: fresh("at", 3600),
        lambda: fresh("at", None),
        lambda: fresh(None, timedelta(1)),
        lambda: has_columns(["n"]),
    ],
)
def test_a_check_that_means_nothing_is_refused_where_it_is_written(make) -> None:
    with pytest.raises(sfx.InvalidName):
        make()
    assert rows_between(1, float("inf"))(rows(3)) is None
