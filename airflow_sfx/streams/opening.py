"""Open streams by their names in the log, such as kinesis:clicks."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.streams.source import OnExpired, Source


def open_stream(
    stream: str,
    *,
    endpoint_url: str = "",
    servers: str = "",
    options: Mapping[str, str] | None = None,
    on_expired: OnExpired = "fail",
) -> Source:
    """Return a stream by its name.

    Args:
        stream: ``kinesis:NAME``, or the name alone; or ``kafka:TOPIC``.
        endpoint_url: The server of Kinesis, or empty for that of the AWS environment.
        servers: The brokers of Kafka, as ``host:port``, several with a comma.
        options: Further options of the Kafka client, such as ``security.protocol``.
        on_expired: Whether reading fails where records have expired unread, or continues.

    Returns:
        The stream, which the caller closes.

    Raises:
        InvalidName: The name is not one of a stream, or Kafka's brokers are missing.
        StreamUnavailable: The library of the service is not installed.

    Example:
        >>> open_stream("kafka:clicks")
        Traceback (most recent call last):
        airflow_sfx.core.errors.InvalidName: kafka:clicks needs brokers: pass them as host:port
    """
    service, colon, name = stream.partition(":")
    if not colon or service == "kinesis" or stream.startswith("arn:"):
        from airflow_sfx.streams.kinesis import KinesisSource

        known = name if service == "kinesis" and colon else stream
        return KinesisSource(known, endpoint_url=endpoint_url, on_expired=on_expired)
    if service == "kafka":
        from airflow_sfx.streams.kafka import KafkaSource

        if not servers:
            raise InvalidName(f"{stream} needs brokers: pass them as host:port")
        return KafkaSource(name, servers, options=options, on_expired=on_expired)
    raise InvalidName(
        f"{stream!r:.80} is not a stream that can be read: write kinesis:NAME or kafka:TOPIC"
    )
