"""Tables that are in the log only: the metastore has no entry of them.

Those of the database ``models`` are models. No engine reads them, so what is current comes from the
log alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.table import MODELS, TableRef
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.table.absent import WithoutPartitions
from airflow_sfx.warehouse.table.not_found import has_content
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table

DATABASE = MODELS
"""The database whose tables are in the log only, unless the metastore has one of the name."""
ALIAS = PartitionKey("alias", "string")
"""The partition key of a model."""


def log_only_table(ref: TableRef, store: ObjectStore) -> Table | None:
    """Open a table that is in the log only, or None if there is none of the name.

    Args:
        ref: The table.
        store: The warehouse's object store.
    """
    if ref.database != DATABASE:
        return None
    if not has_content(store, ref):
        return None
    return Table.find(ref, store, LogOnlyMetastore(store))


def refuse_model(ref: TableRef, store: ObjectStore, what: str, instead: str) -> None:
    """Raise an error if a table is a model, which a call for tables would damage.

    For tables of other databases, this is no request.

    Args:
        ref: The table.
        store: The warehouse's object store.
        what: What cannot be done, such as ``renamed``.
        instead: What to do.

    Raises:
        InvalidName: It is a model.
    """
    if ref.database == DATABASE and has_content(store, ref):
        raise InvalidName(
            f"{ref} is the model {ref.table!r}, which is in the log only and cannot be {what}:"
            f" {instead}",
            table=str(ref),
        )


def model_names(store: ObjectStore) -> list[str]:
    """Return the names that have a directory of the database ``models``, in one request.

    Args:
        store: The warehouse's object store.

    Returns:
        The names, sorted: of models, and of tables of that database.
    """
    found = []
    for name in store.list_directories(f"{DATABASE}.db"):
        with contextlib.suppress(InvalidName):
            if TableRef(DATABASE, name).table == name:
                found.append(name)
    return found


class LogOnlyMetastore(WithoutPartitions):
    """The models of a warehouse as tables, which always exist here and have no pointers.

    Args:
        store: The warehouse's object store.
    """

    for_engines = False

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def databases(self) -> list[str]:
        """Return the database of models."""
        return [DATABASE]

    def tables(self, database: str) -> list[str]:
        """Return the names of the models that were saved, sorted."""
        if database != DATABASE:
            return []
        return [
            name for name in model_names(self._store) if self._has_log(TableRef(DATABASE, name))
        ]

    def _has_log(self, ref: TableRef) -> bool:
        root = TableLayout.default_root(ref)
        return "log" in self._store.list_directories(f"{root}/_sfx")

    def get_table(self, ref: TableRef) -> TableInfo | None:
        """Return a model as a table, without a request: its log says whether it exists."""
        if ref.database != DATABASE:
            return None
        location = f"{self._store.uri}/{TableLayout.default_root(ref)}"
        return TableInfo(ref, location, (), (ALIAS,), {STYLE_PARAMETER: "value"})

    def create_table(self, info: TableInfo) -> TableInfo:
        """Return the table."""
        return info

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Return the table unchanged: a model has no columns."""
        info = self.get_table(ref)
        assert info is not None
        return info

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        """Accept the pointers, of which nothing is stored."""
        return self.get_table(ref)
