"""Column changes of a Hive table, in one step or two, lose nothing.

A writer may die in between, and another may change the table.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.metastore.hive import locks as hive_locks
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.warehouse.connect import connect
from tests.metastore.hive_server import warehouse_on

REF = TableRef("servers", "types")
BEFORE = pd.DataFrame({"d": [1], "c": ["1"], "e": [1.5]})
AFTER = BEFORE.assign(c=[dt.date(2016, 10, 31)])
TYPES = {"d": "bigint", "c": "date", "e": "double"}
COMMENTS = {"d": "the first", "c": "the changed", "e": "the last"}


@pytest.mark.parametrize(
    ("before", "after", "type_"),
    [
        ({"c": ["1"], "d": [1]}, {"c": [1], "d": [1]}, "bigint"),
        (
            {"d": [1], "c": [{"a": 1}]},
            {"d": [1], "c": [{"a": 1, "b": 2}]},
            "struct<a:bigint,b:bigint>",
        ),
    ],
    ids=["text to a number", "a field more"],
)
def test_types_that_the_metastore_compares_are_changed_in_two_steps(
    clean_address, before, after, type_
) -> None:
    warehouse = warehouse_on(clean_address)
    warehouse.store_dataframe(pd.DataFrame(before), "servers", "types", ["a"])
    pin = warehouse.store_dataframe(pd.DataFrame(after), "servers", "types", ["b"], evolve="any")
    assert warehouse.pin("servers", "types", ["b"]) == pin
    table, partition = seen_by_engines(clean_address, "types", "a")
    assert {field.name: field.type for field in table.sd.cols} == {"c": type_, "d": "bigint"}
    assert partition.sd.cols == table.sd.cols
    assert "sfx.columns" not in table.parameters


class Died(BaseException):
    """The death of a writer, as the writer sees it."""


def die_between_the_steps(uri: str) -> None:
    """Store `AFTER` in partition b with a writer that dies after removing columns."""
    dying = connect(uri)
    alter: Any = dying.metastore._alter_table  # type: ignore[attr-defined]

    def once(table: Any, seen: Any, *, cascade: bool) -> bool:
        done = alter(table, seen, cascade=cascade)
        if "sfx.columns" in table.parameters:
            raise Died
        return bool(done)

    dying.metastore._alter_table = once  # type: ignore[attr-defined]
    with pytest.raises(Died):
        dying.store_dataframe(AFTER, "servers", "types", ["b"], evolve="any")


def comment_columns(address: str) -> None:
    """Set comments of columns, as another program does."""
    clients = HiveClients(Address.parse(address, {}))
    table = clients.call(lambda client: client.get_table("servers", "types"))
    for field in table.sd.cols:
        field.comment = COMMENTS[field.name]
    clients.call_once(lambda client: client.alter_table("servers", "types", table))


def comments_of(columns: Any) -> dict[str, str]:
    return {field.name: field.comment for field in columns}


def store_another(warehouse: sfx.Warehouse) -> None:
    warehouse.store_dataframe(AFTER, "servers", "types", ["c"])


def widen(warehouse: sfx.Warehouse) -> None:
    warehouse.store_dataframe(AFTER.assign(f=1), "servers", "types", ["c"])


def repair(warehouse: sfx.Warehouse) -> None:
    (found,) = warehouse.repair("servers", "types")
    assert found.found == "a change of its columns was unfinished"
    assert warehouse.repair("servers", "types") == []


@pytest.mark.parametrize("complete", [store_another, widen, repair])
def test_whoever_comes_next_completes_a_change_of_types_whose_writer_died_between_the_steps(
    clean_address, complete
) -> None:
    warehouse = warehouse_on(clean_address)
    warehouse.store_dataframe(BEFORE, "servers", "types", ["a"])
    comment_columns(clean_address)
    die_between_the_steps(warehouse.uri)
    table, _ = seen_by_engines(clean_address, "types", "a")
    assert [field.name for field in table.sd.cols] == ["d"]
    assert {
        column.name: column.type for column in warehouse.show("servers", "types").columns
    } == TYPES
    complete(warehouse)
    table, partition = seen_by_engines(clean_address, "types", "a")
    there = {field.name: field.type for field in table.sd.cols}
    assert there == ({**TYPES, "f": "bigint"} if complete is widen else TYPES)
    assert {
        name: text for name, text in comments_of(table.sd.cols).items() if name in COMMENTS
    } == COMMENTS
    assert partition.sd.cols == table.sd.cols
    assert "sfx.columns" not in table.parameters


def test_comments_of_columns_outlive_every_change_of_them(clean_address) -> None:
    warehouse = warehouse_on(clean_address)
    warehouse.store_dataframe(BEFORE, "servers", "types", ["a"])
    comment_columns(clean_address)
    warehouse.store_dataframe(AFTER, "servers", "types", ["a"], evolve="any")  # in two steps
    warehouse.store_dataframe(AFTER.assign(f=1), "servers", "types", ["a"])  # in one
    table, partition = seen_by_engines(clean_address, "types", "a")
    assert comments_of(table.sd.cols) == comments_of(partition.sd.cols) == {**COMMENTS, "f": None}


def test_a_writer_that_looked_between_the_steps_notices_the_second(
    clean_address, monkeypatch
) -> None:
    """Without a lock, that is, or where it waited for one for too long."""
    monkeypatch.setattr(hive_locks, "WAIT_SECONDS", 0.2)
    first, second = (warehouse_on(clean_address).metastore for _ in range(2))
    columns = tuple(Column(name, type_) for name, type_ in {**TYPES, "c": "string"}.items())
    first.create_table(TableInfo(REF, "s3://warehouse/servers/types", columns, ()))
    comment_columns(clean_address)
    cut, looked, whole = (threading.Event() for _ in range(3))
    alter, look = first._alter_table, second._existing  # type: ignore[attr-defined]
    looks = []

    def alter_and_wait(table: Any, seen: Any, *, cascade: bool) -> bool:
        done = alter(table, seen, cascade=cascade)
        if "sfx.columns" in table.parameters:
            cut.set()
            assert looked.wait(30)
        return bool(done)

    def look_and_wait(ref: TableRef) -> Any:
        table = look(ref)
        looks.append(table)
        looked.set()
        assert whole.wait(30)
        return table

    first._alter_table, second._existing = alter_and_wait, look_and_wait  # type: ignore[attr-defined]
    retyped = tuple(Column(name, type_) for name, type_ in TYPES.items())
    theirs = threading.Thread(
        target=first.update_table,
        args=(REF, lambda info: replace(info, columns=retyped)),
        daemon=True,
    )
    added = Column("f", "bigint")
    mine = threading.Thread(
        target=second.update_table,
        args=(REF, lambda info: replace(info, columns=(*info.columns, added))),
        daemon=True,
    )
    theirs.start()
    assert cut.wait(30)
    mine.start()
    theirs.join(30)
    whole.set()
    mine.join(30)
    assert len(looks) == 2, "it wrote over what it had not seen"
    table = HiveClients(Address.parse(clean_address, {})).call(
        lambda client: client.get_table("servers", "types")
    )
    assert {field.name: field.type for field in table.sd.cols} == {**TYPES, "f": "bigint"}
    assert comments_of(table.sd.cols) == {**COMMENTS, "f": None}


def seen_by_engines(address: str, table: str, partition: str) -> tuple[Any, Any]:
    clients = HiveClients(Address.parse(address, {}))
    return clients.call(
        lambda client: (
            client.get_table("servers", table),
            client.get_partition("servers", table, [partition]),
        )
    )
