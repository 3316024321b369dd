"""Publish a staged batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_sfx._default import warehouse_of
from airflow_sfx.assets.events import add_outlet, emit
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.pin_guard import refuse_foreign_pin, table_of_output
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import CheckedTemplates, checks_names
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.notifications import Notify, checked, notifies
from airflow_sfx.operators.pin_arguments import required_pins

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishBatchOperator(CheckedTemplates, BaseOperator):
    """Makes staged batches current; those of one table, such as a mapped task's, all at one moment.

    Args:
        pin: The pin of a task that staged them, or several (templated): ``write.output`` or
            ``write()``.
        reason: Why, for the history (templated).
        force: Publish even where a batch that was written later is current.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a
            ``foreign_change``: for each event a list of Airflow's notifiers, in whose templates
            ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import StoreBatchOperator
        >>> with DAG("approved"):
        ...     staged = StoreBatchOperator(task_id="stage", python_callable=list, table="sales.sold_items", publish=False)
        ...     publish = PublishBatchOperator(task_id="publish", pin=staged.output, reason="approved")
        >>> publish.outlets[0].uri
        'sfx://sales/sold_items'
    """

    operator_extra_links = (BatchHistoryLink(),)
    names = ("reason",)
    template_fields: Sequence[str] = ("pin", "reason", "cascade")
    linked: BatchPin | None = None

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
        add_outlet(kwargs, table_of_output(pin) or "{{ }}")
        super().__init__(**kwargs)
        self.cascade = cascade
        self.pin = pin
        self.notify = checked(notify, self.task_id)
        self.reason = reason
        self.force = force
        self.sfx_conn_id = sfx_conn_id

    @notifies
    def execute(self, context: Context) -> BatchPin | list[BatchPin]:
        """Publish.

        Args:
            context: The task's context.

        Returns:
            The pin; of several, a list with one for each table.

        Raises:
            InvalidName: There is no pin, two of one partition, or one of another table than that of
                the task that it comes from.
            CommitConflict: A batch that was written later is current.
        """
        refuse_foreign_pin(self, context, "pin")
        warehouse, producer = (
            warehouse_of(self.sfx_conn_id),
            producer_of(cast("Mapping[str, Any]", context)),
        )
        done = [
            warehouse.publish(pin, reason=self.reason, force=self.force, producer=producer)
            for pin in _by_table(required_pins(self.pin, self.task_id))
        ]
        self.linked = done[0]
        emit(context, done, "publish", cascade=self.cascade)
        return done[0] if isinstance(self.pin, BatchPin) else done


def _by_table(pins: Sequence[BatchPin]) -> list[BatchPin]:
    """One pin for each table, with all of its partitions."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for pin in pins:
        batches = found.setdefault((pin.database, pin.table, pin.location), {})
        for name, batch_id in pin.entries:
            if batches.setdefault(name, batch_id) != batch_id:
                raise InvalidName(
                    f"two batches of {pin.ref} {name} are to be published at once, {batches[name]}"
                    f" and {batch_id}: leave one out"
                )
    return [BatchPin.of(TableRef(*key[:2]), key[2], batches) for key, batches in found.items()]
