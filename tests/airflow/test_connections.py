"""A warehouse on Airflow's own connections: the Hive Metastore's and the AWS one."""

from __future__ import annotations

import os

import pytest

from tests.metastore.hive_server import drop_databases


@pytest.fixture
def connections(stack):
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    environment = stack.environment()
    return {
        "sfx_tried": {
            "conn_type": "sfx",
            "extra": {
                "warehouse": "hive://?location=s3://warehouse/hooked",
                "metastore_conn_id": "hms_tried",
                "aws_conn_id": "aws_tried",
            },
        },
        "hms_tried": {"conn_type": "hive_metastore", "host": "127.0.0.1", "port": stack.metastore_port},
        "aws_tried": {
            "conn_type": "aws",
            "login": environment["AWS_ACCESS_KEY_ID"],
            "password": environment["AWS_SECRET_ACCESS_KEY"],
            "extra": {"region_name": "us-east-1", "endpoint_url": f"http://127.0.0.1:{stack.ports['s3']}"},
        },
    }


def test_hosts_and_keys_come_from_the_connections_and_no_secret_is_shown(airflow, stack, connections):
    uri, rows, shown = airflow.probe("store_through_connections", connections=connections)
    assert rows == [1, 2], rows
    assert uri == f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/hooked"
    assert connections["aws_tried"]["password"] not in shown


def test_wrong_keys_are_told_without_showing_them(airflow, connections):
    connections["aws_tried"]["password"] = "wrong-secret-of-nobody"
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "WarehouseUnavailable", message
    assert "wrong-secret" not in message
    assert "credentials" in message or "denied" in message.lower() or "signature" in message.lower(), message


@pytest.mark.parametrize("missing", ["hms_tried", "aws_tried"])
def test_a_connection_that_is_not_there_is_named(airflow, connections, missing):
    del connections[missing]
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "WarehouseUnavailable"
    assert f"AIRFLOW_CONN_{missing.upper()}" in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"host": ""}, "names no host"),
        ({"conn_type": "mysql"}, "'mysql'"),
        ({"extra": {"auth_mechanism": "PLAIN"}}, "NOSASL or GSSAPI"),
    ],
)
def test_a_metastore_connection_that_cannot_be_used_says_why(airflow, connections, change, told):
    connections["hms_tried"] |= change
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "InvalidName"
    assert told in message


def test_hosts_in_both_places_are_refused(airflow, connections):
    connections["sfx_tried"]["extra"]["warehouse"] = "hive://elsewhere:9083?location=s3://warehouse/x"
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "InvalidName"
    assert "without hosts" in message


def test_an_endpoint_with_a_password_is_refused_without_showing_it(airflow, connections):
    connections["aws_tried"]["extra"]["endpoint_url"] = "http://ada:s3cr3t@127.0.0.1:1"
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "InvalidName"
    assert "user name or a password" in message
    assert "s3cr3t" not in message


def test_an_assumed_role_gives_credentials_that_end_and_are_asked_for_again(airflow, glue_endpoint):
    assert "AWS_PROFILE" not in os.environ
    found = airflow.probe("credentials_of_role", sts_endpoint=glue_endpoint)
    shown = found.pop("shown")
    assert found == {"endpoint": "http://127.0.0.1:1", "region": "eu-west-1", "assumed": True, "ends": True}
    assert "wrong-but-long" not in shown
