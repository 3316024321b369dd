"""Notify when a task ends batches that a model in use was trained on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseNotifier

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.pin import alias_name

if TYPE_CHECKING:
    from airflow.sdk import Context


class AffectedModelsNotifier(BaseNotifier):
    """Calls other notifiers if a task ended batches that a model in use was trained on.

    It is a callback of a task that rolls back, erases or drops batches, by an operator or by public
    calls. What was made from these batches counts, too.

    Args:
        notifiers: Airflow's notifiers, or functions of the context. In their templates, ``models``
            has ``message``, ``versions`` and ``batches``.
        aliases: A version is in use if it has one of these.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.

    Raises:
        InvalidName: A notifier cannot be called, or an alias breaks the rule.

    Example:
        >>> from airflow_sfx.operators import RollbackBatchOperator
        >>> warn = AffectedModelsNotifier([lambda context: print(context["models"]["message"])])
        >>> back = RollbackBatchOperator(
        ...     task_id="back", table="air.weather", on_success_callback=warn
        ... )
    """

    def __init__(
        self,
        notifiers: Sequence[Callable[[Context], object]],
        *,
        aliases: Sequence[str] = ("production",),
        sfx_conn_id: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(notifiers, Sequence) or not all(callable(one) for one in notifiers):
            raise InvalidName(
                f"notifiers={notifiers!r:.80}: pass a list of notifiers, or of functions of the"
                " context"
            )
        self.notifiers = list(notifiers)
        self.aliases = [alias_name(one) for one in aliases]
        self.sfx_conn_id = sfx_conn_id

    def notify(self, context: Context) -> None:
        """Find the models in use that the task has affected, and call the notifiers.

        Args:
            context: The task's context.
        """
        from airflow_sfx._default import warehouse_of
        from airflow_sfx.hooks.task_context import producer_of
        from airflow_sfx.models.log.ended import batches_ended_by
        from airflow_sfx.models.registry import ModelRegistry

        warehouse = warehouse_of(self.sfx_conn_id)
        registry = ModelRegistry(warehouse)
        ended = batches_ended_by(warehouse, producer_of(cast("Mapping[str, Any]", context)))
        found = {
            one.pin: one
            for pin in ended
            for one in registry.affected(pin)
            if not set(self.aliases).isdisjoint(one.aliases)
        }
        if not found:
            return
        versions = [
            f"{one.pin} ({', '.join(sorted(set(self.aliases) & set(one.aliases)))})"
            for one in found.values()
        ]
        batches = ", ".join(map(str, ended))
        models = {
            "message": f"trained on batches that have ended: {', '.join(versions)}; {batches}",
            "versions": list(map(str, found)),
            "batches": list(map(str, ended)),
        }
        self.log.warning("Models %s", models["message"])
        for one in self.notifiers:
            notifier = copy.copy(one)  # renders its templates in place, and may be called again
            notifier(cast("Context", {**context, "models": models}))
