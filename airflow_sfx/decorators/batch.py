"""``@task.batch``: a function that returns a DataFrame becomes a task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_sfx.assets.events import add_outlet
from airflow_sfx.operators.store import StoreBatchOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class BatchDecoratedOperator(DecoratedOperator, StoreBatchOperator):
    """A `StoreBatchOperator` made by ``@task.batch``.

    Args:
        python_callable: The function.
        op_args: Its positional arguments.
        op_kwargs: Its named arguments.
        kwargs: Those of `StoreBatchOperator`.
    """

    template_fields: Sequence[str] = StoreBatchOperator.template_fields
    custom_operator_name = "@task.batch"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        call: dict[str, Any] = {
            "python_callable": python_callable,
            "op_args": op_args or (),
            "op_kwargs": op_kwargs or {},
        }
        super().__init__(kwargs_to_upstream=call, **call, **kwargs)


def batch_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    table: str | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a function a task that stores its DataFrame: ``@task.batch(table=...)``.

    Args:
        python_callable: The function.
        table: ``database.table`` (templated).
        multiple_outputs: Not supported: the task has one output, its pin.
        kwargs: Those of `StoreBatchOperator` and of every operator.

    Returns:
        The decorator.

    Raises:
        TypeError: ``table`` is missing, or ``multiple_outputs`` is set.

    Example:
        >>> from airflow.sdk import task
        >>> @task.batch(table="sales.sold_items", partitions=["{{ ds_nodash }}"])
        ... def sold_items(): ...
        >>> sold_items.operator_class.__name__
        'BatchDecoratedOperator'
    """
    if table is None:
        raise TypeError(
            '@task.batch needs the table that it writes: @task.batch(table="database.table")'
        )
    outlet = table if kwargs.get("publish", True) else None
    return one_output_task(
        BatchDecoratedOperator,
        python_callable,
        {**kwargs, "table": table},
        multiple_outputs=multiple_outputs,
        output="@task.batch has one output, the pin of its batch",
        outlet=outlet,
    )


def one_output_task(
    operator: type[DecoratedOperator],
    python_callable: Callable[..., Any] | None,
    arguments: dict[str, Any],
    *,
    multiple_outputs: bool | None,
    output: str,
    outlet: str | None,
) -> TaskDecorator:
    """Make a function a task that has one output, a pin.

    Args:
        operator: The operator of the task.
        python_callable: The function, or None.
        arguments: Those of the operator.
        multiple_outputs: What the caller asked for.
        output: Which task has which output, for the error.
        outlet: The table whose asset the task updates, or None.

    Returns:
        The decorator.

    Raises:
        TypeError: ``multiple_outputs`` is set.
    """
    if multiple_outputs:
        raise TypeError(f"{output}: leave multiple_outputs out")
    if outlet is not None:  # also for mapped tasks, whose operator is made when they run
        add_outlet(arguments, outlet)
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=operator,
        **arguments,
    )
