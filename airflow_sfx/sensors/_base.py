"""What both sensors have in common: how they look, wait, and give up."""

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

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_sfx.warehouse.warehouse import Warehouse


class BatchSensor(BaseSensorOperator):
    """They look once, and then wait in the triggerer.

    Args:
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor says.
        poke_interval: Seconds, or a timedelta, between two looks, up to a tenth more.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.
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
        """Look, and wait in the triggerer while what is awaited is not there.

        Args:
            context: The task's context.

        Returns:
            The pin, or the pins.

        Raises:
            InvalidName: A name or a value is refused.
            AirflowSensorTimeout: It did not come in time.
        """
        if not self.deferrable:
            return super().execute(context)
        try:
            return self._look_or_wait(context, datetime.now(UTC) + timedelta(seconds=self.timeout))
        except AirflowSensorTimeout as error:
            if self.soft_fail:
                raise AirflowSkipException(str(error)) from error
            raise

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Go on after the triggerer; of a wait that was too long, say what was awaited.

        Args:
            next_method: What is called.
            next_kwargs: Its arguments.
            context: The task's context.

        Returns:
            As `execute`.

        Raises:
            AirflowSensorTimeout: It did not come in time.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise self._in_vain() from error

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], give_up: str | None = None
    ) -> Any:
        """Go on when the triggerer says that what is awaited is there.

        Args:
            context: The task's context.
            event: The trigger's event.
            give_up: When to stop waiting.

        Returns:
            As `execute`.

        Raises:
            SfxError: The trigger met an error that no waiting mends.
            AirflowSensorTimeout: What had come was undone, and did not come again in time.
        """
        if event["status"] != "success":
            from airflow_sfx.triggers._events import error_of

            raise error_of(event)
        until = (
            datetime.fromisoformat(give_up)
            if give_up
            else datetime.now(UTC) + timedelta(seconds=self.timeout)
        )
        return self._look_or_wait(context, until)

    def _look_or_wait(self, context: Context, until: datetime) -> Any:
        try:
            found = self.poke(context)
            if found.is_done:
                return found.xcom_value
        except WarehouseUnavailable as error:
            if isinstance(error.__cause__, AirflowNotFoundException):
                raise  # there is no such connection
            self.log.warning("Cannot look, and will try again: %s", error)
        left = until - datetime.now(UTC)
        if left <= timedelta(0):
            raise self._in_vain()
        return self.defer(
            trigger=self._trigger(),
            method_name="execute_complete",
            kwargs={"give_up": until.isoformat()},
            timeout=left,
        )

    def _in_vain(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"the sensor {self.task_id} has waited {self.timeout:.0f} s for {self._awaited()}, in"
            " vain: the log of its wait says what was seen last; a longer timeout= waits longer"
        )

    @abstractmethod
    def poke(self, context: Context) -> PokeReturnValue:
        """Look once.

        Args:
            context: The task's context.

        Returns:
            Whether what is awaited is there, and the XCom.
        """

    @abstractmethod
    def _awaited(self) -> str:
        """What is awaited, for people."""

    @abstractmethod
    def _trigger(self) -> BaseTrigger:
        """What waits in the triggerer."""

    def _warehouse(self) -> Warehouse:
        return warehouse_of(self.sfx_conn_id)
