"""Servers are waited for as long as docs/s3.md says.

The tests run at once, because each takes as long as its wait.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.io.timeouts import TRY_SECONDS, UPLOAD_SECONDS, Timeouts, timeouts_of
from airflow_sfx.metastore.glue import GlueMetastore
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.s3_access import S3Access
from airflow_sfx.warehouse.connect import connect
from tests.docs.pages import ROOT
from tests.faults.silent_server import (
    back_after,
    black_hole,
    hanging,
    hanging_in_the_body,
    refusing,
)

PAGE = 10.0
SLACK = 8.0
"""A last pause between two tries, and a shared machine."""


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


def s3(port: int) -> Callable[[], object]:
    store = open_store("s3://data/prefix", S3Access(endpoint=f"http://127.0.0.1:{port}"))
    return lambda: store.get("a")


def glue(port: int) -> Callable[[], object]:
    metastore = connect(
        f"glue://eu-west-1?location=s3://data/p&glue_endpoint_url=http://127.0.0.1:{port}"
    ).metastore
    assert isinstance(metastore, GlueMetastore)
    return metastore.databases


def hive(port: int) -> Callable[[], object]:
    """A metastore that was reached before: one that never was is likely named wrongly."""
    clients = HiveClients(Address.parse(f"127.0.0.1:{port}", {}))
    clients._reached = True
    return lambda: clients.call(lambda client: client.get_all_databases())


def timed(call: Callable[[], object], seconds: float) -> tuple[float, object]:
    begin = time.monotonic()
    with timeouts_of(seconds):
        try:
            found = call()
        except sfx.WarehouseUnavailable as error:
            found = error
    return time.monotonic() - begin, found


def callers(stack: ExitStack) -> dict[str, Callable[[], object]]:
    """Calls to each kind of server that does not answer."""
    ports = {name: stack.enter_context(server()) for name, server in SERVERS.items()}
    calls = {f"s3 {name}": s3(port) for name, port in ports.items()}
    for name in ("refuses", "is silent"):
        calls |= {f"glue {name}": glue(ports[name]), f"hive {name}": hive(ports[name])}
    return calls


SERVERS = {
    "refuses": refusing,
    "is silent": hanging,
    "stops in the body": hanging_in_the_body,
    "is a black hole": black_hole,
}


def test_waits_last_as_long_as_the_page_says_and_a_server_back_in_twenty_seconds_is_used() -> None:
    with ExitStack() as stack, ThreadPoolExecutor(32) as pool:
        calls = callers(stack)
        waiting = {
            seconds: {name: pool.submit(timed, call, seconds) for name, call in calls.items()}
            for seconds in (PAGE, TRY_SECONDS)
        }
        store = open_store(
            "s3://data/prefix",
            S3Access(endpoint=f"http://127.0.0.1:{stack.enter_context(back_after(20))}"),
        )
        read = pool.submit(timed, lambda: store.get("a"), TRY_SECONDS)
        created = pool.submit(timed, lambda: store.put_if_absent("b", b"1"), TRY_SECONDS)
        assert (read.result()[1], created.result()[1]) == (b"ok", True)
        assert all(18 <= one.result()[0] <= 20 + SLACK for one in (read, created))
        for seconds, futures in waiting.items():
            found = {name: future.result() for name, future in futures.items()}
            took = {name: round(taken, 1) for name, (taken, _) in found.items()}
            assert all(
                isinstance(error, sfx.WarehouseUnavailable) for _, error in found.values()
            ), found
            assert all(seconds - 1 <= taken <= seconds + SLACK for taken in took.values()), took


def test_the_limits_are_those_that_the_page_says() -> None:
    rows = re.findall(r"^\|(.+?)\|(.*?)\|(.*?)\|$", (ROOT / "docs/s3.md").read_text(), re.MULTILINE)
    said = {what: (task.strip(), page.strip()) for what, task, page in rows if task.endswith(" s ")}

    def limits(choose: Callable[[Timeouts], float]) -> tuple[str, str]:
        return f"{choose(Timeouts()):.0f} s", f"{choose(Timeouts(PAGE)):.0f} s"

    assert list(said.values()) == [
        limits(lambda one: one.total),
        limits(lambda one: one.connect),
        limits(lambda one: one.answer),
        (f"{UPLOAD_SECONDS:.0f} s", f"{Timeouts(PAGE).answer:.0f} s"),
    ]
    access = (ROOT / "airflow_sfx/plugin/web/security.py").read_text()
    assert f"RETRY_SECONDS = {PAGE}" in access
