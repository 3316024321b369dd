"""What every metastore promises, on every metastore."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_sfx.core.errors import TableNotFound, WarehouseUnavailable
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.embedded import EmbeddedMetastore
from airflow_sfx.metastore.metastore import Metastore, PartitionInfo, TableInfo
from tests.warehouse.faults import FORKS

REF = TableRef("sales", "items")
INFO = TableInfo(REF, "file:///w/sales.db/items", (Column("n", "bigint"),), (PartitionKey("day"),), {"a": "b"})
OPENERS = {"embedded": lambda folder: EmbeddedMetastore(f"{folder}/metastore.sqlite")}


@pytest.fixture(params=OPENERS)
def metastore(request, tmp_path) -> Metastore:
    return OPENERS[request.param](tmp_path)


def pointer(value: str, sequence: int, place: str = "x") -> PartitionInfo:
    return PartitionInfo(
        Partition((value,)), f"file:///w/{place}", sequence, "20161101002256", 3, 40, "2016-11-01T00:22:57+00:00"
    )


def test_a_table_that_is_made_is_there_and_making_it_again_changes_nothing(metastore: Metastore) -> None:
    assert metastore.get_table(REF) is None
    assert metastore.create_table(INFO) == INFO
    assert metastore.create_table(replace(INFO, columns=())) == INFO
    assert metastore.get_table(REF) == INFO
    assert (metastore.databases(), metastore.tables("sales"), metastore.tables("none")) == (["sales"], ["items"], [])


def test_partitions_come_back_as_they_were_pointed(metastore: Metastore) -> None:
    metastore.create_table(INFO)
    pointers = [pointer(value, 1) for value in ("b", "a", "Köln 1/2", "x" * 255)]
    metastore.repoint(REF, pointers)
    assert metastore.get_partitions(REF) == {p.partition: p for p in pointers}
    assert metastore.get_partitions(REF, [Partition(("a",)), Partition(("z",))]) == {pointers[1].partition: pointers[1]}
    assert metastore.get_partitions(TableRef("sales", "none")) == {}


def test_two_thousand_partitions_are_read_in_bulk(metastore: Metastore) -> None:
    metastore.create_table(INFO)
    metastore.repoint(REF, [pointer(f"{number:05d}", 1) for number in range(2000)])
    wanted = [Partition((f"{number:05d}",)) for number in range(0, 2000, 2)]
    assert list(metastore.get_partitions(REF, wanted)) == wanted
    assert len(metastore.get_partitions(REF)) == 2000


def test_a_pointer_never_moves_back(metastore: Metastore) -> None:
    metastore.create_table(INFO)
    metastore.repoint(REF, [pointer("a", 5, "five")])
    metastore.repoint(REF, [pointer("a", 4, "four"), pointer("b", 1, "one")])
    found = {p.partition.values[0]: p.location for p in metastore.get_partitions(REF).values()}
    assert found == {"a": "file:///w/five", "b": "file:///w/one"}
    metastore.repoint(REF, [pointer("a", 6, "six")])
    assert metastore.get_partitions(REF)[Partition(("a",))].location == "file:///w/six"


def test_a_table_without_partitions_has_one_pointer(metastore: Metastore) -> None:
    metastore.create_table(replace(INFO, keys=()))
    metastore.repoint(REF, [replace(pointer("a", 1), partition=Partition())])
    assert list(metastore.get_partitions(REF)) == [Partition()]


def test_a_table_that_is_not_there_is_named(metastore: Metastore) -> None:
    with pytest.raises(TableNotFound, match=r"sales\.items"):
        metastore.repoint(REF, [pointer("a", 1)])
    with pytest.raises(TableNotFound):
        metastore.update_table(REF, lambda info: info)


def test_an_update_that_fails_changes_nothing(metastore: Metastore) -> None:
    metastore.create_table(INFO)
    with pytest.raises(ZeroDivisionError):
        metastore.update_table(REF, lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    assert metastore.update_table(REF, lambda info: replace(info, columns=())).columns == ()


def test_a_reader_never_sees_half_of_a_move(metastore: Metastore) -> None:
    metastore.create_table(INFO)
    names = [f"{number:03d}" for number in range(300)]
    metastore.repoint(REF, [pointer(name, 1, "1") for name in names])
    stop, seen = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            seen.append({p.location for p in metastore.get_partitions(REF).values()})

    thread = threading.Thread(target=watch)
    thread.start()
    for sequence in range(2, 30):
        metastore.repoint(REF, [pointer(name, sequence, str(sequence)) for name in names])
    stop.set()
    thread.join()
    assert len(seen) > 3
    assert all(len(locations) == 1 for locations in seen)


def add_columns(folder: Path, number: int) -> None:
    metastore = OPENERS["embedded"](folder)
    for turn in range(5):
        column = Column(f"c{number}_{turn}", "int")
        metastore.update_table(REF, lambda info, column=column: replace(info, columns=(*info.columns, column)))


def test_no_update_of_four_processes_is_lost(tmp_path) -> None:
    metastore = OPENERS["embedded"](tmp_path)
    metastore.create_table(INFO)
    processes = [FORKS.Process(target=add_columns, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    info = metastore.get_table(REF)
    assert info is not None
    assert len(info.columns) == 1 + 4 * 5


def use_in_child(metastore: Metastore) -> None:
    metastore.repoint(REF, [pointer("child", 1)])


def test_a_forked_child_uses_its_parents_metastore(tmp_path) -> None:
    metastore = OPENERS["embedded"](tmp_path)
    metastore.create_table(INFO)
    child = multiprocessing.get_context("fork").Process(target=use_in_child, args=(metastore,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    metastore.repoint(REF, [pointer("parent", 1)])
    assert len(metastore.get_partitions(REF)) == 2


def test_what_is_no_database_or_of_a_later_version_is_refused(tmp_path) -> None:
    (tmp_path / "metastore.sqlite").write_bytes(b"no database " * 500)
    with pytest.raises(WarehouseUnavailable, match=r"metastore\.sqlite"):
        OPENERS["embedded"](tmp_path)
    later = tmp_path / "later"
    later.mkdir()
    OPENERS["embedded"](later)
    with sqlite3.connect(later / "metastore.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(WarehouseUnavailable, match="later airflow_sfx"):
        OPENERS["embedded"](later)
