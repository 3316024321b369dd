"""The operator that runs a function and stores the DataFrame that it returns as a new batch.

The task's XCom is the pin of the batch. A function with a parameter annotated as a DataFrame gets
exactly the pinned batch, whatever has been written since; every pin that came in is recorded as an
input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.python import PythonOperator

from airflow_sfx.assets.events import add_outlet
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators._base import TableOperator
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.notifications import Notify, checked, notifies
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.options import Check, Keys
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve

register()


class StoreBatchOperator(TableOperator, PythonOperator):
    """Runs a function and stores the DataFrame that it returns as a new batch; ``@task.batch`` makes one.

    Args:
        python_callable: The function. It may return an iterator of frames, too.
        op_args: Its positional arguments; a pin becomes the pinned frame where the parameter is
            annotated so (templated).
        op_kwargs: Its named arguments, likewise (templated).
        table: ``database.table`` (templated).
        partitions: The partition's values (templated). Without them, and without ``partition_by``,
            it is the run's partition key, else its logical date as ``ds_nodash``. An empty list: no
            partitions.
        partition_by: The columns that say each row's partition, for many partitions in one batch.
        partition_keys: The names, and types, of a new table's partition keys.
        checks: What must hold before the batch is published; see `airflow_sfx.checks`.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: Why, for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        types: Hive types by column, as ``{"price": "decimal(10,2)"}``; see
            `airflow_sfx.store_dataframe`.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a
            ``foreign_change``: for each event a list of Airflow's notifiers, in whose templates
            ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

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

    checks: Sequence[Check]
    types: Mapping[str, str] | None

    operator_extra_links = (BatchHistoryLink(),)
    template_fields: Sequence[str] = (
        *PythonOperator.template_fields,
        *TableOperator.names,
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
        if publish:
            add_outlet(kwargs, table)
        kwargs.setdefault("show_return_value_in_logs", False)  # it is a whole DataFrame
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs
        )
        self.set_destination(
            table,
            partitions,
            reason,
            sfx_conn_id,
            partition_by=partition_by,
            partition_keys=partition_keys,
            checks=checks,
            publish=publish,
            evolve=evolve,
            types=types,
            cascade=cascade,
            notify=checked(notify, self.task_id),
        )

    @notifies
    def execute(self, context: Context) -> BatchPin:
        """Run the function on the pinned batches and store what it returns.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or an input is refused; nothing ran.
            TypeError: The function returned no DataFrame; nothing was stored.
            CheckFailed: A check said no; the batch is staged and the partition unchanged.
        """
        from airflow_sfx.operators.room import with_room

        return with_room(partial(self._run, context))

    def _run(self, context: Context) -> BatchPin:
        from airflow_sfx.hooks.pin_guard import refuse_foreign_pin
        from airflow_sfx.operators.pin_arguments import load_arguments

        refuse_foreign_pin(self, context, "op_args", "op_kwargs")
        ref, partitions = self.destination(context)
        warehouse = self.warehouse()
        self.op_args, self.op_kwargs, inputs = load_arguments(
            self.python_callable,
            list(self.op_args),
            self.op_kwargs,
            warehouse.load_dataframe,
        )
        self.python_callable = _returning(self.python_callable)
        frame = super().execute(context)
        if not _is_frame(frame):
            raise TypeError(
                f"the function of the task {self.task_id} returned {_described(frame)}: the task"
                " stores what it returns, so return a pandas or polars DataFrame, a pyarrow Table"
                " or an iterator of them"
            )
        pin = warehouse.store_dataframe(
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
            types=self.types,
            producer=producer_of(cast("Mapping[str, Any]", context)),
        )
        return self.told(context, pin)


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
    return any(hasattr(value, name) for name in ("__arrow_c_stream__", "toArrow")) or isinstance(
        value, Iterator
    )


def _described(value: object) -> str:
    if value is None:
        return "None (is a return statement missing?)"
    return f"{value!r:.80} of the type {type(value).__name__}"
