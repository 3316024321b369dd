"""A consumer as a process of its own: it can be killed, and its clock jumps."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import time

from airflow_sfx.core.table import TableRef
from airflow_sfx.streams.consumer import Consumer, Pace
from airflow_sfx.streams.consuming import leases
from airflow_sfx.streams.engine import Rules
from airflow_sfx.streams.kinesis import KinesisSource
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log import commit
from tests.streams.functions import squares

TABLE = TableRef("web", "clicks")


def consume(uri: str, url: str, stream: str, ahead: float) -> None:
    """Consume until the process is told to end.

    Args:
        uri: The warehouse.
        url: The server of Kinesis.
        stream: The stream's name.
        ahead: By how many seconds the clock of this process is wrong, every other second: it jumps
            there and back.
    """

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            wrong = ahead if int(time.monotonic()) % 2 else 0.0
            return dt.datetime.now(tz) + dt.timedelta(seconds=wrong)

    for module in (commit, batch_writer, leases):
        module.datetime = Shifted
    source = KinesisSource(stream, endpoint_url=url, region="us-east-1", reads_per_second=20.0)
    pace = Pace(window=0.2, max_records=4000, lease=2.0)
    rules = Rules(max_attempts=1)
    consumer = Consumer(connect(uri), source, squares, TABLE, rules, pace=pace)
    signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
    consumer.run()


if __name__ == "__main__":
    consume(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
