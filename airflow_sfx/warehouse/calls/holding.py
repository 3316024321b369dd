"""Pins that last, and what consumers have taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.validation import switches

if TYPE_CHECKING:
    from airflow_sfx.warehouse.pins.holds import DurablePin
from airflow_sfx.warehouse.calls.base import Calls


class Holding(Calls):
    """Pins that last, and what consumers have taken."""

    def hold(
        self,
        pin: BatchPin,
        name: str,
        *,
        until: datetime | None = None,
        renew: bool = False,
        reason: str = "",
        producer: Producer | None = None,
    ) -> DurablePin:
        """Write a pin down beside its table, so that it outlives XCom and retention leaves its batches alone.

        A name's first pin of some partitions stays its pin: a second call gives the first one's,
        unless it renews or the first one's time is over.

        Args:
            pin: The pin.
            name: Whose it is, such as a report's name.
            until: Until when retention leaves the batches alone, with a time zone; None for ever.
            renew: Write this one down even where the name has one.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            The durable pin that counts.

        Raises:
            InvalidName: The pin is of another warehouse, the name is empty, or the time is over or
                has no time zone.

        Example:
            >>> warehouse.hold(good, "annual accounts").pin == warehouse.hold(oops, "annual accounts").pin == good
            True
        """
        from airflow_sfx.warehouse.pins.holds import hold

        switches(renew=renew)
        author = self._author(producer, reason)
        return hold(self._pinned(pin), name, pin, author, until=until, renew=renew)

    def release(
        self, db: str, table: str, name: str, *, reason: str = "", producer: Producer | None = None
    ) -> DurablePin | None:
        """End what a name holds durably, before its time: retention may give the batches up, unless another name holds them.

        Args:
            db: The database.
            table: The table.
            name: Whose pins.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            What says so, the name's newest pin; None where it holds nothing.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> import pandas as pd, tempfile, airflow_sfx as sfx
            >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
            >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "sold_items", ["20161031"])
            >>> _ = warehouse.hold(pin, "lawsuit 7")
            >>> warehouse.release("sales", "sold_items", "lawsuit 7").released
            True
        """
        from airflow_sfx.warehouse.pins.holds import release

        return release(self._open(db, table), name, self._author(producer, reason))

    def holding(self, db: str, table: str) -> list[DurablePin]:
        """The durable pins that keep retention away: those that are neither over nor released.

        Args:
            db: The database.
            table: The table.

        Returns:
            The pins, oldest first.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> held = warehouse.hold(good, "annual accounts")
            >>> [one.name for one in warehouse.holding("sales", "sold_items")]
            ['annual accounts']
        """
        from airflow_sfx.warehouse.pins.holds import holding

        return holding(self._open(db, table), datetime.now(UTC))

    def pin_durably(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        name: str,
        as_of: datetime | None = None,
        until: datetime | None = None,
        renew: bool = False,
        reason: str = "",
        producer: Producer | None = None,
    ) -> DurablePin:
        """What a name has pinned already; else pin what is current, or was at a time, and write it down.

        Args:
            db: The database.
            table: The table.
            partitions: Which partitions; None for all. Where the name has pinned other ones, these
                are pinned anew.
            name: Whose pin it is.
            as_of: The time, with a time zone; None for now.
            until: Until when retention leaves the batches alone, with a time zone; None for ever.
            renew: Pin anew in any case.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            The durable pin that counts.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: A partition has no batch, or no partition has one.
            InvalidName: The name is empty, or a time has no time zone, or ``until`` is over.

        Example:
            >>> warehouse.pin_durably("sales", "sold_items", name="october report").pin == oops
            True
        """
        from airflow_sfx.warehouse.pins.holds import hold, standing

        switches(renew=renew)
        opened = self._open(db, table)
        there = None if renew else standing(opened, name, opened.wanted(partitions))
        if there is not None:
            return there
        pin = self._pin(opened, partitions, as_of)
        author = self._author(producer, reason)
        return hold(opened, name, pin, author, until=until, renew=renew)

    def durable_pins(self, db: str, table: str, name: str | None = None) -> list[DurablePin]:
        """What is pinned durably in a table: by whom, since when, until when.

        Args:
            db: The database.
            table: The table.
            name: Whose pin; None for everybody's.

        Returns:
            The pins, oldest first; of one name only the one that counts, or none.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> held = warehouse.hold(good, "annual accounts", reason="signed by the auditor")
            >>> warehouse.durable_pins("sales", "sold_items") == [held]
            True
        """
        from airflow_sfx.warehouse.pins.holds import durable_pins, newest

        opened = self._open(db, table)
        if name is None:
            return durable_pins(opened)
        found = newest(opened, name)
        return [found] if found else []

    def take(
        self, pin: BatchPin, *, consumer: str, run: str, newest: bool = False
    ) -> dict[str, str]:
        """Take the changes that made a pin's batches current, each once for all runs of a consumer.

        A batch that was rolled back to became current several times: of these changes a run takes
        the oldest that is left.

        Args:
            pin: The batches.
            consumer: Who takes them, the same in all its runs.
            run: In which run; the same run may take them again.
            newest: Whether the last change to each batch is meant, as of what `missed` found.

        Returns:
            By partition name, the other run that has taken its change before; none for those that
            are this run's now.

        Raises:
            BatchNotFound: A batch never was current.
            InvalidName: The pin is of another warehouse, or the consumer or the run has no name.

        Example:
            >>> warehouse.take(oops, consumer="report", run="monday"), warehouse.take(oops, consumer="report", run="tuesday")
            ({}, {'20161031': 'monday'})
        """
        from airflow_sfx.warehouse.pins.consumer_offsets import take

        switches(newest=newest)
        return take(self._pinned(pin), consumer, run, pin, newest=newest)

    def missed(
        self, db: str, table: str, *, consumer: str, since: datetime | None = None
    ) -> BatchPin | None:
        """What is current and was never taken by a consumer.

        Args:
            db: The database.
            table: The table.
            consumer: Who takes.
            since: Changes from this time on, with a time zone; None for all.

        Returns:
            A pin of these batches; None if there are none.

        Raises:
            TableNotFound: There is no such table.
            InvalidName: The consumer has no name, or the time no time zone.

        Example:
            >>> warehouse.missed("sales", "sold_items", consumer="report") == oops
            True
        """
        from airflow_sfx.warehouse.pins.consumer_offsets import missed

        return missed(self._open(db, table), consumer, since)
