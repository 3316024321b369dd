"""Work after an answer, in a thread with a bounded queue: no client waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.serving.served import ServedModel

_MOST_WAITING = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered.

    Args:
        served: The version that answered.
        rows: The rows: a list of records, or an Arrow table.
        answers: The answers.
        at: When.
    """

    served: ServedModel
    rows: object
    answers: Answers
    at: datetime


class Background(ABC):
    """A consumer of answered requests, in a thread of its own.

    Requests that come faster than it works are left out.

    Attributes:
        left_out: How many requests were left out.
    """

    tick: float | None = None
    """How often `idle` is called at least, in seconds; None for never."""

    def __init__(self) -> None:
        self.left_out = 0
        self._queue: queue.Queue[Answered | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True, name=type(self).__name__)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, answered: Answered) -> None:
        """Add a request, unless too many are waiting."""
        try:
            self._queue.put_nowait(answered)
        except queue.Full:
            self.left_out += 1

    def stop(self) -> None:
        """Process what is waiting, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                one = self._queue.get(timeout=self.tick)
            except queue.Empty:
                self._attempt(self.idle)
                continue
            if one is None:
                self._attempt(self.last)
                return
            self._attempt(partial(self.process, one))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # of any model: the server goes on
            _log.exception("%s failed", type(self).__name__)

    @abstractmethod
    def process(self, answered: Answered) -> None:
        """Process a request."""

    @abstractmethod
    def idle(self) -> None:
        """Do what is due at times without requests."""

    @abstractmethod
    def last(self) -> None:
        """Do what is left at the end."""
