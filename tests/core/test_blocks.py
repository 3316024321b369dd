"""Records in blocks: what was written is read, in few requests, and damage is found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.serde import Record
from airflow_sfx.core.stored.blocks import Blocks, to_blocks

NAMES = st.text(max_size=12) | st.sampled_from(["", "a\nb", '"', "\\", "2016/Köln", "\u2028"])


class Row(Record, array_like=True):
    name: str
    number: int


class Object:
    """An object in memory that counts the reads of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads = data, 0

    def __call__(self, start: int, stop: int) -> tuple[memoryview, int]:
        self.reads += 1
        return memoryview(self.data)[start:stop], len(self.data)


def opened(data: bytes) -> Blocks[Row]:
    found = Blocks.open(Object(data), Row, "x")
    assert found is not None
    return found


@given(rows=st.dictionaries(NAMES, st.integers(-(2**63), 2**63 - 1), max_size=400), data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read_whole_or_by_name(rows, data) -> None:
    text = to_blocks({"a": 1}, [Row(name, number) for name, number in rows.items()])
    assert {one.name: one.number for one in opened(text).all()} == rows
    assert [one.name for one in opened(text).all()] == sorted(rows)
    some = data.draw(st.sets(NAMES | st.sampled_from(sorted(rows) or [""]), max_size=9))
    found = opened(text).find(some)
    assert {name: one.number for name, one in found.items()} == {
        name: rows[name] for name in some if name in rows
    }


def many(count: int = 20_000) -> bytes:
    return to_blocks({"a": 1}, [Row(f"{number:08d}", number) for number in range(count)])


def test_one_of_many_takes_two_reads_and_all_take_two() -> None:
    whole = Object(many())
    found = Blocks.open(whole, Row, "x")
    assert found is not None
    assert found.find(["00017000"])["00017000"].number == 17_000
    assert whole.reads == 2
    assert found.find(["00017001"]).keys() == {"00017001"}
    assert whole.reads == 2
    assert len(found.all()) == 20_000
    assert whole.reads == 3


def test_a_long_header_is_read_in_few_steps() -> None:
    whole = Object(to_blocks({"a": "x" * 900_000}, [Row("a", 1)]))
    found = Blocks.open(whole, Row, "x")
    assert found is not None
    assert (found.find(["a"])["a"].number, whole.reads) == (1, 3)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_every_altered_byte_and_every_truncation_is_found(count: int) -> None:
    text = to_blocks({"a": 1}, [Row(f"{number:04d}", number) for number in range(count)])
    step = max(1, len(text) // 400)
    for place in range(0, len(text) - 1, step):
        for damaged in (
            text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :],
            text[:place],
        ):
            with pytest.raises(InconsistentBatch, match="^x "):
                opened(damaged).all()


def test_an_object_that_does_not_exist_is_none() -> None:
    assert Blocks.open(lambda *_: None, Row, "x") is None
