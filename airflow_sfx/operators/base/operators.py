"""The bases of the operators: what several of them need, once.

::

    WarehouseOperator          connection, reason, provenance of pins, notifications, link
    ├── TableOperator          a table and its partitions
    ├── ChangeOperator         asset events and notifications of a change
    └── WriteOperator          both, and the options of a new batch

An operator names a base before Airflow's own class, lists its parameters, and makes its one call
of the warehouse in ``run``. Modules that only a running task needs are imported in the methods, so
that a DAG file does not pay for them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from airflow_sfx.assets.events import add_outlet, emit
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import is_missing
from airflow_sfx.hooks.templates import CheckedTemplates, is_settled
from airflow_sfx.operators.base.links import BatchHistoryLink
from airflow_sfx.operators.base.notifications import Notify, checked, notifying
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context
    from airflow.sdk.types import Logger

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.producer import Producer
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.warehouse.options import Keys
    from airflow_sfx.warehouse.warehouse import Warehouse

register()

Destination: TypeAlias = "tuple[TableRef, Sequence[Any] | None]"
"""A table and the values of the partition; None where columns name the partitions."""


class WarehouseOperator(CheckedTemplates):
    """Base of every operator: checks incoming pins, makes its call, notifies.

    Args:
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        reason: The reason for the history, or an empty text.
        kwargs: Those of the Airflow class that follows this one among the bases.

    Raises:
        InvalidName: The reason is missing.
    """

    operator_extra_links: Collection[BaseOperatorLink] = (BatchHistoryLink(),)
    names: ClassVar[tuple[str, ...]] = ("reason",)
    pin_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that hold pins of other tasks."""

    task_id: str
    log: Logger
    linked: BatchPin | None = None
    """The pin that the link leads to."""
    notify: Notify = MappingProxyType({})

    def __init__(self, *, sfx_conn_id: str | None, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if is_missing(reason):
            raise InvalidName(
                f"the task {self.task_id} has reason={reason!r}: pass text, or leave it out"
            )
        self.sfx_conn_id = sfx_conn_id
        self.reason = reason

    def execute(self, context: Context) -> Any:
        """Check the pins that came in, run the operator's call and notify.

        Args:
            context: The task's context.

        Returns:
            The result of `run`, which becomes the XCom.

        Raises:
            InvalidName: A pin is not of the table that the task it comes from writes.
        """
        from airflow_sfx.hooks.pin_guard import refuse_foreign_pin

        refuse_foreign_pin(self, context, *self.pin_fields)
        with notifying(self, context):
            return self.run(context)

    @abstractmethod
    def run(self, context: Context) -> Any:
        """Make the one call that the operator is for.

        Args:
            context: The task's context.

        Returns:
            The XCom.
        """

    def warehouse(self) -> Warehouse:
        """Open the warehouse of the connection.

        Returns:
            The warehouse.
        """
        from airflow_sfx._default import warehouse_of

        return warehouse_of(self.sfx_conn_id)

    def producer(self, context: Context) -> Producer:
        """Return the producer that the history records for this task.

        Args:
            context: The task's context.

        Returns:
            The producer.
        """
        from airflow_sfx.hooks.task_context import producer_of

        return producer_of(cast("Mapping[str, Any]", context))


class TableOperator(WarehouseOperator):
    """Base of operators that name a table, and partitions of it.

    Args:
        table: ``database.table`` or a template, or None for an operator without a table of its own.
        partitions: The partition's values or templates, or None if there are none.
        kwargs: Those of `WarehouseOperator`.

    Raises:
        InvalidName: The table's name breaks a rule and is not a template.
    """

    names: ClassVar[tuple[str, ...]] = ("table", "partitions", "reason")
    partition_by: Sequence[str] | None = None

    def __init__(
        self, *, table: str | None, partitions: Sequence[Any] | str | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if table is not None and is_settled(table):
            TableRef.parse(table)
        self.table = table or ""
        self.partitions: Sequence[Any] | None = as_list(partitions)
        self._as_written = (table, self.partitions)

    def destination(self, context: Context) -> Destination:
        """Return the table and the partition that the running task writes.

        Args:
            context: The task's context.

        Returns:
            The table, and the partition's values as given, or else those of the run.

        Raises:
            InvalidName: The table or a value breaks a rule.
        """
        from airflow_sfx.hooks.partitions import run_partition

        ref = self.named_table()
        if self.partitions is not None:
            return ref, self.named_partitions()
        if self.partition_by is not None:
            return ref, None
        return ref, [run_partition(cast("Mapping[str, Any]", context))]

    def named_table(self) -> TableRef:
        """Return the table that the task names.

        Returns:
            The table.

        Raises:
            InvalidName: The name breaks a rule.
        """
        try:
            return TableRef.parse(self.table)
        except InvalidName as error:
            raise InvalidName(
                f"the task {self.task_id} has table={self._as_written[0]!r}, and {error}"
            ) from error

    def named_partitions(self) -> Sequence[Any] | None:
        """Return the partitions that the task names; those of its run do not count.

        Returns:
            The partitions' values, or None if it names none.

        Raises:
            InvalidName: A value breaks a rule.
        """
        from airflow_sfx.hooks.partitions import check_rendered

        if self.partitions is not None:
            check_rendered(self.partitions, self._as_written[1] or (), self.task_id)
        return self.partitions or None


class ChangeOperator(WarehouseOperator):
    """Base of operators that change what is current, notify and send asset events.

    Args:
        outlet: The table whose asset becomes an outlet of the task, or None.
        cascade: Whether the asset events of the change are sent, or a template of that.
        notify: Lists of notifiers by event, or None.
        kwargs: Those of `WarehouseOperator`.

    Raises:
        InvalidName: ``notify`` has an unknown event or something that is not a notifier.
    """

    def __init__(
        self, *, outlet: str | None, cascade: bool | str, notify: Notify | None, **kwargs: Any
    ) -> None:
        if outlet is not None:
            add_outlet(kwargs, outlet)
        super().__init__(**kwargs)
        self.cascade = cascade
        self.notify = checked(notify, self.task_id)

    def emit(
        self,
        context: Context,
        pins: Iterable[BatchPin],
        operation: str,
        stale: Sequence[str] = (),
    ) -> None:
        """Send the asset events of a change when the task succeeds.

        Args:
            context: The task's context.
            pins: The batches that are current now; none if nothing was published.
            operation: ``publish`` or ``rollback``.
            stale: The tables with batches that a rollback left stale.
        """
        emit(context, pins, operation, cascade=self.cascade, stale=stale)


class WriteOperator(ChangeOperator, TableOperator):
    """Base of operators that write a new batch.

    Args:
        table: ``database.table`` or a template.
        partition_by: The columns that name each row's partition, or None.
        partition_keys: The names, and types, of a new table's partition keys, or None.
        publish: Whether the batch becomes current; otherwise it stays staged.
        evolve: Which changes of the table's columns are allowed.
        kwargs: Those of `TableOperator` and `ChangeOperator`.
    """

    def __init__(
        self,
        *,
        table: str,
        partition_by: Sequence[str] | str | None,
        partition_keys: Keys | None,
        publish: bool,
        evolve: Evolve,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, outlet=table if publish else None, **kwargs)
        self.partition_by = as_list(partition_by)
        self.partition_keys = partition_keys
        self.publish = publish
        self.evolve = evolve

    def store(
        self,
        context: Context,
        warehouse: Warehouse,
        frame: object,
        destination: Destination,
        **options: Any,
    ) -> BatchPin:
        """Store a frame with the operator's options.

        Args:
            context: The task's context.
            warehouse: The warehouse.
            frame: The frame, or an iterator of frames.
            destination: The table and the partition.
            options: Other arguments of `airflow_sfx.store_dataframe`.

        Returns:
            The pin of the new batch.
        """
        ref, partitions = destination
        pin = warehouse.store_dataframe(
            frame,
            ref.database,
            ref.table,
            partitions,
            partition_by=self.partition_by,
            partition_keys=self.partition_keys,
            publish=self.publish,
            reason=self.reason,
            evolve=self.evolve,
            producer=self.producer(context),
            **options,
        )
        return self.report(context, pin)

    def report(self, context: Context, pin: BatchPin) -> BatchPin:
        """Log a new batch, link to it and, if it is published, send its asset events.

        Args:
            context: The task's context.
            pin: The pin of the batch.

        Returns:
            The pin, which becomes the XCom.
        """
        self.linked = pin
        self.log.info("%s %s", "Published" if self.publish else "Staged", pin)
        self.emit(context, [pin] if self.publish else [], "publish")
        return pin


def as_list(value: Any) -> Any:
    """Return a single text as a list of one, and any other value as it is.

    Example:
        >>> as_list("day"), as_list(["day"]), as_list(None)
        (['day'], ['day'], None)
    """
    return [value] if isinstance(value, str) else value
