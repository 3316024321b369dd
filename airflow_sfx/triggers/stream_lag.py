"""The trigger of `StreamLagSensor`, and the condition that both check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.table import TableRef
from airflow_sfx.triggers._base import CheckingTrigger

if TYPE_CHECKING:
    from airflow_sfx.streams.lag import StreamLag
    from airflow_sfx.streams.source import Start
    from airflow_sfx.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class LagCondition:
    """How far a table may be behind a stream.

    Args:
        table: ``database.table``.
        stream: The stream, as ``kinesis:clicks``.
        at_most: The most seconds that a record may wait, or None.
        passed: A time in ISO format with a zone: all records that arrived before are in the table;
            or None.
        start: Where the table starts in the stream: ``trim_horizon`` or ``latest``.
        endpoint_url: The server of Kinesis, or empty for that of the AWS environment.
        servers: The brokers of Kafka, as ``host:port``, or empty.
    """

    table: str
    stream: str
    at_most: float | None = None
    passed: str | None = None
    start: str = "trim_horizon"
    endpoint_url: str = ""
    servers: str = ""

    def lag(self, warehouse: Warehouse) -> StreamLag:
        """Return the lag now. A table that is not there yet lacks all records.

        Args:
            warehouse: The warehouse.

        Raises:
            StreamUnavailable: The stream cannot be read.
        """
        from airflow_sfx.streams.lag import stream_lag
        from airflow_sfx.streams.opening import open_stream

        ref = TableRef.parse(self.table)
        positions = warehouse.stream_positions(ref.database, ref.table)
        start: Start = "latest" if self.start == "latest" else "trim_horizon"
        with open_stream(
            self.stream, endpoint_url=self.endpoint_url, servers=self.servers
        ) as source:
            return stream_lag(source, positions.get(source.stream, {}), start)

    def is_met(self, lag: StreamLag) -> bool:
        """Return whether a lag is small enough.

        Args:
            lag: What `lag` returned.
        """
        if self.at_most is not None and lag.behind > timedelta(seconds=self.at_most):
            return False
        return self.passed is None or lag.has_passed(datetime.fromisoformat(self.passed))

    def __str__(self) -> str:
        """Return the condition in words."""
        parts = []
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g} s behind {self.stream}")
        if self.passed is not None:
            parts.append(f"with all records of {self.stream} that arrived before {self.passed}")
        return f"{self.table} to be {' and '.join(parts)}"


class StreamLagTrigger(CheckingTrigger):
    """Fires when a table has caught up with a stream.

    Args:
        condition: The members of the `LagCondition`.
        poll_seconds: The time between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
    """

    def __init__(
        self,
        condition: dict[str, Any],
        poll_seconds: float = 30.0,
        sfx_conn_id: str | None = None,
    ) -> None:
        super().__init__(poll_seconds, sfx_conn_id)
        self.condition = LagCondition(**condition)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which another triggerer can continue."""
        return (
            "airflow_sfx.triggers.stream_lag.StreamLagTrigger",
            {
                "condition": asdict(self.condition),
                "poll_seconds": self.poll_seconds,
                "sfx_conn_id": self.sfx_conn_id,
            },
        )

    def is_met(self, warehouse: Warehouse) -> bool:
        """Return whether the table has caught up.

        Args:
            warehouse: The warehouse.
        """
        return self.condition.is_met(self.condition.lag(warehouse))
