"""Writers and readers on S3 and Hive through connections that break.

A checker then reads the whole history.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.stack import down, status, up
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.faults.proxy import FaultProxy, proxy
from tests.metastore.hive_server import drop_databases

DAYS = ("20161031", "20161101")
ROWS = 30
CONNECTION_FAULTS = {"reset": 0.03, "lost reply": 0.03, "stall": 0.005}
HTTP_FAULTS = {**CONNECTION_FAULTS, "500": 0.02, "503": 0.04, "409": 0.01}
LAG = {"404": 0.5, "old list": 0.5}
LONG_STALLS = {"stall": 0.01}


@dataclass
class Done:
    """A commit as its writer saw it."""

    mark: int
    days: tuple[str, ...]
    began: float
    ended: float
    batches: dict[str, str] | None
    """The batch of each partition.

    None after an error: the commit has happened, will be completed by others, or never happens.
    """


@dataclass
class Run:
    """The commits and reads of all writers and readers."""

    done: list[Done] = field(default_factory=list)
    reads: int = 0
    torn: int = 0
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def frame(mark: int, days: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({"day": [day for day in days for _ in range(ROWS)], "mark": mark})


def write(uri: str, number: int, stores: int, run: Run) -> None:
    warehouse = connect(uri)
    choose = random.Random(number)
    for turn in range(stores):
        mark = number * 1000 + turn
        days = choose.choice([DAYS[:1], DAYS[1:], DAYS])
        began = time.monotonic()
        try:
            pin = warehouse.store_dataframe(
                frame(mark, days), "faulty", "items", partition_by=["day"]
            )
            batches = dict(pin.batches)
        except (sfx.WarehouseUnavailable, sfx.CommitConflict):
            batches = None
        with run.lock:
            run.done.append(
                Done(mark, days, began, time.monotonic() if batches else math.inf, batches)
            )


def read(uri: str, stop: threading.Event, run: Run) -> None:
    warehouse = connect(uri)
    while not stop.is_set():
        try:
            found = warehouse.load_dataframe("faulty", "items", [DAYS[0]])
        except Exception as error:
            run.failed.append(f"{type(error).__name__}: {error}")
        else:
            run.reads += 1
            run.torn += len(found) != ROWS or found["mark"].nunique() != 1


def check(warehouse: Warehouse, run: Run) -> None:
    """Check that the history is linearizable, complete, and without torn batches.

    No acknowledged commit is lost, and each partition has one order that fits real time.
    """
    by_mark = {one.mark: one for one in run.done}
    for day in DAYS:
        entries = warehouse.history("faulty", "items", [day], limit=None)[::-1]
        batches = [entry.batch_id for entry in entries]
        assert batches == sorted(set(batches))
        assert [entry.previous for entry in entries] == [None, *batches[:-1]]
        order = []
        for entry in entries:
            found = warehouse.load_dataframe("faulty", "items", [day], batch_id=entry.batch_id)
            assert len(found) == ROWS
            (mark,) = found["mark"].unique()
            order.append(by_mark[mark])
        acknowledged = {one.batches[day] for one in run.done if one.batches and day in one.batches}
        assert acknowledged <= set(batches), "an acknowledged commit is lost"
        assert len({one.mark for one in order}) == len(order), "a store was published twice"
        for place, one in enumerate(order):
            assert all(one.began < later.ended for later in order[place:]), (
                "the order is not that of real time"
            )
    for one in run.done:
        if len(one.days) > 1:
            there = [
                any(
                    e.batch_id == b for e in warehouse.history("faulty", "items", [day], limit=None)
                )
                for day, b in (one.batches or {}).items()
            ]
            assert len(set(there)) <= 1, "a change of two partitions happened by half"


def run_under(uri: str, *, writers: int, stores: int, run: Run | None = None) -> Run:
    run, stop = run or Run(), threading.Event()
    readers = [threading.Thread(target=read, args=(uri, stop, run)) for _ in range(2)]
    threads = [
        threading.Thread(target=write, args=(uri, number, stores, run))
        for number in range(1, writers + 1)
    ]
    for thread in (*readers, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    return run


@pytest.mark.parametrize("seed", [1, 2])
def test_no_commit_is_lost_and_no_read_fails_while_connections_break_and_servers_refuse(
    stack, seed: int
) -> None:
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    place = f"s3://warehouse/faulty/{uuid.uuid4().hex}"
    direct = connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    direct.store_dataframe(frame(0, DAYS), "faulty", "items", partition_by=["day"])
    with (
        proxy(stack.metastore_port, CONNECTION_FAULTS, seed=seed) as hive,
        proxy(stack.ports["s3"], HTTP_FAULTS, seed=seed) as s3,
    ):
        uri = (
            f"hive://127.0.0.1:{hive.port}?location={place}&endpoint_url=http://127.0.0.1:{s3.port}"
        )
        run = run_under(uri, writers=3, stores=15)
        faults = hive.done + s3.done
    assert {"reset", "lost reply", "503"} <= set(faults), faults
    check_all(direct, run, stack.metastore_port)


def test_objects_and_listings_that_are_seen_late_lose_no_commit_and_fail_no_read(stack) -> None:
    """Two seconds late, and only now and then: what a server answers jumps back and forth."""
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    place = f"s3://warehouse/late/{uuid.uuid4().hex}"
    direct = connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    direct.store_dataframe(frame(0, DAYS), "faulty", "items", partition_by=["day"])
    with proxy(stack.ports["s3"], LAG, seed=1, lag_seconds=2.0) as s3:
        uri = f"hive://127.0.0.1:{stack.metastore_port}?location={place}&endpoint_url=http://127.0.0.1:{s3.port}"
        stop = threading.Event()
        repairs = threading.Thread(target=repair_often, args=(uri, stop, run := Run()))
        repairs.start()
        run_under(uri, writers=3, stores=6, run=run)
        stop.set()
        repairs.join()
    check_all(direct, run, stack.metastore_port)
    assert set(LAG) <= set(s3.done), s3.done


def test_servers_that_stall_for_ten_seconds_lose_no_commit_and_fail_no_read(stack) -> None:
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    place = f"s3://warehouse/stall/{uuid.uuid4().hex}"
    direct = connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    direct.store_dataframe(frame(0, DAYS), "faulty", "items", partition_by=["day"])
    with (
        proxy(stack.metastore_port, LONG_STALLS, seed=1, stall_seconds=10.0) as hive,
        proxy(stack.ports["s3"], LONG_STALLS, seed=1, stall_seconds=10.0) as s3,
    ):
        uri = (
            f"hive://127.0.0.1:{hive.port}?location={place}&endpoint_url=http://127.0.0.1:{s3.port}"
        )
        run = run_under(uri, writers=2, stores=6)
        assert (hive.done + s3.done)["stall"] > 0
    check_all(direct, run, stack.metastore_port, reads=2)  # one stall is as long as the rest


def repair_often(uri: str, stop: threading.Event, run: Run) -> None:
    warehouse = connect(uri)
    while not stop.wait(0.05):
        try:
            warehouse.repair("faulty", "items")
        except Exception as error:
            run.failed.append(f"repair: {type(error).__name__}: {error}")


def check_all(direct: Warehouse, run: Run, metastore_port: int, *, reads: int = 10) -> None:
    """Run `check`, and check reads, pointers and locks."""
    run.done.append(Done(0, DAYS, -1.0, 0.0, None))
    assert run.failed == []
    assert run.torn == 0
    assert run.reads > reads
    assert sum(one.batches is not None for one in run.done) > len(run.done) // 2
    check(direct, run)
    direct.repair("faulty", "items")
    assert direct.repair("faulty", "items") == [] or all(
        not one.done for one in direct.repair("faulty", "items")
    )
    for day in DAYS:
        head = direct.history("faulty", "items", [day])[0]
        pointer = direct.metastore.get_partitions(sfx.TableRef("faulty", "items"))
        (current,) = [
            info.batch_id for partition, info in pointer.items() if partition.values == (day,)
        ]
        assert current == head.batch_id
    assert locks(metastore_port) == []


def test_a_metastore_that_dies_mid_commit_and_starts_again_loses_nothing(tmp_path, stack) -> None:
    """Only the metastore is a server of its own: the other tests' must not die."""
    own = up(tmp_path / "own")
    place = f"s3://warehouse/restart/{uuid.uuid4().hex}"
    uri = f"hive://127.0.0.1:{own.metastore_port}?location={place}&endpoint_url=http://127.0.0.1:{own.ports['s3']}"
    ended = threading.Event()
    restarts = 0

    def restart() -> None:
        nonlocal restarts
        while restarts < 2 and not ended.wait(1.0):
            (pid,) = [one.pid for one in status(own.directory) if one.name == "hive-metastore"]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            up(own.directory)
            restarts += 1

    try:
        direct = connect(uri)
        direct.store_dataframe(frame(0, DAYS), "faulty", "items", partition_by=["day"])
        killer = threading.Thread(target=restart)
        killer.start()
        run = run_under(uri, writers=2, stores=10)
        ended.set()
        killer.join()
        run.done.append(Done(0, DAYS, -1.0, 0.0, None))
        assert restarts > 0
        assert run.failed == []
        assert run.torn == 0
        assert sum(one.batches is not None for one in run.done) > len(run.done) // 2
        check(direct, run)
    finally:
        ended.set()
        down(own.directory)


def locks(port: int) -> list[str]:
    """The locks that are held, of this package's tables."""
    from hmsclient.genthrift.hive_metastore.ttypes import ShowLocksRequest

    clients = HiveClients(Address.parse(f"127.0.0.1:{port}", {}))
    found = clients.call(lambda client: client.show_locks(ShowLocksRequest())).locks or []
    return [f"{one.tablename} {one.partname}" for one in found if one.tablename.endswith("__sfx")]


def test_the_proxy_does_what_it_says(stack) -> None:
    with proxy(stack.metastore_port, {"reset": 1.0}, seed=1) as broken:
        clients = HiveClients(Address.parse(f"127.0.0.1:{broken.port}", {}))
        with pytest.raises(Exception, match="read 0 bytes|reset"):
            clients.call_once(lambda client: client.get_all_databases())
        broken.quiet = True
        assert "default" in clients.call(lambda client: client.get_all_databases())
        assert isinstance(broken, FaultProxy)
