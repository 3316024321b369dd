"""Wait until a table has caught up with a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import PokeReturnValue

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.templates import CheckedTemplates, checks_names, is_settled
from airflow_sfx.sensors._base import BatchSensor
from airflow_sfx.triggers.stream_lag import LagCondition, StreamLagTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger


class StreamLagSensor(CheckedTemplates, BatchSensor):
    """Waits until a table is at most so far behind a stream, or has all records up to a time.

    It reads the table's positions, and of each shard the oldest record that the table lacks. The
    XCom is the positions by shard.

    Args:
        table: ``database.table``, into which the stream goes (templated). It need not exist yet.
        stream: The stream: ``kinesis:NAME``, or ``kafka:TOPIC`` with ``servers`` (templated).
        at_most: Seconds, or a timedelta: the longest that a record may wait. Or None.
        passed: A time with a zone, such as ``"{{ data_interval_end }}"``: all records that arrived
            before are in the table, or are dead letters (templated). Or None.
        start: Where the consumer starts in shards of which the table has no record:
            ``trim_horizon`` or ``latest``.
        endpoint_url: Another server of Kinesis than that of the AWS environment.
        servers: The brokers of Kafka, as ``host:port``, several with a comma.
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor defines.
        poke_interval: Seconds, or a timedelta, between two checks; up to a tenth longer.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.

    Raises:
        InvalidName: A name breaks a rule, or neither ``at_most`` nor ``passed`` is given.

    Example:
        >>> sensor = StreamLagSensor(
        ...     task_id="caught_up",
        ...     table="web.scores",
        ...     stream="kinesis:clicks",
        ...     passed="{{ data_interval_end }}",
        ...     timeout=3600,
        ... )
        >>> sensor.at_most is None
        True
    """

    names = ("table", "stream", "passed")
    template_fields: Sequence[str] = names

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        stream: str,
        at_most: timedelta | float | None = None,
        passed: str | datetime | None = None,
        start: Literal["trim_horizon", "latest"] = "trim_horizon",
        endpoint_url: str = "",
        servers: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_settled(table):
            TableRef.parse(table)
        if at_most is None and passed is None:
            raise InvalidName(
                f"the task {self.task_id} has neither at_most= nor passed=: pass how far the table"
                " may be behind, or the time that it must have passed"
            )
        if passed is not None and (isinstance(passed, datetime) or is_settled(passed)):
            _time(passed)
        if start not in ("trim_horizon", "latest"):
            raise InvalidName(f"start={start!r:.80}: pass 'trim_horizon' or 'latest'")
        self.table = table
        self.stream = stream
        self.at_most = at_most.total_seconds() if isinstance(at_most, timedelta) else at_most
        self.passed = passed
        self.start = start
        self.endpoint_url = endpoint_url
        self.servers = servers

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once.

        Args:
            context: The task's context.

        Returns:
            Whether the table has caught up, and the positions.
        """
        condition = self._lag_condition()
        lag = condition.lag(self._warehouse())
        if lag.oldest is None:
            self.log.info("%s has all records of %s", self.table, self.stream)
        else:
            self.log.info(
                "%s is %.1f s behind %s: it lacks a record that arrived at %s",
                self.table,
                lag.behind.total_seconds(),
                self.stream,
                lag.oldest.isoformat(),
            )
        if not condition.is_met(lag):
            return PokeReturnValue(is_done=False)
        positions = {one.shard: one.position for one in lag.shards if one.position}
        return PokeReturnValue(is_done=True, xcom_value=positions)

    def _condition(self) -> str:
        return str(self._lag_condition())

    def _trigger(self) -> BaseTrigger:
        return StreamLagTrigger(asdict(self._lag_condition()), self.poke_interval, self.sfx_conn_id)

    def _lag_condition(self) -> LagCondition:
        return LagCondition(
            table=self.table,
            stream=self.stream,
            at_most=self.at_most,
            passed=None if self.passed is None else _time(self.passed).isoformat(),
            start=self.start,
            endpoint_url=self.endpoint_url,
            servers=self.servers,
        )


def _time(given: str | datetime) -> datetime:
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidName(
            f"passed={given!s:.80} is not a time with a zone: write 2016-11-01T00:00:00Z, say"
        )
    return found
