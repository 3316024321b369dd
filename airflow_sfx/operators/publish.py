"""Publish staged batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.pin_guard import table_of_output
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import ChangeOperator
from airflow_sfx.operators.base.pin_arguments import required_pins

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.operators.base.notifications import Notify


class PublishBatchOperator(ChangeOperator, BaseOperator):
    """Makes staged batches current; all of one table at once.

    Args:
        pin: The pin of the task that staged the batches, or several (templated): ``write.output``
            or ``write()``.
        reason: The reason for the history (templated).
        force: Publish even if a batch that was written later is current.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import StoreBatchOperator
        >>> with DAG("approved"):
        ...     staged = StoreBatchOperator(
        ...         task_id="stage", python_callable=list, table="sales.sold_items", publish=False
        ...     )
        ...     publish = PublishBatchOperator(
        ...         task_id="publish", pin=staged.output, reason="approved"
        ...     )
        >>> publish.outlets[0].uri
        'sfx://sales/sold_items'
    """

    pin_fields = ("pin",)
    template_fields: Sequence[str] = (*pin_fields, *ChangeOperator.names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        pin: Any,
        reason: str = "",
        force: bool = False,
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            outlet=table_of_output(pin),
            reason=reason,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        self.pin = pin
        self.force = force

    def run(self, context: Context) -> BatchPin | list[BatchPin]:
        """Publish the pinned batches.

        Args:
            context: The task's context.

        Returns:
            The pin; of several, a list with one per table.

        Raises:
            InvalidName: There is no pin, or there are two of one partition.
            CommitConflict: A batch that was written later is current.
        """
        warehouse, producer = self.warehouse(), self.producer(context)
        published = [
            warehouse.publish(pin, reason=self.reason, force=self.force, producer=producer)
            for pin in _by_table(required_pins(self.pin, self.task_id))
        ]
        self.linked = published[0]
        self.emit(context, published, "publish")
        return published[0] if isinstance(self.pin, BatchPin) else published


def _by_table(pins: Sequence[BatchPin]) -> list[BatchPin]:
    """Merge pins into one per table."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for pin in pins:
        batches = found.setdefault((pin.database, pin.table, pin.location), {})
        for name, batch_id in pin.entries:
            if batches.setdefault(name, batch_id) != batch_id:
                raise InvalidName(
                    f"two batches of {pin.ref} {name} cannot be published at once, {batches[name]}"
                    f" and {batch_id}: leave one out"
                )
    return [BatchPin.of(TableRef(*key[:2]), key[2], batches) for key, batches in found.items()]
