"""The operator that gives up old batches, for a DAG of its own, once a day or a week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_sfx._default import warehouse_of
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import CheckedTemplates, checks_names

if TYPE_CHECKING:
    from airflow.sdk import Context


class RetainBatchesOperator(CheckedTemplates, BaseOperator):
    """Retires old batches of a table, and deletes the files of those that were retired long enough ago.

    What is current, staged, adopted, or held by a hold stays, as does what a DAG run pinned
    with `PinBatchesOperator`. The log has the plan; the XCom the counts.

    Args:
        table: ``database.table`` (templated); several with ``.partial(…).expand(table=[…])``.
        keep_last: How many batches of each partition stay, the current one among them.
        older_than: For how long a batch must have been out of use.
        grace: For how long the files of a retired batch stay: longer than any task runs that reads
            a pin.
        dry_run: Only tell what would be done: the way to begin.
        reason: Why, for the history (templated).
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> plan = RetainBatchesOperator(
        ...     task_id="plan", table="sales.sold_items", keep_last=30, older_than=timedelta(days=90)
        ... )
        >>> plan.only_tell
        True
    """

    names = ("table", "reason")
    template_fields: Sequence[str] = names

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        keep_last: int,
        older_than: timedelta,
        grace: timedelta = timedelta(days=1),
        dry_run: bool = True,
        reason: str = "",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if keep_last < 1:
            raise InvalidName(
                f"keep_last={keep_last} of the task {self.task_id}: the current batch always stays,"
                " so 1 at least"
            )
        self.table = table
        self.keep_last = keep_last
        self.older_than = older_than
        self.grace = grace
        self.only_tell = dry_run  # BaseOperator has a method of the name dry_run
        self.reason = reason
        self.sfx_conn_id = sfx_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Retire and delete.

        Args:
            context: The task's context.

        Returns:
            How many batches are retired, their bytes, and how many were deleted, wait, or stay for
            a hold.

        Raises:
            TableNotFound: There is no such table.
        """
        ref = TableRef.parse(self.table)
        report = warehouse_of(self.sfx_conn_id).retain(
            ref.database,
            ref.table,
            keep_last=self.keep_last,
            older_than=self.older_than,
            grace=self.grace,
            dry_run=self.only_tell,
            reason=self.reason,
            producer=producer_of(cast("Mapping[str, Any]", context)),
        )
        would = "would be " if self.only_tell else ""
        for one in report.retired:
            self.log.info(
                "%s %s %s %sretired: %d rows, %d bytes",
                ref,
                one.partition,
                one.batch_id,
                would,
                one.rows,
                one.bytes,
            )
        for name, batch_id in report.deleted:
            self.log.info("%s %s %s %sdeleted", ref, name, batch_id, would)
        return {
            "table": report.table,
            "dry_run": report.dry_run,
            "retired": len(report.retired),
            "bytes": report.bytes,
            "deleted": len(report.deleted),
            "waiting": report.waiting,
            "pinned": report.pinned,
        }
