"""The link from a task to what has become of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class BatchHistoryLink(BaseOperatorLink):
    """Leads to the table on the page of batch histories."""

    name = "Batch history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address.

        Args:
            operator: The task.
            ti_key: The task instance, which is not looked at: the page shows the table.

        Returns:
            The address; empty where the task names no table.
        """
        from airflow.sdk.configuration import conf

        table = getattr(operator, "table", None)
        if not table:
            return ""
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/sfx/#/table/{quote(table)}"
