"""The link from a task to the history of the batch that it wrote, pinned or checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_sfx.core.pin import BatchPin


class BatchHistoryLink(BaseOperatorLink):
    """Leads to the partition on the page of batch histories; to the table, where the task has several, or none that it knows.

    Of several pins it is the first that was published, and the last that was verified.
    """

    name = "Batch history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address.

        Args:
            operator: The task.
            ti_key: The task instance, which is not looked at: the operator has run and knows its
                batch.

        Returns:
            The address; empty where the task names no table.
        """
        from airflow.sdk.configuration import conf

        pin: BatchPin | None = getattr(operator, "linked", None)
        table = str(pin.ref) if pin is not None else getattr(operator, "table", None)
        if not table:
            return ""
        names = [] if pin is None else [name for name, _ in pin.entries]
        steps = ("partition", table, names[0]) if len(names) == 1 else ("table", table)
        place = "/".join(quote(step, safe="") for step in steps)
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/sfx/#/{place}"
