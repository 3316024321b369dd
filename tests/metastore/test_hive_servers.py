"""Hive Metastores unlike the stack's.

A newer one, one without locks, several hosts, and one that is down.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import pytest
from hmsclient.genthrift.hive_metastore import ttypes

import airflow_sfx as sfx
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.metastore.hive import client as hive_client, locks as hive_locks
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.metastore.hive.locks import HiveLocks
from airflow_sfx.metastore.hive.metastore import HiveMetastore
from airflow_sfx.metastore.hive.requests import server_errors
from airflow_sfx.stack import hive_metastore, process, s3_server
from airflow_sfx.stack.settings import settle
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.faults.proxy import proxy
from tests.metastore.hive_server import warehouse_on


def store_change_and_roll_back(warehouse: Warehouse) -> None:
    first = warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), "servers", "items", ["20161031"], partition_keys=["day"]
    )
    warehouse.store_dataframe(pd.DataFrame({"n": [2]}), "servers", "items", ["20161031"])
    assert warehouse.load_dataframe("servers", "items", ["20161031"])["n"].tolist() == [2]
    warehouse.rollback("servers", "items", ["20161031"], to=first.batch_id)
    assert warehouse.load_dataframe("servers", "items", ["20161031"])["n"].tolist() == [1]


class _Forwarding:
    """A client that gets the answers of another metastore."""

    def __init__(self, address: str) -> None:
        self._clients = HiveClients(Address.parse(address, {}))
        self.calls: list[str] = []
        self.limit = -1

    def __getattr__(self, name: str) -> Any:
        from hmsclient.genthrift.hive_metastore.ttypes import MetaException

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name == "get_partitions" and 0 <= self.limit < arguments[2]:
                limit = "hive.metastore.limit.partition.request"
                said = f"number of partitions exceeds limit {self.limit}, {limit}"
                raise MetaException(said)
            return self._clients.call_once(lambda client: getattr(client, name)(*arguments))

        return call


@contextlib.contextmanager
def metastore_without(missing: str, address: str) -> Iterator[tuple[int, _Forwarding]]:
    """A Thrift server that passes all calls on, but for one that it does not know."""
    from hmsclient.genthrift.hive_metastore import ThriftHiveMetastore
    from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory
    from thrift.server.TServer import TThreadedServer
    from thrift.transport.TSocket import TServerSocket
    from thrift.transport.TTransport import TBufferedTransportFactory

    handler = _Forwarding(address)
    processor = ThriftHiveMetastore.Processor(handler)
    del processor._processMap[missing]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listener = TServerSocket("127.0.0.1", port)
    server = TThreadedServer(
        processor, listener, TBufferedTransportFactory(), TBinaryProtocolFactory(), daemon=True
    )
    threading.Thread(target=server.serve, daemon=True).start()
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
    yield port, handler
    listener.close()


def test_a_metastore_without_the_old_get_table_is_asked_with_a_request(clean_address) -> None:
    with metastore_without("get_table", clean_address) as (port, handler):
        store_change_and_roll_back(warehouse_on(f"127.0.0.1:{port}"))
    assert "get_table_req" in handler.calls
    assert "get_table" not in handler.calls


def test_a_metastore_that_limits_requests_is_asked_for_what_there_is(clean_address) -> None:
    with metastore_without("get_table", clean_address) as (port, handler):
        handler.limit = 100
        warehouse = warehouse_on(f"127.0.0.1:{port}")
        store_change_and_roll_back(warehouse)
        assert warehouse.repair("servers", "items") == []
    assert handler.calls.count("get_partitions") == 2


def test_the_hosts_are_tried_in_turn(clean_address) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    store_change_and_roll_back(warehouse_on(f"127.0.0.1:{nobody},{clean_address}"))


def test_the_next_host_is_used_when_the_present_one_goes(clean_address) -> None:
    with proxy(int(clean_address.rpartition(":")[2]), {"reset": 1.0}, seed=1) as first:
        first.quiet = True
        warehouse = warehouse_on(f"127.0.0.1:{first.port},{clean_address}")
        warehouse.store_dataframe(
            pd.DataFrame({"n": [1]}), "servers", "items", ["20161031"], partition_keys=["day"]
        )
        assert first.accepted > 0
        first.close()
        first.quiet = False
        warehouse.store_dataframe(pd.DataFrame({"n": [2]}), "servers", "items", ["20161031"])
    assert warehouse.load_dataframe("servers", "items", ["20161031"])["n"].tolist() == [2]


def test_a_warehouse_that_nobody_uses_any_more_leaves_no_connection_open(clean_address) -> None:
    warehouse = warehouse_on(clean_address)
    warehouse.tables()
    assert isinstance(warehouse.metastore, HiveMetastore)
    handle = weakref.ref(warehouse.metastore._clients._idle[0][1][1].handle)
    del warehouse
    gc.collect()
    assert handle() is None, "a socket that nobody has any more is closed"


def test_a_connection_that_was_opened_ahead_is_the_one_that_the_next_call_uses(
    clean_address,
) -> None:
    with proxy(int(clean_address.rpartition(":")[2]), {}, seed=1) as counted:
        metastore = warehouse_on(f"127.0.0.1:{counted.port}").metastore
        metastore.get_ready()
        metastore.databases()
        assert counted.accepted == 1
        metastore.get_ready()
        metastore.databases()
        assert counted.accepted == 1


def test_a_connection_that_nobody_used_for_long_is_not_used_again(
    clean_address, monkeypatch
) -> None:
    with proxy(int(clean_address.rpartition(":")[2]), {}, seed=1) as counted:
        metastore = warehouse_on(f"127.0.0.1:{counted.port}").metastore
        metastore.databases()
        monkeypatch.setattr(hive_client, "IDLE_SECONDS", 0.0)
        metastore.databases()
        assert counted.accepted == 2


@pytest.mark.timeout(60)  # much less than the patience for a metastore that has been there
def test_a_metastore_that_is_not_there_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    warehouse = connect(f"hive://127.0.0.1:{nobody}?location=s3://warehouse/x")
    warehouse.metastore.get_ready()  # reports no error
    with pytest.raises(sfx.WarehouseUnavailable, match=f"127.0.0.1:{nobody}"):
        warehouse.tables()


@pytest.fixture
def address_without_locks(tmp_path) -> Iterator[str]:
    """Start a metastore whose database has no lock tables, as Spark creates it."""
    own = settle(tmp_path, {})
    hive_metastore._locks_created(own).parent.mkdir()
    hive_metastore._locks_created(own).touch()
    daemon = process.start("hive-metastore", hive_metastore.command(own), tmp_path, {})
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", own.metastore_port), 1),
        ):
            break
        time.sleep(0.2)
    yield f"127.0.0.1:{own.metastore_port}"
    process.stop(daemon, tmp_path)


_DIES_HOLDING = """
import os, signal, sys
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.metastore.hive.locks import HiveLocks
from hmsclient.genthrift.hive_metastore import ttypes
locks = HiveLocks(HiveClients(Address.parse(sys.argv[1], {})))
with locks.held(TableRef("servers", "items"), None):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_writer_that_died_is_ended_by_the_next_and_no_other_is(
    clean_address, monkeypatch
) -> None:
    """Hive's own metastore never ends it: it would make every later writer wait."""
    monkeypatch.setattr(hive_locks, "EXPIRE_SECONDS", 4.0)
    monkeypatch.setattr(hive_locks, "RENEW_SECONDS", 0.5)
    monkeypatch.setattr(hive_locks, "WAIT_SECONDS", 30.0)
    subprocess.run([sys.executable, "-c", _DIES_HOLDING, clean_address], check=False, timeout=60)
    ref, locks = (
        TableRef("servers", "items"),
        HiveLocks(HiveClients(Address.parse(clean_address, {}))),
    )
    with locks.held(ref, "20161031") as first:
        monkeypatch.setattr(hive_locks, "WAIT_SECONDS", 4.0)
        with locks.held(ref, None) as second:
            pass
    assert first.lasted, "the lock of the dead was waited for until it was given up"
    assert not second.lasted, "a lock that is renewed is ended by nobody"


def locks_shown(clean_address: str) -> int:
    clients = HiveClients(Address.parse(clean_address, {}))
    wanted = ttypes.ShowLocksRequest(dbname="servers", tablename="items" + hive_locks.SUFFIX)
    return len(clients.call(lambda client: client.show_locks(wanted)).locks or [])


def test_a_lock_that_is_asked_for_ahead_is_held_where_it_is_used_and_given_back_where_it_is_not(
    clean_address,
) -> None:
    ref, locks = (
        TableRef("servers", "items"),
        HiveLocks(HiveClients(Address.parse(clean_address, {}))),
    )
    with locks.ahead(ref, "20161031") as lock:
        with lock() as hold:
            assert locks_shown(clean_address) == 1
        assert hold.lasted
        assert locks_shown(clean_address) == 0
    with locks.ahead(ref, "20161031"):
        pass
    assert locks_shown(clean_address) == 0


def test_a_lock_that_is_not_wanted_any_more_is_not_waited_for(clean_address) -> None:
    ref = TableRef("servers", "items")
    locks, others = (HiveLocks(HiveClients(Address.parse(clean_address, {}))) for _ in range(2))
    with others.held(ref, "20161031") as theirs:
        begun = time.monotonic()
        with locks.ahead(ref, "20161031"):
            time.sleep(0.3)  # it is asked for, and waits
        assert time.monotonic() - begun < hive_locks.WAIT_SECONDS / 2
        assert locks_shown(clean_address) == 1, "the one that waited was given back, too"
    assert theirs.lasted


def test_a_commit_asks_for_the_lock_while_it_writes_down_what_it_will_do(
    clean_address, monkeypatch
) -> None:
    warehouse = warehouse_on(clean_address)
    store_change_and_roll_back(warehouse)
    seen: list[int] = []
    original = PartitionLog.create

    def placed(*arguments: Any) -> bool:
        give_up = time.monotonic() + 10
        while not locks_shown(clean_address) and time.monotonic() < give_up:
            time.sleep(0.02)
        seen.append(locks_shown(clean_address))
        return original(*arguments)

    monkeypatch.setattr(PartitionLog, "create", placed)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "servers", "items", ["20161031"])
    assert seen == [1]
    assert locks_shown(clean_address) == 0


def test_a_writer_that_slept_while_its_lock_was_ended_knows_and_its_caller_looks_again(
    clean_address, monkeypatch
) -> None:
    warehouse = warehouse_on(clean_address)
    store_change_and_roll_back(warehouse)
    assert isinstance(warehouse.metastore, HiveMetastore)
    ref, others = (
        TableRef("servers", "items"),
        HiveLocks(HiveClients(Address.parse(clean_address, {}))),
    )
    (there,) = warehouse.metastore.get_partitions(ref).values()
    assert warehouse.metastore.repoint(ref, [there])
    original = warehouse.metastore._move

    def asleep(*arguments: Any) -> bool:
        time.sleep(1.0)
        with others.held(ref, None) as theirs:
            pass
        assert theirs.lasted
        return original(*arguments)

    monkeypatch.setattr(hive_locks, "CERTAIN_SECONDS", 0.4)
    monkeypatch.setattr(hive_locks, "EXPIRE_SECONDS", 0.5)
    warehouse.metastore._move = asleep  # type: ignore[method-assign]
    assert not warehouse.metastore.repoint(ref, [there])


WHOLE = TableInfo(
    TableRef("servers", "whole"), "s3://warehouse/servers/whole", (Column("n", "bigint"),), ()
)


def move_to(metastore: HiveMetastore, version: int) -> None:
    place = f"{WHOLE.location}/{version}"
    metastore.repoint(
        WHOLE.ref,
        [PartitionInfo(Partition(), place, version, "20161101002256", 3, 40, "2016-11-01")],
    )


def add_column(metastore: HiveMetastore, name: str) -> None:
    metastore.update_table(
        WHOLE.ref, lambda info: replace(info, columns=(*info.columns, Column(name, "string")))
    )


def crossed(metastore: HiveMetastore, others: Callable[[], None]) -> HiveMetastore:
    """Let others change a table after this metastore's next read, before its write."""
    look = metastore._existing

    def look_and_be_crossed(ref: TableRef) -> Any:
        table = look(ref)
        metastore._existing = look  # type: ignore[method-assign]
        others()
        return table

    metastore._existing = look_and_be_crossed  # type: ignore[method-assign]
    return metastore


def test_without_locks_no_change_of_a_table_writes_back_what_it_was_before_another(
    address_without_locks,
) -> None:
    """A table without partitions is written whole for columns and for pointers."""
    address = Address.parse(address_without_locks, {})
    one, other = (HiveMetastore(address, "s3://warehouse/servers") for _ in range(2))
    assert one.create_table(WHOLE) == WHOLE
    columns = {"n"}
    version = 0
    for turn in range(2):  # a table that was never written, and one that was
        columns |= {f"a{turn}", f"b{turn}", f"c{turn}", f"d{turn}"}
        version += 3
        move_to(crossed(one, partial(add_column, other, f"a{turn}")), version - 2)
        add_column(crossed(one, partial(move_to, other, version - 1)), f"b{turn}")
        add_column(crossed(one, partial(add_column, other, f"c{turn}")), f"d{turn}")
        move_to(crossed(one, partial(move_to, other, version)), version - 1)
        (pointer,) = other.get_partitions(WHOLE.ref).values()
        assert (pointer.version, pointer.location) == (version, f"{WHOLE.location}/{version}")
        info = other.get_table(WHOLE.ref)
        assert info is not None
        assert {column.name for column in info.columns} == columns


@pytest.mark.parametrize("first", ["move", "change"])
def test_a_table_of_an_earlier_version_is_changed_and_guarded_from_then_on(
    address_without_locks, first
) -> None:
    clients = HiveClients(Address.parse(address_without_locks, {}))
    one, other = (
        HiveMetastore(Address.parse(address_without_locks, {}), "s3://warehouse/servers")
        for _ in range(2)
    )
    one.create_table(WHOLE)
    move_to(one, 1)
    table = clients.call(lambda client: client.get_table("servers", "whole"))
    table.parameters.pop("sfx.version", None)
    clients.call_once(lambda client: client.alter_table("servers", "whole", table))
    move_to(crossed(one, partial(move_to, other, 3)), 2)
    if first == "move":
        move_to(crossed(one, partial(add_column, other, "a")), 4)
    else:
        add_column(crossed(one, partial(move_to, other, 4)), "a")
    (pointer,) = other.get_partitions(WHOLE.ref).values()
    info = other.get_table(WHOLE.ref)
    assert info is not None
    assert (pointer.version, {column.name for column in info.columns}) == (4, {"n", "a"})


def test_without_lock_tables_the_logs_keep_the_order(stack, address_without_locks, caplog) -> None:
    assert s3_server.ready(stack)
    caplog.set_level("INFO")
    warehouse = warehouse_on(address_without_locks)
    store_change_and_roll_back(warehouse)
    assert sum("has no locks" in line for line in caplog.messages) == 1
    marks = range(24)

    def store(mine: range) -> None:
        for mark in mine:
            warehouse.store_dataframe(pd.DataFrame({"n": [mark]}), "servers", "items", ["20161031"])

    threads = [threading.Thread(target=store, args=(marks[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = warehouse.history("servers", "items", ["20161031"], limit=None)
    assert len(entries) == 3 + len(marks)
    batches = [entry.batch_id for entry in entries if entry.operation == "store"]
    assert len(set(batches)) == len(batches)
    (pin,) = warehouse.pin("servers", "items", ["20161031"]).batches.values()
    assert pin == entries[0].batch_id


def test_values_that_the_database_does_not_tell_apart_are_refused_and_never_taken_for_each_other(
    clean_address,
) -> None:
    warehouse = warehouse_on(clean_address)
    frame = pd.DataFrame({"n": [1]})
    pin = warehouse.store_dataframe(frame, "servers", "spaces", ["t"])
    with pytest.raises(sfx.InvalidName, match=r"'t ' ends with a space.*'t': strip it"):
        warehouse.store_dataframe(frame, "servers", "spaces", ["t "])
    with pytest.raises(sfx.InvalidName, match="ends with a space"):
        warehouse.store_dataframe(
            pd.DataFrame({"partition": ["t", "t ", "u"], "n": 1}),
            "servers",
            "spaces",
            partition_by=["partition"],
        )
    for call in (warehouse.load_dataframe, warehouse.rollback, warehouse.pin):
        with pytest.raises(sfx.PartitionNotFound):
            call("servers", "spaces", ["t "])
    assert warehouse.pin("servers", "spaces") == pin
    assert warehouse.repair("servers", "spaces") == []


def test_a_table_that_two_make_at_once_is_made_once_though_one_of_them_fails_inside(
    clean_address, monkeypatch
) -> None:
    one, other = warehouse_on(clean_address), warehouse_on(clean_address)
    ours = TableInfo(
        TableRef("servers", "made"),
        f"{one.store.uri}/servers.db/made",
        (Column("n", "bigint"),),
        (),
    )
    one.metastore._make_database("servers")
    tell, failed = one.metastore._call_once, []

    def failing(action, **options):
        if failed:
            return tell(action, **options)
        # The other comes first, so this one finds its directory.
        failed.append(other.metastore.create_table(ours))
        with server_errors(one.metastore._clients):
            raise ttypes.MetaException("Got exception: chmod: cannot access 'made'")

    monkeypatch.setattr(one.metastore, "_call_once", failing)
    assert one.metastore.create_table(ours) == ours
    assert failed == [ours]


def test_a_long_message_of_a_metastore_is_shown_in_part() -> None:
    clients = HiveClients(Address.parse("127.0.0.1:1", {}))
    with (
        pytest.raises(sfx.WarehouseUnavailable, match="SELECT A FROM B .*…. Check that") as found,
        server_errors(clients),
    ):
        raise ttypes.MetaException("SELECT A FROM B " + "OR (PART_NAME = ?) " * 1000)
    assert len(str(found.value)) < 1000
