"""Promote a version to an alias, once it has passed its gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName, PartitionNotFound
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.models.gates import Gates, refuse_failed
from airflow_sfx.models.pin import ModelPin, alias_name
from airflow_sfx.operators.base.pin_arguments import required_pins
from airflow_sfx.operators.models.base import ModelChangeOperator, one_model

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.models.questions.drift import DriftReport
    from airflow_sfx.models.registry import ModelRegistry
    from airflow_sfx.operators.base.notifications import Notify


class PromoteModelOperator(ModelChangeOperator, BaseOperator):
    """Makes a version the current one of an alias, if it passes its gates.

    It answers its golden rows in any case. Of the other gates, those that are given are checked;
    all that fail are named. The alias must then still have the version that was compared. For a
    person's approval, put Airflow's ``ApprovalOperator`` before this task.

    Args:
        model: The version: the output of a task that saved it, or a text such as ``delays`` for
            the version that was saved last (templated).
        to: The alias (templated).
        higher_is_better: Metrics of which more is better, each with how much less than that of the
            alias's version is accepted: ``{"auc": 0.01}``.
        lower_is_better: Metrics of which less is better, each with how much more is accepted.
        card: The parts of the card that people must have written, at the save or at an earlier
            promotion, such as ``["owner"]``.
        drift_on: A pin whose rows must not have drifted from those of the training (templated).
        drift: From which index or distance on they have; see `airflow_sfx.models.drift`.
        trust: What code may run, for a model without a portable scorer.
        reason: The reason for the history (templated).
        cascade: Whether the promotion is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Raises:
        InvalidName: A gate breaks a rule.

    Example:
        >>> promote = PromoteModelOperator(
        ...     task_id="promote",
        ...     model="delays",
        ...     higher_is_better={"auc": 0.01},
        ...     card=["owner", "limits"],
        ... )
        >>> promote.outlets[0].uri
        'sfx://models/delays'
    """

    changes = "model"
    names = ("model", "to", "reason")
    pin_fields = ("model", "drift_on")
    template_fields: Sequence[str] = (*names, "drift_on", "cascade")

    @checks_names
    def __init__(
        self,
        *,
        model: Any,
        to: str = "production",
        higher_is_better: Mapping[str, float] | None = None,
        lower_is_better: Mapping[str, float] | None = None,
        card: Sequence[str] = (),
        drift_on: Any = None,
        drift: float = 0.1,
        trust: Sequence[str] = (),
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
        self.gates = Gates(higher_is_better or {}, lower_is_better or {}, card, drift)
        self.drift_on = drift_on
        self._has_drift_gate = drift_on is not None
        self.trust = trust

    def run(self, context: Context) -> ModelPin:
        """Check the gates and promote the version.

        Args:
            context: The task's context.

        Returns:
            The version.

        Raises:
            CheckFailed: The version fails a gate; the alias is as it was.
            ModelRefused: The version is damaged, or answers its golden rows otherwise.
            CommitConflict: The alias has got another version meanwhile.
            PartitionNotFound: There is no such model or alias.
        """
        from airflow_sfx.models.log.base import ANY

        registry, alias = self.registry(), alias_name(self.to)
        pin = registry.resolve(one_model(self.model, self.task_id))
        current = _current(registry, pin.name, alias)
        candidate = registry.load(pin, native=bool(self.trust), trust=self.trust)
        metrics = self._metrics_of(registry, current)
        required = self.gates.card
        failures = self.gates.failures(
            candidate,
            metrics,
            self._drift_of(registry, pin),
            missing=registry.missing_card_parts(pin, required) if required else (),
        )
        refuse_failed(pin, alias, failures)
        registry.promote(
            pin.name,
            pin,
            to=alias,
            reason=self.reason,
            trust=self.trust,
            producer=self.producer(context),
            expected=current if self.gates.compares else ANY,
        )
        return self.announce(context, pin, "publish", alias)

    def _metrics_of(
        self, registry: ModelRegistry, current: ModelPin | None
    ) -> Mapping[str, float] | None:
        """Return the metrics of the version that is replaced, if they are compared."""
        if current is None or not self.gates.compares:
            return None
        from airflow_sfx.models.model import described

        return described(registry.fetch(current), str(current)).metrics

    def _drift_of(self, registry: ModelRegistry, pin: ModelPin) -> DriftReport | None:
        """Return how far the rows of the gate are from those of the training."""
        if not self._has_drift_gate:
            return None
        pins = required_pins(self.drift_on, self.task_id)
        if len(pins) > 1:
            raise InvalidName(
                f"the task {self.task_id} has {len(pins)} pins in drift_on=: pass one, of the rows"
                " that the model is to score"
            )
        assert self.gates.drift is not None
        return registry.drift(pin, pins[0], threshold=self.gates.drift, trust=self.trust)


def _current(registry: ModelRegistry, name: str, alias: str) -> ModelPin | None:
    """Return the version that an alias has, or None."""
    try:
        return registry.resolve(f"{name}@{alias}")
    except PartitionNotFound:
        return None
