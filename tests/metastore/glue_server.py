"""The Glue catalog of the tests: moto's HTTP server, emptied before each test that uses it."""

from __future__ import annotations

from typing import Any


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
