"""The features of a day's flights in batch, as a server and from a stream, and their comparison."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flights_of_2013 import on_day, source
from streaming.features import FEATURES, KEY, delay_features

import airflow_sfx as sfx

if TYPE_CHECKING:
    import pandas as pd

DATABASE = "ways"
TABLES = ("in_batch", "served", "streamed")
_FOLDER = Path(__file__).parents[1]
_AT_A_TIME = 250
_SHARDS = 2


def flights_on(day: str) -> pd.DataFrame:
    """Return the flights of a local day, given as YYYY-MM-DD, as they were announced."""
    return on_day(source("flights"), day)[[*KEY, "distance", "dep_delay"]]


def day_before(day: str) -> str:
    """Return the day before another, both as YYYY-MM-DD."""
    return str(date.fromisoformat(day) - timedelta(days=1))


def store_history(day: str) -> sfx.BatchPin:
    """Store the flights of the day whose mean delay is the usual one."""
    partition = day.replace("-", "")
    return sfx.store_dataframe(flights_on(day), DATABASE, "history", [partition])


def in_batch(day: str) -> pd.DataFrame:
    """Return the features of a day's flights, computed together."""
    return delay_features(flights_on(day))


def served(day: str) -> pd.DataFrame:
    """Return the features of a day's flights, asked for from a server."""
    rows = _records(day)
    answers: list[dict[str, Any]] = []
    with _server() as address:
        for first in range(0, len(rows), _AT_A_TIME):
            body = json.dumps(rows[first : first + _AT_A_TIME]).encode()
            request = urllib.request.Request(
                f"{address}/predict", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                answers += json.load(answer)["predictions"]
    return _typed(answers)


def streamed(day: str) -> int:
    """Bring a day's flights into a table as Lambda would; return how many records it delivered.

    The records of two shards come in turns, and every third delivery comes twice.
    """
    from streaming.lambda_app import handler

    delivered = 0
    for number, event in enumerate(_events(_records(day))):
        for _ in range(2 if number % 3 == 0 else 1):
            answer = handler(event, None)
            if answer["batchItemFailures"]:
                raise RuntimeError(f"not in the table: {answer['batchItemFailures']}")
            delivered += len(event["Records"])
    return delivered


def compared(day: str) -> str:
    """Compare the tables of the three ways; return what they have.

    Raises:
        AssertionError: A value differs.
    """
    import pandas as pd

    partition = day.replace("-", "")
    lines = [f"{'':10}{'flights':>8}{'late':>6}{'over usual, sum':>24}{'partitions':>12}"]
    first = None
    for table in TABLES:
        whole = sfx.load_dataframe(DATABASE, table, filters=[("day", "=", partition)])
        frame = whole[list(FEATURES)].sort_values(KEY, ignore_index=True)
        first = frame if first is None else first
        pd.testing.assert_frame_equal(frame, first, check_exact=True)
        partitions = len(whole[["day", *whole.columns[len(FEATURES) :]]].drop_duplicates())
        late, over = int(frame["is_late"].sum()), float(frame["over_usual"].sum())
        lines.append(f"{table:10}{len(frame):>8}{late:>6}{over!r:>24}{partitions:>12}")
    return "\n".join([*lines, "equal to the bit"])


def _records(day: str) -> list[dict[str, Any]]:
    """Return a day's flights as JSON has them: a missing value is null."""
    return list(json.loads(flights_on(day).to_json(orient="records")))


def _events(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events that Lambda makes of the records of two shards, in turns."""
    for first in range(0, len(rows), _AT_A_TIME):
        for shard in range(_SHARDS):
            numbered = [
                (first + place, row)
                for place, row in enumerate(rows[first : first + _AT_A_TIME])
                if row["flight"] % _SHARDS == shard
            ]
            yield {"Records": [_record(shard, number, row) for number, row in numbered]}


def _record(shard: int, number: int, row: dict[str, Any]) -> dict[str, Any]:
    name, sequence = f"shardId-{shard:012}", str(10**55 + number)
    return {
        "eventID": f"{name}:{sequence}",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/departures",
        "kinesis": {
            "sequenceNumber": sequence,
            "partitionKey": str(row["flight"]),
            "approximateArrivalTimestamp": 1_357_000_000 + number,
            "data": base64.b64encode(json.dumps(row).encode()).decode(),
        },
    }


@contextmanager
def _server() -> Iterator[str]:
    """Run `sfx serve` with the function, and yield its address."""
    command = [sys.executable, "-m", "airflow_sfx.cli", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "streaming.features:delay_features"],
        cwd=_FOLDER,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = ""
        while " at http://" not in line:
            line = process.stderr.readline()
            if not line:
                raise RuntimeError("sfx serve did not start")
        yield line.rpartition(" at ")[2].strip()
    finally:
        process.terminate()
        process.wait(30)


def _typed(answers: list[dict[str, Any]]) -> pd.DataFrame:
    """Return answers of the server as a frame with the function's types."""
    import pandas as pd

    frame = pd.DataFrame(answers)
    times = pd.to_datetime(frame["time_hour"], utc=True).dt.tz_convert("America/New_York")
    types = delay_features(flights_on("2013-01-01").head(1)).dtypes
    return frame.assign(time_hour=times).astype(types)[list(FEATURES)]
