"""The Hive Metastore of the tests: emptied before each test that uses it."""

from __future__ import annotations

import uuid

from airflow_sfx.metastore.hive_client import Address, HiveClients
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse


def drop_databases(address: str) -> None:
    """Remove all tables from a metastore; the files of external tables stay."""
    clients = HiveClients(Address.parse(address, {}))
    for name in clients.ask(lambda client: client.get_all_databases()):
        if name == "default":  # cannot be dropped
            for table in clients.ask(lambda client: client.get_all_tables("default")):
                clients.tell(lambda client, table=table: client.drop_table("default", table, False))
        else:
            clients.tell(lambda client, name=name: client.drop_database(name, False, True))


def warehouse_on(hosts: str) -> Warehouse:
    """A warehouse with a directory of its own."""
    return connect(f"hive://{hosts}?location=s3://warehouse/servers/{uuid.uuid4().hex}")
