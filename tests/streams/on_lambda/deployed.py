"""A function that is deployed: its events, what Lambda's API says of it, and its process."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from tests.streams.on_lambda.runtime import ARN, LambdaFunction, kinesis_event

SHARD = "shardId-000000000000"
AT = "2016-10-31T22:00:00Z"
ARRIVED = 1477951200.0
DONE = {"batchItemFailures": []}
DAY = ["20161031"]


def event(*numbers: int, shard: str = SHARD, **data: bytes) -> dict:
    """An event with a record for each number; ``_13=b"{"`` is another one's data."""
    records = [
        {
            "sequence": 10**55 + n,
            "data": data.get(f"_{n}", json.dumps({"n": n, "at": AT}).encode()),
            "arrived": ARRIVED + n,
        }
        for n in numbers
    ]
    return kinesis_event("clicks", shard, records)


def from_on(n: int) -> dict:
    return {"batchItemFailures": [{"itemIdentifier": str(10**55 + n)}]}


@contextmanager
def mappings_of(**settings: object) -> Iterator[str]:
    """Lambda's own API, which lists one event source mapping; its address."""

    class Listing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mapping = {"UUID": "u-1", "EventSourceArn": f"{ARN}clicks", **settings}
            body = json.dumps({"EventSourceMappings": [mapping]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def environment(uri: str, mappings: str) -> dict[str, str]:
    """The variables of a function: those of AWS are its own, or the stack's if that runs."""
    servers = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "eu-west-1",
        **servers,
        "AWS_ENDPOINT_URL_LAMBDA": mappings,
        "SFX_WAREHOUSE": uri,
    }


@contextmanager
def function(
    uri: str,
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    handler: str = "app.handler",
    timeout: float = 30.0,
) -> Iterator[LambdaFunction]:
    """A function of `app.py` or `mortal.py`, in a process of its own."""
    for name in ("app.py", "mortal.py"):
        shutil.copy(Path(__file__).with_name(name), folder / name)
    with mappings_of(FunctionResponseTypes=["ReportBatchItemFailures"]) as address:
        given = {
            **environment(uri, address),
            "PYTHONPATH": str(Path(sfx.__file__).parents[1]),
            **(env or {}),
        }
        with LambdaFunction(handler, folder, env=given, timeout=timeout) as started:
            yield started


def stored(uri: str) -> Counter[int]:
    """How often each number is in the table."""
    return Counter(sfx.connect(uri).load_dataframe("web", "doubles")["n"].tolist())


def dead_letters(uri: str) -> pd.DataFrame:
    """The dead letters, in order."""
    found = sfx.connect(uri).load_dataframe("web", "doubles_dead_letters")
    return found.sort_values("sequence", ignore_index=True)
