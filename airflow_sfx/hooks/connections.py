"""Other Airflow connections that a warehouse uses: the AWS one for S3 and Glue, the Hive Metastore's for its hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.uris import is_host

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_sfx.storage.s3 import S3Access

METASTORE_TYPE = "hive_metastore"
_METASTORE_PORT = 9083


def s3_access(aws_conn_id: str) -> S3Access:
    """How S3 is reached with an Airflow connection of the type ``aws``.

    Keys, a profile, an assumed role or a web identity, an endpoint and a region are all taken from the connection, by
    the Amazon provider; credentials that end are renewed before they do.

    Args:
        aws_conn_id: The connection.

    Returns:
        The access. It holds no secret: the session is asked for it at each use.

    Raises:
        WarehouseUnavailable: There is no such connection.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    from airflow_sfx.storage.s3 import S3Access

    connection_named(aws_conn_id, "aws", "keys, a profile or a role")
    hook: AwsGenericHook[object] = AwsGenericHook(aws_conn_id=aws_conn_id, client_type="s3")
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    return S3Access(endpoint=endpoint, region=hook.region_name, session=hook.get_session)


def on_metastore(uri: str, connection: Connection) -> str:
    """A warehouse's URI with the hosts and the login of a connection of the type ``hive_metastore``.

    Args:
        uri: The warehouse's URI, ``hive://?location=s3://bucket/prefix``.
        connection: The metastore's connection: hosts with commas in between, the port, and in its extra
            ``auth_mechanism`` (``NOSASL`` or ``GSSAPI``) and ``kerberos_service_name``, as the Apache Hive provider has it.

    Returns:
        ``hive://host:9083,host:9083?location=…``.

    Raises:
        InvalidName: The URI is of another scheme or has hosts already, or the connection names no host or a login that
            is not known.

    Example:
        >>> from airflow.sdk import Connection
        >>> connection = Connection(conn_id="hms", conn_type="hive_metastore", host="one,two")
        >>> on_metastore("hive://?location=s3://b/p", connection)
        'hive://one:9083,two:9083?location=s3://b/p'
    """
    parts = urlsplit(uri)
    if parts.scheme != "hive" or parts.netloc:
        raise InvalidName(
            f"metastore_conn_id is {connection.conn_id!r} and the warehouse's URI has another scheme than hive:// or has hosts: "
            "write the warehouse without hosts, hive://?location=s3://bucket/prefix, and the connection's are used"
        )
    if connection.conn_type != METASTORE_TYPE:
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has the type {connection.conn_type!r}, not {METASTORE_TYPE!r}"
        )
    hosts = [host.strip() for host in (connection.host or "").split(",") if host.strip()]
    if not hosts:
        raise InvalidName(f"the Airflow connection {connection.conn_id!r} names no host of a Hive Metastore")
    if not all(map(is_host, hosts)):
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has a host that is not one: write host or host:port, with commas "
            "between several; a login or an option has no place there"
        )
    port = connection.port or _METASTORE_PORT
    extra = connection.extra_dejson
    login = {}
    mechanism = str(extra.get("auth_mechanism", "NOSASL")).upper()
    if mechanism in ("GSSAPI", "KERBEROS"):
        login = {"auth": "KERBEROS", "kerberos_service_name": str(extra.get("kerberos_service_name", "hive"))}
    elif mechanism != "NOSASL":
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has an auth_mechanism that is not known: use NOSASL or GSSAPI"
        )
    query = urlencode(parse_qsl(parts.query) + list(login.items()), safe=":/")
    return urlunsplit(("hive", ",".join(host if ":" in host else f"{host}:{port}" for host in hosts), "", query, ""))


def connection_named(conn_id: str, conn_type: str, what: str) -> Connection:
    """An Airflow connection.

    Args:
        conn_id: Which.
        conn_type: Of which type it should be, for the message.
        what: What it should hold, for the message.

    Returns:
        The connection.

    Raises:
        WarehouseUnavailable: There is none.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise WarehouseUnavailable(
            f"there is no Airflow connection {conn_id!r}: add one of the type {conn_type!r} with {what} under Admin, "
            f"Connections, or set AIRFLOW_CONN_{conn_id.upper()}"
        ) from error
