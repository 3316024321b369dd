"""The embedded metastore: a SQLite file for the processes of one machine.

SQLite's write-ahead log lets readers continue while a writer commits. The module uses the standard
library's `sqlite3`, not SQLAlchemy, for its dozen statements: a notebook or the command line starts
0.15 s sooner.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote, unquote

from airflow_sfx.core.errors import InvalidName, SfxError, TableNotFound, WarehouseUnavailable
from airflow_sfx.core.io.uris import Uri
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import (
    Metastore,
    PartitionInfo,
    TableInfo,
    UnsupportedPartition,
    is_at,
    refuse_other_table,
    refuse_taken,
)
from airflow_sfx.metastore.embedded_connections import Connections, write_ahead
from airflow_sfx.metastore.opener import Opened, Opener
from airflow_sfx.metastore.table_properties import parameters_of, with_kinds, without_kinds
from airflow_sfx.metastore.unsupported_partitions import (
    supported,
    supported_of_table,
    unsupported,
)
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.s3_access import S3Access

CATALOG_FILE = "_sfx/metastore.sqlite"
_SCHEMA_VERSION = 1
_BELOW = "./"  # the prefix of locations below the warehouse; no URI begins with it
_LOCK_WAIT_SECONDS = 60.0
_BULK = 500  # below SQLite's limit of 999 parameters before 3.32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tables (
    id INTEGER PRIMARY KEY,
    database TEXT NOT NULL,
    name TEXT NOT NULL,
    location TEXT NOT NULL,
    columns TEXT NOT NULL,
    keys TEXT NOT NULL,
    parameters TEXT NOT NULL,
    UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS partitions (
    table_id INTEGER NOT NULL REFERENCES tables (id),
    partition_values TEXT NOT NULL,
    location TEXT NOT NULL,
    version INTEGER NOT NULL,
    batch_id TEXT,
    rows INTEGER,
    bytes INTEGER,
    at TEXT NOT NULL,
    PRIMARY KEY (table_id, partition_values)
) WITHOUT ROWID;
"""

_DROP = "DELETE FROM partitions WHERE table_id = ? AND partition_values = ? AND version <= ?"
_COUNT = "SELECT count(*) FROM partitions WHERE table_id = ? AND partition_values = ?"

_REPOINT = """
INSERT INTO partitions (table_id, partition_values, location, version, batch_id, rows, bytes, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (table_id, partition_values) DO UPDATE SET
    location = excluded.location, version = excluded.version, batch_id = excluded.batch_id,
    rows = excluded.rows, bytes = excluded.bytes,
    at = CASE WHEN excluded.batch_id IS partitions.batch_id THEN partitions.at ELSE excluded.at END
WHERE excluded.version >= partitions.version
"""


class EmbeddedMetastore(Metastore):
    """A `Metastore` in a SQLite file.

    Without the file it has no tables, and the first write creates it.

    Args:
        path: The file.
        root: The warehouse's URI. Locations below it are stored relative to it, so that the
            warehouse may be moved, or be reached by several paths.

    Raises:
        WarehouseUnavailable: The file cannot be opened, or is not such a database.
    """

    for_engines = False
    can_rename = True

    def __init__(self, path: str, root: str) -> None:
        self._path = path
        self._root = root
        self._connections = Connections(self._connect)
        self._created = False
        self._is_created()

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        with self._reading() as db:
            return [
                name
                for (name,) in db.execute("SELECT DISTINCT database FROM tables ORDER BY database")
            ]

    def tables(self, database: str) -> list[str]:
        """Return the names of a database's tables, sorted."""
        with self._reading() as db:
            return [
                name
                for (name,) in db.execute(
                    "SELECT name FROM tables WHERE database = ? ORDER BY name", (database,)
                )
            ]

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return a table, or None if it does not exist."""
        with self._reading() as db:
            found = self._table(db, ref)
        return found[1] if found else None

    def create_table(self, info: TableInfo) -> TableInfo:
        """Create a table unless it exists, and return the existing table."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO tables (database, name, location, columns, keys, parameters)"
                " VALUES (?,?,?,?,?,?)",
                (
                    info.ref.database,
                    info.ref.table,
                    self._stored(info.location),
                    *_table_texts(info),
                ),
            )
            return self._existing(db, info.ref)[1]

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Change a table's columns and parameters in one transaction."""
        with self._transaction() as db:
            table_id, info = self._existing(db, ref)
            changed = change(info)
            db.execute(
                "UPDATE tables SET columns=?, keys=?, parameters=? WHERE id=?",
                (*_table_texts(changed), table_id),
            )
            return changed

    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        """Remove a table and its partitions in one transaction."""
        with self._transaction() as db:
            found = self._table(db, ref)
            if found is None or not is_at(found[1], at):
                return False
            db.execute("DELETE FROM partitions WHERE table_id = ?", (found[0],))
            db.execute("DELETE FROM tables WHERE id = ?", (found[0],))
            return True

    def rename_table(
        self, ref: TableRef, to: TableRef, change: Callable[[TableInfo], TableInfo]
    ) -> TableInfo:
        """Give a table another name and parameters in one transaction."""
        with self._transaction() as db:
            table_id, info = self._existing(db, ref)
            refuse_taken(ref, self._table(db, to))
            renamed = change(info)
            *_, parameters = _table_texts(renamed)
            db.execute(
                "UPDATE tables SET database=?, name=?, parameters=? WHERE id=?",
                (to.database, to.table, parameters, table_id),
            )
            return renamed

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        """Return the pointers of partitions; see `Metastore.get_partitions`."""
        query = (
            "SELECT partition_values, p.location, version, batch_id, rows, bytes, at FROM"
            " partitions p JOIN tables t ON t.id = p.table_id WHERE t.database = ? AND t.name = ?"
        )
        with self._reading() as db:
            if partitions is None:
                rows = db.execute(query, (ref.database, ref.table)).fetchall()
            else:
                wanted = sorted({_key(partition) for partition in partitions})
                db.execute("BEGIN")  # all chunks at one moment
                rows = []
                for start in range(0, len(wanted), _BULK):
                    chunk = wanted[start : start + _BULK]
                    marks = ",".join("?" * len(chunk))
                    statement = f"{query} AND partition_values IN ({marks})"
                    rows += db.execute(statement, (ref.database, ref.table, *chunk)).fetchall()
                db.execute("COMMIT")
        infos = supported_of_table(ref, rows, self._partition)
        return {
            info.partition: info for info in sorted(infos, key=lambda info: info.partition.values)
        }

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        """Return a table's partitions, sorted by their values."""
        query = (
            "SELECT partition_values FROM partitions p JOIN tables t ON t.id = p.table_id WHERE"
            " t.database = ? AND t.name = ?"
        )
        with self._reading() as db:
            rows = db.execute(query, (ref.database, ref.table)).fetchall()
        kept, _ = supported(rows, lambda row: Partition(tuple(json.loads(row[0]))))
        return sorted(kept, key=lambda one: one.values)

    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        """Return the partitions with a value that no batch can have, sorted by name."""
        with self._reading() as db:
            found = self._table(db, ref)
            if found is None:
                return []
            table_id, info = found
            query = "SELECT partition_values, location FROM partitions WHERE table_id = ?"
            rows = db.execute(query, (table_id,)).fetchall()
        rejected = (
            unsupported(info.keys, json.loads(values), self._location(stored))
            for values, stored in rows
        )
        return sorted(filter(None, rejected), key=lambda one: one.name)

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Move the pointers of partitions in one transaction; see `Metastore.repoint`."""
        with self._transaction() as db:
            table_id, info = self._existing(db, ref)
            refuse_other_table(info, at)
            moves = (
                (
                    table_id,
                    _key(p.partition),
                    self._stored(p.location),
                    p.version,
                    p.batch_id,
                    p.rows,
                    p.bytes,
                    p.at,
                )
                for p in pointers
                if not p.gone
            )
            known = all(
                p.first or db.execute(_COUNT, (table_id, _key(p.partition))).fetchone()[0]
                for p in pointers
            )
            db.executemany(_REPOINT, moves)
            gone = ((table_id, _key(p.partition), p.version) for p in pointers if p.gone)
            db.executemany(_DROP, gone)
        return info if known else None

    def _stored(self, location: str) -> str:
        """Return a location as it is stored: relative to the warehouse if below it."""
        below = location.removeprefix(f"{self._root}/")
        return location if below == location else f"{_BELOW}{below}"

    def _location(self, stored: str) -> str:
        below = stored.removeprefix(_BELOW)
        return stored if below == stored else f"{self._root}/{below}"

    def _table(self, db: sqlite3.Connection, ref: TableRef) -> tuple[int, TableInfo] | None:
        row = db.execute(
            "SELECT id, location, columns, keys, parameters FROM tables WHERE database = ? AND"
            " name = ?",
            (ref.database, ref.table),
        ).fetchone()
        if row is None:
            return None
        table_id, stored, columns, keys, text = row
        parameters = json.loads(text)
        return table_id, TableInfo(
            ref,
            self._location(stored),
            with_kinds((Column(name, type_) for name, type_ in json.loads(columns)), parameters),
            tuple(PartitionKey(name, type_) for name, type_ in json.loads(keys)),
            without_kinds(parameters),
        )

    def _existing(self, db: sqlite3.Connection, ref: TableRef) -> tuple[int, TableInfo]:
        found = self._table(db, ref)
        if found is None:
            raise TableNotFound(
                f"the metastore has no table {ref}: create it by storing a batch", table=str(ref)
            )
        return found

    def _partition(
        self, row: tuple[str, str, int, str | None, int | None, int | None, str]
    ) -> PartitionInfo:
        values, stored, version, batch_id, rows, size, at = row
        partition = Partition(tuple(json.loads(values)))
        return PartitionInfo(partition, self._location(stored), version, batch_id, rows, size, at)

    def _is_created(self) -> bool:
        """Return whether the file exists and has the tables."""
        if not self._created and os.path.exists(self._path) and os.path.getsize(self._path):
            with self._opened() as db:
                version = _version(db)
            if version > _SCHEMA_VERSION:
                raise WarehouseUnavailable(
                    f"{self._path} has the format {version}, which this version cannot read:"
                    " install a later airflow_sfx"
                )
            self._created = version == _SCHEMA_VERSION
        return self._created

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._is_created():
            with self._opened() as connection:
                yield connection
            return
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as nothing:
            _create(nothing)
            yield nothing

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._is_read_only():
                with contextlib.closing(self._open_read_only()) as connection:
                    yield connection
                return
            with self._connections.use() as connection:
                yield connection
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if _version(connection) < _SCHEMA_VERSION:
                    _create(connection)
                yield connection
            except BaseException:
                # Not when the connection is closed, as a cursor may keep it open and others wait.
                if connection.in_transaction:  # a full disk ends it
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _is_read_only(self) -> bool:
        """Whether this user cannot write to the file's folder, and no process is writing.

        Even to read a database with a write-ahead log, SQLite creates a file beside it.
        """
        folder = os.path.dirname(self._path)
        if os.access(folder, os.W_OK) or not os.path.exists(self._path):
            return False
        return not os.path.exists(f"{self._path}-wal")

    def _open_read_only(self) -> sqlite3.Connection:
        """Open the file for one use, as another user may write to it at any time."""
        return sqlite3.connect(
            f"file:{quote(self._path)}?mode=ro&immutable=1", uri=True, isolation_level=None
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error
        connection = sqlite3.connect(
            self._path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        write_ahead(connection, _LOCK_WAIT_SECONDS)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _unavailable(self, error: Exception) -> SfxError:
        return WarehouseUnavailable(
            f"the embedded metastore {self._path} cannot be used: {error}. Check that it is the"
            " file of a warehouse, that this user may write to it and its folder, and that the disk"
            " has free space; `sfx repair` completes interrupted changes"
        )


def _create(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _table_texts(info: TableInfo) -> tuple[str, str, str]:
    return (
        json.dumps([[column.name, column.type] for column in info.columns]),
        json.dumps([[key.name, key.type] for key in info.keys]),
        json.dumps({**info.parameters, **parameters_of(info.columns)}),
    )


def _key(partition: Partition) -> str:
    return json.dumps(partition.values, ensure_ascii=False, separators=(",", ":"))


def _check(uri: Uri, what: str) -> None:
    """Accept any path: whether it is absolute is known once ``~`` is expanded."""


def _open(uri: Uri, access: S3Access | None, source: str) -> Opened:
    path = os.path.expanduser(unquote(uri.authority + uri.path))
    if not path.startswith("/"):
        raise InvalidName(
            "the warehouse's URI has no absolute path: use embedded:///absolute/path, with three"
            " slashes"
        )
    store = open_store(f"file://{quote(path)}", source=source)
    metastore = EmbeddedMetastore(f"{path}/{CATALOG_FILE}", store.uri)
    shown = re.sub("[%#?]", lambda found: quote(found.group()), path)  # the rest stays readable
    return Opened(metastore, store, f"embedded://{shown}")


OPENER = Opener("embedded:///absolute/path (a directory)", {}, _check, _open)
