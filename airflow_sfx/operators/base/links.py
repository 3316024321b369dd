"""The link from a task to the history of its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_sfx.core.pin import BatchPin


class BatchHistoryLink(BaseOperatorLink):
    """Link to the page of batch histories: to the task's partition, or to its table.

    It leads to the table if the task has several partitions, or none yet. Of several pins it uses
    the first published, or the last verified one.
    """

    name = "Batch history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address of the history.

        Args:
            operator: The task, after it has run.
            ti_key: The task instance; not used.

        Returns:
            The address; empty if the task has no table.
        """
        from airflow.sdk.configuration import conf

        pin: BatchPin | None = getattr(operator, "linked", None)
        table = str(pin.ref) if pin is not None else getattr(operator, "table", None)
        if not table:
            return ""
        names = [] if pin is None else [name for name, _ in pin.entries]
        steps = ("partition", table, names[0]) if len(names) == 1 else ("table", table)
        path = "/".join(quote(step, safe="") for step in steps)
        airflow = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{airflow}/plugin/batch-history#/{path}"
