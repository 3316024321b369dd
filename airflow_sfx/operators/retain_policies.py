"""Run the retention policies of a warehouse, in a DAG that runs daily or weekly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import WarehouseUnavailable, counted
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WarehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class RetainByPoliciesOperator(WarehouseOperator, BaseOperator):
    """Retains all tables by the policies that are stored in the warehouse.

    `Warehouse.set_retention` or ``sfx retain --policy`` sets a policy. The log has the plan of each
    table, the XCom has the counts. A table that fails does not stop the others, and fails the task
    at the end.

    Args:
        dry_run: Only report what would be done. Start with this.
        reason: The reason for the history (templated).
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> RetainByPoliciesOperator(task_id="plan").only_report
        True
    """

    names = ("reason",)
    template_fields: Sequence[str] = names

    @checks_names
    def __init__(
        self,
        *,
        dry_run: bool = True,
        reason: str = "",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reason=reason, sfx_conn_id=sfx_conn_id, **kwargs)
        self.only_report = dry_run  # BaseOperator has a method named dry_run

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Expire batches and delete the files of those expired earlier.

        Args:
            context: The task's context.

        Returns:
            For each table with a policy: its pattern, how many batches expired, their bytes, and
            how many were deleted, wait for their grace time, or stay because they are held.

        Raises:
            WarehouseUnavailable: Tables could not be retained; the others were.
        """
        reports = self.warehouse().retain_all(
            dry_run=self.only_report, reason=self.reason, producer=self.producer(context)
        )
        would = "would be " if self.only_report else ""
        counts = []
        for one in reports:
            done = one.report
            if done is None:
                self.log.info("%s: %s", one.table, one.problem or "no policy")
                continue
            self.log.info(
                "%s: %d batches (%d bytes) %sexpired, %d %sdeleted, by the policy %s",
                one.table,
                len(done.retired),
                done.bytes,
                would,
                len(done.deleted),
                would,
                one.pattern,
            )
            counts.append(
                {
                    "table": one.table,
                    "policy": one.pattern,
                    "dry_run": done.dry_run,
                    "retired": len(done.retired),
                    "bytes": done.bytes,
                    "deleted": len(done.deleted),
                    "waiting": done.waiting,
                    "pinned": done.pinned,
                }
            )
        failed = [f"{one.table}: {one.problem}" for one in reports if one.problem]
        if failed:
            raise WarehouseUnavailable(
                f"{counted(len(failed), 'table')} could not be retained: {'; '.join(failed)}"
            )
        return counts
