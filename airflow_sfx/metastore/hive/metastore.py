"""The Hive Metastore, in which engines see external Parquet tables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from hmsclient.genthrift.hive_metastore import ttypes
from thrift.Thrift import TException

from airflow_sfx.core.errors import InvalidName, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.paths import EMPTY
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import (
    Metastore,
    Move,
    PartitionInfo,
    TableInfo,
    UnsupportedPartition,
    is_at,
    refuse_other_table,
    refuse_taken,
)
from airflow_sfx.metastore.hive import convert as objects, requests
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients, Interrupted, bounded
from airflow_sfx.metastore.hive.locks import HiveLocks
from airflow_sfx.metastore.hive.reader import CHUNK, HiveReader
from airflow_sfx.metastore.partition_names import values_of
from airflow_sfx.metastore.table_properties import ROOT, VERSION, follows
from airflow_sfx.metastore.unsupported_partitions import (
    supported,
    supported_of_table,
    unsupported,
)

T = TypeVar("T")

DROP_CHUNK = 100
"""The number of partitions that one call drops.

A metastore names them all in one condition, which at some hundreds overflows the stack of Derby.
"""
CROSSED_AT_MOST = 5
"""How often to retry when the metastore reports that what was just read does not exist."""


class HiveMetastore(HiveReader, Metastore):
    """A `Metastore` in a Hive Metastore of Hive 2.3 or later.

    One ``alter_partitions``, which is one transaction of the metastore, moves several partitions.
    Missing partitions are first added with a directory without files, which reads as no rows.

    Args:
        address: The metastore's address.
        location: The URI below which to create tables.
    """

    can_rename = True

    def __init__(self, address: Address, location: str) -> None:
        super().__init__(HiveClients(address))
        self._locks = HiveLocks(self._clients)
        self._location = location

    def get_ready(self) -> None:
        """Open a connection in the background, as its first call is slow."""
        self._clients.open_ahead(lambda client: client.get_all_databases())

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        return sorted(self._call(lambda client: client.get_all_databases()))

    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables, sorted; none if it does not exist."""
        return sorted(self._call(lambda client: client.get_all_tables(database)))

    def check(self, partition: Partition) -> None:
        """Reject values that end with a space, which databases of metastores ignore."""
        for value in partition.values:
            if value.endswith(" "):
                raise InvalidName(
                    f"the partition value {value!r} ends with a space, and the databases of Hive"
                    f" Metastores cannot distinguish it from {value.rstrip()!r}: strip it; nothing"
                    " was published"
                )

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return a table, or None if it does not exist."""
        table = self._table(ref)
        return None if table is None else objects.info_of(table)

    def create_table(self, info: TableInfo) -> TableInfo:
        """Create a table and its database unless they exist, and return the table."""
        self._make_database(info.ref.database)
        return self._create(
            lambda: self.get_table(info.ref),
            lambda client: client.create_table(objects.table_of(info)),
        )

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Change a table's columns and parameters; see `Metastore.update_table`.

        All partitions get the new columns as well, so that engines read them with these.

        The metastore compares old and new types column by column, as far as there are columns, and
        rejects some changes. Those take two steps: the first one drops the columns from the first
        such change on, and keeps the new ones in a parameter, from which the next writer completes
        the change if this one dies.
        """

        def alter(table: Any) -> bool:
            expected, before = objects.expected_parameter(table), list(table.sd.cols)
            changed = objects.changed_table(table, change(objects.info_of(table)))
            try:
                return self._alter_table(changed, expected, cascade=True)
            except ttypes.InvalidOperationException as error:
                if requests.INCOMPATIBLE not in str(error.message):
                    raise
            cut = objects.cut_before_changes(changed, before)
            return self._alter_table(cut, expected, cascade=True) and self._complete(cut)

        with self._locks.held(ref, None):
            return objects.info_of(self._change_table(ref, alter))

    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        """Remove a table and its partitions; its files stay."""
        with self._locks.held(ref, None):
            for _ in self._while_interrupted():
                found = self.get_table(ref)
                if found is None or not is_at(found, at):
                    return False
                with contextlib.suppress(Interrupted):
                    with contextlib.suppress(ttypes.NoSuchObjectException):
                        self._call_once(requests.drop_table(ref), seconds=10 * timeouts().answer)
                    return True
        raise AssertionError  # the loop ends by returning or raising

    def rename_table(
        self, ref: TableRef, to: TableRef, change: Callable[[TableInfo], TableInfo]
    ) -> TableInfo:
        """Give a table another name; as it is external, no file moves."""
        tried: TableInfo | None = None

        def alter(table: Any) -> bool:
            nonlocal tried
            refuse_taken(ref, self._table(to))
            expected, tried = objects.expected_parameter(table), change(objects.info_of(table))
            return self._alter_table(objects.renamed(table, tried), expected, cascade=True, was=ref)

        self._make_database(to.database)
        with self._locks.held(ref, None):
            try:
                return objects.info_of(self._change_table(ref, alter))
            except TableNotFound:  # renamed already, and the response was lost
                there = self.get_table(to)
                if there is None or tried is None or not is_at(there, tried.location):
                    raise
                return there

    def complete_columns(self, ref: TableRef) -> bool:
        """Complete a change of columns whose writer died between its two steps."""
        table = self._table(ref)
        if table is None or not objects.is_cut(table):
            return False
        with self._locks.held(ref, None):
            self._change_table(
                ref, lambda table: not objects.is_cut(table) or self._complete(table)
            )
        return True

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Return the pointers of partitions; see `Metastore.get_partitions`.

        With ``keys`` this is one call, as the table is not read. Up to `CHUNK` named partitions, or
        fewer than `ALL_AT_ONCE` of a whole table, are read at one moment; beyond, each chunk is.
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
        except ttypes.NoSuchObjectException:  # the table was dropped meanwhile
            return {}
        infos = supported_of_table(ref, found, objects.pointer_of_partition)
        return {
            info.partition: info for info in sorted(infos, key=lambda info: info.partition.values)
        }

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Return a table's partitions by their names, sorted by their values."""
        if self._table(ref) is None:  # the server's call for names fails with an internal error
            return []
        kept, _ = supported(self._names(ref), lambda name: Partition(values_of(name)))
        return sorted(kept, key=lambda one: one.values)

    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """Return the partitions with a value that no batch can have, reading only these."""
        table = self._table(ref)
        keys = objects.info_of(table).keys if table else ()
        if not keys:
            return []
        names = [name for name in self._names(ref) if unsupported(keys, values_of(name), "")]
        found = self._by_names(ref, names)
        rejected = (unsupported(keys, one.values, one.sd.location) for one in found)
        return sorted(filter(None, rejected), key=lambda one: one.name)

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Move the pointers of partitions at one moment; see `Metastore.repoint`."""
        name = None if len(pointers) > 1 else str(pointers[0].partition)
        with self._locks.held(ref, name) as held:
            seen = self._move_all(ref, pointers, at)
        return seen if held.lasted else None

    @contextlib.contextmanager
    def moving(
        self, ref: TableRef, partitions: Sequence[Partition], *, at: str | None = None
    ) -> Iterator[Move]:
        """Acquire the lock of a single partition in the background.

        Several partitions are locked only when they move, as that lock blocks all other writers.
        """
        if len(partitions) > 1:
            yield partial(self.repoint, ref, at=at)
            return
        with self._locks.ahead(ref, str(partitions[0])) as lock:

            def move(pointers: Sequence[PartitionInfo]) -> TableInfo | None:
                with lock() as held:
                    seen = self._move_all(ref, pointers, at)
                return seen if held.lasted else None

            yield move

    def _move_all(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], at: str | None
    ) -> TableInfo | None:
        """Move pointers; return None if one was added that may have been dropped meanwhile."""
        added: list[PartitionInfo] = []

        def move(table: Any) -> bool:
            refuse_other_table(objects.info_of(table), at)
            if objects.is_cut(table):  # by a writer that died between two steps
                self._complete(table)
                return False
            if not table.partitionKeys:
                return self._move_table(table, pointers)
            return self._move(table, pointers, added)

        table = self._change_table(ref, move)
        sure = all(pointer.first for pointer in added)
        return objects.info_of(table) if sure else None

    def _change_table(self, ref: TableRef, change: Callable[[Any], bool]) -> Any:
        """Read and change a table until that succeeds, and return the changed table.

        Another program may drop the table, or a partition, between the two.
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

    def _move(
        self, table: Any, pointers: Sequence[PartitionInfo], added: list[PartitionInfo]
    ) -> bool:
        ref, keys = TableRef(table.dbName, table.tableName), objects.info_of(table).keys
        there = {
            tuple(one.values): one
            for one in self._named(ref, keys, [p.partition for p in pointers])
        }
        missing = [p for p in pointers if not p.gone and p.partition.values not in there]
        added.extend(missing)
        empty = f"{objects.info_of(table).location}/{EMPTY}"
        for chunk in bounded(missing, CHUNK):
            new = [objects.new_partition(table, pointer, empty) for pointer in chunk]
            try:
                self._call_once(requests.add_partitions(table, new), count=len(new))
            except Interrupted:
                return False
            there.update({tuple(one.values): one for one in new})
        due = [
            objects.moved(there[pointer.partition.values], pointer, table.sd.cols)
            for pointer in pointers
            if not pointer.gone
            and follows(pointer, objects.pointer_of_partition(there[pointer.partition.values]))
        ]
        gone = objects.names_of_gone(keys, pointers, there)
        if due:  # in the same transaction, so that no engine reads rows that moved twice
            due += [
                objects.moved(found, pointer, table.sd.cols)
                for pointer in pointers
                if pointer.gone
                and (found := there.get(pointer.partition.values)) is not None
                and follows(pointer, objects.pointer_of_partition(found))
            ]
        try:
            if due:
                self._call_once(requests.alter_partitions(table, due), count=len(due))
            for names in bounded(gone, DROP_CHUNK):
                self._call_once(requests.drop_partitions(table, names), count=len(names))
        except Interrupted:
            return False
        return True

    def _move_table(self, table: Any, pointers: Sequence[PartitionInfo]) -> bool:
        (pointer,) = pointers
        before = objects.pointer_of_table(table)
        if before is not None and not follows(pointer, before):
            return True
        expected = objects.expected_parameter(table)
        root = objects.info_of(table).location
        changed = objects.moved(table, pointer, table.sd.cols)
        changed.parameters[ROOT] = root
        return self._alter_table(changed, expected, cascade=False)

    def _complete(self, cut: Any) -> bool:
        """Complete the second step of a change of columns, unless another writer has."""
        expected = objects.expected_parameter(cut)
        return self._alter_table(
            objects.changed_table(cut, objects.info_of(cut)), expected, cascade=True
        )

    def _alter_table(
        self,
        table: Any,
        expected: tuple[str, str] | None,
        *,
        cascade: bool,
        was: TableRef | None = None,
    ) -> bool:
        """Write a table unless another writer changed it since it was read.

        The call writes the whole table, so that one condition guards its columns and its pointer.

        Args:
            table: The changed table, with the version that was read.
            expected: The result of `objects.expected_parameter` for the table that was read.
            cascade: Whether to change the columns of all partitions as well.
            was: Its present name if it is renamed, or None.

        Returns:
            False if the table must be read again.
        """
        table.parameters[VERSION] = objects.next_version(table)
        try:
            self._call_once(
                requests.alter_table(table, expected, cascade=cascade, was=was),
                seconds=10 * timeouts().answer if cascade else None,
            )
        except Interrupted:
            return False
        except ttypes.MetaException as error:
            if requests.MODIFIED in str(error.message):
                return False
            raise
        return True

    def _make_database(self, name: str) -> None:
        new = ttypes.Database(name=name, locationUri=f"{self._location}/{name}.db", parameters={})
        self._create(
            lambda: name if name in self.databases() else None,
            lambda client: client.create_database(new),
        )

    def _create(self, find: Callable[[], T | None], create: Callable[[Any], object]) -> T:
        """Create something unless it exists, and return it.

        If two writers create the same, the call of one may fail with an internal error at the
        directory that the other creates.
        """
        failed = 0
        for _ in self._while_interrupted():
            found = find()
            if found is not None:
                return found
            try:
                self._call_once(create)
            except (ttypes.AlreadyExistsException, Interrupted):
                continue
            except WarehouseUnavailable as error:
                failed += 1
                if failed == CROSSED_AT_MOST or not isinstance(error.__cause__, TException):
                    raise
        raise AssertionError  # the loop ends by returning or raising

    def _while_interrupted(self) -> Iterator[None]:
        """Yield for each attempt of a loop that reads, changes, and ends by returning."""
        for _ in attempts(timeouts().total, first=0.02, longest=4.0):
            yield
        raise self._clients.unavailable("connections broke repeatedly")
