"""Reads of objects that exist already, but may not be visible yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_sfx.core.io.retry import attempts
from airflow_sfx.storage.base import ObjectStore

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def wait_until_visible(store: ObjectStore, read: Callable[[], T | None]) -> T | None:
    """Repeat a read until it returns something, or the store's time for that is over.

    Args:
        store: The store that is read.
        read: Returns what was read, or None.

    Returns:
        What was read, or None if it did not become visible.

    Example:
        >>> from airflow_sfx.storage.object_store import InMemoryStore
        >>> store = InMemoryStore()
        >>> wait_until_visible(store, lambda: store.get("nothing")) is None
        True
    """
    for _ in attempts(store.visibility_seconds, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE):
        if (found := read()) is not None:
            return found
    return None
