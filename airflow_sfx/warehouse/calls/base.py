"""What all calls share: the storage, the metastore, and tables and pins that were looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.paths import PartitionStyle
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.events import check_pin
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.table.table import Table


class Calls:
    """A warehouse as its calls see it."""

    def __init__(
        self,
        uri: str,
        store: ObjectStore,
        metastore: Metastore,
        *,
        partition_style: PartitionStyle = "value",
        producer: Callable[[], Producer],
    ) -> None:
        self.uri = uri
        self.store = store
        self.metastore = metastore
        self.partition_style = partition_style
        self._producer = producer

    def __repr__(self) -> str:
        return f"Warehouse({self.uri!r})"

    def _open(self, db: str, table: str) -> Table:
        return Table.find(TableRef(db, table), self.store, self.metastore)

    def _author(self, producer: Producer | None, reason: str) -> Author:
        """Who makes a change, and why: the process's own identity unless another is given."""
        return Author(self._producer() if producer is None else producer, reason)

    def _pinned(self, pin: BatchPin) -> Table:
        """The pin's table, if the pin is of this warehouse: its location is not trusted, but compared."""
        a_pin(pin)
        check_pin(pin)
        table = Table.find(pin.ref, self.store, self.metastore)
        if not table.is_at(pin.location):
            raise InvalidName(
                f"the pin of {pin.ref} points at {clean_uri(pin.location)}, and this warehouse has"
                f" the table at {table.location}: connect to the warehouse that the pin was made in"
            )
        for name in pin.batches:
            table.layout.partition(name)
        return table

    def _chosen(
        self,
        source: str | BatchPin,
        name: str | None,
        partitions: Sequence[object] | None,
        batch_id: str | None,
        as_of: datetime | None,
    ) -> tuple[Table, dict[str, str], bool]:
        """The table, the batches to read, and whether the caller named the partitions."""
        from airflow_sfx.warehouse.log.resolve import named_batch

        if isinstance(source, BatchPin):
            if (
                name is not None
                or partitions is not None
                or batch_id is not None
                or as_of is not None
            ):
                raise InvalidName(
                    "a pin names table, partitions and batches already: pass nothing of them"
                    " beside it"
                )
            return self._pinned(source), source.batches, True
        if name is None:
            raise InvalidName(
                f"load_dataframe({source!r}) names no table: pass the database and the table, or"
                " a pin"
            )
        if batch_id is not None and as_of is not None:
            raise InvalidName("batch_id= and as_of= were both given: pass one of them")
        table = self._open(source, name)
        wanted = table.wanted(partitions)
        if batch_id is not None:
            return table, named_batch(table, wanted, batch_id), True
        return table, self._batches(table, wanted, as_of, to_load=True), wanted is not None

    def _pin(
        self, table: Table, partitions: Sequence[object] | None, as_of: datetime | None
    ) -> BatchPin:
        return table.pin(self._batches(table, table.wanted(partitions), as_of, to_load=False))

    def _batches(
        self,
        table: Table,
        wanted: Sequence[Partition] | None,
        as_of: datetime | None,
        *,
        to_load: bool,
    ) -> dict[str, str]:
        """The batches that are current, or were at a time."""
        from airflow_sfx.warehouse.log.resolve import batches_as_of, current_batches

        if as_of is not None:
            found, when = (
                batches_as_of(table, Ledger(table), wanted, as_of),
                f"had a batch at {as_of.isoformat()}",
            )
        else:
            found, when = (
                current_batches(table, Ledger(table), wanted, to_load=to_load),
                "has a batch",
            )
        if not found:
            raise table.missing("", f"has no partition that {when}")
        return found


def a_pin(given: BatchPin) -> BatchPin:
    """What was passed as a pin, where it is one.

    Raises:
        InvalidName: It is something else.
    """
    if not isinstance(given, BatchPin):
        raise InvalidName(
            f"{given!r:.80} is not a BatchPin: pass what store_dataframe or pin returned"
        )
    return given
