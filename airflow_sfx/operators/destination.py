"""Where a task writes: its table, its partition, its warehouse; checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.sfx import named_warehouse
from airflow_sfx.operators.partitions import check_rendered, run_partition

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.warehouse.warehouse import Keys, Warehouse


class Destination:
    """What operators that write a batch have in common; mixed into each."""

    templates = ("table", "partitions", "reason")
    task_id: str

    def set_destination(
        self,
        table: str,
        partitions: Sequence[Any] | str | None,
        partition_by: Sequence[str] | str | None,
        partition_keys: Keys | None,
        reason: str,
        sfx_conn_id: str | None,
    ) -> None:
        """Take note of where to write, when the DAG file is parsed.

        Raises:
            InvalidName: The table's name breaks a rule and is no template.
        """
        if "{" not in table:
            TableRef.parse(table)
        self.table = table
        self.partitions = [partitions] if isinstance(partitions, str) else partitions
        self.partition_by = [partition_by] if isinstance(partition_by, str) else partition_by
        self.partition_keys = partition_keys
        self.reason = reason
        self.sfx_conn_id = sfx_conn_id
        self._as_written = (table, self.partitions)

    def destination(self, context: Context) -> tuple[TableRef, Sequence[Any] | None]:
        """The table and the partition, when the task runs.

        Args:
            context: The task's context.

        Returns:
            The table, and the partition's values: as given, or the run's; None where there is none or columns say it.

        Raises:
            InvalidName: The table or a value is refused.
        """
        return self._table(), self._partitions(context)

    def named(self) -> tuple[TableRef, Sequence[Any] | None]:
        """The table and the partitions that the task names, and none of its run's.

        Raises:
            InvalidName: The table or a value is refused.
        """
        if self.partitions is not None:
            check_rendered(self.partitions, self._as_written[1] or (), self.task_id)
        return self._table(), self.partitions or None

    def warehouse(self) -> Warehouse | None:
        """The warehouse of the connection; None for the default one."""
        return named_warehouse(self.sfx_conn_id)

    def _table(self) -> TableRef:
        try:
            return TableRef.parse(self.table)
        except InvalidName as error:
            raise InvalidName(f"the task {self.task_id} has table={self._as_written[0]!r}, and {error}") from error

    def _partitions(self, context: Context) -> Sequence[Any] | None:
        if self.partition_by is not None and self.partitions is None:
            return None
        if self.partitions is None:
            return [run_partition(cast("Mapping[str, Any]", context))]
        check_rendered(self.partitions, self._as_written[1] or (), self.task_id)
        return self.partitions or None
