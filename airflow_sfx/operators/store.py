"""Run a function and store the DataFrame that it returns as a new batch.

The XCom is the pin of the batch. A parameter annotated as a DataFrame receives exactly the pinned
batch, whatever has been written since; every incoming pin is recorded as an input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator

from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WriteOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.options import Check, Keys


class StoreBatchOperator(WriteOperator, PythonOperator):
    """Stores the DataFrame that a function returns as a new batch.

    ``@task.batch`` makes one of a function.

    Args:
        python_callable: The function. It may also return an iterator of frames.
        op_args: Its positional arguments; a pin becomes the pinned frame if the parameter is
            annotated as one (templated).
        op_kwargs: Its named arguments, likewise (templated).
        table: ``database.table`` (templated).
        partitions: The partition's values (templated). The default, without ``partition_by``, is
            the run's partition key, or else its logical date as ``ds_nodash``. An empty list writes
            a table without partitions.
        partition_by: The columns that name each row's partition, to write many partitions at once.
        partition_keys: The names, and types, of a new table's partition keys.
        checks: Checks that must pass before the batch is published; see `airflow_sfx.checks`.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: The reason for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        types: Hive types by column, as ``{"price": "decimal(10,2)"}``; see
            `airflow_sfx.store_dataframe`.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> import pandas as pd
        >>> store = StoreBatchOperator(
        ...     task_id="store",
        ...     python_callable=lambda: pd.DataFrame({"item": ["hat"]}),
        ...     table="sales.sold_items",
        ...     partitions=["{{ ds_nodash }}"],
        ... )
        >>> store.outlets[0].uri
        'sfx://sales/sold_items'
    """

    pin_fields = ("op_args", "op_kwargs")
    template_fields: Sequence[str] = (
        *PythonOperator.template_fields,
        *WriteOperator.names,
        "cascade",
    )

    @checks_names
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
        types: Mapping[str, str] | None = None,
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("show_return_value_in_logs", False)  # it is a whole DataFrame
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            table=table,
            partitions=partitions,
            partition_by=partition_by,
            partition_keys=partition_keys,
            publish=publish,
            reason=reason,
            evolve=evolve,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        self.checks = checks
        self.types = types

    def run(self, context: Context) -> BatchPin:
        """Run the function on the pinned batches and store its frame.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or an input breaks a rule; nothing ran.
            TypeError: The function did not return a DataFrame; nothing was stored.
            CheckFailed: A check failed; the batch is staged and the partition unchanged.
        """
        from airflow_sfx.operators.base.pin_arguments import load_arguments, naming_pins

        destination, warehouse = self.destination(context), self.warehouse()
        function = self.python_callable
        self.op_args, self.op_kwargs, inputs = load_arguments(
            function, list(self.op_args), self.op_kwargs, warehouse.load_dataframe
        )
        self.python_callable = _returning(function)
        with naming_pins(function, self.op_args, self.op_kwargs, self.log):
            frame = PythonOperator.execute(self, context)
            if not _is_frame(frame):
                raise TypeError(
                    f"the function of the task {self.task_id} returned {_described(frame)}: the"
                    " task stores the result, so return a pandas or polars DataFrame, a pyarrow"
                    " Table or an iterator of them"
                )
            options = {"inputs": inputs, "checks": self.checks, "types": self.types}
            return self.store(context, warehouse, frame, destination, **options)


def _returning(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a generator function: Airflow would exhaust it and drop its items."""
    if not inspect.isgeneratorfunction(function):
        return function

    @wraps(function)
    def returning(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return returning


def _is_frame(value: object) -> bool:
    """Return whether a value can be a frame, without importing a library of frames."""
    return any(hasattr(value, name) for name in ("__arrow_c_stream__", "toArrow")) or isinstance(
        value, Iterator
    )


def _described(value: object) -> str:
    if value is None:
        return "None (is a return statement missing?)"
    return f"{value!r:.80} of the type {type(value).__name__}"
