"""The Glue catalog of the tests: moto's HTTP server, emptied before each test that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_sfx.metastore.glue import GlueMetastore
from tests.metastore.backend import PLACE, Backend


def glue_client(endpoint: str) -> Any:
    """A client of the server, which takes any keys."""
    import boto3

    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client("glue", region_name="us-east-1", endpoint_url=endpoint, **keys)


def drop_glue_databases(endpoint: str) -> None:
    """Remove all tables."""
    client = glue_client(endpoint)
    for database in client.get_databases()["DatabaseList"]:
        for table in client.get_tables(DatabaseName=database["Name"])["TableList"]:
            client.delete_table(DatabaseName=database["Name"], Name=table["Name"])
        client.delete_database(Name=database["Name"])


def _empty(request: pytest.FixtureRequest, _: Path) -> str:
    endpoint: str = request.getfixturevalue("glue_endpoint")
    drop_glue_databases(endpoint)
    return endpoint


def _add_foreign(place: str, values: Sequence[str], location: str) -> None:
    new = {"Values": values, "StorageDescriptor": {"Location": location}}
    glue_client(place).create_partition(DatabaseName="sales", TableName="items", PartitionInput=new)


GLUE = Backend(
    empty=_empty,
    open=lambda place: GlueMetastore(lambda _: glue_client(place), PLACE),
    add_foreign=_add_foreign,
)
