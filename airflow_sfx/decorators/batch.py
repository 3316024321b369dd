"""``@task.batch``: a function that returns a DataFrame becomes a task that stores it as a new batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_sfx.assets.events import add_outlet
from airflow_sfx.operators.store import StoreBatchOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class BatchDecoratedOperator(DecoratedOperator, StoreBatchOperator):
    """What ``@task.batch`` makes of a function: a `StoreBatchOperator`.

    Args:
        python_callable: The function.
        op_args: Its positional arguments.
        op_kwargs: Its named arguments.
        kwargs: As of `StoreBatchOperator`.
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

    def _hook_apply_defaults(self, *args: Any, **kwargs: Any) -> Any:
        # Airflow reads the function's signature for each class above again, with the same result: a
        # tenth of a parse.
        if vars(self).get("_defaults_applied"):
            return args, kwargs
        vars(self)["_defaults_applied"] = True
        return super()._hook_apply_defaults(*args, **kwargs)  # type: ignore[no-untyped-call]


def batch_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    table: str | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a function a task that stores the DataFrame it returns as a new batch: ``@task.batch(table=...)``.

    Args:
        python_callable: The function.
        table: ``database.table`` (templated).
        multiple_outputs: Must be left alone: the task has one output, its pin.
        kwargs: As of `StoreBatchOperator` and of every operator.

    Returns:
        The decorator.

    Raises:
        TypeError: No table is named, or ``multiple_outputs`` is asked for.

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
    if multiple_outputs:
        raise TypeError(
            "@task.batch has one output, the pin of its batch: leave multiple_outputs out"
        )
    if kwargs.get("publish", True):  # also for mapped tasks, whose operator is made when they run
        add_outlet(kwargs, table)
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=BatchDecoratedOperator,
        table=table,
        **kwargs,
    )
