"""Spark structured streaming into a table: each micro-batch once, whatever Spark repeats."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import airflow_sfx as sfx
from airflow_sfx.streams.spark import foreach_batch
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    return connect(f"embedded://{tmp_path}/warehouse")


class Query:
    """A query over a directory of JSON files, one file a micro-batch."""

    def __init__(self, spark: Any, place: Path, write: Any) -> None:
        self._spark, self._write = spark, write
        self.source, self.checkpoint = place / "source", place / "checkpoint"
        self.source.mkdir(exist_ok=True)

    def add(self, number: int) -> None:
        path = self.source / f"{number:03}.json"
        path.write_text(
            "".join(json.dumps({"day": "d", "n": 10 * number + i}) + "\n" for i in (0, 1))
        )
        os.utime(path, (number, number))

    def run(self) -> None:
        """Consume what there is."""
        frame = self._spark.readStream.schema("day string, n bigint")
        frame = frame.option("maxFilesPerTrigger", 1).json(str(self.source))
        query = (
            frame.writeStream.foreachBatch(self._write)
            .option("checkpointLocation", str(self.checkpoint))
            .trigger(availableNow=True)
            .start()
        )
        query.awaitTermination()

    def forget_last(self) -> None:
        """Let Spark not know that the last micro-batch ended, as if its driver had died."""
        last = max((self.checkpoint / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
        last.unlink()
        last.with_name(f".{last.name}.crc").unlink(missing_ok=True)


def numbers(warehouse: Warehouse) -> list[int]:
    return sorted(warehouse.load_dataframe("web", "clicks")["n"])


def test_a_micro_batch_that_spark_repeats_is_in_the_table_once(spark, warehouse, tmp_path) -> None:
    seen: list[int] = []
    write = foreach_batch("web.clicks", query="q", partition_by=["day"], warehouse=warehouse)

    def noted(frame: Any, batch_id: int) -> None:
        seen.append(batch_id)
        write(frame, batch_id)

    query = Query(spark, tmp_path, noted)
    for number in (1, 2):
        query.add(number)
    query.run()
    query.forget_last()
    query.add(3)
    query.run()
    assert seen == [0, 1, 1, 2], "Spark repeated the second one"
    assert numbers(warehouse) == [10, 11, 20, 21, 30, 31]
    ((stream, shards),) = warehouse.stream_positions("web", "clicks").items()
    assert (stream, [*shards.values()]) == ("spark:q", ["2"])


def test_another_checkpoint_of_a_query_is_refused(spark, warehouse, tmp_path) -> None:
    write = foreach_batch("web.clicks", query="q", partition_by=["day"], warehouse=warehouse)
    query = Query(spark, tmp_path, write)
    query.add(1)
    query.run()
    shutil.rmtree(query.checkpoint)
    with pytest.raises(Exception, match="use that checkpoint, or another query="):
        query.run()
    assert numbers(warehouse) == [10, 11]


def test_of_two_drivers_of_a_query_one_adds_a_micro_batch(spark, warehouse) -> None:
    write = foreach_batch("web.clicks", query="q", warehouse=warehouse)
    frame = spark.createDataFrame([(1,)], "n bigint")
    positions = warehouse.stream_positions

    def late(*table: str) -> dict[str, dict[str, str]]:
        """Look before the other driver commits."""
        found = positions(*table)
        warehouse.stream_positions = positions
        write(frame, 0)
        return found

    warehouse.stream_positions = late
    write(frame, 0)
    assert numbers(warehouse) == [1]


@pytest.mark.parametrize("query", ["", " ", None])
def test_a_query_has_a_name(query) -> None:
    with pytest.raises(sfx.InvalidName, match="query="):
        foreach_batch("web.clicks", query=query)
