"""Requests to a Hive Metastore, and the errors that it answers with."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hmsclient.genthrift.hive_metastore import ttypes
from thrift.Thrift import TException

from airflow_sfx.core.errors import SfxError, WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.hive.client import HiveClients, Interrupted

Action = Callable[[Any], Any]
"""A call of a client."""

LIMIT = "limit.partition.request"
"""The setting that a metastore names if it limits requests by what they ask for."""
MODIFIED = "has been modified"
"""What a metastore's message says if the table changed since it was read."""
INCOMPATIBLE = "have types incompatible"
"""What a metastore's message says if it rejects a change of column types."""
_MESSAGE = 500
"""Characters of a metastore's message that are shown: it may have a query of all partitions."""
_EXPECTED = ("expected_parameter_key", "expected_parameter_value")
_QUIET = {"DO_NOT_UPDATE_STATS": "true"}


class RequestLimit(WarehouseUnavailable):
    """The metastore rejects requests of that size."""


@contextlib.contextmanager
def server_errors(clients: HiveClients) -> Iterator[None]:
    """Raise the server's unexpected errors as `WarehouseUnavailable`."""
    try:
        yield
    except (
        ttypes.AlreadyExistsException,
        ttypes.InvalidOperationException,
        ttypes.NoSuchObjectException,
        Interrupted,
        SfxError,
    ):
        raise
    except TException as error:
        message = str(getattr(error, "message", None) or error)
        if MODIFIED in message:
            raise
        kind = RequestLimit if LIMIT in message else WarehouseUnavailable
        shown = textwrap.shorten(message.partition("\n")[0], _MESSAGE, placeholder=" …")
        raise kind(str(clients.unavailable(shown))) from error


def add_partitions(table: Any, parts: Sequence[Any]) -> Action:
    """Add partitions of a table, unless they exist."""
    request = ttypes.AddPartitionsRequest(
        dbName=table.dbName,
        tblName=table.tableName,
        parts=list(parts),
        ifNotExists=True,
        needResult=False,
    )
    return lambda client: client.add_partitions_req(request)


def alter_partitions(table: Any, parts: Sequence[Any]) -> Action:
    """Change partitions of a table in one transaction."""
    quiet = ttypes.EnvironmentContext(dict(_QUIET))
    return lambda client: client.alter_partitions_with_environment_context(
        table.dbName, table.tableName, list(parts), quiet
    )


def drop_partitions(table: Any, names: Sequence[str]) -> Action:
    """Drop partitions of a table by their names in one transaction; their files stay."""
    request = ttypes.DropPartitionsRequest(
        dbName=table.dbName,
        tblName=table.tableName,
        parts=ttypes.RequestPartsSpec(names=list(names)),
        deleteData=False,
        ifExists=True,
        needResult=False,
    )
    return lambda client: client.drop_partitions_req(request)


def drop_table(ref: TableRef) -> Action:
    """Drop a table with its partitions; their files stay."""
    return lambda client: client.drop_table(ref.database, ref.table, False)


def alter_table(
    table: Any, expected: tuple[str, str] | None, *, cascade: bool, was: TableRef | None = None
) -> Action:
    """Write a table on the condition that a parameter has the expected value.

    If it ``was`` called otherwise, this renames it.
    """
    name = (was.database, was.table) if was else (table.dbName, table.tableName)
    properties = dict(_QUIET)
    if cascade:
        properties["CASCADE"] = "true"
    if expected is not None:
        properties |= dict(zip(_EXPECTED, expected, strict=True))
    return lambda client: client.alter_table_with_environment_context(
        *name, table, ttypes.EnvironmentContext(properties)
    )


def get_partitions(ref: TableRef, most: int) -> Action:
    """Read up to so many partitions of a table; -1 for all."""
    return lambda client: client.get_partitions(ref.database, ref.table, most)


def get_named_partitions(ref: TableRef, names: Sequence[str]) -> Action:
    """Read partitions of a table by their names."""
    return lambda client: client.get_partitions_by_names(ref.database, ref.table, list(names))
