"""Limits of requests to the page, and errors that it must not answer with."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.plugin.web import comparison_queue
from airflow_sfx.plugin.web.comparison_queue import (
    AT_ONCE,
    MEMORY,
    ComparisonQueue,
    TooManyComparisons,
)

ROWS = 4_000_000
HOSTILE = [
    "",
    "\x00",
    "é\u202e",
    "..",
    "a/b",
    "' OR 1=1 --",
    "x" * 600,
    "-1",
    "0",
    "1",
    "9" * 30,
    "1e400",
    "nan",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-12:00",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2013-01-01T00:00:00+23:59",
    "99999-01-01T00:00:00Z",
    "-999999999",
    "1e18",
    "20130101",
    "20130101000000",
    "99999999999999",
    "٢٠١٣٠١٠١٠٠٠٠٠٠",
    "true",
    "null",
    "limits.small",
    "limits",
    "small",
    "n",
]


@pytest.fixture(scope="module")
def small(scheduler) -> sfx.Warehouse:
    """A table with two batches of a partition."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    for rows in (2, 3):
        frame = pd.DataFrame({"day": "20130101", "n": range(rows)})
        warehouse.store_dataframe(frame, "limits", "small", partition_by=["day"])
    return warehouse


def stored(
    warehouse: sfx.Warehouse, name: str, before: pa.Table, after: pa.Table
) -> dict[str, str]:
    """Two batches of a table, as a comparison is asked for."""
    pins = [warehouse.store_dataframe(one, "limits", name) for one in (before, after)]
    assert sum(one.bytes for pin in pins for one in warehouse.manifests(pin)) < 64 << 20
    return {"before": pins[0].batch_id, "after": pins[1].batch_id}


def of_numbers(seed: int, rows: int, columns: int) -> pa.Table:
    """Numbers that are all different: nothing takes more memory to compare."""
    random = np.random.default_rng(seed)
    return pa.table({f"n{number}": random.integers(0, 1 << 60, rows) for number in range(columns)})


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Measure by how many bytes the memory of a process and its children grows.

    The peak is known once the block has ended.
    """
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]

    def now() -> int:
        return sum(one.memory_info().rss for one in family)

    begun, most, over = now(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], now() - begun)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def processor_seconds(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def test_small_files_that_unpack_to_gigabytes_are_refused_before_they_are_read(
    scheduler, small, client
) -> None:
    same = {f"n{number}": pa.array(np.full(ROWS, number)) for number in range(5)}
    categories = pa.DictionaryArray.from_arrays(np.zeros(ROWS, "int32"), pa.array(["x" * 1000]))
    asked = {
        "runs": stored(
            small, "runs", pa.table(same), pa.table({**same, "n0": pa.array(np.full(ROWS, 7))})
        ),
        "texts": stored(
            small, "texts", pa.table({"t": categories}), pa.table({"t": categories.slice(1)})
        ),
    }
    with (
        client("viewer") as viewer,
        watched(scheduler.pid("api-server")) as grown,
        ThreadPoolExecutor(8) as pool,
    ):
        paths = [(f"tables/limits/{name}/diff", query) for name, query in asked.items()] * 4
        answers = list(pool.map(lambda one: viewer.get(one[0], params=one[1]), paths))
    assert [one.status_code for one in answers] == [400] * 8
    assert all("run `sfx diff`" in one.json()["message"] for one in answers)
    assert grown[0] < 200 << 20


def test_many_comparisons_at_once_take_the_memory_of_two(scheduler, small, client) -> None:
    query = stored(small, "allowed", of_numbers(1, 600_000, 5), of_numbers(2, 600_000, 5))
    with client("viewer") as viewer, client("op") as op, client("admin") as admin:
        asking = [viewer] * 14 + [op, admin]
        with watched(scheduler.pid("api-server")) as grown, ThreadPoolExecutor(16) as pool:
            answers = list(
                pool.map(lambda one: one.get("tables/limits/allowed/diff", params=query), asking)
            )
    busy = [one for one in answers if one.status_code != 200]
    assert len(busy) < 16
    assert busy, (
        "fourteen of one user one after the other take longer than a request waits for its turn"
    )
    assert {one.status_code for one in busy} <= {429, 503}
    assert all(
        one.json()["error"] == "Busy" and int(one.headers["retry-after"]) > 0 for one in busy
    )
    assert grown[0] < AT_ONCE * MEMORY + (100 << 20)


def test_a_comparison_ends_when_whoever_asked_for_it_has_left(scheduler, small, client) -> None:
    query = stored(small, "wide", of_numbers(1, 30_000, 90), of_numbers(2, 30_000, 90))
    pid = scheduler.pid("api-server")
    with client("viewer") as viewer:
        viewer.get("tables/limits/wide/diff", params=query)  # so that all modules are there
        begun = processor_seconds(pid)
        assert viewer.get("tables/limits/wide/diff", params=query).status_code == 200
        whole = processor_seconds(pid) - begun
        begun = processor_seconds(pid)
        with pytest.raises(httpx.ReadTimeout):
            viewer.get("tables/limits/wide/diff", params=query, timeout=0.15)
        time.sleep(2 * whole)
        left = processor_seconds(pid) - begun
        assert viewer.get("tables/limits/wide/diff", params=query).status_code == 200
    assert left < 0.5 * whole, "Airflow itself uses some of it"


def test_a_user_has_one_turn_at_a_time_and_only_so_many_users_have_one(monkeypatch) -> None:
    monkeypatch.setattr(comparison_queue, "WAIT_SECONDS", 0.3)

    async def refused(turns: ComparisonQueue, user: str) -> int:
        with pytest.raises(TooManyComparisons) as error:
            async with turns.of(user):
                raise AssertionError("it is not their turn")
        return error.value.status

    async def all_of_it() -> None:
        turns = ComparisonQueue()
        async with turns.of("ada"):
            assert await refused(turns, "ada") == 429
            async with turns.of("bob"):
                assert await refused(turns, "cy") == 503
        async with turns.of("ada"), turns.of("cy"):
            pass

    asyncio.run(all_of_it())


def test_no_question_is_answered_by_an_error_of_the_server(small, client) -> None:
    with client("viewer") as viewer, client("op", **{"X-SFX-Request": "test"}) as op:
        described = viewer.get("../openapi.json").json()
        operations = [
            (path, *one) for path, methods in described["paths"].items() for one in methods.items()
        ]
        texts = st.sampled_from(HOSTILE) | st.text(max_size=20)
        batches = [entry.batch_id for entry in small.history("limits", "small", ["20130101"])]
        valid = {
            "db": st.just("limits"),
            "table": st.just("small"),
            "partition": st.just("20130101"),
            "since": st.just("2013-01-01T00:00:00Z"),
            **{
                name: st.sampled_from(batches)
                for name in ("before", "after", "batch_id", "to", "expected")
            },
        }

        def of(name: str) -> st.SearchStrategy[str]:
            return valid[name] | texts if name in valid else texts

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def ask(data: st.DataObject) -> None:
            path, method, operation = data.draw(st.sampled_from(operations))
            parameters = operation.get("parameters", ())
            steps = {
                one["name"]: data.draw(of(one["name"])) for one in parameters if one["in"] == "path"
            }
            query = {
                one["name"]: data.draw(of(one["name"]))
                for one in parameters
                if one["in"] == "query" and (one["required"] or data.draw(st.booleans()))
            }
            address = path.removeprefix("/api/").format(
                **{k: quote(v, safe="") for k, v in steps.items()}
            )
            body = None
            if method == "post":
                schema = operation["requestBody"]["content"]["application/json"]["schema"][
                    "$ref"
                ].rpartition("/")[2]
                names = described["components"]["schemas"][schema]["properties"]
                odd = texts | st.none() | st.integers() | st.lists(texts, max_size=2)
                body = {
                    name: data.draw(valid.get(name, odd) | odd)
                    for name in names
                    if data.draw(st.booleans())
                }
            asker = op if method == "post" else viewer
            answer = asker.request(method, address, params=query, json=body)
            assert answer.status_code < 500, (method, address, query, body, answer.text)
            if answer.status_code >= 400 and "json" in answer.headers.get("content-type", ""):
                assert answer.json().get("message") or answer.json().get("detail")

        ask()
        for since, until in (
            ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00"),
            ("9999-12-31T23:59:59.999999-12:00", "0001-01-01T00:00:00+14:00"),
        ):
            told = viewer.get("changes", params={"since": since, "until": until})
            assert told.status_code == 200
            assert bool(told.json()["changes"]) == (since < until)
        for offset, status in ((10_000, 200), (10_001, 422), (10**30, 422), (-1, 422)):
            for path, query in (
                ("changes", {"since": "2013-01-01T00:00:00Z"}),
                ("runs", {"dag_id": "a", "run_id": "b"}),
            ):
                assert viewer.get(path, params={**query, "offset": offset}).status_code == status
