"""Batch IDs sort as time, and the next is always greater."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from airflow_sfx.core.batch_id import batch_id_at, check_batch_id, moment_of, next_batch_id
from airflow_sfx.core.errors import InvalidName

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, MOMENTS)
def test_the_next_id_is_greater_than_the_newest_wherever_the_clock_is(
    now: datetime, newest: datetime
) -> None:
    assert next_batch_id(now, batch_id_at(newest)) > batch_id_at(newest)
    assert next_batch_id(now, batch_id_at(newest)) >= batch_id_at(now)


@given(MOMENTS, MOMENTS)
def test_ids_sort_as_time(one: datetime, other: datetime) -> None:
    same_order = (batch_id_at(one) < batch_id_at(other)) == (
        one.replace(microsecond=0) < other.replace(microsecond=0)
    )
    assert same_order
    assert moment_of(batch_id_at(one)) == one.replace(microsecond=0)


def test_a_collision_and_a_clock_behind_take_the_next_second_even_over_midnight() -> None:
    now = datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert next_batch_id(now, None) == "20161231235959"
    assert next_batch_id(now, "20161231235959") == "20170101000000"
    assert next_batch_id(now - timedelta(hours=1), "20161231235959") == "20170101000000"


def test_ids_are_in_utc_and_need_a_zone() -> None:
    assert (
        batch_id_at(datetime(2016, 11, 1, 2, 22, 56, tzinfo=timezone(timedelta(hours=2))))
        == "20161101002256"
    )
    with pytest.raises(InvalidName, match="no time zone"):
        batch_id_at(datetime(2016, 11, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2016110100225",
        "20161399000000",
        "2016110100225x",
        "../../../etc/pa",
        None,
        20161101002256,
        "２０161101002256",
    ],
)
def test_what_is_no_batch_id_is_refused(text: object) -> None:
    with pytest.raises(InvalidName, match="14 digits"):
        check_batch_id(text)
