"""Connections that a warehouse refers to: AWS, and the Hive Metastore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.uris import is_host

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_sfx.storage.s3_access import ObjectSettings, S3Access

METASTORE_TYPE = "hive_metastore"
_METASTORE_PORT = 9083


def s3_access(aws_conn_id: str) -> S3Access:
    """Return the access to S3 of an Airflow connection of the type ``aws``.

    The Amazon provider reads it: keys, a profile, an assumed role or a web identity, an endpoint, a
    region, certificates, proxies and time limits. Temporary credentials are renewed before they
    expire. In ``service_config``, ``s3`` may have S3Hook's ``extra_args`` and ``requester_pays``,
    and ``glue`` a ``catalog_id``.

    Args:
        aws_conn_id: The connection.

    Returns:
        The access. It holds no secret: each use asks the session.

    Raises:
        WarehouseUnavailable: There is no such connection.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    from airflow_sfx.storage.s3_access import S3Access

    connection_named(aws_conn_id, "aws", "keys, a profile or a role")
    hook: AwsGenericHook[object] = AwsGenericHook(aws_conn_id=aws_conn_id, client_type="s3")
    config = hook.conn_config
    glue = config.get_service_config("glue")
    return S3Access(
        endpoint=config.get_service_endpoint_url("s3"),
        region=hook.region_name,
        session=hook.get_session,
        config=config.botocore_config,
        verify=hook.verify,
        settings=_settings(aws_conn_id, config.get_service_config("s3")),
        glue_endpoint=config.get_service_endpoint_url("glue"),
        glue_catalog=str(glue["catalog_id"]) if glue.get("catalog_id") else None,
    )


def _settings(aws_conn_id: str, config: Mapping[str, Any]) -> ObjectSettings | None:
    """Return S3Hook's arguments in ``service_config.s3``, or None if it has none."""
    from airflow_sfx.storage.aws_config import object_settings

    if not config.get("extra_args") and "requester_pays" not in config:
        return None
    what = f"service_config.s3 of the Airflow connection {aws_conn_id!r}"
    pays = bool(config.get("requester_pays"))
    return object_settings(config.get("extra_args") or {}, requester_pays=pays, what=what)


def on_metastore(uri: str, connection: Connection) -> str:
    """Return a warehouse's URI with the hosts of a ``hive_metastore`` connection.

    Args:
        uri: The warehouse's URI, ``hive://?location=s3://bucket/prefix``.
        connection: The metastore's connection: hosts separated by commas, the port, and in its
            extra ``auth_mechanism`` (``NOSASL`` or ``GSSAPI``) and ``kerberos_service_name``, as in
            the Apache Hive provider.

    Returns:
        ``hive://host:9083,host:9083?location=…``.

    Raises:
        InvalidName: The URI has another scheme or has hosts already, or the connection has no host
            or an unknown login.

    Example:
        >>> from airflow.sdk import Connection
        >>> connection = Connection(conn_id="hms", conn_type="hive_metastore", host="one,two")
        >>> on_metastore("hive://?location=s3://b/p", connection)
        'hive://one:9083,two:9083?location=s3://b/p'
    """
    parts = urlsplit(uri)
    if parts.scheme != "hive" or parts.netloc:
        raise InvalidName(
            f"metastore_conn_id is {connection.conn_id!r}, but the warehouse's URI has hosts or a"
            " scheme other than hive://. Write the warehouse without hosts,"
            " hive://?location=s3://bucket/prefix, to use those of the connection"
        )
    if connection.conn_type != METASTORE_TYPE:
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has the type {connection.conn_type!r},"
            f" not {METASTORE_TYPE!r}"
        )
    hosts = [host.strip() for host in (connection.host or "").split(",") if host.strip()]
    if not hosts:
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} names no host of a Hive Metastore"
        )
    if not all(map(is_host, hosts)):
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has an invalid host: write host or"
            " host:port, separated by commas, without a login or options"
        )
    port = connection.port or _METASTORE_PORT
    extra = connection.extra_dejson
    login = {}
    mechanism = str(extra.get("auth_mechanism", "NOSASL")).upper()
    if mechanism in ("GSSAPI", "KERBEROS"):
        login = {
            "auth": "KERBEROS",
            "kerberos_service_name": str(extra.get("kerberos_service_name", "hive")),
        }
    elif mechanism != "NOSASL":
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has an unknown auth_mechanism: use"
            " NOSASL or GSSAPI"
        )
    query = urlencode(parse_qsl(parts.query) + list(login.items()), safe=":/")
    return urlunsplit(
        (
            "hive",
            ",".join(host if ":" in host else f"{host}:{port}" for host in hosts),
            "",
            query,
            "",
        )
    )


def connection_named(conn_id: str, conn_type: str, what: str) -> Connection:
    """Return an Airflow connection.

    Args:
        conn_id: The connection.
        conn_type: The type that it should have, for the message.
        what: The contents that it should have, for the message.

    Returns:
        The connection.

    Raises:
        WarehouseUnavailable: There is no such connection.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise WarehouseUnavailable(
            f"there is no Airflow connection {conn_id!r}: add one of the type {conn_type!r} with"
            f" {what} under Admin, Connections, or set AIRFLOW_CONN_{conn_id.upper()}"
        ) from error
