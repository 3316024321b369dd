"""What a check judges: a frame, or a batch whose files are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, SchemaMismatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.band import WINDOW
from airflow_sfx.warehouse.quality.figures import Counted, count_figures, counted_figures
from airflow_sfx.warehouse.quality.series import (
    EarlierBatches,
    day_of_partition,
)
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


class Subject(Protocol):
    """A frame or a batch that a check judges."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types."""

    def nulls(self, column: str) -> int:
        """Return the number of nulls of a column.

        Raises:
            SchemaMismatch: There is no such column.
        """

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns.

        Raises:
            SchemaMismatch: There is no such column.
        """

    def replaced(self) -> Sequence[Manifest]:
        """Return the manifest of the batch that it replaces, if any."""


class FrameSubject:
    """A frame by itself, which replaces nothing.

    Args:
        frame: A pandas, polars or Arrow frame.
    """

    def __init__(self, frame: object) -> None:
        self._frame = frame
        self._converted: pa.Table | None = None

    def _table(self) -> pa.Table:
        from airflow_sfx.frames.inputs import to_source

        if self._converted is None:
            self._converted = to_source(self._frame).table
        if self._converted is None:
            raise SchemaMismatch(
                f"a check needs a frame in memory, not a {type(self._frame).__name__}"
            )
        return self._converted

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._table().num_rows

    @property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types."""
        return self._table().schema

    def nulls(self, column: str) -> int:
        """Return the number of nulls of a column."""
        return int(decoded(self._table(), column).null_count)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Return all columns."""
        table = self._table()
        for column in columns:
            _require(column, table.column_names)
        return table

    def replaced(self) -> Sequence[Manifest]:
        """Return nothing."""
        return ()


class BatchSubject:
    """A batch whose files are written; it need not have been published or sealed.

    Args:
        table: The table.
        manifest: The batch's manifest, which need not be stored yet.
        earlier: Gives the manifests of the batches to compare with, oldest first.
        frame: The batch's rows, if they are in memory; other columns are read from its files.
    """

    def __init__(
        self,
        table: Table,
        manifest: Manifest,
        earlier: Callable[[], Sequence[Manifest]],
        frame: pa.Table | None = None,
    ) -> None:
        self._table, self._frame = table, frame
        self._earlier = earlier
        self.manifest = manifest

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.manifest.rows

    @property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types, without the partition keys."""
        from airflow_sfx.frames.schema.codec import schema_from_text

        return schema_from_text(self.manifest.schema).schema

    def nulls(self, column: str) -> int:
        """Return the number of nulls of a column, from the manifest if it has it."""
        known = self.manifest.statistics.get(column)
        if known is not None:
            return known.null_count
        return int(decoded(self.table([column]), column).null_count)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns, read from the batch's files if they are not in memory."""
        from airflow_sfx.warehouse.read.load import load_manifests

        if self._frame is not None and set(columns) <= set(self._frame.column_names):
            return self._frame
        names = [column.name for column in self.manifest.columns]
        for column in columns:
            _require(column, [*names, *self._table.layout.keys])
        found: pa.Table = load_manifests(
            self._table, [self.manifest], columns=columns, filters=None, as_="arrow", stream=False
        )
        return found

    def replaced(self) -> Sequence[Manifest]:
        """Return the manifest of the batch that it replaced, unless that has expired."""
        if self.manifest.replaced is None:
            return ()
        try:
            return (self._table.manifest(self.manifest.partition, self.manifest.replaced),)
        except (BatchNotFound, InconsistentBatch):
            return ()

    def day_of(self, manifest: Manifest) -> date | None:
        """Return the day that another batch of the table is of, or None."""
        return day_of_partition(self._table, manifest.partition)

    def counted(self, manifest: Manifest) -> Counted | None:
        """Return the distinct values of a stored batch, which may read its files."""
        return counted_figures(self._table, manifest) or count_figures(self._table, manifest)

    def earlier(self) -> Sequence[Manifest]:
        """Return the manifests of the batches to compare with, oldest first.

        They are the current batches of earlier partitions, at most `WINDOW`; of a table without
        partitions, its earlier batches.
        """
        return self._earlier()


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check can know besides the frame.

    Args:
        table: The table.
        batches: The batches that the call has written and that are not published yet, one for each
            partition: their ``manifest`` with rows and statistics, ``earlier()`` batches to compare
            with, and ``table(columns)`` to read.
    """

    table: TableRef
    batches: tuple[BatchSubject, ...]

    @classmethod
    def of(
        cls,
        table: Table,
        log: PartitionLog,
        drafts: Callable[[], Sequence[Manifest]],
        frame: pa.Table | None,
    ) -> CheckContext:
        """Return the context of a call.

        Args:
            table: The table.
            log: Its log.
            drafts: Gives the manifests of the batches, as far as they are known.
            frame: The rows of the only batch if they are in memory, or None.
        """
        manifests = drafts()
        before = EarlierBatches(table, log, [one.partition for one in manifests], WINDOW)
        subjects = (
            BatchSubject(table, one, partial(before.of, one.partition, one.batch_id), frame)
            for one in manifests
        )
        return cls(table.ref, tuple(subjects))


def decoded(table: pa.Table, name: str) -> Any:
    """Return a column without run ends, whose nulls Arrow does not count."""
    from airflow_sfx.frames.types.encodings import decode_column

    _require(name, table.column_names)
    return decode_column(table.column(name))


def _require(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise SchemaMismatch(
            f"the check names the column {name!r}, but the frame has {', '.join(names)}: name one"
            " of these"
        )
