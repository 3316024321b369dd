"""Spark structured streaming from JSON files into a table of ours and into plain Parquet.

Spark's source of Kafka is no package of PyPI. Files cost Spark less than Kafka would.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import airflow_sfx as sfx
from airflow_sfx.stack.hive_metastore import java_program
from airflow_sfx.streams.spark import foreach_batch

_SCHEMA = "n bigint, sent double, distance double, carrier string"
Start = Callable[[Any, Path], Any]
"""Starts the query that a writer of a stream and a directory describe."""


@contextmanager
def session(folder: Path) -> Iterator[Any]:
    """Start Spark in this process, on the packaged Java.

    That lacks an incubating module that Spark asks for, so the option is removed.
    """
    from pyspark.sql import SparkSession

    program = folder / "java" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/bash\nargs=()\nfor one in "$@"; do\n'
        '  [ "$one" = "--add-modules=jdk.incubator.vector" ] || args+=("$one")\ndone\n'
        f'exec {java_program({})} "${{args[@]}}"\n'
    )
    program.chmod(0o755)
    os.environ |= {"JAVA_HOME": str(program.parents[1]), "PYSPARK_PYTHON": sys.executable}
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.streaming.numRecentProgressUpdates": "1000",
        "spark.sql.warehouse.dir": str(folder / "spark"),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
        del os.environ["JAVA_HOME"], os.environ["PYSPARK_PYTHON"]


def write_source(directory: Path, records: Sequence[bytes], each: int) -> None:
    """Write records as JSON files in order."""
    directory.mkdir()
    for number, first in enumerate(range(0, len(records), each)):
        path = directory / f"{number:05}.json"
        path.write_bytes(b"\n".join(records[first : first + each]) + b"\n")
        os.utime(path, (number, number))


def read_all(spark: Any, source: Path, place: Path, start: Start) -> list[dict[str, int]]:
    """Run a query until it has read its source, a file a micro-batch.

    Returns:
        What each micro-batch took, by step, in milliseconds.
    """
    from pyspark.sql import functions as f

    flights = spark.readStream.schema(_SCHEMA).option("maxFilesPerTrigger", 1).json(str(source))
    slow = f.col("carrier").isin("UA", "AA").cast("double")
    late = flights.select("n", "sent", (f.col("distance") / 500.0 + slow).alias("late"))
    writer = late.writeStream.option("checkpointLocation", str(place / "checkpoint"))
    query = start(writer.trigger(availableNow=True), place)
    query.awaitTermination()
    found = [json.loads(one.json) for one in query.recentProgress]
    return [one["durationMs"] for one in found if one["numInputRows"]]


def into_parquet(writer: Any, place: Path) -> Any:
    return writer.format("parquet").start(str(place / "rows"))


def into_table(writer: Any, place: Path) -> Any:
    warehouse = sfx.connect(f"embedded://{place}/warehouse")
    write = foreach_batch("web.scores", query="late", warehouse=warehouse)
    return writer.foreachBatch(write).start()
