"""Read how Lambda delivers a stream, where that could lose records."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_sfx.core.errors import InvalidName

_log = logging.getLogger(__name__)
_REPORT = "ReportBatchItemFailures"
_SECONDS = 3.0


class EventSourceMapping:
    """The event source mappings of a function for a stream, read from Lambda once if needed.

    The function's role needs ``lambda:ListEventSourceMappings`` for that. Without it, a warning
    says what could not be checked.

    Args:
        function: The function's ARN.
        stream: The stream's name, as ``kinesis:clicks``.
    """

    def __init__(self, function: str, stream: str) -> None:
        self._function, self._stream = function, stream
        self._found: Sequence[dict[str, Any]] | None = None

    def refuse_parallel(self) -> None:
        """Refuse a mapping that hands one shard to several invocations at a time.

        Raises:
            InvalidName: Its ParallelizationFactor is above 1.
        """
        for one in self._mappings():
            factor = one.get("ParallelizationFactor") or 1
            if factor > 1:
                raise parallel(self._stream, f"the mapping {one.get('UUID')} has {factor}")

    def takes_partial_answers(self) -> bool:
        """Return whether Lambda delivers again what an answer names, as far as is known."""
        return all(_REPORT in (one.get("FunctionResponseTypes") or ()) for one in self._mappings())

    def _mappings(self) -> Sequence[dict[str, Any]]:
        if self._found is None:
            self._found = self._read()
        return self._found

    def _read(self) -> Sequence[dict[str, Any]]:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        limits = Config(
            connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 2}
        )
        name = self._stream.partition(":")[2]
        try:
            client = boto3.client("lambda", config=limits)
            pages = client.get_paginator("list_event_source_mappings")
            listed = [
                one
                for page in pages.paginate(FunctionName=self._function)
                for one in page["EventSourceMappings"]
            ]
        except (BotoCoreError, ClientError) as error:
            _log.warning(
                "The settings of %s for %s cannot be read (%s). Make sure that its event source"
                " mapping has ParallelizationFactor 1 and %s, or let its role read them"
                " (lambda:ListEventSourceMappings)",
                self._function,
                self._stream,
                type(error).__name__,
                _REPORT,
            )
            return ()
        return [one for one in listed if _is_of(one, name)]


def parallel(stream: str, why: str) -> InvalidName:
    """Return the error of a shard whose records are delivered to several invocations at a time.

    Args:
        stream: The stream's name.
        why: How it was found out.
    """
    return InvalidName(
        f"records of one shard of {stream} are delivered out of order, which would lose some:"
        f" {why}. Set the ParallelizationFactor of the event source mapping to 1, and use more"
        " shards instead. Nothing was written"
    )


def _is_of(mapping: dict[str, Any], name: str) -> bool:
    resource = str(mapping.get("EventSourceArn", "")).rpartition(":stream/")[2]
    return resource.partition("/")[0] == name
