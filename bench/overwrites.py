"""Reads during a hundred overwrites of a partition: how many fail or are torn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pandas as pd

OVERWRITES, READERS, ROWS = 100, 2, 2_000
DAY = "20161031"


def marked(mark: int) -> pd.DataFrame:
    return pd.DataFrame({"mark": [mark] * ROWS, "date": [DAY] * ROWS})


def overwritten(store: Callable[[pd.DataFrame], object], load: Callable[[], Any]) -> dict[str, int]:
    """Overwrite again and again while others read.

    Args:
        store: Replaces the partition.
        load: Reads it; the frame has a column ``mark``.

    Returns:
        How many reads there were, how many failed, and how many saw rows of two writes or not all
        rows.
    """
    store(marked(0))
    found = {"reads": 0, "failed": 0, "torn": 0}
    stop, lock = threading.Event(), threading.Lock()

    def read() -> None:
        while not stop.is_set():
            try:
                frame = load()
                what = "torn" if len(frame) != ROWS or frame["mark"].nunique() != 1 else ""
            except Exception:
                what = "failed"
            with lock:
                found["reads"] += 1
                if what:
                    found[what] += 1

    readers = [threading.Thread(target=read, daemon=True) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    for mark in range(1, OVERWRITES + 1):
        store(marked(mark))
    stop.set()
    for reader in readers:
        reader.join()
    return found
