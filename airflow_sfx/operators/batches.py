"""Operators on batches that are there: publish, verify, roll back. Each hands its parameters to the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

import airflow_sfx as sfx
from airflow_sfx.assets.events import add_outlet, emit
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.context import producer_of
from airflow_sfx.hooks.origin import refuse_swapped, table_of_output
from airflow_sfx.hooks.sfx import named_warehouse
from airflow_sfx.hooks.templates import NamesRendered, says_names
from airflow_sfx.operators.arguments import passed_on, required_pins
from airflow_sfx.operators.destination import Destination
from airflow_sfx.operators.link import BatchHistoryLink
from airflow_sfx.operators.notify import Notify, checked, notifies
from airflow_sfx.plugin.xcom import register

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.producer import Producer
    from airflow_sfx.warehouse.reports import RunRollback

register()


class PublishBatchOperator(NamesRendered, BaseOperator):
    """Makes staged batches current; those of one table, such as a mapped task's, all at one moment.

    Args:
        pin: The pin of a task that staged them, or several (templated): ``write.output`` or ``write()``.
        reason: Why, for the history (templated).
        force: Publish even where a batch that was written later is current.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a ``foreign_change``: for each event a list
            of Airflow's notifiers, in whose templates ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import StoreBatchOperator
        >>> with DAG("approved"):
        ...     staged = StoreBatchOperator(task_id="stage", python_callable=list, table="sales.sold_items", publish=False)
        ...     publish = PublishBatchOperator(task_id="publish", pin=staged.output, reason="approved")
        >>> publish.outlets[0].uri
        'sfx://sales/sold_items'
    """

    operator_extra_links = (BatchHistoryLink(),)
    names = ("reason",)
    template_fields: Sequence[str] = ("pin", "reason", "cascade")
    linked: BatchPin | None = None

    @says_names
    def __init__(
        self,
        *,
        pin: Any,
        reason: str = "",
        force: bool = False,
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        add_outlet(kwargs, table_of_output(pin) or "{{ }}")
        super().__init__(**kwargs)
        self.cascade = cascade
        self.pin = pin
        self.notify = checked(notify, self.task_id)
        self.reason = reason
        self.force = force
        self.sfx_conn_id = sfx_conn_id

    @notifies
    def execute(self, context: Context) -> BatchPin | list[BatchPin]:
        """Publish.

        Args:
            context: The task's context.

        Returns:
            The pin; of several, a list with one for each table.

        Raises:
            InvalidName: There is no pin, two of one partition, or one of another table than that of the task that it comes from.
            CommitConflict: A batch that was written later is current.
        """
        refuse_swapped(self, context, "pin")
        warehouse, producer = named_warehouse(self.sfx_conn_id), producer_of(cast("Mapping[str, Any]", context))
        done = [
            sfx.publish(pin, reason=self.reason, force=self.force, producer=producer, warehouse=warehouse)
            for pin in _by_table(required_pins(self.pin, self.task_id))
        ]
        self.linked = done[0]
        emit(context, done, "publish", cascade=self.cascade)
        return done[0] if isinstance(self.pin, BatchPin) else done


class VerifyBatchOperator(BaseOperator):
    """Reads every file of a pin and compares it with the manifest; fails where something is missing or altered.

    Args:
        pin: The pin, or several (templated).
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("verified"):
        ...     pins = PinBatchesOperator(task_id="pins", table="sales.sold_items")
        ...     verify = VerifyBatchOperator(task_id="verify", pin=pins.output)
        >>> sorted(verify.upstream_task_ids)
        ['pins']
    """

    operator_extra_links = (BatchHistoryLink(),)
    template_fields: Sequence[str] = ("pin",)
    linked: BatchPin | None = None

    def __init__(self, *, pin: Any, sfx_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pin = pin
        self.sfx_conn_id = sfx_conn_id

    def execute(self, context: Context) -> Any:
        """Verify.

        Args:
            context: The task's context.

        Returns:
            The pin, or the pins, as they came: a task after this one takes them from here.

        Raises:
            InvalidName: There is no pin, or one of another table than that of the task that it comes from.
            InconsistentBatch: Something is missing or altered.
        """
        refuse_swapped(self, context, "pin")
        warehouse = named_warehouse(self.sfx_conn_id)
        for pin in required_pins(self.pin, self.task_id):
            report = sfx.verify(pin, warehouse=warehouse)
            self.linked = pin
            self.log.info(
                "%s: %d files, %d rows, %d bytes are as they were written", pin, report.files, report.rows, report.bytes
            )
        return passed_on(self.pin)


class RollbackBatchOperator(Destination, BaseOperator):
    """Makes an earlier batch current again, or undoes all that a DAG run or a backfill published.

    A retry, or a cleared task, takes what its earlier attempt has rolled back, and nobody has changed since, as done.

    Args:
        table: ``database.table`` (templated); absent with a run.
        partitions: The partition's values (templated); as of ``@task.batch`` where they are absent.
        to: The batch to go to (templated); the one before where it is absent.
        dag_id: The DAG whose run or backfill is undone (templated).
        run_id: That run (templated).
        backfill_id: That backfill, by its number in Airflow, or by the name that its runs' configuration gave it (templated).
        reason: Why, for the history (templated).
        cascade: Whether the rollback is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a ``foreign_change``: for each event a list
            of Airflow's notifiers, in whose templates ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> one = RollbackBatchOperator(task_id="one", table="sales.sold_items", partitions=["{{ params.day }}"])
        >>> run = RollbackBatchOperator(task_id="run", dag_id="nightly", run_id="{{ params.run }}", reason="zero prices")
        >>> run.undone_dag_id
        'nightly'
    """

    operator_extra_links = (BatchHistoryLink(),)
    names = (*Destination.names, "to", "undone_dag_id", "undone_run_id", "undone_backfill_id")
    template_fields: Sequence[str] = (*names, "cascade")

    @says_names
    def __init__(
        self,
        *,
        table: str | None = None,
        partitions: Sequence[Any] | str | None = None,
        to: str | None = None,
        dag_id: str | None = None,
        run_id: str | None = None,
        backfill_id: str | None = None,
        reason: str = "",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        if table is not None:
            add_outlet(kwargs, table)
        super().__init__(**kwargs)
        unit = (run_id is None) != (backfill_id is None)
        if (table is None) != unit or unit != (dag_id is not None):
            raise InvalidName(
                f"the task {self.task_id} must say table= with partitions=, or dag_id= with run_id= or backfill_id= for all "
                "that a run or a backfill wrote"
            )
        self.set_destination(
            table, partitions, reason, sfx_conn_id, cascade=cascade, notify=checked(notify, self.task_id)
        )
        self.to = to
        self.undone_dag_id = dag_id
        self.undone_run_id = run_id
        self.undone_backfill_id = backfill_id

    @notifies
    def execute(self, context: Context) -> BatchPin | list[BatchPin]:
        """Roll back.

        Args:
            context: The task's context.

        Returns:
            The pin of what is current now; of a run, a list with one for each table that has a batch left.

        Raises:
            BatchNotFound: There is no batch before, the partition never had ``to``, or the run changed nothing.
            InconsistentBatch: What a table of the run would go back to is damaged, and nothing was undone.
        """
        producer, warehouse = producer_of(cast("Mapping[str, Any]", context)), self.warehouse()
        if self.undone_dag_id is not None:
            undone = self._undo(self.undone_dag_id, producer)
            for one in undone:
                if one.gone:
                    self.log.warning("%s: left alone: %s", one.table, one.gone)
                else:
                    self.log.info("%s: rolled back %s, left %s", one.table, one.rolled_back, one.kept)
            left = [one.pin for one in undone if one.pin is not None]
            emit(context, left, "rollback", cascade=self.cascade)
            return left
        ref, partitions = self.destination(context)
        pin = sfx.rollback(
            ref.database,
            ref.table,
            partitions,
            to=self.to or None,
            reason=self.reason,
            producer=producer,
            warehouse=warehouse,
        )
        self.linked = pin
        self.log.info("Now current: %s", pin)
        emit(context, [pin], "rollback", cascade=self.cascade)
        return pin

    def _undo(self, dag_id: str, producer: Producer) -> list[RunRollback]:
        more: dict[str, Any] = {"reason": self.reason, "producer": producer, "warehouse": self.warehouse()}
        if self.undone_run_id is not None:
            return sfx.rollback_run(dag_id=dag_id, run_id=self.undone_run_id, **more)
        return sfx.rollback_backfill(dag_id=dag_id, backfill_id=str(self.undone_backfill_id), **more)


def _by_table(pins: Sequence[BatchPin]) -> list[BatchPin]:
    """One pin for each table, with all of its partitions."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for pin in pins:
        batches = found.setdefault((pin.database, pin.table, pin.location), {})
        for name, batch_id in pin.entries:
            if batches.setdefault(name, batch_id) != batch_id:
                raise InvalidName(
                    f"two batches of {pin.ref} {name} are to be published at once, {batches[name]} and {batch_id}: leave one out"
                )
    return [BatchPin.of(TableRef(*key[:2]), key[2], batches) for key, batches in found.items()]
