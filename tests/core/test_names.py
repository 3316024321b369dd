"""Tables, partition values and the paths made of them: reversible, and never outside."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import (
    Partition,
    PartitionKey,
    escape,
    partition_keys,
    partition_value,
    partitions_of,
    unescape,
)
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.table import TableRef

TEXT = st.text(min_size=1, max_size=60)


def allowed(text: str) -> bool:
    try:
        partition_value(text)
    except InvalidName:
        return False
    return True


@given(TEXT)
def test_escaping_is_reversible_and_makes_one_safe_step_of_a_path(text: str) -> None:
    step = escape(text)
    assert unescape(step) == text
    assert "/" not in step
    assert step not in (".", "..")
    assert step[0] not in "._"


@given(st.lists(TEXT, min_size=1, max_size=3), st.sampled_from(["value", "hive"]))
def test_a_partitions_name_is_reversible_in_both_layouts(values: list[str], style: str) -> None:
    assume(all(allowed(value) for value in values))
    layout = TableLayout("db.db/t", tuple(f"k{n}" for n in range(len(values))), style)
    partition = Partition(tuple(values))
    name = layout.name(partition)
    assert layout.partition(name) == partition
    assert name.count("/") == len(values) - 1
    assert ".." not in layout.batch_dir(name, "20161101002256").split("/")


def test_hives_special_characters_are_encoded_as_hive_does() -> None:
    assert escape("\"#%'*/:=?\\{[]^\x7f") == "%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E%7F"
    assert escape("2016-10-31 ü}~") == "2016-10-31 ü}~"


TEXTS_REFUSED = [
    "",
    "..",
    ".",
    "../x",
    "a/../b",
    "a\\..\\b",
    "a\nb",
    "a\x00b",
    "\x7f",
    "\ud800",
    "x" * 256,
    "é" * 128,
]


@pytest.mark.parametrize(
    "value",
    [
        *TEXTS_REFUSED,
        "__HIVE_DEFAULT_PARTITION__",
        1.5,
        None,
        b"x",
        datetime(2016, 1, 1, tzinfo=UTC),
    ],
)
def test_values_that_are_no_partition_are_refused(value: object) -> None:
    with pytest.raises(InvalidName):
        partition_value(value)


MISSING = [
    None,
    float("nan"),
    np.float16("nan"),
    np.float32("nan"),
    np.longdouble("nan"),
    complex("nan"),
    pd.NaT,
    pd.NA,
    np.datetime64("NaT"),
    np.timedelta64("NaT"),
    np.ma.masked,
    Decimal("NaN"),
    Decimal("sNaN"),
    pd.array([1, None], dtype="Int64")[1],
    pd.Series(["a", None], dtype="str")[1],
    *(
        pa.scalar(None, kind)
        for kind in (
            pa.null(),
            pa.string(),
            pa.int64(),
            pa.bool_(),
            pa.date32(),
            pa.timestamp("us"),
        )
    ),
    pa.scalar(float("nan")),
]


@pytest.mark.parametrize(
    "value", MISSING, ids=lambda value: f"{type(value).__module__}.{type(value).__name__} {value}"
)
def test_a_missing_value_of_any_library_is_no_partition(value: object) -> None:
    with pytest.raises(InvalidName, match="is a missing value, and a partition must have one"):
        partition_value(value)
    with pytest.raises(InvalidName, match="is a missing value"):
        partitions_of([["20161031", value]], 2, table="t")


@pytest.mark.parametrize("text", ["None", "nan", "NaN", "NaT", "<NA>", "null"])
def test_the_text_that_a_missing_value_is_written_as_is_text(text: str) -> None:
    assert partition_value(text) == text


def test_the_values_of_an_arrow_column_name_partitions() -> None:
    days = pa.chunked_array([[date(2016, 10, 31)], [date(2016, 11, 1)]])
    assert [one.values for one in partitions_of(days, 1, table="t")] == [
        ("2016-10-31",),
        ("2016-11-01",),
    ]
    texts = pa.array(["a", "b"]).dictionary_encode()
    assert [one.values for one in partitions_of(texts, 1, table="t")] == [("a",), ("b",)]
    assert partition_value(pa.scalar(value=True)) == "true"
    with pytest.raises(InvalidName, match="cannot be a partition value"):
        partition_value(pa.scalar(1.5))


def test_a_text_of_an_enumeration_is_its_value_and_not_its_name() -> None:
    class Country(str, Enum):  # noqa: UP042  # str() of a StrEnum's member is its value
        US = "us"

    assert partition_value(Country.US) == "us"


def test_values_of_other_types_are_written_as_hive_writes_them() -> None:
    given_ = (7, True, date(2016, 10, 31), datetime(2016, 10, 31, 5, 0, 1), "x" * 255)
    assert [partition_value(v) for v in given_] == [
        "7",
        "true",
        "2016-10-31",
        "2016-10-31 05:00:01",
        "x" * 255,
    ]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", ["0", "-7", "2147483647"], ["01", "2147483648", "1.0", "x", "+1"]),
        ("tinyint", ["127"], ["128"]),
        ("date", ["2016-10-31"], ["20161031", "2016-13-01"]),
        ("boolean", ["true"], ["True", "1"]),
        ("timestamp", ["2016-10-31 05:00:00"], ["2016-10-31T05:00:00"]),
        ("string", ["01", "x"], []),
    ],
)
def test_a_typed_key_takes_what_reads_back_the_same(
    kind: str, good: list[str], bad: list[str]
) -> None:
    key = PartitionKey("k", kind)
    for value in good:
        key.check(value)
    for value in bad:
        with pytest.raises(InvalidName, match="'k'"):
            key.check(value)


def test_partitions_are_read_by_the_number_of_keys() -> None:
    assert [p.values for p in partitions_of(["a", "b", "a"], 1, table="t")] == [("a",), ("b",)]
    assert [p.values for p in partitions_of([2016, "US"], 2, table="t")] == [("2016", "US")]
    assert [p.values for p in partitions_of([(1, "a"), (2, "b")], 2, table="t")] == [
        ("1", "a"),
        ("2", "b"),
    ]
    for given_, keys in ((["a"], 2), ([("a", "b")], 1), ("a", 1), ([], 1), (["a", ("b",)], 1)):
        with pytest.raises(InvalidName):
            partitions_of(given_, keys, table="t")


def test_keys_of_a_new_table_are_named_once_each() -> None:
    assert partition_keys(None, 1) == (PartitionKey("partition"),)
    assert partition_keys({"Day": "date"}, 1) == (PartitionKey("day", "date"),)
    for given_, values in (
        (None, 2),
        ("day", 1),
        (["a", "A"], 2),
        (["a"], 2),
        ({"a": "float"}, 1),
        (["a b"], 1),
    ):
        with pytest.raises(InvalidName):
            partition_keys(given_, values)


@pytest.mark.parametrize("name", ["", "/etc", "..", "a/b", "20161031/", "%2e%2e", "k=a"])
def test_names_from_outside_that_no_partition_has_are_refused(name: str) -> None:
    layout = TableLayout("db.db/t", ("k",))
    with pytest.raises(InvalidName):
        layout.partition(name)


@pytest.mark.parametrize("name", ["", "a.b", "..", "a/b", "_sfx", "a b", "ä", "x" * 129, None, 3])
def test_table_names_that_break_the_rule_are_refused(name: object) -> None:
    with pytest.raises(InvalidName, match="name of a table"):
        TableRef("db", name)  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        TableRef.parse("no_dot")
    for given_ in (None, 3, ["db", "t"]):
        with pytest.raises(InvalidName, match="does not name a table"):
            TableRef.parse(given_)  # type: ignore[arg-type]
    assert str(TableRef("DB", "Items_2")) == "db.items_2"
