"""Ranges of records and positions of streams."""

from __future__ import annotations

import pytest

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.positions import Consumed


@pytest.mark.parametrize(
    ("stream", "shards", "message"),
    [
        (" ", {"0": ("", "1")}, "not a name"),
        ("x" * 257, {"0": ("", "1")}, "at most 256"),
        ("s", [("0", "1")], "not a mapping"),
        ("s", {}, "has no shards"),
        ("s", {0: ("", "1")}, "not a name"),
        ("s", {"0": "17"}, "not a range"),
        ("s", {"0": ("", 17)}, "not a sequence number"),
        ("s", {"0": ("", "")}, "not a sequence number"),
        ("s", {"0": ("-1", "2")}, "not a sequence number"),
        ("s", {"0": ("", "１")}, "not a sequence number"),
        ("s", {"0": ("", "1" * 129)}, "up to 128 digits"),
        ("s", {"0": ("10", "9")}, "which is not after 10"),
        ("s", {"0": ("9", "09")}, "which is not after 9"),
    ],
)
def test_ranges_that_name_no_records_are_rejected(stream, shards, message) -> None:
    with pytest.raises(InvalidName, match=message):
        Consumed(stream, shards)


def test_a_shard_is_not_consumed_and_forgotten() -> None:
    with pytest.raises(InvalidName, match="consumed and forgotten"):
        Consumed("s", {"0": ("", "1")}, forget=["0"])


def test_numbers_are_compared_as_numbers() -> None:
    assert Consumed("s", {"0": ("9", "10")}).conflicts({"s": {"0": "09"}}) == ()
    assert Consumed("s", {"0": ("", "0")}).conflicts({"s": {"0": "0"}}) == ("0",)
