"""``@task.batch_container``: a function whose container gives a batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.decorators.batch import one_output_task
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.operators.container import ContainerBatchOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator

    from airflow_sfx.jobs.contract import Function
    from airflow_sfx.warehouse.options import As

_COMMAND = ("python", "-m", "airflow_sfx.jobs.call")


class ContainerDecoratedOperator(DecoratedOperator, ContainerBatchOperator):
    """A `ContainerBatchOperator` made by ``@task.batch_container``.

    Args:
        python_callable: The function.
        op_args: Its positional arguments.
        op_kwargs: Its named arguments.
        kwargs: Those of `ContainerBatchOperator`.
    """

    pin_fields: ClassVar[tuple[str, ...]] = ("op_args", "op_kwargs")
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *ContainerBatchOperator.template_fields,
    )
    custom_operator_name = "@task.batch_container"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        from airflow_sfx.jobs.function import source_of

        self._source = source_of(python_callable)  # refuses it when the DAG is parsed
        super().__init__(
            python_callable=python_callable,
            op_args=op_args or (),
            op_kwargs=op_kwargs or {},
            kwargs_to_upstream={},
            **kwargs,
        )

    def contents(self) -> tuple[dict[str, Any], dict[str, Any], Function | None, tuple[str, ...]]:
        """Return the function's arguments: pins as inputs, other values as parameters."""
        from airflow_sfx.jobs.contract import Function
        from airflow_sfx.operators.base.pin_arguments import frame_parameter

        signature = inspect.signature(self.python_callable)
        try:
            given = signature.bind(*self.op_args, **self.op_kwargs).arguments
        except TypeError as error:
            raise InvalidName(
                f"the function of the task {self.task_id} cannot be called: {error}"
            ) from error
        inputs = {name: value for name, value in given.items() if any(pins_in(value))}
        parameters = {name: value for name, value in given.items() if name not in inputs}
        known = getattr(inspect.unwrap(self.python_callable), "__globals__", {})
        frames: dict[str, As] = {}
        for name in inputs:
            wanted = frame_parameter(signature.parameters[name].annotation, known)
            if wanted is not None and wanted.many:
                raise InvalidName(
                    f"the parameter {name} of the task {self.task_id} is several frames: a job's"
                    " input is one pin, which may have many partitions"
                )
            if wanted is not None:
                frames[name] = wanted.kind
        return inputs, parameters, Function(self._source, frames), _COMMAND


def batch_container_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    table: str | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a function a task that runs in a container and stores its DataFrame.

    The function's source is sent, with the imports and constants that it uses of its module. The
    image needs this package and what the function imports, not Airflow.

    Args:
        python_callable: The function.
        table: ``database.table`` (templated).
        multiple_outputs: Not supported: the task has one output, its pin.
        kwargs: Those of `ContainerBatchOperator` and of every operator.

    Returns:
        The decorator.

    Raises:
        TypeError: ``table`` is missing, or ``multiple_outputs`` or ``command`` is set.

    Example:
        >>> from airflow.sdk import task
        >>> @task.batch_container(table="sales.report", image="sfx-core")
        ... def report(sales): ...
        >>> report.operator_class.__name__
        'ContainerDecoratedOperator'
    """
    if table is None:
        raise TypeError(
            "@task.batch_container needs the table that it writes:"
            ' @task.batch_container(table="database.table")'
        )
    for name in ("command", "inputs", "parameters"):
        if name in kwargs:
            raise TypeError(
                f"@task.batch_container calls its function, whose arguments are all that it gets:"
                f" leave {name} out, or use ContainerBatchOperator"
            )
    outlet = table if kwargs.get("publish", True) else None
    return one_output_task(
        ContainerDecoratedOperator,
        python_callable,
        {**kwargs, "table": table},
        multiple_outputs=multiple_outputs,
        output="@task.batch_container has one output, the pin of its batch",
        outlet=outlet,
    )
