"""The engine brings each record into the table once, in the order of its shard."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import InconsistentBatch, InvalidName, WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.streams.engine import Applied, Engine, Rules
from airflow_sfx.streams.source import StreamRecord
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.streams import functions
from tests.streams.functions import FLAKY, POISON, events, squares
from tests.streams.memory import BEGAN, MemoryStream, many

TABLE = TableRef("web", "clicks")
DEAD = ("web", "clicks_dead_letters")


ON_BOTH = pytest.mark.parametrize("warehouse", ["embedded", "stack"], indirect=True)


@pytest.fixture
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    kind = getattr(request, "param", "embedded")
    return connect(request.getfixturevalue(f"{kind}_uri"))


def engine_of(warehouse: Warehouse, function: Any = squares, **rules: Any) -> Engine:
    return Engine(warehouse, MemoryStream.stream, function, TABLE, Rules(**rules))


def numbers(warehouse: Warehouse) -> list[int]:
    """The numbers in the table, in the order of its commits."""
    order = {}
    for entry in warehouse.history("web", "clicks", limit=None):
        if entry.batch_id:
            order[entry.batch_id] = entry.version
    frame = warehouse.load_dataframe("web", "clicks")
    frame = frame.assign(order=frame["window"].str.removeprefix("late-").map(order))
    return [int(n) for n in frame.sort_values("order", kind="stable")["n"]]


def deliveries(
    records: Sequence[StreamRecord], seed: int, most: int = 60
) -> Iterator[Sequence[StreamRecord]]:
    """Cut a shard's records, and deliver a fifth of the pieces again, and others in longer ones."""
    dice, place, before = random.Random(seed), 0, 0
    while place < len(records):
        end = place + dice.randint(1, most)
        yield records[place:end]
        if dice.random() < 0.2:
            yield records[before:end]
        before, place = place, end


def test_records_that_are_delivered_again_are_in_the_table_once(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    sent = many(stream, 600)
    engine = engine_of(warehouse)
    known = 0
    for shard, records in stream.records.items():
        for piece in deliveries(records, seed=1):
            known += engine.apply({shard: piece}).known
    assert known > 50
    good = [n for n in sent if n % 1000 != POISON]
    assert sorted(numbers(warehouse)) == good
    for records in stream.records.values():
        mine = {int(one.data[6:-1]) for one in records}
        assert [n for n in numbers(warehouse) if n in mine] == [n for n in good if n in mine]
    assert warehouse.stream_positions("web", "clicks") == {
        stream.stream: {shard: some[-1].sequence for shard, some in stream.records.items()}
    }


def test_several_shards_are_one_commit(warehouse: Warehouse) -> None:
    stream = MemoryStream(3)
    many(stream, 90)
    done = engine_of(warehouse).apply(stream.records)
    assert done.rows == 89
    assert done.pin is not None
    assert len({entry.version for entry in warehouse.history("web", "clicks", limit=None)}) == 1
    again = engine_of(warehouse).apply(stream.records)
    assert (again.rows, again.known, again.dead, again.pin) == (0, 90, 0, None)


@ON_BOTH
def test_a_record_that_fails_is_a_dead_letter_after_its_attempts(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    (shard,) = stream.records
    stream.put_into(shard, "k", {"n": POISON})  # at the start of the shard
    stream.put_into(shard, "k", b"\xff{")
    stream.put_into(shard, "k", [1])
    stream.put_into(shard, "k", {"m": 1})
    stream.put_into(shard, "k", {"n": "one"})  # the schema has changed
    stream.put_into(shard, "k", {"n": 5, "new": True})
    stream.put_into(shard, "k", {"n": 6, "text": "x" * (1 << 20)})
    stream.put_into(shard, "k", {"n": 7, "text": "x" * (2 << 20)})
    stream.put_into(shard, "k", {"n": 8})
    engine = engine_of(warehouse, max_attempts=2, max_record_bytes=3 << 19)
    done = engine.apply(stream.records)
    assert (done.rows, done.dead) == (3, 6)
    assert numbers(warehouse) == [5, 6, 8]
    dead = warehouse.load_dataframe(*DEAD).sort_values("sequence")
    assert dead["attempts"].tolist() == [2, 1, 1, 1, 1, 1]
    assert dead["data"].tolist()[1] == b"\xff{"
    assert [error.split(":")[0].split(" (")[0] for error in dead["error"]] == [
        "ZeroDivisionError",
        "it is not JSON",
        "it is [1]",
        "the row has no column 'n', which the function takes",
        "the column 'n'",
        f"it has {(2 << 20) + 20} bytes, and {3 << 19} are the most",
    ]
    assert set(dead["stream"]) == {stream.stream}
    assert dead["arrived"].tolist()[0] == BEGAN + timedelta(seconds=1)


def test_a_record_that_fails_for_a_while_is_tried_again(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 30)
    functions.failing["left"] = 6  # together, in smaller and smaller pieces, then alone
    assert engine_of(warehouse, max_attempts=4).apply(stream.records).rows == 29
    assert FLAKY in numbers(warehouse)


def test_a_shard_stops_at_the_first_record_that_fails_if_it_must(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    one, other = stream.records
    sent = [stream.put_into(one, "k", {"n": n}) for n in (1, 2, POISON, 3)]
    stream.put_into(other, "k", {"n": 4})
    engine = engine_of(warehouse, on_error="stop", max_attempts=2)
    for _ in range(2):
        done = engine.apply(stream.records)
        assert done.failed.keys() == {one}
        assert done.failed[one].record == sent[2]
        assert done.failed[one].attempts == 2
        assert sorted(numbers(warehouse)) == [1, 2, 4]
    alone = engine.apply({one: sent[2:]})
    assert (alone.rows, alone.positions[one]) == (0, sent[1].sequence)
    assert warehouse.tables() == [TABLE]  # no dead letters


@ON_BOTH
def test_rows_are_in_windows_by_event_time_and_late_ones_apart(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    (shard,) = stream.records
    times = {1: "2016-10-31T23:59:59.999999", 2: "2016-11-01T11:00:00", 3: None, 4: "2016-11-01T09"}
    for n, at in times.items():
        stream.put_into(shard, "k", {"n": n, "at": at, "area": "EU"}, BEGAN)
    rules = {"partition_by": ["area", "day", "hour"], "event_time": "at"}
    engine = engine_of(warehouse, events, late_after=timedelta(hours=2), **rules)
    assert engine.apply(stream.records).rows == 4
    frame = warehouse.load_dataframe("web", "clicks").sort_values("n")
    assert list(zip(frame["area"], frame["day"], frame["hour"], strict=True)) == [
        ("EU", "20161031", "23"),
        ("EU", "20161101", "11"),
        ("EU", "20161101", "12"),  # the arrival
        ("EU", "20161101", "09"),
    ]
    assert [one.startswith("late-") for one in frame["window"]] == [True, False, False, True]
    assert [str(one) for one in frame["price"]] == ["None", "2.00", "None", "4.00"]


@ON_BOTH
def test_a_row_without_a_partition_is_a_dead_letter(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    (shard,) = stream.records
    for n, area in enumerate(["EU", None, "", "a\nb", "US"]):
        stream.put_into(shard, "k", {"n": n, "at": None, "area": area})
    done = engine_of(warehouse, events, partition_by=["area"]).apply(stream.records)
    assert (done.rows, done.dead) == (2, 3)
    assert sorted(warehouse.load_dataframe("web", "clicks")["area"]) == ["EU", "US"]
    errors = warehouse.load_dataframe(*DEAD)["error"].tolist()
    assert all(error.startswith("the partition key 'area'") for error in errors)


@ON_BOTH
def test_two_that_apply_the_same_records_add_them_once(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    sent = many(stream, 400)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            engine = engine_of(connect(warehouse.uri))
            for shard, records in stream.records.items():
                for piece in deliveries(records, seed):
                    engine.apply({shard: piece})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    assert sorted(numbers(warehouse)) == [n for n in sent if n != POISON]
    assert len(warehouse.load_dataframe(*DEAD)) == 1


class Unreliable:
    """Storage whose conditional creates take effect, or not, and whose answers are lost."""

    def __init__(self, real: Any, dice: random.Random) -> None:
        self._real, self._dice = real, dice
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._real, name)
        return self._often(member) if name in ("put", "put_if_absent", "claim") else member

    def _often(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            lost = self._dice.random() < 0.04
            self.lost += lost
            if lost and self._dice.random() < 0.5:
                raise WarehouseUnavailable("the storage does not answer")
            found = call(*args, **options)
            if lost:
                raise WarehouseUnavailable("the storage did not answer")
            return found

        return called


@ON_BOTH
def test_answers_of_the_storage_that_are_lost_lose_and_double_nothing(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    sent = many(stream, 400)
    store: Any = Unreliable(warehouse.store, random.Random(6))
    engine = engine_of(Warehouse(replace(warehouse.connection, store=store)))
    for piece in deliveries(next(iter(stream.records.values())), seed=3, most=20):
        engine.apply({piece[0].shard: piece})
    assert store.lost > 5
    assert numbers(warehouse) == [n for n in sent if n != POISON]
    assert len(warehouse.load_dataframe(*DEAD)) == 1


@ON_BOTH
def test_a_dead_letter_stays_one_if_its_window_was_not_committed(warehouse: Warehouse) -> None:
    """The process dies between the dead letters and the rows; then the function is corrected."""
    stream = MemoryStream(1)
    sent = many(stream, 40)
    engine = engine_of(warehouse)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    engine._committed = dies  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        engine.apply(stream.records)
    assert len(warehouse.load_dataframe(*DEAD)) == 1
    (shard,) = stream.records
    stream.records[shard][5] = replace(stream.records[shard][5], data=b"{}")  # fails since then
    done: Applied = engine_of(warehouse).apply(stream.records)
    assert (done.rows, done.dead) == (38, 1)
    assert numbers(warehouse) == [n for n in sent if n not in (5, POISON)]
    dead = warehouse.load_dataframe(*DEAD)
    assert sorted(dead["sequence"]) == [stream.records[shard][n].sequence for n in (5, POISON)]
    assert engine_of(warehouse).apply(stream.records).known == 40


def test_a_table_that_lost_its_positions_stops_the_engine(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    many(stream, 5)
    engine = engine_of(warehouse)
    engine.apply(stream.records)
    engine._warehouse = connect(f"{warehouse.uri}-other")
    many(stream, 5)
    with pytest.raises(InconsistentBatch, match="has none now"):
        engine.apply(stream.records)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"max_attempts": 0}, "max_attempts=0 is not a number from 1"),
        ({"partition_by": ["month"]}, "'month' is not a column that squares gives"),
        ({"partition_by": "day"}, "is not a list"),
        ({"partition_by": ["day", "day"]}, "'day' occurs twice"),
        ({"event_time": "n"}, "the event time 'n' is not a column of times"),
        ({"late_after": timedelta(1)}, "late_after needs the event time"),
        ({"late_after": -timedelta(1), "event_time": "at"}, "is not a duration"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(
    warehouse: Warehouse, rules: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidName, match=message):
        engine_of(warehouse, **rules)


@sfx.portable(inputs={"n": "bigint"}, outputs={"Window": "bigint"})
def windowed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"n": "Window"})


def test_a_function_that_gives_the_key_of_windows_is_refused_at_once(warehouse: Warehouse) -> None:
    with pytest.raises(InvalidName, match="windowed gives a column named '.indow'"):
        Engine(warehouse, "memory:clicks", windowed, TABLE, Rules())


def narrow_table(warehouse: Warehouse) -> None:
    """A table, of an earlier consumer, whose types are narrower than what the function gives."""
    frame = pd.DataFrame({"n": [1], "square": [1], "area": [7]})
    warehouse.store_window(
        frame,
        "web",
        "clicks",
        consumed=sfx.Consumed("memory:before", {"0": ("", "1")}),
        partition_by=["area"],
        types={"square": "smallint", "area": "int"},
    )


@sfx.portable(
    inputs={"n": "bigint", "area": "bigint"},
    outputs={"n": "bigint", "square": "double", "area": "bigint"},
)
def halves(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["n"] == POISON).any():
        raise ValueError("unlucky")
    return frame.assign(square=frame["n"] / 2)


@ON_BOTH
def test_a_value_that_the_table_cannot_keep_is_a_dead_letter(warehouse: Warehouse) -> None:
    narrow_table(warehouse)
    stream = MemoryStream(1)
    (shard,) = stream.records
    sent = [(n, 8) for n in (0, 2, 3, 4, POISON, 200_000, 6)]
    for n, area in [*sent, (8, 1 << 40)]:
        stream.put_into(shard, "k", {"n": n, "area": area})
    rules: dict[str, Any] = {"partition_by": ["area"], "max_attempts": 1}
    done = engine_of(warehouse, halves, **rules).apply(stream.records)
    assert (done.rows, done.dead) == (4, 4)
    stored = warehouse.load_dataframe("web", "clicks")
    assert sorted(zip(stored["n"], stored["square"], strict=True)) == [
        *[(0, 0), (1, 1), (2, 1), (4, 2), (6, 3)]
    ]
    dead = warehouse.load_dataframe(*DEAD).sort_values("sequence")
    assert [json.loads(one)["n"] for one in dead["data"]] == [3, POISON, 200_000, 8]
    whole, _, large, key = dead["error"]
    assert "the column 'square' as smallint" in whole
    assert "1.5, which smallint cannot hold: " in whole
    assert "100000" in large
    assert (
        "'1099511627776' is not how Hive writes the type int, that of the partition key 'area'"
        in key
    )
    assert engine_of(warehouse, halves, **rules).apply(stream.records).known == 8

    stream.put_into(shard, "k", {"n": 10, "area": 8})
    stream.put_into(shard, "k", {"n": 11, "area": 8})
    stops = engine_of(warehouse, halves, **rules, on_error="stop").apply(stream.records)
    assert (stops.rows, list(stops.failed)) == (1, [shard])
    assert "5.5, which smallint cannot hold" in stops.failed[shard].error


@ON_BOTH
@pytest.mark.parametrize("keys", [["n", "day"], ["day"], []])
def test_partition_keys_that_the_table_does_not_have_stop_the_engine(
    warehouse: Warehouse, keys: list[str]
) -> None:
    """They are no fault of a row, also where no value is one of the table's key."""
    narrow_table(warehouse)
    stream = MemoryStream(1)
    many(stream, 3)
    with pytest.raises((InvalidName, sfx.SchemaMismatch), match="is partitioned by"):
        engine_of(warehouse, partition_by=keys).apply(stream.records)
    assert not warehouse.stream_positions("web", "clicks").get(stream.stream)


@ON_BOTH
def test_columns_that_the_table_does_not_have_stop_the_engine(warehouse: Warehouse) -> None:
    frame = pd.DataFrame({"n": [1], "square": ["one"]})
    consumed = sfx.Consumed("memory:before", {"0": ("", "1")})
    warehouse.store_window(frame, "web", "clicks", consumed=consumed)
    stream = MemoryStream(1)
    many(stream, 40)
    with pytest.raises(sfx.SchemaMismatch, match="the column 'square' as string"):
        engine_of(warehouse).apply(stream.records)
    assert not warehouse.stream_positions("web", "clicks").get(stream.stream)
