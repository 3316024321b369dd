"""Expire old batches and vacuum their files, in a DAG that runs daily or weekly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import TableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class RetainBatchesOperator(TableOperator, BaseOperator):
    """Expires old batches of a table and vacuums the files of earlier ones.

    Files are deleted when the grace time of their batch has passed. Current, adopted and held
    batches stay, and so do those that a DAG run pinned with `PinBatchesOperator`, and staged ones
    without ``staged_older_than``. The log has the plan, the XCom has the counts.

    Args:
        table: ``database.table`` (templated); several with ``.partial(…).expand(table=[…])``.
        keep_last: How many batches of each partition stay, including the current one.
        older_than: How long a batch must have been out of use before it expires.
        staged_older_than: How long ago a staged batch must have been written to expire without
            being published, or None to keep staged batches.
        grace: How long the files of an expired batch stay. It must exceed the duration of any task
            that reads a pin.
        dry_run: Only report what would be done. Start with this.
        reason: The reason for the history (templated).
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> plan = RetainBatchesOperator(
        ...     task_id="plan",
        ...     table="sales.sold_items",
        ...     keep_last=30,
        ...     older_than=timedelta(days=90),
        ... )
        >>> plan.only_report
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
        staged_older_than: timedelta | None = None,
        grace: timedelta = timedelta(days=1),
        dry_run: bool = True,
        reason: str = "",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            table=table, partitions=None, reason=reason, sfx_conn_id=sfx_conn_id, **kwargs
        )
        if keep_last < 1:
            raise InvalidName(
                f"the task {self.task_id} has keep_last={keep_last}: the current batch always"
                " stays, so it is at least 1"
            )
        self.keep_last = keep_last
        self.older_than = older_than
        self.staged_older_than = staged_older_than
        self.grace = grace
        self.only_report = dry_run  # BaseOperator has a method named dry_run

    def run(self, context: Context) -> dict[str, Any]:
        """Expire batches and delete the files of those expired earlier.

        Args:
            context: The task's context.

        Returns:
            How many batches expired, their bytes, and how many were deleted, wait for their grace
            time, or stay because they are held.

        Raises:
            TableNotFound: The table does not exist.
        """
        ref = self.named_table()
        report = self.warehouse().retain(
            ref.database,
            ref.table,
            keep_last=self.keep_last,
            older_than=self.older_than,
            staged_older_than=self.staged_older_than,
            grace=self.grace,
            dry_run=self.only_report,
            reason=self.reason,
            producer=self.producer(context),
        )
        would = "would be " if self.only_report else ""
        for one in report.retired:
            self.log.info(
                "%s %s %s %sexpired: %d rows, %d bytes",
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
