"""The operator that streams a query's rows, from any database that Airflow connects to, into a new batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseHook, BaseOperator

from airflow_sfx.assets.events import add_outlet
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators._base import TableOperator
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.notifications import Notify, checked, notifies
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    import pyarrow as pa
    from airflow.sdk import Context

    from airflow_sfx.core.options import Keys
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.warehouse.warehouse import Warehouse

register()


class SqlToBatchOperator(TableOperator, BaseOperator):
    """Runs a query and stores its rows as a new batch; rows are fetched and written in chunks, in constant memory.

    PostgreSQL and MySQL are read with a cursor that stays on the server.

    Args:
        sql: The query, or the name of a ``.sql`` file (templated).
        conn_id: The database's connection, of any type whose hook gives a DB-API connection.
        table: ``database.table`` (templated).
        parameters: The query's parameters, as its database takes them (templated).
        partitions: The partition's values (templated); as of ``@task.batch`` where they are absent.
        partition_by: The columns that say each row's partition, for many partitions in one batch.
        partition_keys: The names, and types, of a new table's partition keys.
        types: Types by column, where what the first rows have is too narrow: Arrow's, or names of
            Hive's (``decimal(38,4)``).
        fetch_rows: How many rows a chunk has.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: Why, for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a
            ``foreign_change``: for each event a list of Airflow's notifiers, in whose templates
            ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> orders = SqlToBatchOperator(
        ...     task_id="orders",
        ...     conn_id="shop_postgres",
        ...     sql="SELECT * FROM orders WHERE day = %(day)s",
        ...     parameters={"day": "{{ ds }}"},
        ...     table="sales.orders",
        ...     types={"price": "decimal(38,4)"},
        ... )
        >>> orders.fetch_rows
        50000
    """

    operator_extra_links = (BatchHistoryLink(),)
    template_fields: Sequence[str] = ("sql", "parameters", *TableOperator.names, "cascade")
    template_ext: Sequence[str] = (".sql",)

    @checks_names
    def __init__(
        self,
        *,
        sql: str,
        conn_id: str,
        table: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        partitions: Sequence[Any] | str | None = None,
        partition_by: Sequence[str] | str | None = None,
        partition_keys: Keys | None = None,
        types: Mapping[str, Any] | None = None,
        fetch_rows: int = 50_000,
        publish: bool = True,
        reason: str = "",
        evolve: Evolve = "safe",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        if publish:
            add_outlet(kwargs, table)
        super().__init__(**kwargs)
        self.set_destination(
            table,
            partitions,
            reason,
            sfx_conn_id,
            partition_by=partition_by,
            partition_keys=partition_keys,
            publish=publish,
            evolve=evolve,
            cascade=cascade,
            notify=checked(notify, self.task_id),
        )
        if fetch_rows < 1:
            raise InvalidName(
                f"the task {self.task_id} has fetch_rows={fetch_rows}: it is at least 1"
            )
        self.sql = sql
        self.conn_id = conn_id
        self.parameters = parameters
        self.types = types
        self.fetch_rows = fetch_rows

    @notifies
    def execute(self, context: Context) -> BatchPin:
        """Run the query and store its rows.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or the connection is refused; nothing ran.
            SchemaMismatch: The rows cannot be stored, or do not fit the table; nothing was
                published.
        """
        ref, partitions = self.destination(context)
        hook = BaseHook.get_hook(self.conn_id)
        if not hasattr(hook, "get_conn"):
            raise InvalidName(
                f"the connection {self.conn_id!r} of the task {self.task_id} is not one of a"
                " database"
            )
        with (
            closing(hook.get_conn()) as connection,
            closing(_cursor(connection, self.fetch_rows)) as cursor,
        ):
            if self.parameters is None:
                cursor.execute(self.sql)
            else:
                cursor.execute(self.sql, self.parameters)
            warehouse = self.warehouse()
            pin = warehouse.store_dataframe(
                self._batches(cursor, connection, partial(_types_in, warehouse, ref)),
                ref.database,
                ref.table,
                partitions,
                partition_by=self.partition_by,
                partition_keys=self.partition_keys,
                publish=self.publish,
                reason=self.reason,
                evolve=self.evolve,
                producer=producer_of(cast("Mapping[str, Any]", context)),
            )
        return self.told(context, pin)

    def _batches(
        self, cursor: Any, connection: Any, in_table: Callable[[], Mapping[str, pa.DataType]] = dict
    ) -> Iterator[pa.RecordBatch]:
        from airflow_sfx.frames.dbapi import is_json, record_batches

        chunks = iter(lambda: cursor.fetchmany(self.fetch_rows), [])
        first = next(chunks, None)  # only now does a cursor on the server know its columns
        if cursor.description is None:
            raise InvalidName(
                f"the statement of the task {self.task_id} gives no rows: write a query"
            )
        names = [str(column[0]) for column in cursor.description]
        postgres = _driver(connection).startswith("psycopg")
        return record_batches(
            names,
            itertools.chain([] if first is None else [first], chunks),
            types=self.types or {},
            told=_told(cursor, connection),
            documents=[
                str(column[0]) for column in cursor.description if postgres and is_json(column[1])
            ],
            in_table=in_table,
        )


def _types_in(warehouse: Warehouse, ref: TableRef) -> Mapping[str, pa.DataType]:
    """The types that the table's columns have, if it is there already."""
    from airflow_sfx.frames.dbapi import table_types

    info = warehouse.metastore.get_table(ref)
    return {} if info is None else table_types(info.columns)


def _cursor(connection: Any, rows: int) -> Any:
    """A cursor that fetches as it goes, where the driver would else fetch all rows at once."""
    driver = _driver(connection)
    if driver in ("psycopg2", "psycopg"):
        cursor = connection.cursor(name="sfx")
        cursor.itersize = rows
        return cursor
    if driver == "pymysql":
        from pymysql.cursors import SSCursor

        return connection.cursor(SSCursor)
    if driver == "MySQLdb":
        from MySQLdb.cursors import SSCursor

        return connection.cursor(SSCursor)
    cursor = connection.cursor()
    cursor.arraysize = rows
    return cursor


def _driver(connection: Any) -> str:
    for kind in type(connection).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("psycopg2", "psycopg", "pymysql", "MySQLdb"):
            return root
    return ""


def _told(cursor: Any, connection: Any) -> dict[str, pa.DataType]:
    """The types that the database itself tells."""
    from airflow_sfx.frames.dbapi import mysql_type, postgres_type

    driver = _driver(connection)
    if not driver:
        return {}
    type_of = postgres_type if driver.startswith("psycopg") else mysql_type
    told = {str(column[0]): type_of(column[1], column[5]) for column in cursor.description}
    return {name: kind for name, kind in told.items() if kind is not None}
