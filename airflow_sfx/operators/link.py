"""The link from a task to what has become of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class BatchHistoryLink(BaseOperatorLink):
    """Leads to the table's asset in Airflow: its events are all publishes and rollbacks with their pins and runs."""

    name = "Batch history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address.

        Args:
            operator: The task.
            ti_key: The task instance, which is not looked at: the asset is the table's.

        Returns:
            The address; empty where the task names no table.
        """
        from airflow.sdk.configuration import conf

        table = getattr(operator, "table", None)
        if not table:
            return ""
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/assets?name_pattern={quote(table)}"
