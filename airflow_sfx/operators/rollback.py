"""Roll back partitions, a DAG run or a backfill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName, SfxError
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import ChangeOperator, TableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.pins.trained import TrainedVersion
    from airflow_sfx.warehouse.undo.rollback_report import RollbackStep
    from airflow_sfx.warehouse.undo.scope import Attempt

_MAX_LOGGED = 20


class RollbackBatchOperator(ChangeOperator, TableOperator, BaseOperator):
    """Makes an earlier batch current again, or undoes what came after a version, or a DAG run.

    A retry or a cleared task does not repeat what its earlier attempt rolled back, unless another
    writer has changed it since.

    Args:
        table: ``database.table`` (templated); not with a run or a backfill.
        partitions: The partition's values (templated); the default is that of ``@task.batch``, or
            with ``to_version`` the whole table.
        to: The batch to return to (templated); the default is the one before the current batch.
        to_version: The version of the table to return to: all that came after it is undone
            (templated).
        dag_id: The DAG whose run or backfill is undone (templated).
        run_id: The run to undo (templated).
        backfill_id: The backfill to undo: its number in Airflow, or the name that its runs'
            configuration gave it (templated).
        attempt: With a run or a backfill: ``all``, or ``last`` to undo only what its last attempt
            changed, if its tasks were cleared and ran again (templated).
        reason: The reason for the history (templated).
        cascade: Whether the rollback is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> one = RollbackBatchOperator(
        ...     task_id="one", table="sales.sold_items", partitions=["{{ params.day }}"]
        ... )
        >>> run = RollbackBatchOperator(
        ...     task_id="run", dag_id="nightly", run_id="{{ params.run }}", reason="zero prices"
        ... )
        >>> run.undone_dag_id
        'nightly'
    """

    names = (
        *TableOperator.names,
        "to",
        "to_version",
        "undone_dag_id",
        "undone_run_id",
        "undone_backfill_id",
        "attempt",
    )
    template_fields: Sequence[str] = (*names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        table: str | None = None,
        partitions: Sequence[Any] | str | None = None,
        to: str | None = None,
        to_version: int | str | None = None,
        dag_id: str | None = None,
        run_id: str | None = None,
        backfill_id: str | None = None,
        attempt: str = "all",
        reason: str = "",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            table=table,
            partitions=partitions,
            outlet=table,
            reason=reason,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        of_unit = (run_id is None) != (backfill_id is None)
        if (table is None) != of_unit or of_unit != (dag_id is not None):
            raise InvalidName(
                f"the task {self.task_id} must have either table= with partitions=, or dag_id= with"
                " run_id= or backfill_id= for all that a run or a backfill wrote"
            )
        if to is not None and to_version is not None:
            raise InvalidName(f"the task {self.task_id} must have to= or to_version=, but not both")
        self.to = to
        self.to_version = to_version
        self.undone_dag_id = dag_id
        self.undone_run_id = run_id
        self.undone_backfill_id = backfill_id
        self.attempt = attempt

    def run(self, context: Context) -> BatchPin | list[BatchPin]:
        """Roll back the partition, the run or the backfill.

        Args:
            context: The task's context.

        Returns:
            The pin of what is current now; of a run or a backfill, a list with one for each table
            that has a batch left.

        Raises:
            BatchNotFound: There is no earlier batch, the partition never had the batch ``to``, or
                the run changed nothing.
            InconsistentBatch: A batch that would become current is damaged; nothing was undone.
        """
        if self.undone_dag_id is not None:
            return self._undo(self.undone_dag_id, context)
        if self.to_version is not None:
            return self._undo_since(_number(self.to_version, self.task_id), context)
        ref, partitions = self.destination(context)
        pin = self.warehouse().rollback(
            ref.database,
            ref.table,
            partitions,
            to=self.to or None,
            reason=self.reason,
            producer=self.producer(context),
        )
        (batch_id,) = pin.batches.values()
        there = self.warehouse().plan_rollback(ref.database, ref.table, partitions, to=batch_id)
        self._log_steps(str(ref), there)
        (entry,) = self.warehouse().history(ref.database, ref.table, partitions, limit=1)
        if entry.previous and entry.previous != batch_id:
            left = BatchPin.of(ref, pin.location, {entry.partition: entry.previous})
            self._log_models(self.warehouse().models_trained_on(left))
        self.linked = pin
        self.log.info("Now current: %s", pin)
        self.emit(context, [pin], "rollback", self._stale([pin]))
        return pin

    def _undo_since(self, version: int, context: Context) -> BatchPin:
        """Undo what came after a version, in the partitions or in the whole table."""
        ref, partitions, warehouse = self.named_table(), self.named_partitions(), self.warehouse()
        if self.partitions is not None and partitions is None:
            raise InvalidName(
                f"the task {self.task_id} names no partition: leave partitions= out to undo the"
                " whole table"
            )
        plan = warehouse.plan_rollback(ref.database, ref.table, partitions, to_version=version)
        pin = warehouse.rollback(
            ref.database,
            ref.table,
            partitions,
            to_version=version,
            reason=self.reason,
            producer=self.producer(context),
        )
        self._log_steps(str(ref), plan)
        self._log_models(plan.models)
        self.linked = pin
        # Also what an earlier attempt undid, which may have died before its asset events.
        since = warehouse.changes(ref.database, ref.table, since=version)
        undone = {one.partition for later in since for one in later.changes}
        there = {name: batch for name, batch in pin.batches.items() if name in undone}
        self.log.info("Now current again: %s", there or "no batch")
        pins = [BatchPin.of(ref, pin.location, there)] if there else []
        self.emit(context, pins, "rollback", self._stale(pins))
        return pin

    def _undo(self, dag_id: str, context: Context) -> list[BatchPin]:
        warehouse, producer = self.warehouse(), self.producer(context)
        attempt = cast("Attempt", self.attempt)
        if self.undone_run_id is not None:
            undone = warehouse.rollback_run(
                dag_id=dag_id,
                run_id=self.undone_run_id,
                attempt=attempt,
                reason=self.reason,
                producer=producer,
            )
        else:
            undone = warehouse.rollback_backfill(
                dag_id=dag_id,
                backfill_id=str(self.undone_backfill_id),
                attempt=attempt,
                reason=self.reason,
                producer=producer,
            )
        for one in undone:
            if one.gone:
                self.log.warning("%s: left alone: %s", one.table, one.gone)
            else:
                self.log.info("%s: rolled back %s, left %s", one.table, one.rolled_back, one.kept)
                self._log_steps(one.table, one.steps)
                self._log_models(one.models)
        pins = [one.pin for one in undone if one.pin is not None]
        self.emit(context, pins, "rollback", self._stale(pins))
        return pins

    def _log_models(self, models: Sequence[TrainedVersion]) -> None:
        """Log the versions of models that were trained on what was rolled back."""
        for one in models:
            if one.saved:
                self.log.warning("The model %s was trained on what was rolled back", one)

    def _log_steps(self, table: str, steps: Sequence[RollbackStep]) -> None:
        """Log which batch each partition went to, when it was published, and by whom."""
        for step in steps:
            place = f"{table} {step.partition}".rstrip()
            if step.batch_id is None:
                self.log.info("%s: to no batch", place)
                continue
            who = step.producer or Producer()
            self.log.info(
                "%s: to the batch %s, published at %s by %s",
                place,
                step.batch_id,
                step.at,
                " ".join(filter(None, (who.dag_id, who.run_id, who.task_id))) or who.user,
            )

    def _stale(self, pins: Sequence[BatchPin]) -> list[str]:
        """Return the tables with batches made from what was rolled back, and log them."""
        undone = {(pin.ref, name) for pin in pins for name in pin.batches}
        try:
            found = [
                one
                for one in self.warehouse().stale()
                if any((one.input.ref, name) in undone for name in one.input.batches)
            ]
        except SfxError as error:  # the rollback is done
            self.log.warning("Cannot list what the rollback left stale: %s", error)
            return []
        for one in found[:_MAX_LOGGED]:
            self.log.warning(
                "Stale: %s %s %s, made from %s", one.table, one.partition, one.batch_id, one.input
            )
        return sorted({one.table for one in found})


def _number(version: int | str, task_id: str) -> int:
    """Return a version, which may be a rendered template."""
    try:
        return int(str(version))
    except ValueError:
        raise InvalidName(
            f"the task {task_id} has to_version={version!r:.80}: pass a number, as `sfx history`"
            " lists them"
        ) from None
