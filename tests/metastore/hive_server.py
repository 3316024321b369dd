"""The Hive Metastore of the tests: emptied before each test that uses it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from hmsclient.genthrift.hive_metastore import ttypes

from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.metastore.hive.metastore import HiveMetastore
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.metastore.backend import PLACE, Backend


def drop_databases(address: str) -> None:
    """Remove all tables from a metastore; the files of external tables stay."""
    clients = HiveClients(Address.parse(address, {}))
    for name in clients.call(lambda client: client.get_all_databases()):
        if name == "default":  # cannot be dropped
            for table in clients.call(lambda client: client.get_all_tables("default")):
                clients.call_once(
                    lambda client, table=table: client.drop_table("default", table, False)
                )
        else:
            clients.call_once(lambda client, name=name: client.drop_database(name, False, True))


def warehouse_on(hosts: str) -> Warehouse:
    """A warehouse with a directory of its own."""
    return connect(f"hive://{hosts}?location=s3://warehouse/servers/{uuid.uuid4().hex}")


def _empty(request: pytest.FixtureRequest, _: Path) -> str:
    address: str = request.getfixturevalue("hive_address")
    drop_databases(address)
    return address


def _add_foreign(place: str, values: Sequence[str], location: str) -> None:
    clients = HiveClients(Address.parse(place, {}))
    table = clients.call(lambda client: client.get_table("sales", "items"))
    table.sd.location = location
    new = ttypes.Partition(
        dbName="sales", tableName="items", values=list(values), sd=table.sd, parameters={}
    )
    clients.call_once(lambda client: client.add_partition(new))


HIVE = Backend(
    empty=_empty,
    open=lambda place: HiveMetastore(Address.parse(place, {}), PLACE),
    add_foreign=_add_foreign,
)
