"""Adopts what other programs have made, and finishes what writers left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.options import Keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import listed
from airflow_sfx.warehouse.log.ledger import Ledger

if TYPE_CHECKING:
    from airflow_sfx.storage.concurrency import Progress
    from airflow_sfx.warehouse.integrity.repair import Repair
from airflow_sfx.warehouse.calls.base import Calls


class Mending(Calls):
    """Adopts what other programs have made, and finishes what writers left."""

    def adopt(
        self,
        db: str,
        table: str,
        directory: str | os.PathLike[str] | None = None,
        *,
        partitions: Sequence[object] | None = None,
        partition_keys: Keys | None = None,
        reason: str = "",
        producer: Producer | None = None,
        progress: Progress | None = None,
    ) -> BatchPin:
        """Take over files as they lie: they become the first batches of a table, or the newest of partitions.

        With a directory, its Parquet files become a table. Without, what the metastore has does: a
        table that something else made, or those partitions of this warehouse's table that something
        else has changed or added.

        Args:
            db: The database.
            table: The table; made if it is absent and there is a directory.
            directory: An absolute path, or a URI; None for what the metastore has.
            partitions: Which partitions of what the metastore has; None for all that are not in the
                history.
            partition_keys: Names of the keys, or names with Hive types, where the directories are
                not ``key=value``.
            reason: Why, for the history.
            producer: Who; the process's own identity when absent.
            progress: Is told how many of how many files have been read.

        Returns:
            The pin of the adopted batches.

        Raises:
            InvalidName: There is nothing to adopt, or the directories do not fit the keys.
            SchemaMismatch: The files do not fit together, or do not fit the table.
            TableNotFound: Neither a directory nor a table is there.

        Example:
            >>> old = tempfile.mkdtemp()
            >>> pd.DataFrame({"n": [5]}).to_parquet(f"{old}/part-0.parquet")
            >>> warehouse.load_dataframe(warehouse.adopt("sales", "old_items", old))["n"].tolist()
            [5]
        """
        from airflow_sfx.warehouse.batch.target import Target
        from airflow_sfx.warehouse.external.adopt import adopt_directory
        from airflow_sfx.warehouse.external.reconcile import adopt_present

        target = Target.of(TableRef(db, table), self.store, self.metastore, self.partition_style)
        author = self._author(producer, reason)
        if directory is None:
            return adopt_present(target, partitions, author, progress)
        if not isinstance(directory, str | os.PathLike):
            raise InvalidName(
                f"directory={directory!r:.80} is no path: pass an absolute one, or a URI"
            )
        return adopt_directory(target, os.fspath(directory), partition_keys, author, progress)

    def repair(
        self,
        db: str,
        table: str,
        *,
        adopted_from: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[Repair]:
        """Complete what a writer that died left half done; tell what only a person can mend. Deletes nothing.

        Args:
            db: The database.
            table: The table.
            adopted_from: Directories, as URIs, that batches of the table were adopted from, where
                the metastore has lost that: files elsewhere than there and in the table's own
                directory are not read.
            progress: Is told how many of how many partitions have been looked at.

        Returns:
            What was found and what was done; nothing where all is well.

        Raises:
            TableNotFound: There is no such table.
            InconsistentBatch: The metastore has lost the table, and a batch of it lies where nobody
                says that it was adopted.

        Example:
            >>> warehouse.repair("sales", "sold_items")
            []
        """
        from airflow_sfx.warehouse.external.reconcile import note_adopted
        from airflow_sfx.warehouse.integrity.repair import Repair, repair_table
        from airflow_sfx.warehouse.log.restore import restore_table

        ref, made = TableRef(db, table), []
        places = [_as_uri(one) for one in listed(adopted_from, "adopted_from")]
        there = self.metastore.get_table(ref)
        opened = None if there else restore_table(ref, self.store, self.metastore, places)
        if opened is not None:
            made.append(
                Repair("", "the metastore did not have the table", "made it again from its history")
            )
        elif places:
            note_adopted(self._open(db, table), places)
        opened = opened or self._open(db, table)
        return made + repair_table(opened, Ledger(opened), progress)


def _as_uri(directory: str) -> str:
    if not isinstance(directory, str):
        raise InvalidName(
            f"adopted_from= holds {directory!r:.80}, which is no directory: pass absolute paths or"
            " URIs"
        )
    return directory if "://" in directory else f"file://{directory}"
