"""Entries of a log and its checkpoints: what is stored is what is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.log_entry import Change, LogEntry, Operation, next_entry
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.stored.log_entry import (
    Checkpoint,
    EntryHeader,
    Mark,
    StoredEntry,
    checkpoint_to_bytes,
    entry_to_bytes,
)

AT = datetime(2016, 11, 1, 0, 22, 57, 5, tzinfo=UTC)
IDS = st.sampled_from(["20161031000000", "20161101002256", "20161101002257"])
TEXTS = st.text(max_size=20) | st.sampled_from(['"', "\\", "a\nb", "ü/日", "\u2028"])
HEADER = EntryHeader(
    version=42,
    operation=Operation.PUBLISH,
    at=AT,
    producer=Producer(dag_id="nightly", run_id="r", task_id="load", try_number=2),
    reason="late",
    commit="2016-11-01/002257.000005-42-9f3a01bc",
    partitions=1,
    base=7,
    recent=(Mark("a", 40, "20161031000000"), Mark("b", 41)),
    applied=41,
    undo="u",
)


@st.composite
def entries(draw: st.DrawFn) -> list[LogEntry]:
    found = []
    for name in draw(st.sets(TEXTS, min_size=1, max_size=6)):
        number = draw(st.integers(0, 2**62))
        change = Change(
            name,
            draw(st.sampled_from(Operation)),
            draw(IDS | st.none()),
            rows=number,
            bytes=number,
            location=draw(st.sampled_from(["", "s3://b/x"])),
            retired=tuple(draw(st.lists(IDS, max_size=2))),
            despite_pins=draw(st.booleans()),
            discarded=tuple(draw(st.lists(IDS, max_size=2))),
            dropped=draw(st.booleans()),
        )
        entry = next_entry(
            None,
            change,
            version=HEADER.version,
            commit=HEADER.commit,
            at=AT,
            producer=draw(st.sampled_from([HEADER.producer, HEADER.producer])),
            reason=HEADER.reason,
        )
        attempts = draw(st.dictionaries(TEXTS, TEXTS, max_size=3))
        parent = draw(st.integers(0, 41))
        found.append(replace(entry, attempts=attempts, parent=parent))
    return found


def opened(data: bytes) -> StoredEntry:
    found = StoredEntry.open(lambda start, stop: (memoryview(data)[start:stop], len(data)), "e")
    assert found is not None
    return found


@given(changes=entries())
@settings(max_examples=150, deadline=None)
def test_an_entry_is_read_as_it_was_written(changes: list[LogEntry]) -> None:
    header = replace(HEADER, partitions=len(changes))
    data = entry_to_bytes(header, changes)
    expected = sorted(changes, key=lambda one: one.partition)
    assert opened(data).header == header
    assert opened(data).all() == expected
    for one in changes:
        assert opened(data).find([one.partition]) == {one.partition: one}
    assert opened(data).first() == expected[0]
    assert opened(data).marks() == {
        one.partition: Mark(one.partition, 42, one.batch_id) for one in changes
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": 42},
        {"applied": 42},
        {"recent": (Mark("a", 42),)},
        {"recent": (Mark("a", 1, "2016"),)},
        {"at": AT.replace(year=1900)},
    ],
    ids=str,
)
def test_an_entry_that_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    data = entry_to_bytes(replace(HEADER, **wrong), [])
    with pytest.raises(InconsistentBatch, match="^e "):
        opened(data)


@pytest.mark.parametrize(
    "wrong",
    [{"parent": 42}, {"origin": 43}, {"previous_origin": 42}, {"batch_id": "x"}, {"newest": "x"}],
    ids=str,
)
def test_a_change_that_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    change = Change("p", Operation.PUBLISH, "20161101002256")
    entry = next_entry(None, change, version=42, commit="c", at=AT, producer=Producer(), reason="")
    data = entry_to_bytes(HEADER, [replace(entry, **wrong)])
    with pytest.raises(InconsistentBatch, match="^e "):
        opened(data).all()


def test_an_entry_of_a_later_format_asks_for_a_later_package(monkeypatch) -> None:
    monkeypatch.setattr("airflow_sfx.core.stored.log_entry.FORMAT_VERSION", 2)
    data = entry_to_bytes(HEADER, [])
    monkeypatch.undo()
    with pytest.raises(InconsistentBatch, match="install a later airflow_sfx"):
        opened(data)


def test_many_changes_share_what_is_known_of_attempts() -> None:
    attempts = {f"nightly/r{number}/load/-1": "000001" for number in range(32)}
    change = Change("p", Operation.PUBLISH, "20161101002256")
    entry = next_entry(None, change, version=42, commit="c", at=AT, producer=Producer(), reason="")
    changes = [
        replace(entry, partition=f"{number:05d}", attempts=attempts) for number in range(10_000)
    ]
    assert len(entry_to_bytes(HEADER, changes)) < 100 * len(changes)


@given(marks=st.lists(st.builds(Mark, TEXTS, st.integers(1, 42), IDS | st.none()), max_size=300))
@settings(max_examples=40, deadline=None)
def test_a_checkpoint_is_read_as_it_was_written(marks: list[Mark]) -> None:
    by_name = {mark.name: mark for mark in marks}
    data = checkpoint_to_bytes(42, by_name.values())
    found = Checkpoint.open(lambda start, stop: (memoryview(data)[start:stop], len(data)), "c")
    assert found is not None
    assert found.marks() == by_name
    for name, mark in by_name.items():
        assert found.marks([name, "none\0"]) == {name: mark}


def test_a_checkpoint_with_a_mark_of_a_later_version_is_refused() -> None:
    data = checkpoint_to_bytes(41, [Mark("a", 42)])
    found = Checkpoint.open(lambda start, stop: (memoryview(data)[start:stop], len(data)), "c")
    assert found is not None
    with pytest.raises(InconsistentBatch, match="^c "):
        found.marks()
