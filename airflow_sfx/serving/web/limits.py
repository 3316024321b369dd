"""What one request may cost."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from airflow_sfx.serving.web.refusal import RefusedError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost.

    Args:
        bytes: The largest body, in bytes.
        rows: The most rows of a request.
        seconds: How long a body may take to arrive, and the model to answer, in seconds.
        waiting: How many requests may wait for a thread; further ones get status 503.
    """

    bytes: int = 8 << 20
    rows: int = 10_000
    seconds: float = 30.0
    waiting: int = 64

    def check_bytes(self, size: int) -> None:
        """Raise an error for a body of too many bytes."""
        if size > self.bytes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body has more than {self.bytes} bytes: send fewer rows at a time, or serve"
                " with a greater --max-bytes",
                headers=((b"connection", b"close"),),
            )

    def check_rows(self, rows: int) -> None:
        """Raise an error for too many rows."""
        if rows > self.rows:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the request has {rows} rows, and at most {self.rows} are answered at once: send"
                " fewer, or serve with a greater --max-rows",
            )
