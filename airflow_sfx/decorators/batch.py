"""``@task.batch``: a function that returns a DataFrame becomes a task that stores it as a new batch.

The task's XCom is the pin of the batch. A downstream function with a parameter annotated as a DataFrame gets
exactly the pinned batch, whatever has been written since; every pin that came in is recorded as an input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

import airflow_sfx as sfx
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.decorators.arguments import load_arguments
from airflow_sfx.decorators.partitions import check_rendered, run_partition
from airflow_sfx.hooks.context import producer_of
from airflow_sfx.hooks.sfx import SfxHook
from airflow_sfx.plugin.xcom import register

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.warehouse.warehouse import Check, Evolve, Keys

register()


class BatchDecoratedOperator(DecoratedOperator, PythonOperator):
    """Runs a function and stores the DataFrame that it returns as a new batch.

    Args:
        table: ``database.table`` (templated).
        partitions: The partition's values (templated). Without them, and without ``partition_by``, it is the
            run's partition key, else its logical date as ``ds_nodash``. An empty list: no partitions.
        partition_by: The columns that say each row's partition, for many partitions in one batch.
        partition_keys: The names, and types, of a new table's partition keys.
        checks: What must hold before the batch is published; see `airflow_sfx.checks`.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: Why, for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
    """

    template_fields: Sequence[str] = (*PythonOperator.template_fields, "table", "partitions", "reason")
    custom_operator_name = "@task.batch"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        table: str,
        partitions: Sequence[Any] | str | None = None,
        partition_by: Sequence[str] | str | None = None,
        partition_keys: Keys | None = None,
        checks: Sequence[Check] = (),
        publish: bool = True,
        reason: str = "",
        evolve: Evolve = "safe",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("show_return_value_in_logs", False)  # it is a whole DataFrame
        call: dict[str, Any] = {
            "python_callable": python_callable,
            "op_args": op_args or (),
            "op_kwargs": op_kwargs or {},
        }
        super().__init__(kwargs_to_upstream=call, **call, **kwargs)
        if "{" not in table:
            TableRef.parse(table)
        self.table = table
        self.partitions = [partitions] if isinstance(partitions, str) else partitions
        self.partition_by = [partition_by] if isinstance(partition_by, str) else partition_by
        self.partition_keys = partition_keys
        self.checks = checks
        self.publish = publish
        self.reason = reason
        self.evolve: Evolve = evolve
        self.sfx_conn_id = sfx_conn_id
        self._templates = (table, self.partitions)

    def execute(self, context: Context) -> BatchPin:
        """Run the function on the pinned batches and store what it returns.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table or a partition value is refused; nothing ran.
            TypeError: The function returned no DataFrame; nothing was stored.
            CheckFailed: A check said no; the batch is staged and the partition unchanged.
        """
        ref, partitions = self._table(), self._partitions(context)
        warehouse = SfxHook(self.sfx_conn_id).get_conn() if self.sfx_conn_id is not None else None
        self.op_args, self.op_kwargs, inputs = load_arguments(
            self.python_callable,
            list(self.op_args),
            self.op_kwargs,
            partial(sfx.load_dataframe, warehouse=warehouse),
        )
        self.python_callable = _returning(self.python_callable)
        frame = super().execute(context)
        if not _is_frame(frame):
            raise TypeError(
                f"the function of the task {self.task_id} returned {_described(frame)}: @task.batch stores what it "
                "returns, so return a pandas or polars DataFrame, a pyarrow Table or an iterator of them"
            )
        pin = sfx.store_dataframe(
            frame,
            ref.database,
            ref.table,
            partitions,
            partition_by=self.partition_by,
            partition_keys=self.partition_keys,
            publish=self.publish,
            reason=self.reason,
            inputs=inputs,
            checks=self.checks,
            evolve=self.evolve,
            producer=producer_of(cast("Mapping[str, Any]", context)),
            warehouse=warehouse,
        )
        self.log.info("%s %s", "Published" if self.publish else "Staged", pin)
        return pin

    def _table(self) -> TableRef:
        try:
            return TableRef.parse(self.table)
        except InvalidName as error:
            raise InvalidName(f"the task {self.task_id} has table={self._templates[0]!r}, and {error}") from error

    def _partitions(self, context: Context) -> Sequence[Any] | None:
        """The partition to write: as given, or the run's; None where there is none or columns say it."""
        if self.partition_by is not None and self.partitions is None:
            return None
        if self.partitions is None:
            return [run_partition(cast("Mapping[str, Any]", context))]
        check_rendered(self.partitions, self._templates[1] or (), self.task_id)
        return self.partitions or None


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
        kwargs: As of `BatchDecoratedOperator` and of every operator.

    Returns:
        The decorator.

    Raises:
        TypeError: No table is named.
    """
    if table is None:
        raise TypeError('@task.batch needs the table that it writes: @task.batch(table="database.table")')
    if multiple_outputs:
        raise TypeError("@task.batch has one output, the pin of its batch: leave multiple_outputs out")
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=BatchDecoratedOperator,
        table=table,
        **kwargs,
    )


def _returning(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns the generator that ``function`` makes: Airflow would run it and drop what it yields."""
    if not inspect.isgeneratorfunction(function):
        return function

    @wraps(function)
    def returning(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return returning


def _is_frame(value: object) -> bool:
    """Whether a value can be a frame, told without importing any library of frames."""
    return any(hasattr(value, name) for name in ("__arrow_c_stream__", "toArrow")) or isinstance(value, Iterator)


def _described(value: object) -> str:
    if value is None:
        return "None (is a return statement missing?)"
    return f"{value!r:.80} of the type {type(value).__name__}"
