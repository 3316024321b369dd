"""Side-by-side timing: contestants take turns, so that a machine that slows down slows all of them.

Each round has another order: whoever follows a contestant that is another process finds the
processor's caches full of its work, which costs a load of a tenth of a second a tenth of its time,
and in one order would cost always the same.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    contestants: Mapping[str, Callable[[], object]], runs: int
) -> dict[str, list[float]]:
    """Seconds of each contestant, one uncounted warm-up first; every run of this has the same orders."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    turns = random.Random(0)
    order = list(contestants.items())
    for run in range(-1, runs):
        for name, action in order:
            gc.collect()
            begun = time.perf_counter()
            result = action()
            elapsed = time.perf_counter() - begun
            del result
            if run >= 0:
                seconds[name].append(elapsed)
        turns.shuffle(order)
    return seconds


def summary(seconds: Mapping[str, list[float]], ours: str) -> dict[str, object]:
    """Medians, and the median of ours over each other's, run by run."""
    return {
        "seconds": {name: round(statistics.median(values), 4) for name, values in seconds.items()},
        "ratios": {
            f"{ours} / {name}": round(
                statistics.median(a / b for a, b in zip(seconds[ours], values, strict=True)), 3
            )
            for name, values in seconds.items()
            if name != ours
        },
        "runs": len(seconds[ours]),
    }
