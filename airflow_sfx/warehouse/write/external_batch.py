"""A batch that another program writes: its directory is claimed first, and what lies in it afterwards is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.validation import switches
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.parquet_files import place_of
from airflow_sfx.warehouse.batch.staging import note_staged
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.add_files import inspect_places, refuse_key_columns
from airflow_sfx.warehouse.external.reconcile import reconcile
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.write.publish import publish_pin
from airflow_sfx.warehouse.write.store import StoreOptions, conclude

_DATA = "data"
"""Below the claimed directory: programs that refuse a directory that is there find none."""


class ExternalBatch:
    """A batch of one partition that is being written by another program.

    Nothing is current before `close`. A batch that is never closed is unfinished, and no reader
    sees it. One that could not be closed to the end, because storage or the metastore failed, can
    be closed again; once it is sealed, its files are what they were.

    Args:
        target: The table.
        partitions: The partition's values; None for a table without partitions.
        named: The names of a new table's keys.
        inputs: What it is made from.
        author: Who and why.

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
        StoreOptions(
            inputs=inputs
        )  # what is no pin is refused now, and not when hours of writing are over
        self._target, self._inputs, self._author = target, inputs, author
        self._keys: tuple[PartitionKey, ...]
        self._partition: Partition
        self._keys, self._partition = target.partition(partitions, named)
        table = target.open(self._keys, target.existing.columns if target.existing else ())
        ledger = Ledger(table)
        self._batches = BatchWriter(
            table,
            ledger,
            BatchContent(lambda: "", (), author.producer, inputs),
            take_in=partial(reconcile, table, ledger, author),
        )
        self._name = table.layout.name(self._partition)
        self._batches.claim([self._name])
        self._table = table
        self._tried = False

    @property
    def batch_id(self) -> str:
        """The batch's ID."""
        return self._batches.batches[self._name]

    @property
    def location(self) -> str:
        """The directory, as a URI, that the program is to write Parquet files into. It is not there yet."""
        return f"{self._table.batch_location(self._name, self.batch_id)}/{_DATA}"

    def close(self, *, publish: bool = True, evolve: Evolve = "safe") -> BatchPin:
        """Seal what lies in the directory, and make it current.

        Args:
            publish: False stages the batch.
            evolve: How the table's columns may change.

        Returns:
            The pin.

        Raises:
            InvalidName: ``publish`` is no bool; nothing was sealed.
            InconsistentBatch: There are no files, or some in directories below.
            BatchNotFound: The program took longer than a day, and an erasure has given the batch
                up: files of it may be gone.
            SchemaMismatch: They are no Parquet files, or do not fit together or the table.
        """
        switches(publish=publish)
        sealed = self._sealed() if self._tried else None
        if sealed is not None:
            return self._conclude(sealed, publish=publish, evolve=evolve)
        self._tried = True
        return self._seal(publish=publish, evolve=evolve)

    def _sealed(self) -> Manifest | None:
        """The batch's manifest, if a `close` that did not return has written it."""
        path = self._table.layout.manifest(self._name, self.batch_id)
        data = self._table.store.get(path)
        return None if data is None else self._table.read_manifest(self._name, self.batch_id, data)

    def _conclude(self, sealed: Manifest, *, publish: bool, evolve: Evolve) -> BatchPin:
        """What is left to do for a batch that is sealed."""
        from airflow_sfx.frames.schema.codec import schema_from_text
        from airflow_sfx.frames.schema.kinds import table_columns

        columns = self._target.fit(
            self._keys, table_columns(schema_from_text(sealed.schema)), evolve=evolve
        )
        table = self._target.open(self._keys, columns)
        self._target.ensure(table, columns, evolve)
        pin = table.pin({self._name: sealed.batch_id})
        if publish:
            return publish_pin(table, Ledger(table), pin, self._author)
        note_staged(table, pin)
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
                f"{self.location} has files in directories, such as {place.deeper[0]}, which no"
                " reader of the batch would look into: write all of them into the directory"
                " itself",
                table=str(self._table.ref),
                partition=self._name,
                batch_id=self.batch_id,
            )
        if not place.names:
            raise InconsistentBatch(
                f"{self.location} has no files: the program that was to write the batch wrote"
                " elsewhere, or nothing",
                table=str(self._table.ref),
                partition=self._name,
                batch_id=self.batch_id,
            )
        inspected = inspect_places(self._table.store, {self._partition: place})
        schema = common_schema(inspected)
        refuse_key_columns(schema, self._keys, self._target)
        logical = LogicalSchema(schema, marks=assumed_marks(schema))
        columns = self._target.fit(self._keys, table_columns(logical), evolve=evolve)
        table = self._target.open(self._keys, columns)
        text = schema_to_text(logical)
        self._batches.describe(
            BatchContent(lambda: text, columns_of(schema), self._author.producer, self._inputs)
        )
        self._batches.take_over(self._name, place.uri, [one.found for one in inspected.values()])
        options = StoreOptions(publish=publish, inputs=self._inputs, evolve=evolve)
        return conclude(self._target, table, self._batches, columns, (), options, self._author)
