"""The AWS Glue catalog: tables that Athena, EMR and Spark read as ordinary external Parquet tables.

Glue moves partitions a hundred at a time, each by itself, and cannot say "only if nobody else has":
so several partitions do not become current at one moment there, and a move is followed by another
look at the ledgers, which keep the order.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from airflow_sfx.core.errors import TableNotFound, WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.core.io.timeouts import Timeouts, timeouts
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore import glue_convert as objects
from airflow_sfx.metastore.base import Metastore, PartitionInfo, TableInfo, UnsupportedPartition
from airflow_sfx.metastore.table_properties import follows
from airflow_sfx.metastore.unsupported_partitions import refusal, usable, usable_of_table

READ_CHUNK = 1000
WRITE_CHUNK = 100
"""How many partitions Glue takes in one call."""
_OVERLOADED = (429, 500)
"""The statuses of an answer, and from the second on, after which a call is repeated."""
_AGAIN = {
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "ResourceNotReadyException",
    "ThrottlingException",
}
_CROSSED = {"AlreadyExistsException", "EntityNotFoundException"}
"""What one partition's error says when somebody else has added or dropped it since it was looked at."""


class GlueMetastore(Metastore):
    """A `Metastore` in the AWS Glue catalog.

    Args:
        client: Makes a boto3 client with the time limits that it is given, which does not repeat
            calls by itself.
        location: The URI below which new databases lie.
        catalog: Whose catalog: an AWS account's number; None for the credentials' own.
    """

    def __init__(
        self, client: Callable[[Timeouts], Any], location: str, catalog: str | None = None
    ) -> None:
        self._client = lru_cache(maxsize=4)(client)
        self._location = location
        self._whose = {} if catalog is None else {"CatalogId": catalog}

    def databases(self) -> list[str]:
        """The names of all databases, sorted."""
        return sorted(one["Name"] for one in self._pages("get_databases", "DatabaseList"))

    def tables(self, database: str) -> list[str]:
        """The names of a database's tables, sorted; none for a database that is not there."""
        with contextlib.suppress(_Absent):
            return sorted(
                one["Name"] for one in self._pages("get_tables", "TableList", DatabaseName=database)
            )
        return []

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """A table; None if there is none."""
        table = self._table(ref)
        return None if table is None else objects.info_of(table)

    def create_table(self, info: TableInfo) -> TableInfo:
        """Make a table, and its database, unless it is there; returns the one that is there afterwards."""
        name = info.ref.database
        with contextlib.suppress(_Present):
            self._call(
                "create_database",
                DatabaseInput={"Name": name, "LocationUri": f"{self._location}/{name}.db"},
            )
        with contextlib.suppress(_Present):
            self._call("create_table", DatabaseName=name, TableInput=objects.table_of(info))
        return objects.info_of(self._existing(info.ref))

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Replace a table's columns and parameters by what ``change`` makes of them, with nobody else in between."""
        for _ in self._turns(ref):
            table = self._existing(ref)
            changed = objects.changed_table(table, change(objects.info_of(table)))
            if self._replace(ref, changed, table["VersionId"]):
                return objects.info_of({**changed, "DatabaseName": ref.database})
        raise AssertionError  # the loop ends by returning or raising

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Those of the given partitions that there are, in the order of their values; None: all of them."""
        wanted = None if partitions is None else sorted(set(partitions))
        table = self._table(ref)
        if table is None or wanted == []:
            return {}
        if not table.get("PartitionKeys"):
            pointer = objects.pointer_of_table(table)
            return {} if pointer is None else {pointer.partition: pointer}
        try:
            found = self._all(ref) if wanted is None else self._named(ref, wanted)
        except _Absent:  # the table has just been dropped
            return {}
        infos = usable_of_table(ref, found, objects.pointer_of_partition)
        return {
            info.partition: info for info in sorted(infos, key=lambda info: info.partition.values)
        }

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Which partitions a table has, in the order of their values; Glue has no call for their values alone."""
        kept, _ = usable(self._those_there(ref), lambda one: Partition(tuple(one["Values"])))
        return sorted(kept, key=lambda one: one.values)

    def refused_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """The partitions with a value that no batch can have, by name."""
        table = self.get_table(ref)
        if table is None or not table.keys:
            return []
        found = self._those_there(ref)
        refused = (refusal(table.keys, one["Values"], objects.location_of(one)) for one in found)
        return sorted(filter(None, refused), key=lambda one: one.name)

    def repoint(self, ref: TableRef, pointers: Sequence[PartitionInfo]) -> bool:
        """Move partitions to new places, a hundred at a time, and add the missing ones.

        Returns:
            False: the caller looks at the ledgers again.
        """
        for _ in self._turns(ref):
            table = self._existing(ref)
            with contextlib.suppress(_Absent):  # dropped since it was looked at
                done = (
                    self._move(table, pointers)
                    if table.get("PartitionKeys")
                    else self._move_table(table, pointers)
                )
                if done:
                    return False
        raise AssertionError  # the loop ends by returning or raising

    def _move(self, table: Mapping[str, Any], pointers: Sequence[PartitionInfo]) -> bool:
        """Move what is not where it should be; False if some of it has to be looked at again."""
        ref = TableRef(table["DatabaseName"], table["Name"])
        there = {
            tuple(one["Values"]): one for one in self._named(ref, [p.partition for p in pointers])
        }
        missing, due = [], []
        for pointer in pointers:
            found = there.get(pointer.partition.values)
            if found is None:
                missing.append(objects.partition_input(table, None, pointer))
            elif follows(pointer, objects.pointer_of_partition(found)):
                due.append(objects.partition_input(table, found, pointer))
        names = {"DatabaseName": ref.database, "TableName": ref.table}
        errors: list[Mapping[str, Any]] = []
        for start in range(0, len(missing), WRITE_CHUNK):
            chunk = missing[start : start + WRITE_CHUNK]
            errors += self._call("batch_create_partition", **names, PartitionInputList=chunk).get(
                "Errors", []
            )
        for start in range(0, len(due), WRITE_CHUNK):
            entries = [
                {"PartitionValueList": one["Values"], "PartitionInput": one}
                for one in due[start : start + WRITE_CHUNK]
            ]
            errors += self._call("batch_update_partition", **names, Entries=entries).get(
                "Errors", []
            )
        for error in errors:
            _refuse_final(ref, error)
        return not errors

    def _move_table(self, table: Mapping[str, Any], pointers: Sequence[PartitionInfo]) -> bool:
        (pointer,) = pointers
        before = objects.pointer_of_table(table)
        if before is not None and not follows(pointer, before):
            return True
        ref = TableRef(table["DatabaseName"], table["Name"])
        return self._replace(ref, objects.moved_table(table, pointer), table["VersionId"])

    def _replace(self, ref: TableRef, table: Mapping[str, Any], version: str) -> bool:
        """Change a table unless somebody has since that version, or dropped it; False if somebody has."""
        try:
            self._call(
                "update_table",
                DatabaseName=ref.database,
                TableInput=table,
                VersionId=version,
                SkipArchive=True,
            )
        except (_Absent, _Crossed):
            return False
        return True

    def _table(self, ref: TableRef) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._call(
                "get_table", DatabaseName=ref.database, Name=ref.table
            )["Table"]
        except _Absent:
            return None
        return found

    def _existing(self, ref: TableRef) -> Mapping[str, Any]:
        table = self._table(ref)
        if table is None:
            raise TableNotFound(
                f"the table {ref} does not exist: store it first, or see what there is with `sfx"
                " tables`",
                table=str(ref),
            )
        return table

    def _all(self, ref: TableRef) -> list[Mapping[str, Any]]:
        return list(
            self._pages(
                "get_partitions",
                "Partitions",
                DatabaseName=ref.database,
                TableName=ref.table,
                ExcludeColumnSchema=True,
            )
        )

    def _those_there(self, ref: TableRef) -> list[Mapping[str, Any]]:
        """As `_all`; none where there is no such table."""
        with contextlib.suppress(_Absent):
            return self._all(ref)
        return []

    def _named(self, ref: TableRef, partitions: Sequence[Partition]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        due = [{"Values": list(partition.values)} for partition in partitions]
        turns = self._turns(ref)
        while due:
            chunk, due = due[:READ_CHUNK], due[READ_CHUNK:]
            answer = self._call(
                "batch_get_partition",
                DatabaseName=ref.database,
                TableName=ref.table,
                PartitionsToGet=chunk,
            )
            found += answer.get("Partitions", [])
            unread = answer.get("UnprocessedKeys", [])
            if unread:
                due += unread
                next(turns)
        return found

    def _turns(self, ref: TableRef) -> Iterator[None]:
        """Turns of a loop that looks and then changes; it ends by returning, or here when the patience is over."""
        total = timeouts().total
        give_up = time.monotonic() + total
        turn = 0
        while True:
            yield
            turn += 1
            if time.monotonic() > give_up:
                raise WarehouseUnavailable(
                    f"the Glue catalog did not take the change of {ref} in {total:.0f} s: too many"
                    f" requests, or others change it all the time; `sfx repair {ref}` completes it"
                    " later",
                    table=str(ref),
                )
            time.sleep(random.uniform(0, min(0.05 * 2**turn, 5.0)))  # noqa: S311

    def _pages(self, operation: str, member: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        page = self._call(operation, **arguments)
        yield from page[member]
        while token := page.get("NextToken"):
            page = self._call(operation, **arguments, NextToken=token)
            yield from page[member]

    def _call(self, operation: str, **arguments: Any) -> Any:
        """Make a call; it may be made twice: what it did the first time is then in the way, and looked at again."""
        limits = timeouts()
        give_up, tries = time.monotonic() + limits.total, 0
        while True:
            with _reported(operation):
                try:
                    return getattr(self._client(limits), operation)(**arguments, **self._whose)
                except Exception as error:
                    tries += 1
                    if not _passing(error) or time.monotonic() > give_up:
                        raise
            time.sleep(random.uniform(0, min(0.05 * 2**tries, 3.0)))  # noqa: S311


def _passing(error: Exception) -> bool:
    """Whether a call failed because of the connection, or because the server has too much to do."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, SSLError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code")
        too_many, broken = _OVERLOADED
        return (
            status == too_many
            or status >= broken
            or code in ("ThrottlingException", "OperationTimeoutException")
        )
    return isinstance(error, HTTPClientError | ConnectionError) and not isinstance(error, SSLError)


class _Absent(Exception):
    """Glue has no such thing."""


class _Present(Exception):
    """Glue has it already."""


class _Crossed(Exception):
    """Somebody else has changed it since it was looked at."""


@contextlib.contextmanager
def _reported(operation: str) -> Iterator[None]:
    """Errors of Glue as ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    kinds = {
        "EntityNotFoundException": _Absent,
        "AlreadyExistsException": _Present,
        "ConcurrentModificationException": _Crossed,
    }
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in kinds:
            raise kinds[code] from error
        raise _unavailable(operation, error) from safe_cause(error)
    except BotoCoreError as error:
        raise _unavailable(operation, error) from safe_cause(error)


def _unavailable(operation: str, error: Exception) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"the Glue catalog cannot be used ({operation}: {safe_message(error)}): check the region,"
        " the credentials and their right to glue:Get*, glue:Create*, glue:Update* and"
        " glue:Batch*Partition; `sfx repair` completes what was cut short"
    )


def _refuse_final(ref: TableRef, error: Mapping[str, Any]) -> None:
    """Raise for a partition's error that trying again does not mend."""
    detail = error.get("ErrorDetail", {})
    code = detail.get("ErrorCode", "")
    if code not in _AGAIN and code not in _CROSSED:
        values = error.get("PartitionValues") or error.get("PartitionValueList") or []
        raise WarehouseUnavailable(
            f"the Glue catalog refused the partition {'/'.join(values)} of {ref}: {code}: "
            f"{detail.get('ErrorMessage', '')}; `sfx repair {ref}` tries it again",
            table=str(ref),
        )
