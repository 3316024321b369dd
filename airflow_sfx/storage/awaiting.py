"""Looking for an object that something else says is there, where storage may show it late."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_sfx.storage.store import Store

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def awaited(store: Store, look: Callable[[], T | None]) -> T | None:
    """Look again until something is there, or the storage's patience is over.

    Args:
        store: The storage that is looked into.
        look: Gives what is there, or None.

    Returns:
        What was there; None if nothing came in time.

    Example:
        >>> from obstore.store import MemoryStore
        >>> from airflow_sfx.storage.objects import ObjectStorage
        >>> store = ObjectStorage(MemoryStore(), "memory:///")
        >>> awaited(store, lambda: store.get("nothing")) is None
        True
    """
    give_up = time.monotonic() + store.patience
    pause = _FIRST_PAUSE
    while (found := look()) is None and time.monotonic() < give_up:
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311
        pause = min(2 * pause, _LONGEST_PAUSE)
    return found
