"""Conditions of an erasure: all that was written is applied, or it is rejected."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.predicates.sql import columns_of, condition_of

ROWS = pa.table(
    {
        "n": pa.array([1, 2, 2**63 - 1, None], pa.int64()),
        "price": pa.array(
            [Decimal("1.50"), Decimal("2.00"), Decimal("-1.25"), None], pa.decimal128(10, 2)
        ),
        "x": [0.1, 2.5, float("nan"), None],
        "s": ["-- no comment", "a;b", "/* nor this */", None],
        "at": pa.array(
            [dt.datetime(2016, 10, day) for day in (1, 2, 3)] + [None], pa.timestamp("us")
        ),
        "zoned": pa.array(
            [dt.datetime(2016, 10, day) for day in (1, 2, 3)] + [None], pa.timestamp("us", "UTC")
        ),
        "ok": [True, False, True, None],
    }
)


def chosen(text: str) -> list[int]:
    """The numbers of the rows for which a condition holds."""
    numbered = ROWS.append_column("row", pa.array(range(len(ROWS))))
    found: list[int] = numbered.filter(condition_of(text, ROWS.schema))["row"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("n = 1 -- AND ok", 7),
        ("n = 1 OR n = 2 -- AND ok", 16),
        ("n = 1 /* AND */ AND ok = TRUE", 7),
        ("-- n = 1", 1),
        ("/*+ hint */ n = 1", 1),
        ("n = 1;", 6),
        ("n = 1; DROP TABLE x", 6),
        ("s = 'ü\U0001f600' -- x", 10),
        ("n = 1 {# AND ok #}", 7),
        ("n = $$--$$", 7),
    ],
)
def test_comments_and_further_statements_are_refused_with_their_place(
    text: str, position: int
) -> None:
    for read in (columns_of, lambda one: condition_of(one, ROWS.schema)):
        with pytest.raises(
            SchemaMismatch, match=f"at character {position} is a comment or ends the condition"
        ):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        "n = 1 x",
        "n = 1 AS x",
        "n = 1\u200b",
        "n = 1 \u202e",
        "n = 0x10",
        "n = 1_000",
        "n = 1 ORDER BY n",
        "n = 1 COLLATE x",
        "n BETWEEN SYMMETRIC 5 AND 1",
        "n BETWEEN 1 AND 2 z",
        "x.n = 1",
        "n (+) = 1",
        "n IN (SELECT 1)",
        "n IN UNNEST(x)",
        "n = 1 > 2",
        "n = 1 :: int",
        "n <=> 1",
        "n = NULL",
        "n = n",
        "n = 'a' 'b'",
        "n IS TRUE",
        "n = - -1",
        "n = ?",
        "ok = 1 = 1",
        "n = TRUE",
        "n = '1.5'",
        "at = '2016-10-01 00:00:00Z'",
        "zoned = '2016-10-01 00:00:00'",
        "SELECT 1",
        "",
        "(" * 5000 + "n = 1" + ")" * 5000,
        "NOT " * 5000 + "n = 1",
        " OR ".join(["n = 1"] * 5000),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_is_no_plain_condition_is_refused(text: str) -> None:
    with pytest.raises(SchemaMismatch, match="condition"):
        condition_of(text, ROWS.schema)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("s = '-- no comment'", [0]),
        ("s IN ('a;b', '/* nor this */')", [1, 2]),
        ("n < 9223372036854775808", [0, 1, 2]),
        ("NOT n < 9223372036854775808", []),
        ("n > 9223372036854775807.5", []),
        ("n > 1.5 AND n < 2.5", [1]),
        ("n IN (1, 2.5, 99999999999999999999)", [0]),
        ("n NOT IN (1)", [1, 2]),
        ("price >= 1.995", [1]),
        ("price BETWEEN -1.250 AND 1.5", [0, 2]),
        ("x = 0.1", [0]),
        ("NOT x > 1", [0, 2]),
        ("at > '2016-10-01' AND zoned < '2016-10-03 01:00:00+02:00'", [1]),
        ("ok = TRUE OR n IS NULL", [0, 2, 3]),
        ("n = -1 OR N = 2\n\t", [1]),
    ],
)
def test_a_condition_holds_for_the_rows_that_sql_says(text: str, rows: list[int]) -> None:
    assert chosen(text) == rows


def test_a_list_may_be_long() -> None:
    assert chosen(f"n IN ({', '.join(map(str, range(2, 20_000)))})") == [1]


@settings(max_examples=200)
@given(st.text(st.sampled_from(" nok=12'\"-/*;()\n,AND<>#${}\\"), max_size=12))
def test_whatever_is_added_to_a_condition_is_meant_or_refused(more: str) -> None:
    """Every added character but white space changes the condition or makes it invalid."""

    def read(text: str) -> Any:
        try:
            return str(condition_of(text, ROWS.schema))
        except SchemaMismatch:
            return None

    if more.strip() and read(f"n = 1 {more}") is not None:
        assert read(f"n = 1 {more}") != read("n = 1")
