"""The AWS Glue catalog, in which engines see external Parquet tables.

Glue updates up to a hundred partitions in a call, each by itself and unconditionally. So several
partitions do not become current at one moment, and the caller compares pointers with the log again
after each move.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from airflow_sfx.core.errors import InvalidName, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import Timeouts, timeouts
from airflow_sfx.core.io.uris import Uri
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore import glue_convert as objects
from airflow_sfx.metastore.base import (
    Metastore,
    PartitionInfo,
    TableInfo,
    UnsupportedPartition,
    is_at,
    refuse_other_table,
)
from airflow_sfx.metastore.opener import (
    REGION,
    S3_OPTIONS,
    Opened,
    Opener,
    access_of,
    check_server,
    check_word,
    location_of,
    refuse_path,
)
from airflow_sfx.metastore.table_properties import follows
from airflow_sfx.metastore.unsupported_partitions import (
    supported,
    supported_of_table,
    unsupported,
)
from airflow_sfx.storage.aws_config import create_client
from airflow_sfx.storage.aws_session import is_transient, session_of
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.s3_access import S3Access

READ_CHUNK = 1000
WRITE_CHUNK = 100
DROP_CHUNK = 25
"""The number of partitions that Glue accepts in one call."""
_RETRIED = ("ThrottlingException", "OperationTimeoutException")
"""Errors after which a call is retried."""
_TRANSIENT = {
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "ResourceNotReadyException",
    "ThrottlingException",
}
_CROSSED = {"AlreadyExistsException", "EntityNotFoundException"}
"""Errors of a partition that another program added or dropped since it was read."""


class GlueMetastore(Metastore):
    """A `Metastore` in the AWS Glue catalog.

    Args:
        client: Returns a boto3 client with the given time limits, which does not retry calls.
        location: The URI below which to create databases.
        catalog: The AWS account that owns the catalog; None for that of the credentials.
    """

    moves_together = False

    def __init__(
        self, client: Callable[[Timeouts], Any], location: str, catalog: str | None = None
    ) -> None:
        self._client = lru_cache(maxsize=4)(client)
        self._location = location
        self._catalog = {} if catalog is None else {"CatalogId": catalog}

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        return sorted(one["Name"] for one in self._pages("get_databases", "DatabaseList"))

    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables, sorted; none if it does not exist."""
        with contextlib.suppress(_Absent):
            return sorted(
                one["Name"] for one in self._pages("get_tables", "TableList", DatabaseName=database)
            )
        return []

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return a table, or None if it does not exist."""
        table = self._table(ref)
        return None if table is None else objects.info_of(table)

    def create_table(self, info: TableInfo) -> TableInfo:
        """Create a table and its database unless they exist, and return the table."""
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
        """Change a table's columns and parameters; see `Metastore.update_table`."""
        for _ in self._attempts(ref):
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
        """Return the pointers of partitions; see `Metastore.get_partitions`."""
        wanted = None if partitions is None else sorted(set(partitions))
        table = self._table(ref)
        if table is None or wanted == []:
            return {}
        if not table.get("PartitionKeys"):
            pointer = objects.pointer_of_table(table)
            return {} if pointer is None else {pointer.partition: pointer}
        try:
            found = self._all(ref) if wanted is None else self._named(ref, wanted)
        except _Absent:  # the table was dropped meanwhile
            return {}
        infos = supported_of_table(ref, found, objects.pointer_of_partition)
        return {
            info.partition: info for info in sorted(infos, key=lambda info: info.partition.values)
        }

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Return a table's partitions, sorted; Glue cannot list values alone."""
        kept, _ = supported(self._all_or_none(ref), lambda one: Partition(tuple(one["Values"])))
        return sorted(kept, key=lambda one: one.values)

    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """Return the partitions with a value that no batch can have, sorted by name."""
        table = self.get_table(ref)
        if table is None or not table.keys:
            return []
        found = self._all_or_none(ref)
        rejected = (
            unsupported(table.keys, one["Values"], objects.location_of(one)) for one in found
        )
        return sorted(filter(None, rejected), key=lambda one: one.name)

    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        """Remove a table with its partitions, unless it does not exist."""
        found = self.get_table(ref)
        if found is None or not is_at(found, at):
            return False
        with contextlib.suppress(_Absent):
            self._call("delete_table", DatabaseName=ref.database, Name=ref.table)
        return True

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Move the pointers of partitions, a hundred at a time.

        Returns:
            None, as the moves are not atomic.
        """
        for _ in self._attempts(ref):
            table = self._existing(ref)
            refuse_other_table(objects.info_of(table), at)
            with contextlib.suppress(_Absent):  # dropped since it was read
                done = (
                    self._move(table, pointers)
                    if table.get("PartitionKeys")
                    else self._move_table(table, pointers)
                )
                if done:
                    return None
        raise AssertionError  # the loop ends by returning or raising

    def _move(self, table: Mapping[str, Any], pointers: Sequence[PartitionInfo]) -> bool:
        """Move pointers that must move; return False if some must be read again."""
        ref = TableRef(table["DatabaseName"], table["Name"])
        there = {
            tuple(one["Values"]): one for one in self._named(ref, [p.partition for p in pointers])
        }
        missing, due, gone = [], [], []
        for pointer in pointers:
            found = there.get(pointer.partition.values)
            if pointer.gone:
                if found and pointer.version >= objects.pointer_of_partition(found).version:
                    gone.append({"Values": found["Values"]})
            elif found is None:
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
        for start in range(0, len(gone), DROP_CHUNK):
            chunk = gone[start : start + DROP_CHUNK]
            errors += self._call("batch_delete_partition", **names, PartitionsToDelete=chunk).get(
                "Errors", []
            )
        for error in errors:
            _raise_permanent(ref, error)
        return not errors

    def _move_table(self, table: Mapping[str, Any], pointers: Sequence[PartitionInfo]) -> bool:
        (pointer,) = pointers
        before = objects.pointer_of_table(table)
        if before is not None and not follows(pointer, before):
            return True
        ref = TableRef(table["DatabaseName"], table["Name"])
        return self._replace(ref, objects.moved_table(table, pointer), table["VersionId"])

    def _replace(self, ref: TableRef, table: Mapping[str, Any], version: str) -> bool:
        """Write a table; return False if another program changed it since that version."""
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

    def _all_or_none(self, ref: TableRef) -> list[Mapping[str, Any]]:
        """Return all partitions, as they are in Glue; none if the table does not exist."""
        with contextlib.suppress(_Absent):
            return self._all(ref)
        return []

    def _named(self, ref: TableRef, partitions: Sequence[Partition]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        due = [{"Values": list(partition.values)} for partition in partitions]
        retries = self._attempts(ref)
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
                next(retries)
        return found

    def _attempts(self, ref: TableRef) -> Iterator[None]:
        """Yield for each attempt of a loop that reads, changes, and ends by returning."""
        total = timeouts().total
        for _ in attempts(total, first=0.1, longest=5.0):
            yield
        raise WarehouseUnavailable(
            f"the Glue catalog did not accept a change of {ref} within {total:.0f} s, because of"
            f" too many requests or other writers: `sfx repair {ref}` completes it later",
            table=str(ref),
        )

    def _pages(self, operation: str, member: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        page = self._call(operation, **arguments)
        yield from page[member]
        while token := page.get("NextToken"):
            page = self._call(operation, **arguments, NextToken=token)
            yield from page[member]

    def _call(self, operation: str, **arguments: Any) -> Any:
        """Make a call, and retry it, also if the first one may have taken effect.

        What it created then exists already, which callers handle.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        limits = timeouts()
        failure: Exception | None = None
        for _ in attempts(limits.total, first=0.1, longest=3.0):
            try:
                return getattr(self._client(limits), operation)(**arguments, **self._catalog)
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error, _RETRIED):
                    raise _translated(operation, error) from safe_cause(error)
                failure = error
        assert failure is not None
        raise _translated(operation, failure) from safe_cause(failure)


class _Absent(Exception):
    """Glue has no such object."""


class _Present(Exception):
    """Glue has the object already."""


class _Crossed(Exception):
    """Another program changed the object since it was read."""


def _translated(operation: str, error: Exception) -> Exception:
    """Return what to raise for boto3's error of a call."""
    from botocore.exceptions import ClientError

    kinds = {
        "EntityNotFoundException": _Absent,
        "AlreadyExistsException": _Present,
        "ConcurrentModificationException": _Crossed,
    }
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        if code in kinds:
            return kinds[code]()
    return WarehouseUnavailable(
        f"the Glue catalog cannot be used ({operation}: {safe_message(error)}): check the region,"
        " the credentials and their permissions glue:Get*, glue:Create*, glue:Update* and"
        " glue:Batch*Partition; `sfx repair` completes interrupted changes"
    )


def _raise_permanent(ref: TableRef, error: Mapping[str, Any]) -> None:
    """Raise a partition's error unless a retry may succeed."""
    detail = error.get("ErrorDetail", {})
    code = detail.get("ErrorCode", "")
    if code not in _TRANSIENT and code not in _CROSSED:
        values = error.get("PartitionValues") or error.get("PartitionValueList") or []
        raise WarehouseUnavailable(
            f"the Glue catalog rejected the partition {'/'.join(values)} of {ref}: {code}: "
            f"{detail.get('ErrorMessage', '')}; `sfx repair {ref}` retries it",
            table=str(ref),
        )


def _check(uri: Uri, what: str) -> None:
    refuse_path(uri, what)
    if not REGION.fullmatch(uri.authority):
        raise InvalidName(
            f"{what} names no region: write glue://eu-west-1?location=s3://bucket/prefix"
        )


def _open(uri: Uri, access: S3Access | None, source: str) -> Opened:
    given, region = access_of(uri, access), uri.authority
    given = replace(
        given,
        region=given.region or region,
        glue_endpoint=uri.options.get("glue_endpoint_url") or given.glue_endpoint,
        glue_catalog=uri.options.get("catalog_id") or given.glue_catalog,
    )
    store = open_store(location_of(uri), given, source)
    metastore = GlueMetastore(partial(_client, given, region), store.uri, given.glue_catalog)
    return Opened(metastore, store, f"glue://{region}?location={store.uri}")


def _client(access: S3Access, region: str, limits: Timeouts) -> Any:
    from botocore.config import Config

    ours = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=limits.connect,
        read_timeout=limits.answer,
    )
    config = ours if access.config is None else access.config.merge(ours)
    return create_client("glue", session_of(access), access, config, region, access.glue_endpoint)


OPENER = Opener(
    "glue://region?location=s3://bucket/prefix (AWS Glue)",
    {**S3_OPTIONS, "glue_endpoint_url": check_server, "catalog_id": check_word},
    _check,
    _open,
)
