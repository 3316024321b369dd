"""A process with Airflow that uses the connection ``aws_tried``.

Each request is the environment to use, as a line of JSON; so is each answer.
"""

from __future__ import annotations

import json
import os
import sys

from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.hooks.connections import s3_access
from airflow_sfx.storage.factory import open_store
from airflow_sfx.warehouse.connect import connect


def use(uri: str) -> None:
    """Write, read, list and copy in S3, or ask Glue."""
    access = s3_access("aws_tried")
    if uri:
        connect(uri, access=access).metastore.databases()
        return
    store = open_store("s3://data/prefix", access)
    store.put_if_absent("a", b"1")
    store.get("a")
    list(store.list("t"))
    store.put("large", b"1" * (6 << 20))
    store.copy("a", "b")


def answer(uri: str, environment: dict[str, str]) -> str:
    """The error, if there is one."""
    os.environ.clear()
    os.environ.update(environment)
    try:
        with timeouts_of(3):
            use(uri)
    except SfxError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
