"""Looking for an object that something else says is there, where storage may show it late."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_sfx.storage.base import ObjectStore

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def wait_until_visible(store: ObjectStore, look: Callable[[], T | None]) -> T | None:
    """Look again until something is there, or the storage's patience is over.

    Args:
        store: The storage that is looked into.
        look: Gives what is there, or None.

    Returns:
        What was there; None if nothing came in time.

    Example:
        >>> from obstore.store import MemoryStore
        >>> from airflow_sfx.storage.object_store import RemoteStore
        >>> store = RemoteStore(MemoryStore(), "memory:///")
        >>> wait_until_visible(store, lambda: store.get("nothing")) is None
        True
    """
    give_up = time.monotonic() + store.timeouts
    pause = _FIRST_PAUSE
    while (found := look()) is None and time.monotonic() < give_up:
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311
        pause = min(2 * pause, _LONGEST_PAUSE)
    return found
