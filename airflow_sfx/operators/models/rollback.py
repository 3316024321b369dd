"""Roll back an alias to the version that it had before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.models.pin import LATEST, ModelPin, model_name
from airflow_sfx.operators.models.base import ModelChangeOperator, one_model

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.operators.base.notifications import Notify

_PRODUCTION = "production"


class RollbackModelOperator(ModelChangeOperator, BaseOperator):
    """Makes the version current again that an alias had before.

    A retry or a cleared task does not go back a second time, unless the alias was changed since.

    Args:
        model: The model, ``delays``, with the alias if it is not ``production``:
            ``delays@candidate`` (templated).
        to: The version to return to, which the alias must have had (templated); the default is the
            one before.
        reason: The reason for the history (templated).
        cascade: Whether the rollback is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> back = RollbackModelOperator(task_id="back", model="delays", reason="mae rose")
        >>> back.outlets[0].uri
        'sfx://models/delays'
    """

    changes = "model"
    names = ("model", "to", "reason")
    pin_fields = ("to",)
    template_fields: Sequence[str] = (*names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        model: str,
        to: Any = None,
        reason: str = "",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            changed=model,
            reason=reason,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        self.model = model
        self.to = to

    def run(self, context: Context) -> ModelPin:
        """Roll back the alias.

        Args:
            context: The task's context.

        Returns:
            The version that the alias has now.

        Raises:
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: The alias has no version before, or never had ``to``.
        """
        named = model_name(one_model(self.model, self.task_id))
        alias = _PRODUCTION if named.alias in (None, LATEST) else named.alias
        pin = self.registry().rollback(
            named.name,
            alias,
            to=self.to or None,
            reason=self.reason,
            producer=self.producer(context),
        )
        return self.announce(context, pin, "rollback", alias)
