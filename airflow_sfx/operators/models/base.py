"""The base of the operators of models: the model, its registry and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.pin_guard import table_of_model
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.operators.base.operators import ChangeOperator, WarehouseOperator
from airflow_sfx.serde.model_pin import register

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.models.registry import ModelRegistry

register()


class ModelOperator(WarehouseOperator):
    """Base of operators that use a model."""

    def registry(self) -> ModelRegistry:
        """Return the registry of the warehouse's models.

        Returns:
            The registry.
        """
        from airflow_sfx.models.registry import ModelRegistry

        return ModelRegistry(self.warehouse())


class ModelChangeOperator(ModelOperator, ChangeOperator):
    """Base of operators that save a version, or change an alias.

    Args:
        changed: What names the model: a name, a text as for `airflow_sfx.models.load`, or the
            output of a task that saved it. The model's asset becomes an outlet of the task.
        kwargs: Those of `ChangeOperator`.
    """

    changes: ClassVar[str]
    """The field that names the model."""

    def __init__(self, *, changed: Any, **kwargs: Any) -> None:
        super().__init__(outlet=table_of_model(changed), **kwargs)

    def announce(
        self, context: Context, pin: ModelPin, operation: str, alias: str = LATEST
    ) -> ModelPin:
        """Log a change of an alias, link to it, and send its asset event.

        Args:
            context: The task's context.
            pin: The version that the alias has now.
            operation: ``publish`` or ``rollback``.
            alias: The alias.

        Returns:
            The version, which becomes the XCom.
        """
        self.log.info("%s has the version %s", f"{pin.name}@{alias}", pin.version)
        self.linked = self.registry().batch(pin, alias)
        self.emit(context, [self.linked], operation)
        return pin


def one_model(model: Any, task_id: str) -> str | ModelPin:
    """Return what names a version, after checking its type.

    Args:
        model: The rendered argument.
        task_id: The task, for the message.

    Raises:
        InvalidName: It is neither text nor a pin.
    """
    if isinstance(model, (str, ModelPin)):
        return model
    raise InvalidName(
        f"the task {task_id} has model={model!r:.80}: pass the output of a task that saved a model,"
        " or a text such as 'delays@production'"
    )
