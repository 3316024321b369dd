"""The base of the sensors: check once on a worker, then wait in the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_sfx._default import warehouse_of
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_sfx.warehouse.warehouse import Warehouse

register()


class BatchSensor(BaseSensorOperator):
    """Base of the sensors. Each defines one check, and the trigger that repeats it.

    Args:
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor defines.
        poke_interval: Seconds, or a timedelta, between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.
    """

    def __init__(
        self,
        *,
        deferrable: bool = True,
        poke_interval: timedelta | float = 30.0,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.deferrable = deferrable
        self.sfx_conn_id = sfx_conn_id

    def execute(self, context: Context) -> Any:
        """Check once, and wait in the triggerer until the condition is met.

        Args:
            context: The task's context.

        Returns:
            The pin, or the pins.

        Raises:
            InvalidName: A name or a value breaks a rule.
            AirflowSensorTimeout: The condition was not met in time.
        """
        if not self.deferrable:
            return super().execute(context)
        try:
            return self._check_or_wait(context, datetime.now(UTC) + timedelta(seconds=self.timeout))
        except AirflowSensorTimeout as error:
            if self.soft_fail:
                raise AirflowSkipException(str(error)) from error
            raise

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Resume after the triggerer; a timeout names the condition.

        Args:
            next_method: The method to call.
            next_kwargs: Its arguments, or None.
            context: The task's context.

        Returns:
            As `execute`.

        Raises:
            AirflowSensorTimeout: The condition was not met in time.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise self._timed_out() from error

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], deadline: str | None = None
    ) -> Any:
        """Check again after the trigger's event, and continue to wait if necessary.

        Args:
            context: The task's context.
            event: The trigger's event.
            deadline: The time at which the wait ends, or None for a full timeout from now.

        Returns:
            As `execute`.

        Raises:
            SfxError: The trigger failed for good.
            AirflowSensorTimeout: The change was undone, and did not come again in time.
        """
        if event["status"] != "success":
            from airflow_sfx.triggers._events import error_of

            raise error_of(event)
        until = (
            datetime.fromisoformat(deadline)
            if deadline
            else datetime.now(UTC) + timedelta(seconds=self.timeout)
        )
        return self._check_or_wait(context, until)

    def _check_or_wait(self, context: Context, until: datetime) -> Any:
        try:
            found = self.poke(context)
            if found.is_done:
                return found.xcom_value
        except WarehouseUnavailable as error:
            if isinstance(error.__cause__, AirflowNotFoundException):
                raise  # there is no such connection
            self.log.warning("The check failed and will be repeated: %s", error)
        left = until - datetime.now(UTC)
        if left <= timedelta(0):
            raise self._timed_out()
        return self.defer(
            trigger=self._trigger(),
            method_name="execute_complete",
            kwargs={"deadline": until.isoformat()},
            timeout=left,
        )

    def _timed_out(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"the sensor {self.task_id} timed out after {self.timeout:.0f} s: it waited for"
            f" {self._condition()}. The log of its wait has the last check; timeout= sets the time"
        )

    @abstractmethod
    def poke(self, context: Context) -> PokeReturnValue:
        """Check once.

        Args:
            context: The task's context.

        Returns:
            Whether the condition is met, and the XCom.
        """

    @abstractmethod
    def _condition(self) -> str:
        """Return the condition, for messages."""

    @abstractmethod
    def _trigger(self) -> BaseTrigger:
        """Return the trigger that waits for the condition."""

    def _warehouse(self) -> Warehouse:
        return warehouse_of(self.sfx_conn_id)
