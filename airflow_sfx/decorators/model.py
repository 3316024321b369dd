"""``@task.model``: a function that returns a model becomes a task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator

from airflow_sfx.decorators.batch import one_output_task
from airflow_sfx.hooks.pin_guard import table_of_model
from airflow_sfx.operators.models.train import TrainModelOperator
from airflow_sfx.operators.models.training import passed_on

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class ModelDecoratedOperator(DecoratedOperator, TrainModelOperator):
    """A `TrainModelOperator` made by ``@task.model``.

    Args:
        python_callable: The function.
        op_args: Its positional arguments.
        op_kwargs: Its named arguments.
        inputs: Pins by role; a parameter of a role's name gets its pin or frame.
        kwargs: Those of `TrainModelOperator`.
    """

    template_fields: Sequence[str] = TrainModelOperator.template_fields
    custom_operator_name = "@task.model"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        args = list(op_args or ())
        call: dict[str, Any] = {
            "python_callable": python_callable,
            "op_args": args,
            "op_kwargs": passed_on(python_callable, args, op_kwargs or {}, inputs or {}),
        }
        super().__init__(kwargs_to_upstream=call, **call, inputs=inputs, **kwargs)


def model_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a function a task that saves its model: ``@task.model(name=...)``.

    Args:
        python_callable: The function.
        name: The model's name (templated).
        multiple_outputs: Not supported: the task has one output, the pin of the version.
        kwargs: Those of `TrainModelOperator` and of every operator.

    Returns:
        The decorator.

    Raises:
        TypeError: ``name`` is missing, or ``multiple_outputs`` is set.

    Example:
        >>> from airflow.sdk import task
        >>> @task.model(name="delays", target="late")
        ... def train(train: pd.DataFrame, test: pd.DataFrame): ...
        >>> train.operator_class.__name__
        'ModelDecoratedOperator'
    """
    if name is None:
        raise TypeError('@task.model needs the name of the model: @task.model(name="delays")')
    return one_output_task(
        ModelDecoratedOperator,
        python_callable,
        {**kwargs, "name": name},
        multiple_outputs=multiple_outputs,
        output="@task.model has one output, the pin of its version",
        outlet=table_of_model(name),
    )
