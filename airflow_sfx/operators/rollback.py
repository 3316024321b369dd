"""Roll back partitions, a DAG run or a backfill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_sfx.assets.events import add_outlet, emit
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators._base import TableOperator
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.notifications import Notify, checked, notifies
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.producer import Producer
    from airflow_sfx.warehouse.undo.rollback_run import RunRollback
    from airflow_sfx.warehouse.warehouse import Warehouse

register()


class RollbackBatchOperator(TableOperator, BaseOperator):
    """Makes an earlier batch current again, or undoes all that a DAG run or a backfill published.

    A retry, or a cleared task, takes what its earlier attempt has rolled back, and nobody has
    changed since, as done.

    Args:
        table: ``database.table`` (templated); absent with a run.
        partitions: The partition's values (templated); as of ``@task.batch`` where they are absent.
        to: The batch to go to (templated); the one before where it is absent.
        dag_id: The DAG whose run or backfill is undone (templated).
        run_id: That run (templated).
        backfill_id: That backfill, by its number in Airflow, or by the name that its runs'
            configuration gave it (templated).
        reason: Why, for the history (templated).
        cascade: Whether the rollback is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a
            ``foreign_change``: for each event a list of Airflow's notifiers, in whose templates
            ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> one = RollbackBatchOperator(task_id="one", table="sales.sold_items", partitions=["{{ params.day }}"])
        >>> run = RollbackBatchOperator(task_id="run", dag_id="nightly", run_id="{{ params.run }}", reason="zero prices")
        >>> run.undone_dag_id
        'nightly'
    """

    operator_extra_links = (BatchHistoryLink(),)
    names = (*TableOperator.names, "to", "undone_dag_id", "undone_run_id", "undone_backfill_id")
    template_fields: Sequence[str] = (*names, "cascade")

    @checks_names
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
                f"the task {self.task_id} must say table= with partitions=, or dag_id= with run_id="
                " or backfill_id= for all that a run or a backfill wrote"
            )
        self.set_destination(
            table,
            partitions,
            reason,
            sfx_conn_id,
            cascade=cascade,
            notify=checked(notify, self.task_id),
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
            The pin of what is current now; of a run, a list with one for each table that has a
            batch left.

        Raises:
            BatchNotFound: There is no batch before, the partition never had ``to``, or the run
                changed nothing.
            InconsistentBatch: What a table of the run would go back to is damaged, and nothing was
                undone.
        """
        producer, warehouse = producer_of(cast("Mapping[str, Any]", context)), self.warehouse()
        if self.undone_dag_id is not None:
            undone = self._undo(warehouse, self.undone_dag_id, producer)
            for one in undone:
                if one.gone:
                    self.log.warning("%s: left alone: %s", one.table, one.gone)
                else:
                    self.log.info(
                        "%s: rolled back %s, left %s", one.table, one.rolled_back, one.kept
                    )
            left = [one.pin for one in undone if one.pin is not None]
            emit(context, left, "rollback", cascade=self.cascade)
            return left
        ref, partitions = self.destination(context)
        pin = warehouse.rollback(
            ref.database,
            ref.table,
            partitions,
            to=self.to or None,
            reason=self.reason,
            producer=producer,
        )
        self.linked = pin
        self.log.info("Now current: %s", pin)
        emit(context, [pin], "rollback", cascade=self.cascade)
        return pin

    def _undo(self, warehouse: Warehouse, dag_id: str, producer: Producer) -> list[RunRollback]:
        more: dict[str, Any] = {
            "reason": self.reason,
            "producer": producer,
        }
        if self.undone_run_id is not None:
            return warehouse.rollback_run(dag_id=dag_id, run_id=self.undone_run_id, **more)
        return warehouse.rollback_backfill(
            dag_id=dag_id, backfill_id=str(self.undone_backfill_id), **more
        )
