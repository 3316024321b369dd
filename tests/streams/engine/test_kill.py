"""A process that applies records may die at any call of the storage: the next one goes on."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from airflow_sfx.core.table import TableRef
from airflow_sfx.streams.engine import Engine, Rules
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.streams.functions import POISON, squares
from tests.streams.memory import MemoryStream
from tests.warehouse.faults import KILLED, run_until_call

TABLE = TableRef("web", "clicks")
RECORDS, STEP = 6000, 20


def stream() -> MemoryStream:
    """The same stream in each process; a few records of each window fail."""
    made = MemoryStream(1)
    (shard,) = made.records
    for n in range(RECORDS):
        made.put_into(shard, "k", {"n": POISON + 1000 * n} if n % 20 == 7 else {"n": 1000 * n})
    return made


def consume(warehouse: Warehouse) -> None:
    """Apply two more windows after the table's position, each of them twice."""
    source = stream()
    engine = Engine(warehouse, source.stream, squares, TABLE, Rules(max_attempts=1))
    ((shard, records),) = source.records.items()
    position = engine.positions().get(shard, "")
    place = next((n for n, one in enumerate(records) if one.sequence == position), -1) + 1
    for start in range(place, place + 2 * STEP, STEP):
        window = records[start : start + STEP]
        for _ in range(2):
            engine.apply({shard: window}, patience=0)


def test_each_record_is_in_the_table_once_after_kills_around_every_call(
    tmp_path: Path,
) -> None:
    uri = f"embedded://{tmp_path}/w"
    kills = 0
    for calls, after in product(range(1, 300), (False, True)):
        code = run_until_call(uri, consume, calls, after=after)
        if code == 0:
            break
        assert code == KILLED
        kills += 1
    assert kills >= 100
    warehouse = connect(uri)
    ((shard, records),) = stream().records.items()
    end = int(warehouse.stream_positions("web", "clicks")[MemoryStream.stream][shard])
    consumed = [one for one in records if int(one.sequence) <= end]
    assert len(consumed) > 6 * STEP  # kills before and after commits
    wanted = [n for n in range(len(consumed)) if n % 20 != 7]
    found = warehouse.load_dataframe("web", "clicks")["n"]
    assert sorted(int(n) // 1000 for n in found) == wanted
    dead = warehouse.load_dataframe("web", "clicks_dead_letters")["sequence"].tolist()
    bad = [one.sequence for n, one in enumerate(records) if n % 20 == 7]
    assert sorted(dead) == bad[: len(dead)]
    assert len(dead) >= len(consumed) // 20
