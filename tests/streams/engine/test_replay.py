"""A bad hour is undone by a replay with the corrected function, as if it had been right at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import CommitConflict, InconsistentBatch
from airflow_sfx.core.table import TableRef
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.applying.dead_letters import DeadLetters
from airflow_sfx.streams.engine import Engine, Rules
from airflow_sfx.streams.replay import replay
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.streams.memory import MemoryStream, many

TABLE = TableRef("web", "clicks")
RULES = Rules(partition_by=("area", "hour"), max_attempts=1)
BEFORE = datetime(2016, 1, 1, tzinfo=UTC)


@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "bigint", "area": "string"})
def wrong(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["n"] % 10 == 3).any():
        raise ValueError("it does not know a three")
    return pd.DataFrame({"n": -frame["n"], "area": "EU"})


@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "bigint", "area": "string"})
def right(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["n"] == 44).any():
        raise ValueError("it does not know 44")
    area = ["US" if n >= 40 else "EU" for n in frame["n"]]
    return pd.DataFrame({"n": frame["n"], "area": area}, index=frame.index)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return connect(f"embedded://{tmp_path}/w")


def apply(warehouse: Warehouse, stream: MemoryStream, function: Portable) -> None:
    """Apply the records after the table's position, twenty of each shard at once."""
    engine = Engine(warehouse, stream.stream, function, TABLE, RULES)
    for start in range(0, max(map(len, stream.records.values())), 20):
        engine.apply({name: some[start : start + 20] for name, some in stream.records.items()})


def rows(warehouse: Warehouse) -> list[tuple[int, str, str]]:
    frame = warehouse.load_dataframe("web", "clicks")
    return sorted(zip(frame["n"].astype(int), frame["area"], frame["hour"], strict=True))


def test_the_result_of_a_replay_is_that_of_a_function_that_was_right(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    stream = MemoryStream(2)
    many(stream, 100)
    apply(warehouse, stream, wrong)
    many(stream, 20)
    other = connect(f"embedded://{tmp_path}/other")
    apply(other, stream, right)
    positions = warehouse.stream_positions("web", "clicks")
    plan = replay(warehouse, stream, right, TABLE, RULES, BEFORE, dry_run=True)
    for _ in range(2):  # again changes nothing
        done = replay(warehouse, stream, right, TABLE, RULES, BEFORE)
        assert [one.version for one in done] == [one.version for one in plan]
        assert sum(one.records for one in done) == 100
        assert warehouse.stream_positions("web", "clicks") == positions
    apply(warehouse, stream, right)  # and the stream goes on
    assert rows(warehouse) == rows(other)
    dead = warehouse.load_dataframe("web", "clicks_dead_letters")
    assert sum("44" in one for one in dead["error"]) == 1


def test_a_replay_begins_at_a_time_and_brings_back_what_was_dropped(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 40)
    apply(warehouse, stream, wrong)
    first, second = sorted(entry.at for entry in warehouse.history("web", "clicks", limit=None))
    kept = [entry for entry in warehouse.history("web", "clicks", limit=None) if entry.at == second]
    warehouse.drop("web", "clicks", [kept[0].partition.split("/")])
    assert len(rows(warehouse)) == 18
    replay(warehouse, stream, right, TABLE, RULES, first + timedelta(microseconds=1))
    numbers = [n for n, *_ in rows(warehouse)]
    assert numbers == sorted([*range(20, 40), *(-n for n in range(20) if n % 10 != 3)])


def expired(warehouse: Warehouse, records: int, gone: int) -> tuple[MemoryStream, str]:
    """Return a stream whose first records expired after they were applied, and its shard."""
    stream = MemoryStream(1)
    many(stream, records)
    apply(warehouse, stream, wrong)
    (shard,) = stream.records
    del stream.records[shard][:gone]
    return stream, shard


def test_records_that_are_not_there_any_more_stop_a_replay(warehouse: Warehouse) -> None:
    stream, shard = expired(warehouse, records=40, gone=5)
    before = rows(warehouse)
    with pytest.raises(InconsistentBatch, match="15 records of version 1, which added 18 rows"):
        replay(warehouse, stream, right, TABLE, RULES, BEFORE)
    stream.closed.add(shard)
    del stream.records[shard][20:]
    with pytest.raises(InconsistentBatch, match="ends before the record"):
        second = max(entry.at for entry in warehouse.history("web", "clicks", limit=None))
        replay(warehouse, stream, right, TABLE, RULES, second)
    assert rows(warehouse) == before


@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "double", "area": "string"})
def halves(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"n": frame["n"] / 2, "area": "EU"})


def test_a_replayed_value_that_the_table_cannot_keep_is_a_dead_letter(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 20)
    apply(warehouse, stream, wrong)
    for _ in range(2):
        (done,) = replay(warehouse, stream, halves, TABLE, RULES, BEFORE)
        assert (done.records, done.rows) == (20, 10)
    assert [n for n, *_ in rows(warehouse)] == [*range(10)]
    dead = warehouse.load_dataframe("web", "clicks_dead_letters")
    assert sum("which bigint cannot hold" in one for one in dead["error"]) == 8, "3 and 13 are"


def test_windows_that_were_compacted_are_not_replayed(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 40)
    apply(warehouse, stream, wrong)
    warehouse.compact("web", "clicks")
    with pytest.raises(CommitConflict, match="was compacted with others"):
        replay(warehouse, stream, right, TABLE, RULES, BEFORE)


def test_a_replay_goes_on_beside_a_consumer_with_dead_letters(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = MemoryStream(1)
    many(stream, 40)
    apply(warehouse, stream, wrong)
    beside = {"n": 43}
    write = DeadLetters.write

    def after_the_consumer(letters: DeadLetters, failures: Any) -> None:
        if failures and beside:
            (shard,) = stream.records
            stream.put_into(shard, "k", {"n": beside.pop("n")})
            Engine(warehouse, stream.stream, wrong, TABLE, RULES).apply(stream.records)
        write(letters, failures)

    monkeypatch.setattr(DeadLetters, "write", after_the_consumer)
    done = replay(warehouse, stream, none_of_ten, TABLE, RULES, BEFORE)
    assert [one.rows for one in done] == [18, 18]
    letters = warehouse.load_dataframe("web", "clicks_dead_letters")
    dead = sorted(int(one[6:-1]) for one in letters["data"])
    assert dead == [0, 3, 10, 13, 20, 23, 30, 33, 43]


@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "bigint", "area": "string"})
def none_of_ten(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["n"] % 10 == 0).any():
        raise ValueError("it does not know a ten")
    return pd.DataFrame({"n": frame["n"], "area": "EU"})


def test_dead_letters_do_not_stand_in_for_records_that_expired(warehouse: Warehouse) -> None:
    """Nothing else shows that the first records of a shard are gone."""
    stream, _ = expired(warehouse, records=20, gone=2)
    before = rows(warehouse)
    with pytest.raises(InconsistentBatch, match="18 records .* 18 rows and 2 dead letters"):
        replay(warehouse, stream, right, TABLE, RULES, BEFORE)
    assert rows(warehouse) == before


def test_a_stream_of_which_the_table_has_no_records_is_not_replayed(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 20)
    apply(warehouse, stream, wrong)
    stream.stream = "memory:others"
    with pytest.raises(sfx.InvalidName, match=r"no records of memory:others.*\(memory:clicks\)"):
        replay(warehouse, stream, right, TABLE, RULES, BEFORE, dry_run=True)
