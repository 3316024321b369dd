"""The Hive Metastore: tables that Spark, Hive and Trino read as ordinary external Parquet tables."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from hmsclient.genthrift.hive_metastore import ttypes
from thrift.Thrift import TApplicationException, TException

from airflow_sfx.core.errors import InvalidName, SfxError, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.paths import EMPTY
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore import hive_convert as objects
from airflow_sfx.metastore.base import (
    Metastore,
    Move,
    PartitionInfo,
    TableInfo,
    UnsupportedPartition,
)
from airflow_sfx.metastore.hive_client import Address, HiveClients, Interrupted, bounded
from airflow_sfx.metastore.hive_locks import HiveLocks
from airflow_sfx.metastore.partition_names import hive_name, values_of
from airflow_sfx.metastore.table_properties import ROOT, VERSION, follows
from airflow_sfx.metastore.unsupported_partitions import refusal, usable, usable_of_table

T = TypeVar("T")

CHUNK = 1000
"""How many partitions are read or added by one call."""
ALL_AT_ONCE = 32_767
"""From how many partitions on a table is read by several calls; with fewer, it is read as it was at one moment."""
SECONDS_A_PARTITION = 0.02
CROSSED_AT_MOST = 5
"""How often a table is looked at again because the metastore says that what was just there is not."""
_UNCOUNTED = 10_000
"""For how many partitions a call is given time that nobody has counted: to count them takes a tenth of the time to read them."""
LIMIT = "limit.partition.request"
"""What a metastore names that was told to refuse large requests: it looks at what is asked for, not at what there is."""
_EXPECTED = ("expected_parameter_key", "expected_parameter_value")
_MOVED_MEANWHILE = "has been modified"
_INCOMPATIBLE = "have types incompatible"


class HiveMetastore(Metastore):
    """A `Metastore` in a Hive Metastore, of Hive 2.3 or later.

    Several partitions move by one ``alter_partitions``, which is one transaction of the metastore;
    those that are missing are first added at a directory without files, which reads as no rows.

    Args:
        address: Where it is.
        location: The URI below which new tables lie.
    """

    def __init__(self, address: Address, location: str) -> None:
        self._clients = HiveClients(address)
        self._locks = HiveLocks(self._clients)
        self._location = location
        self._old_get_table = True

    def get_ready(self) -> None:
        """Open a connection in the background: the first call on a new one takes the metastore four times as long as others."""
        self._clients.open_ahead(lambda client: client.get_all_databases())

    def databases(self) -> list[str]:
        """The names of all databases, sorted."""
        return sorted(self._ask(lambda client: client.get_all_databases()))

    def tables(self, database: str) -> list[str]:
        """The names of a database's tables, sorted; none for a database that is not there."""
        return sorted(self._ask(lambda client: client.get_all_tables(database)))

    def check(self, partition: Partition) -> None:
        """Refuse values with a space at the end: the databases of metastores compare text without it, and mix them up."""
        for value in partition.values:
            if value.endswith(" "):
                raise InvalidName(
                    f"the partition value {value!r} ends with a space, and the databases of Hive"
                    f" Metastores do not tell it from {value.rstrip()!r}: strip it; nothing was"
                    " published"
                )

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """A table; None if there is none."""
        table = self._table(ref)
        return None if table is None else objects.info_of(table)

    def create_table(self, info: TableInfo) -> TableInfo:
        """Make a table, and its database, unless it is there; returns the one that is there afterwards."""
        self._make_database(info.ref.database)
        return self._made(
            lambda: self.get_table(info.ref),
            lambda client: client.create_table(objects.table_of(info)),
        )

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Replace a table's columns and parameters by what ``change`` makes of them, with nobody else in between.

        The new columns are given to all partitions, too, so that engines read them with today's
        columns.

        Types that the metastore compares with those that were there, column by column, and refuses,
        are changed in two steps: it compares no more columns than there are. Between them engines
        see only the columns before the first of these; what the others are is kept in a parameter,
        so that whoever writes next completes it if this one dies.
        """

        def alter(table: Any) -> bool:
            seen, before = objects.seen_as(table), list(table.sd.cols)
            changed = objects.changed_table(table, change(objects.info_of(table)))
            try:
                return self._alter_table(changed, seen, cascade=True)
            except ttypes.InvalidOperationException as error:
                if _INCOMPATIBLE not in str(error.message):
                    raise
            cut = objects.cut_before_changes(changed, before)
            return self._alter_table(cut, seen, cascade=True) and self._complete(cut)

        with self._locks.held(ref, None):
            return objects.info_of(self._until_done(ref, alter))

    def complete_columns(self, ref: TableRef) -> bool:
        """Give a table its columns back if a writer died between two steps, as the next one that writes would."""
        table = self._table(ref)
        if table is None or not objects.is_cut(table):
            return False
        with self._locks.held(ref, None):
            self._until_done(ref, lambda table: not objects.is_cut(table) or self._complete(table))
        return True

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Those of the given partitions that there are, in the order of their values; None: all of them.

        With ``keys`` the table itself is not looked at: one call. Up to `CHUNK` named ones, or
        fewer than `ALL_AT_ONCE` of a whole table, are as they were at one moment; of more than
        that, each chunk is.
        """
        wanted = None if partitions is None else sorted(set(partitions))
        if wanted == []:
            return {}
        if not keys:
            table = self._table(ref)
            if table is None:
                return {}
            keys = objects.info_of(table).keys
            if not keys:
                pointer = objects.pointer_of_table(table)
                return {} if pointer is None else {pointer.partition: pointer}
        try:
            found = self._all(ref) if wanted is None else self._named(ref, keys, wanted)
        except ttypes.NoSuchObjectException:  # the table has just been dropped
            return {}
        infos = usable_of_table(ref, found, objects.pointer_of_partition)
        return {
            info.partition: info for info in sorted(infos, key=lambda info: info.partition.values)
        }

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Which partitions a table with keys has, in the order of their values: by their names, which are one small answer."""
        if self._table(ref) is None:  # of a table that is not there, the server's call fails inside
            return []
        kept, _ = usable(self._names(ref), lambda name: Partition(values_of(name)))
        return sorted(kept, key=lambda one: one.values)

    def refused_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """The partitions with a value that no batch can have, by name: only they are read whole."""
        table = self._table(ref)
        keys = objects.info_of(table).keys if table else ()
        if not keys:
            return []
        names = [name for name in self._names(ref) if refusal(keys, values_of(name), "")]
        found = self._by_names(ref.database, ref.table, names)
        refused = (refusal(keys, one.values, one.sd.location) for one in found)
        return sorted(filter(None, refused), key=lambda one: one.name)

    def repoint(self, ref: TableRef, pointers: Sequence[PartitionInfo]) -> bool:
        """Move partitions to new places, all at one moment, and add the missing ones; see `Metastore.repoint`."""
        name = None if len(pointers) > 1 else str(pointers[0].partition)
        with self._locks.held(ref, name) as hold:
            self._move_all(ref, pointers)
        return hold.lasted

    @contextlib.contextmanager
    def moving(self, ref: TableRef, partitions: Sequence[Partition]) -> Iterator[Move]:
        """Ask for the lock of one partition in the background; several are locked when they move, as it stops all others."""
        if len(partitions) > 1:
            yield partial(self.repoint, ref)
            return
        with self._locks.ahead(ref, str(partitions[0])) as lock:

            def move(pointers: Sequence[PartitionInfo]) -> bool:
                with lock() as hold:
                    self._move_all(ref, pointers)
                return hold.lasted

            yield move

    def _move_all(self, ref: TableRef, pointers: Sequence[PartitionInfo]) -> None:
        def move(table: Any) -> bool:
            if objects.is_cut(table):  # by a writer that died between two steps
                self._complete(table)
                return False
            return (self._move if table.partitionKeys else self._move_table)(table, pointers)

        self._until_done(ref, move)

    def _until_done(self, ref: TableRef, change: Callable[[Any], bool]) -> Any:
        """Look at a table and change it; once more where it has to be looked at again. Returns the table, changed.

        Somebody else may have dropped the table, or a partition, since it was looked at.
        """
        crossed = 0
        for _ in self._while_interrupted():
            table = self._existing(ref)
            try:
                if change(table):
                    return table
            except (ttypes.NoSuchObjectException, ttypes.InvalidOperationException) as error:
                crossed += 1
                if crossed == CROSSED_AT_MOST:
                    raise self._clients.unavailable(str(error.message)) from error
        raise AssertionError  # the loop ends by returning or raising

    def _move(self, table: Any, pointers: Sequence[PartitionInfo]) -> bool:

        ref, keys = TableRef(table.dbName, table.tableName), objects.info_of(table).keys
        there = {
            tuple(one.values): one
            for one in self._named(ref, keys, [p.partition for p in pointers])
        }
        missing = [pointer for pointer in pointers if pointer.partition.values not in there]
        empty = f"{objects.info_of(table).location}/{EMPTY}"
        for chunk in bounded(missing, CHUNK):
            new = [objects.new_partition(table, pointer, empty) for pointer in chunk]
            request = ttypes.AddPartitionsRequest(
                dbName=table.dbName,
                tblName=table.tableName,
                parts=new,
                ifNotExists=True,
                needResult=False,
            )
            try:
                self._tell(partial(_add_partitions, request), count=len(new))
            except Interrupted:
                return False
            there.update({tuple(one.values): one for one in new})
        due = [
            objects.moved(there[pointer.partition.values], pointer, table.sd.cols)
            for pointer in pointers
            if follows(pointer, objects.pointer_of_partition(there[pointer.partition.values]))
        ]
        if not due:
            return True
        quiet = ttypes.EnvironmentContext({"DO_NOT_UPDATE_STATS": "true"})
        try:
            self._tell(
                lambda client: client.alter_partitions_with_environment_context(
                    table.dbName, table.tableName, due, quiet
                ),
                count=len(due),
            )
        except Interrupted:
            return False
        return True

    def _move_table(self, table: Any, pointers: Sequence[PartitionInfo]) -> bool:
        (pointer,) = pointers
        before = objects.pointer_of_table(table)
        if before is not None and not follows(pointer, before):
            return True
        seen = objects.seen_as(table)
        root = objects.info_of(table).location
        changed = objects.moved(table, pointer, table.sd.cols)
        changed.parameters[ROOT] = root
        return self._alter_table(changed, seen, cascade=False)

    def _complete(self, cut: Any) -> bool:
        """Change a table between two steps to what it is to be, unless somebody has meanwhile."""
        seen = objects.seen_as(cut)
        return self._alter_table(
            objects.changed_table(cut, objects.info_of(cut)), seen, cascade=True
        )

    def _alter_table(self, table: Any, seen: tuple[str, str] | None, *, cascade: bool) -> bool:
        """Change a table unless somebody has meanwhile; False if it has to be looked at again.

        It is written whole, its columns and its pointer, whichever of them was changed: so there is
        one guard for both.

        Args:
            table: The table as it is to be, with the version that it has.
            seen: What `objects.seen_as` said when it was looked at.
            cascade: Whether all partitions get its columns, too.
        """
        table.parameters[VERSION] = objects.next_version(table)
        properties = {"DO_NOT_UPDATE_STATS": "true"}
        if cascade:
            properties["CASCADE"] = "true"
        if seen is not None:
            properties |= dict(zip(_EXPECTED, seen, strict=True))
        try:
            self._tell(
                lambda client: client.alter_table_with_environment_context(
                    table.dbName, table.tableName, table, ttypes.EnvironmentContext(properties)
                ),
                seconds=10 * timeouts().answer if cascade else None,
            )
        except Interrupted:
            return False
        except ttypes.MetaException as error:
            if _MOVED_MEANWHILE in str(error.message):
                return False
            raise
        return True

    def _table(self, ref: TableRef) -> Any | None:
        def get(client: Any) -> Any:
            if self._old_get_table:
                try:
                    return client.get_table(ref.database, ref.table)
                except TApplicationException as error:
                    if error.type != TApplicationException.UNKNOWN_METHOD:
                        raise
                    self._old_get_table = False  # Hive 4 has the call with a request only
            return client.get_table_req(
                ttypes.GetTableRequest(dbName=ref.database, tblName=ref.table)
            ).table

        try:
            return self._ask(get)
        except ttypes.NoSuchObjectException:
            return None

    def _existing(self, ref: TableRef) -> Any:
        table = self._table(ref)
        if table is None:
            raise TableNotFound(
                f"the table {ref} does not exist: store it first, or see what there is with `sfx"
                " tables`",
                table=str(ref),
            )
        return table

    def _all(self, ref: TableRef) -> list[Any]:
        def get(most: int) -> list[Any]:
            found: list[Any] = self._ask(
                partial(_get_all, ref.database, ref.table, most), count=_UNCOUNTED
            )
            return found

        try:
            found = get(ALL_AT_ONCE)
        except WarehouseUnavailable as error:
            if LIMIT not in str(error):
                raise
            found = get(-1)
        if len(found) < ALL_AT_ONCE:
            return found
        names = self._names(ref)
        return found if len(names) == len(found) else self._by_names(ref.database, ref.table, names)

    def _names(self, ref: TableRef) -> list[str]:
        names: list[str] = self._ask(
            lambda client: client.get_partition_names(ref.database, ref.table, -1)
        )
        return names

    def _named(
        self, ref: TableRef, keys: Sequence[PartitionKey], partitions: Sequence[Partition]
    ) -> list[Any]:
        """Those of the partitions that there are. Databases that compare text without its last spaces give others, too."""
        names = [hive_name(keys, partition.values) for partition in partitions]
        wanted = {partition.values for partition in partitions}
        return [
            one
            for one in self._by_names(ref.database, ref.table, names)
            if tuple(one.values) in wanted
        ]

    def _by_names(self, database: str, table: str, names: Sequence[str]) -> list[Any]:
        return [
            partition
            for chunk in bounded(names, CHUNK)
            for partition in self._ask(
                partial(_get_partitions, database, table, list(chunk)), count=len(chunk)
            )
        ]

    def _make_database(self, name: str) -> None:
        new = ttypes.Database(name=name, locationUri=f"{self._location}/{name}.db", parameters={})
        self._made(
            lambda: name if name in self.databases() else None,
            lambda client: client.create_database(new),
        )

    def _made(self, look: Callable[[], T | None], make: Callable[[Any], object]) -> T:
        """What a look finds once it has been made, by this one or by somebody else.

        Of two that make the same at once, one may fail inside, at the directory that the other
        makes: so it is looked at again.
        """
        failed = 0
        for _ in self._while_interrupted():
            found = look()
            if found is not None:
                return found
            try:
                self._tell(make)
            except (ttypes.AlreadyExistsException, Interrupted):
                continue
            except WarehouseUnavailable as error:
                failed += 1
                if failed == CROSSED_AT_MOST or not isinstance(error.__cause__, TException):
                    raise
        raise AssertionError  # the loop ends by returning or raising

    def _while_interrupted(self) -> Iterator[None]:
        """Turns of a loop whose body looks at what there is and then changes it; it ends by returning."""
        give_up = time.monotonic() + timeouts().total
        turn = 0
        while True:
            yield
            turn += 1
            if time.monotonic() > give_up:
                raise self._clients.unavailable("connections broke off again and again")
            time.sleep(random.uniform(0, min(0.01 * 2**turn, 1.0)))  # noqa: S311

    def _ask(self, action: Callable[[Any], Any], *, count: int = 0) -> Any:
        with self._server_errors():
            return self._clients.ask(
                action, seconds=timeouts().answer + count * SECONDS_A_PARTITION
            )

    def _tell(
        self, action: Callable[[Any], Any], *, count: int = 0, seconds: float | None = None
    ) -> Any:
        given = timeouts().answer if seconds is None else seconds
        with self._server_errors():
            return self._clients.tell(action, seconds=given + count * SECONDS_A_PARTITION)

    @contextlib.contextmanager
    def _server_errors(self) -> Iterator[None]:
        """Errors of the server that no caller expects, as ours."""
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
            if _MOVED_MEANWHILE in message:
                raise
            raise WarehouseUnavailable(
                str(self._clients.unavailable(message.partition("\n")[0]))
            ) from error


def _add_partitions(request: Any, client: Any) -> None:
    client.add_partitions_req(request)


def _get_all(database: str, table: str, most: int, client: Any) -> list[Any]:
    found: list[Any] = client.get_partitions(database, table, most)
    return found


def _get_partitions(database: str, table: str, names: list[str], client: Any) -> list[Any]:
    found: list[Any] = client.get_partitions_by_names(database, table, names)
    return found
