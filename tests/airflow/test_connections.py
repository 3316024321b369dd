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
        "hms_tried": {
            "conn_type": "hive_metastore",
            "host": "127.0.0.1",
            "port": stack.metastore_port,
        },
        "aws_tried": {
            "conn_type": "aws",
            "login": environment["AWS_ACCESS_KEY_ID"],
            "password": environment["AWS_SECRET_ACCESS_KEY"],
            "extra": {
                "region_name": "us-east-1",
                "endpoint_url": f"http://127.0.0.1:{stack.ports['s3']}",
            },
        },
    }


def test_hosts_and_keys_come_from_the_connections_and_no_secret_is_shown(
    airflow, stack, connections
):
    uri, rows, shown = airflow.probe("store_through_connections", connections=connections)
    assert rows == [1, 2], rows
    assert uri == f"hive://127.0.0.1:{stack.metastore_port}?location=s3://warehouse/hooked"
    assert connections["aws_tried"]["password"] not in shown


def test_wrong_keys_are_told_without_showing_them(airflow, connections):
    connections["aws_tried"]["password"] = "wrong-secret-of-nobody"
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "WarehouseUnavailable", message
    assert "wrong-secret" not in message
    assert (
        "credentials" in message or "denied" in message.lower() or "signature" in message.lower()
    ), message


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
    connections["sfx_tried"]["extra"]["warehouse"] = (
        "hive://elsewhere:9083?location=s3://warehouse/x"
    )
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "InvalidName"
    assert "without hosts" in message


def test_an_endpoint_with_a_password_is_refused_without_showing_it(airflow, connections):
    connections["aws_tried"]["extra"]["endpoint_url"] = "http://ada:s3cr3t@127.0.0.1:1"
    kind, message = airflow.probe("store_through_connections", connections=connections)
    assert kind == "InvalidName"
    assert "user name or a password" in message
    assert "s3cr3t" not in message


SECRET = "C4nary"
METASTORE = {"conn_type": "hive_metastore", "host": "127.0.0.1", "port": 1}
WAREHOUSE = {
    "warehouse": "hive://?location=s3://bucket/prefix",
    "metastore_conn_id": "hms",
    "aws_conn_id": "aws",
}
SPELLINGS = [
    f"hive://ada:{SECRET}@host:9083?location=s3://bucket/prefix",
    f"hive:/ada:{SECRET}@?location=s3://bucket/prefix",
    f"hive:///ada:{SECRET}@host?location=s3://bucket/prefix",
    f"hive://?location=s3://AKIA%3A{SECRET}%40bucket/prefix",
    f"hive://?location=s3://bucket/prefix&aws_secret_access_key={SECRET}",
    f"hive://?location=s3://bucket/prefix&{SECRET}",
    f"hive://?location=s3://bucket/prefix&endpoint_url=http://ada:{SECRET}@host:1",
    f"s3://AKIA:{SECRET}@bucket/prefix",
    f"ada:{SECRET}@host",
    f"hive://[{SECRET}",
]


@pytest.mark.parametrize("text", SPELLINGS)
@pytest.mark.parametrize(
    "more", [{}, {"metastore_conn_id": "hms", "aws_conn_id": "aws"}], ids=["alone", "with others"]
)
def test_a_secret_in_the_warehouse_is_refused_and_in_nothing_that_is_said(airflow, text, more):
    told = {"conn_type": "sfx", "extra": {"warehouse": text, **more}}
    found = airflow.probe(
        "said_of_connections",
        connections={"sfx_default": told, "hms": METASTORE, "aws": {"conn_type": "aws"}},
    )
    assert SECRET not in found["said"]
    assert found["kinds"] == ["InvalidName", "InvalidName", "InvalidName", 400]


@pytest.mark.parametrize(
    "change",
    [
        {"hms": {"host": f"ada:{SECRET}@host"}},
        {"hms": {"host": f"one,hive://ada:{SECRET}@two"}},
        {"hms": {"extra": {"auth_mechanism": f"LDAP:{SECRET}"}}},
        {
            "hms": {
                "extra": {"auth_mechanism": "GSSAPI", "kerberos_service_name": f"hive {SECRET}@"}
            }
        },
        {"aws": {"extra": {"endpoint_url": f"http://ada:{SECRET}@127.0.0.1:1"}}},
        {"aws": {"extra": {"endpoint_url": f"http://127.0.0.1:1?token={SECRET}"}}},
        {
            "aws": {
                "extra": {"service_config": {"s3": {"endpoint_url": f"//ada:{SECRET}@127.0.0.1:1"}}}
            }
        },
    ],
)
def test_a_secret_in_an_address_of_a_connection_that_is_used_is_in_nothing_that_is_said(
    airflow, change
):
    connections = {
        "sfx_default": {"conn_type": "sfx", "extra": WAREHOUSE},
        "hms": METASTORE,
        "aws": {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": f"{SECRET}-secret-key"},
    }
    for name, fields in change.items():
        connections[name] = connections[name] | fields
    found = airflow.probe("said_of_connections", connections=connections)
    assert SECRET not in found["said"]
    assert found["kinds"][1:] == ["InvalidName", "InvalidName", 400]


def test_the_keys_of_a_connection_are_in_nothing_that_is_said_where_no_server_answers(airflow):
    connections = {
        "sfx_default": {"conn_type": "sfx", "extra": WAREHOUSE},
        "hms": METASTORE,
        "aws": {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": f"{SECRET}-secret-key"},
    }
    found = airflow.probe("said_of_connections", connections=connections)
    assert SECRET not in found["said"]
    assert found["kinds"] == ["", "", "WarehouseUnavailable", 503]


def test_an_assumed_role_gives_credentials_that_end_and_are_asked_for_again(airflow, glue_endpoint):
    assert "AWS_PROFILE" not in os.environ
    found = airflow.probe("credentials_of_role", sts_endpoint=glue_endpoint)
    shown = found.pop("shown")
    assert found == {
        "endpoint": "http://127.0.0.1:1",
        "region": "eu-west-1",
        "assumed": True,
        "ends": True,
    }
    assert "wrong-but-long" not in shown
