"""The hook that opens the warehouse of an Airflow connection of the type ``sfx``.

The connection's extra names the warehouse: ``{"warehouse": "embedded:///data/warehouse"}``, or
``{"warehouse": "hive://?location=s3://bucket/prefix", "metastore_conn_id": "metastore_default",
"aws_conn_id": "aws_default"}``. Host, port and login are not used. A URI never holds a secret,
because it is logged and stored.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_sfx.core.errors import InvalidName, SfxError, WarehouseUnavailable, counted
from airflow_sfx.hooks.connections import METASTORE_TYPE, connection_named, on_metastore, s3_access

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Connection

    from airflow_sfx.core.producer import Producer
    from airflow_sfx.warehouse.warehouse import Warehouse

EXAMPLE = "embedded:///data/warehouse"


class SfxHook(BaseHook):
    """Opens the warehouse that an Airflow connection names.

    Args:
        sfx_conn_id: The connection, of the type ``sfx``.
        producer: Returns who writes, called once per change; the default is the running task.
        kwargs: Those of every hook.

    Example:
        >>> import os, tempfile
        >>> os.environ["AIRFLOW_CONN_SHOP"] = f"sfx://?warehouse=embedded://{tempfile.mkdtemp()}"
        >>> SfxHook("shop").get_conn().tables()
        []
    """

    conn_name_attr = "sfx_conn_id"
    default_conn_name = "sfx_default"
    conn_type = "sfx"
    hook_name = "Batch warehouse (sfx)"

    def __init__(
        self,
        sfx_conn_id: str = default_conn_name,
        producer: Callable[[], Producer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sfx_conn_id = sfx_conn_id
        self._producer = producer
        self._warehouse: Warehouse | None = None

    def get_uri(self) -> str:
        """Return the warehouse's URI, without secrets.

        Returns:
            The URI, with the hosts of the connection ``metastore_conn_id`` if there is one.

        Raises:
            WarehouseUnavailable: There is no such connection.
            InvalidName: The connection does not name a warehouse.
        """
        from airflow_sfx.warehouse.connect import parse_warehouse

        connection = self._connection()
        uri = warehouse_uri(connection)
        metastore = connection.extra_dejson.get("metastore_conn_id")
        if not metastore:
            return uri
        named = on_metastore(uri, connection_named(str(metastore), METASTORE_TYPE, "its hosts"))
        parse_warehouse(
            named, f"the Airflow connection {self.sfx_conn_id!r} with {str(metastore)!r}"
        )
        return named

    def get_conn(self) -> Warehouse:
        """Open the warehouse; a second call returns the same one.

        Returns:
            The warehouse.

        Raises:
            WarehouseUnavailable: There is no such connection, or the warehouse cannot be opened.
            InvalidName: The connection does not name a warehouse.
        """
        if self._warehouse is None:
            from airflow_sfx.hooks.backfill_runs import backfill_runs
            from airflow_sfx.hooks.task_context import current_producer
            from airflow_sfx.warehouse.connect import connect

            uri = self.get_uri()
            aws = self._connection().extra_dejson.get("aws_conn_id")
            access = s3_access(str(aws)) if aws else None
            named = f"the Airflow connection {self.sfx_conn_id!r}"
            try:
                self._warehouse = connect(
                    uri,
                    producer=self._producer or current_producer,
                    access=access,
                    source=named,
                    backfill_runs=backfill_runs,
                )
            except (InvalidName, WarehouseUnavailable) as error:
                raise type(error)(
                    f"{named} names a warehouse that cannot be opened: {error}"
                ) from error
        return self._warehouse

    def test_connection(self) -> tuple[bool, str]:
        """Open the warehouse and list its databases, for the button *Test* in the UI.

        Returns:
            Whether it worked, and a sentence for people.
        """
        try:
            warehouse = self.get_conn()
            if absence := warehouse.store.absence():
                return False, absence
            databases = warehouse.metastore.databases()
        except (SfxError, OSError) as error:
            return False, str(error)
        named = f": {', '.join(databases[:8])}" if databases else ""
        return (
            True,
            (f"{warehouse.uri} has {counted(len(databases), 'database')}{named}"),
        )

    def _connection(self) -> Connection:
        try:
            return self.get_connection(self.sfx_conn_id)
        except AirflowNotFoundException as error:
            raise WarehouseUnavailable(
                f"there is no Airflow connection {self.sfx_conn_id!r}: add one of the type"
                f" {self.conn_type!r} under "
                f"Admin, Connections, with the warehouse {EXAMPLE}, or set"
                f" AIRFLOW_CONN_{self.sfx_conn_id.upper()} to "
                f'{{"conn_type": "sfx", "extra": {{"warehouse": "{EXAMPLE}"}}}}'
            ) from error


def default_warehouse(producer: Callable[[], Producer] | None = None) -> Warehouse | None:
    """Return the warehouse of the connection ``sfx_default``.

    Args:
        producer: Returns who writes; None for the running task.

    Returns:
        The warehouse, or None if there is no such connection.

    Raises:
        WarehouseUnavailable: The warehouse of the connection cannot be opened.
        InvalidName: The connection does not name a warehouse, or the environment has one that
            Airflow cannot read.
    """
    try:
        BaseHook.get_connection(SfxHook.default_conn_name)
    except AirflowNotFoundException as error:
        variable = f"AIRFLOW_CONN_{SfxHook.default_conn_name.upper()}"
        if variable in os.environ:  # the default directory was not intended
            raise InvalidName(
                f"{variable} is set, but Airflow cannot read a connection from it: set it to "
                f'{{"conn_type": "sfx", "extra": {{"warehouse": "{EXAMPLE}"}}}}'
            ) from error
        return None
    return SfxHook(producer=producer).get_conn()


def warehouse_uri(connection: Connection) -> str:
    """Return the URI of the warehouse that a connection names.

    Args:
        connection: A connection of the type ``sfx``.

    Returns:
        The URI in its extra ``warehouse``.

    Raises:
        InvalidName: It has another type, does not name a warehouse, or its URI has a login, which
            the message does not show.
    """
    remedy = f'set the field Warehouse (the extra "warehouse") to a URI such as {EXAMPLE}'
    if connection.conn_type != SfxHook.conn_type:
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} has the type {connection.conn_type!r},"
            f" not {SfxHook.conn_type!r}: choose that type and {remedy}"
        )
    from airflow_sfx.warehouse.connect import parse_warehouse

    extra: object = connection.extra_dejson  # any JSON value
    uri = extra.get("warehouse") if isinstance(extra, dict) else None
    if not isinstance(uri, str) or not uri.strip():
        raise InvalidName(
            f"the Airflow connection {connection.conn_id!r} names no warehouse: {remedy}"
        )
    parse_warehouse(uri.strip(), f"the warehouse of the Airflow connection {connection.conn_id!r}")
    return uri.strip()
