"""Requests that are refused: a status, the name of the error and what to do."""

from __future__ import annotations

from http import HTTPStatus

import msgspec


class RefusedError(Exception):
    """A request that gets no answer of the model.

    Args:
        status: The status of the response.
        message: What is wrong, the rule, and the remedy.
        error: The name of the error, or empty for that of the status.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        error: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.error = error or status.phrase

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return msgspec.json.encode({"error": self.error, "message": str(self)})
