"""Quix Streams from Kafka into Parquet files, run with the Python of ``.venv-peers``.

A JSON line on standard input names a topic and a directory; the answer is how long its records
took, from the first one on, and each of the files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import pairwise
from typing import Any

from quixstreams import Application
from quixstreams.sinks.community.file.local import LocalFileSink


class TimedSink(LocalFileSink):
    """Files of Parquet, one for each shard and checkpoint; notes when each is written.

    Args:
        directory: Where.
        records: After how many records the application stops.
    """

    def __init__(self, directory: str, records: int) -> None:
        super().__init__(directory=directory, format="parquet")
        self.began, self.ends, self.seconds = 0.0, list[float](), list[float]()
        self._left = records
        self.app: Any = None

    def add(self, *record: Any, **named: Any) -> None:
        self.began = self.began or time.perf_counter()
        self._left -= 1
        super().add(*record, **named)

    def flush(self) -> None:
        if not self._batches:
            return
        began = time.perf_counter()
        super().flush()
        self.ends.append(time.perf_counter())
        self.seconds.append(self.ends[-1] - began)
        if self._left <= 0:
            self.app.stop()


def late(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the portable function of `bench.streams.consumer` returns."""
    slow = row["carrier"] in ("UA", "AA")
    return {"n": row["n"], "sent": row["sent"], "late": row["distance"] / 500.0 + float(slow)}


def consume(
    servers: str, topic: str, directory: str, records: int, commit_every: int
) -> dict[str, Any]:
    app = Application(
        broker_address=servers, consumer_group=f"{topic}-{time.time_ns()}", loglevel="ERROR",
        auto_offset_reset="earliest", commit_interval=0.5, commit_every=commit_every,
        auto_create_topics=False,
    )  # fmt: skip
    sink = TimedSink(directory, records)
    sink.app = app
    rows = app.dataframe(app.topic(topic))
    rows.apply(late).sink(sink)
    app.run()
    ends = sink.ends
    between = [after - before for before, after in pairwise(ends)]
    return {"seconds": ends[-1] - sink.began, "store": sink.seconds, "between": between}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(consume(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
