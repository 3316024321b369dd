"""Side-by-side timing of contestants that take turns.

A machine that slows down slows all of them. Each round has another order: a contestant that follows
another process finds the processor's caches full of its work, which costs a load of 0.1 s a tenth
of its time. With a fixed order, the same contestant would always pay.
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
    """Time each contestant in turns, after one warm-up that does not count.

    Every call uses the same sequence of orders.

    Returns:
        The seconds of each contestant's runs.
    """
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


def in_turns(sides: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Return the seconds that the sides report, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for run in range(-1, runs):
        for name in order:
            elapsed = sides[name]()
            if run >= 0:
                seconds[name].append(elapsed)
        order.reverse()
    return seconds


def summary(seconds: Mapping[str, list[float]], ours: str) -> dict[str, object]:
    """Return medians, and the median of ours over each other's, run by run."""
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
