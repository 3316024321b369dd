"""A batch that another program writes into a claimed directory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Evolve, TableFit
from airflow_sfx.core.validation import switches
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.fitting import fit
from airflow_sfx.warehouse.batch.parquet_files import place_of
from airflow_sfx.warehouse.batch.staging import record_staged, recorded_pins
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.add_files import inspect_places, refuse_key_columns
from airflow_sfx.warehouse.external.reconcile import reconcile
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.manifests import find_manifests
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.publish import publish_pin
from airflow_sfx.warehouse.write.store import check_failed, conclude, failures
from airflow_sfx.warehouse.write.store_plan import StoreOptions

_DATA = "data"
"""Below the claimed directory, as some programs reject a directory that already exists."""


class ExternalBatch:
    """A batch of one partition that another program is writing.

    Nothing becomes current before `close`. A batch that is never closed stays unfinished and
    invisible to readers. If `close` failed because the object store or the metastore was
    unavailable, it can be called again; once the batch is sealed, its files are fixed.

    Args:
        target: The table.
        partitions: The partition's values, or None for a table without partitions.
        named: The names of a new table's keys, or None.
        inputs: The pins that the batch is made from.
        author: Who writes, and why.

    Example:
        >>> import pandas as pd, pathlib, tempfile, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> batch = warehouse.open_batch("sales", "items", ["20161031"])
        >>> directory = pathlib.Path(batch.location.removeprefix("file://"))
        >>> directory.mkdir()
        >>> pd.DataFrame({"n": [1, 2]}).to_parquet(directory / "part-0.parquet", index=False)
        >>> warehouse.load_dataframe(batch.close())["n"].tolist()
        [1, 2]
    """

    def __init__(
        self,
        target: Target,
        partitions: Sequence[object] | None,
        named: Sequence[str] | Mapping[str, str] | None,
        inputs: tuple[BatchPin, ...],
        author: Author,
    ) -> None:
        StoreOptions(inputs=inputs)  # rejects invalid inputs now, not after hours of writing
        self._target, self._inputs, self._author = target, inputs, author
        self._keys: tuple[PartitionKey, ...]
        self._partition: Partition
        self._keys, self._partition = target.partition(partitions, named)
        table = target.open(self._keys, target.existing.columns if target.existing else ())
        log = PartitionLog(table)
        self._batches = BatchWriter(
            table,
            log,
            BatchContent(lambda: "", (), author.producer, inputs),
            reconcile=partial(reconcile, table, log, author),
        )
        self._name = table.layout.name(self._partition)
        self._batches.claim([self._name])
        own = table.store.local_path(table.layout.batch_dir(self._name, self.batch_id))
        if own is not None:  # other programs may not create parents
            os.makedirs(own, exist_ok=True)
        self._table = table
        self._tried = False

    @property
    def batch_id(self) -> str:
        """The batch's ID."""
        return self._batches.batches[self._name]

    @property
    def location(self) -> str:
        """The URI of the directory to write Parquet files into, which does not exist yet."""
        return f"{self._table.batch_location(self._name, self.batch_id)}/{_DATA}"

    def close(self, *, publish: bool = True, evolve: Evolve = "safe") -> BatchPin:
        """Seal the files in the directory, and make the batch current.

        Args:
            publish: Whether to make the batch current; False stages it.
            evolve: How the table's columns may change.

        Returns:
            The pin.

        Raises:
            InvalidName: ``publish`` is not a bool; nothing was sealed.
            InconsistentBatch: There are no files, or there are files in subdirectories.
            BatchNotFound: The batch was open for more than a day and an erasure has expired it: its
                files may be deleted.
            SchemaMismatch: Files are not Parquet files, or do not fit one another or the table.
            CheckFailed: A check that lives with the table failed. The batch is staged.
        """
        switches(publish=publish)
        sealed = self._sealed() if self._tried else None
        if sealed is not None:
            return self._conclude(sealed, publish=publish, evolve=evolve)
        self._tried = True
        return self._seal(publish=publish, evolve=evolve)

    def _sealed(self) -> Manifest | None:
        """Return the batch's manifest if a `close` that failed later has written it."""
        item = (self._name, self.batch_id)
        return find_manifests(self._table, [item]).get(item)

    def _conclude(self, sealed: Manifest, *, publish: bool, evolve: Evolve) -> BatchPin:
        """Do what is left to do for a sealed batch."""
        from airflow_sfx.frames.schema.codec import schema_from_text
        from airflow_sfx.frames.schema.kinds import table_columns

        columns = fit(
            self._target, self._keys, table_columns(schema_from_text(sealed.schema)), evolve=evolve
        )
        target = self._target
        target.create(target.open(self._keys, columns))
        table = Table.find(target.ref, target.store, target.metastore)
        pin = table.pin({self._name: sealed.batch_id})
        if failed := failures(sealed.checks, {}):
            if pin not in recorded_pins(table):
                record_staged(table, pin)
            raise check_failed(pin, failed)
        if publish:
            return publish_pin(table, PartitionLog(table), pin, self._author)
        record_staged(table, pin)
        return pin

    def _seal(self, *, publish: bool, evolve: Evolve) -> BatchPin:
        from airflow_sfx.frames.schema.codec import schema_to_text
        from airflow_sfx.frames.schema.kinds import table_columns
        from airflow_sfx.frames.schema.time_marks import assumed_marks
        from airflow_sfx.frames.types.hive import columns_of
        from airflow_sfx.frames.types.logical import LogicalSchema
        from airflow_sfx.warehouse.batch.parquet_files import common_schema

        place = place_of(self._table.store, self.location)
        if place.deeper:
            raise InconsistentBatch(
                f"{self.location} has files in subdirectories, such as {place.deeper[0]}, which"
                " readers ignore: write all files into the directory itself",
                table=str(self._table.ref),
                partition=self._name,
                batch_id=self.batch_id,
            )
        if not place.names:
            raise InconsistentBatch(
                f"{self.location} has no files: write the batch's files into this directory",
                table=str(self._table.ref),
                partition=self._name,
                batch_id=self.batch_id,
            )
        inspected = inspect_places(self._table.store, {self._partition: place})
        schema = common_schema(inspected)
        refuse_key_columns(inspected, self._keys, self._target)
        logical = LogicalSchema(schema, marks=assumed_marks(schema))
        columns = fit(self._target, self._keys, table_columns(logical), evolve=evolve)
        table = self._target.open(self._keys, columns)
        text = schema_to_text(logical)
        self._batches.describe(
            BatchContent(
                lambda: text,
                columns_of(schema),
                self._author.producer,
                self._inputs,
                lambda: TableFit(evolve=evolve),
            )
        )
        self._batches.take_over(self._name, place.uri, [one.found for one in inspected.values()])
        options = StoreOptions(publish=publish, inputs=self._inputs, evolve=evolve)
        return conclude(self._target, table, self._batches, columns, (), options, self._author)
