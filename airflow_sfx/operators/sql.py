"""Stream the rows of a query into a new batch, from any database with a hook."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WriteOperator

if TYPE_CHECKING:
    import pyarrow as pa
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.options import Keys
    from airflow_sfx.warehouse.warehouse import Warehouse

_POSTGRES = ("psycopg2", "psycopg")
_MYSQL = ("pymysql", "MySQLdb")


class SqlToBatchOperator(WriteOperator, BaseOperator):
    """Stores the rows of a query as a new batch, fetched and written in chunks.

    Memory use does not depend on the number of rows. PostgreSQL and MySQL are read with a
    server-side cursor.

    Args:
        sql: The query, or the name of a ``.sql`` file (templated).
        conn_id: The database's connection, of any type whose hook returns a DB-API connection.
        table: ``database.table`` (templated).
        parameters: The query's parameters, in the form of its database (templated).
        partitions: The partition's values (templated); the default is that of ``@task.batch``.
        partition_by: The columns that name each row's partition, to write many partitions at once.
        partition_keys: The names, and types, of a new table's partition keys.
        types: Types by column, where those of the first rows are too narrow: Arrow's, or names of
            Hive's (``decimal(38,4)``).
        fetch_rows: The number of rows in a chunk.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: The reason for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

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

    template_fields: Sequence[str] = ("sql", "parameters", *WriteOperator.names, "cascade")
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
        super().__init__(
            table=table,
            partitions=partitions,
            partition_by=partition_by,
            partition_keys=partition_keys,
            publish=publish,
            reason=reason,
            evolve=evolve,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
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

    def run(self, context: Context) -> BatchPin:
        """Run the query and store its rows.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or the connection breaks a rule; nothing ran.
            SchemaMismatch: The rows cannot be stored, or do not fit the table; nothing was
                published.
        """
        destination = self.destination(context)
        hook = BaseHook.get_hook(self.conn_id)
        if not hasattr(hook, "get_conn"):
            raise InvalidName(
                f"the task {self.task_id} has conn_id={self.conn_id!r}, which is not the connection"
                " of a database"
            )
        warehouse = self.warehouse()
        with (
            closing(hook.get_conn()) as connection,
            closing(_cursor(connection, self.fetch_rows)) as cursor,
        ):
            if self.parameters is None:
                cursor.execute(self.sql)
            else:
                cursor.execute(self.sql, self.parameters)
            table_types = partial(_table_types, warehouse, destination[0])
            batches = self._batches(cursor, connection, table_types)
            return self.store(context, warehouse, batches, destination)

    def _batches(
        self,
        cursor: Any,
        connection: Any,
        table_types: Callable[[], Mapping[str, pa.DataType]] = dict,
    ) -> Iterator[pa.RecordBatch]:
        from airflow_sfx.frames.dbapi import is_json, record_batches

        chunks = iter(lambda: cursor.fetchmany(self.fetch_rows), [])
        first = next(chunks, None)  # a server-side cursor does not know its columns before this
        if cursor.description is None:
            raise InvalidName(
                f"the statement of the task {self.task_id} returns no rows: write a query"
            )
        names = [str(column[0]) for column in cursor.description]
        postgres = _driver(connection) in _POSTGRES
        return record_batches(
            names,
            itertools.chain([] if first is None else [first], chunks),
            types=self.types or {},
            reported=_database_types(cursor, connection),
            documents=[
                str(column[0]) for column in cursor.description if postgres and is_json(column[1])
            ],
            in_table=table_types,
        )


def _table_types(warehouse: Warehouse, ref: TableRef) -> Mapping[str, pa.DataType]:
    """Return the types of the table's columns; none if the table does not exist yet."""
    from airflow_sfx.frames.dbapi import table_types

    info = warehouse.metastore.get_table(ref)
    return {} if info is None else table_types(info.columns)


def _database_types(cursor: Any, connection: Any) -> dict[str, pa.DataType]:
    """Return the column types that the database declares for the query."""
    from airflow_sfx.frames.dbapi import mysql_type, postgres_type

    driver = _driver(connection)
    if not driver:
        return {}
    type_of = postgres_type if driver in _POSTGRES else mysql_type
    declared = {str(column[0]): type_of(column[1], column[5]) for column in cursor.description}
    return {name: kind for name, kind in declared.items() if kind is not None}


def _cursor(connection: Any, rows: int) -> Any:
    """Open a server-side cursor if the driver would otherwise fetch all rows at once."""
    driver = _driver(connection)
    if driver in _POSTGRES:
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
    """Return the driver's package if it needs a server-side cursor, else ''."""
    for kind in type(connection).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in (*_POSTGRES, *_MYSQL):
            return root
    return ""
