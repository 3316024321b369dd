"""Rows of several requests, answered by one call of a function.

Requests that arrive while the function runs wait, and are answered together by the next call. A
function of rows gives each row the same, so no request sees the others. One call runs at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_sfx.serving.web.refusal import RefusedError

if TYPE_CHECKING:
    from airflow_sfx.serving.served import ServedFunction
    from airflow_sfx.serving.web.limits import Limits

Rows = list[dict[str, Any]]
_QUICK = 0.002
"""Calls that take at most this long, in seconds, are made without a thread."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    served: ServedFunction
    rows: list[Any]
    future: asyncio.Future[Rows]


class Joining:
    """Joins the rows of requests that wait for a function.

    Args:
        threads: Where calls run that take long.
        limits: How many rows one call gets, and how many requests may wait.
        called: Called with the number of requests after each call.
    """

    def __init__(self, threads: Executor, limits: Limits, called: Callable[[int], None]) -> None:
        self._threads, self._limits, self._called = threads, limits, called
        self._waiting: list[_Waiting] = []
        self._running = False

    async def answer(self, served: ServedFunction, rows: list[Any]) -> Rows:
        """Return what the function gives for the rows of a request.

        Args:
            served: The function.
            rows: The rows, as it has read them.

        Raises:
            RefusedError: The function fails on these rows, too many requests wait, or it takes too
                long.
        """
        if len(self._waiting) >= self._limits.waiting:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{len(self._waiting)} requests are waiting already: send it again later",
                headers=((b"retry-after", b"1"),),
            )
        loop = asyncio.get_running_loop()
        one = _Waiting(served, rows, loop.create_future())
        self._waiting.append(one)
        if not self._running:
            self._running = True
            loop.call_soon(self._next)  # behind the requests that have arrived meanwhile
        try:
            return await asyncio.wait_for(one.future, self._limits.seconds)
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"the function {served.name} did not answer within {self._limits.seconds:g} s: send"
                " fewer rows",
            ) from None

    def _next(self) -> None:
        """Call the function for what waits."""
        joined = self._taken()
        if not joined:
            self._running = False
            return
        served, count = joined[0].served, sum(len(one.rows) for one in joined)
        if count * served.seconds_per_row <= _QUICK:
            self._answered(joined, _outcomes(served, [one.rows for one in joined]))
            return
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._threads, _outcomes, served, [one.rows for one in joined])
        call.add_done_callback(lambda done: self._answered(joined, done.result()))

    def _taken(self) -> list[_Waiting]:
        """Take requests of the same version, as many as one call may get."""
        joined: list[_Waiting] = []
        count = 0
        self._waiting = [one for one in self._waiting if not one.future.done()]
        while self._waiting:
            one = self._waiting[0]
            count += len(one.rows)
            if joined and (one.served is not joined[0].served or count > self._limits.rows):
                break
            joined.append(self._waiting.pop(0))
        return joined

    def _answered(self, joined: list[_Waiting], outcomes: list[Rows | Exception]) -> None:
        self._called(len(joined))
        for one, outcome in zip(joined, outcomes, strict=True):
            if one.future.done():  # it has waited for too long
                continue
            if isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
        asyncio.get_running_loop().call_soon(self._next)


def _outcomes(served: ServedFunction, parts: list[list[Any]]) -> list[Rows | Exception]:
    """Return the outcome of each request; alone if the function fails on all together."""
    try:
        found = served.together([row for rows in parts for row in rows])
    except Exception as error:  # of any function
        if len(parts) > 1:
            return [outcome for rows in parts for outcome in _outcomes(served, [rows])]
        _log.warning("%s failed: %s", served.name, error)
        return [
            RefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"the function {served.name} failed on these rows, though they fit its columns: the"
                " server's log has the error",
            )
        ]
    rest = iter(found)
    return [[next(rest) for _ in rows] for rows in parts]
