"""Figures of a process in the text format of Prometheus."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """What a figure is.

    Args:
        kind: Its type: ``counter``, ``gauge`` or ``histogram``.
        text: What it counts, with its unit.
        bounds: The upper bounds of a histogram's buckets.
    """

    kind: str
    text: str
    bounds: tuple[float, ...] = ()


@dataclass(slots=True)
class _Histogram:
    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class _Values:
    numbers: dict[Labels, float] = field(default_factory=dict)
    histograms: dict[Labels, _Histogram] = field(default_factory=dict)


class Metrics:
    """Counters and histograms, and figures that are computed when they are read.

    Args:
        families: What each figure is, by name.
        prefix: What the names begin with.

    Example:
        >>> metrics = Metrics({"rows": Family("counter", "Rows that were predicted.")})
        >>> metrics.count("rows", 2, model="delays/20161101002256")
        >>> print(metrics.text().decode().strip())
        # HELP sfx_serve_rows_total Rows that were predicted.
        # TYPE sfx_serve_rows_total counter
        sfx_serve_rows_total{model="delays/20161101002256"} 2
    """

    def __init__(self, families: Mapping[str, Family], prefix: str = "sfx_serve_") -> None:
        self._families, self._prefix = families, prefix
        self._values = {name: _Values() for name in families}
        self._computed: dict[str, Callable[[], Mapping[Labels, float]]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = tuple(labels.items())
        numbers = self._values[name].numbers
        with self._lock:
            numbers[key] = numbers.get(key, 0) + by

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        self.observe_all(name, (value,), **labels)

    def observe_all(self, name: str, values: Iterable[float], **labels: str) -> None:
        """Add values to a histogram."""
        bounds = self._families[name].bounds
        key = tuple(labels.items())
        with self._lock:
            found = self._values[name].histograms.get(key)
            if found is None:
                found = _Histogram([0] * (len(bounds) + 1))
                self._values[name].histograms[key] = found
            for value in values:
                found.counts[bisect_left(bounds, value)] += 1
                found.total += value

    def compute(self, name: str, values: Callable[[], Mapping[Labels, float]]) -> None:
        """Read a figure from a function, which returns its values by labels."""
        self._computed[name] = values

    def text(self) -> bytes:
        """Return all figures."""
        lines: list[str] = []
        with self._lock:
            for name, family in self._families.items():
                full = f"{self._prefix}{name}{'_total' if family.kind == 'counter' else ''}"
                lines += [f"# HELP {full} {family.text}", f"# TYPE {full} {family.kind}"]
                computed = self._computed.get(name)
                numbers = computed() if computed else self._values[name].numbers
                for labels, number in numbers.items():
                    lines.append(f"{full}{_braces(labels)} {_number(number)}")
                for labels, found in self._values[name].histograms.items():
                    lines += _buckets(full, labels, found, family.bounds)
        return ("\n".join(lines) + "\n").encode()


def _buckets(
    name: str, labels: Labels, found: _Histogram, bounds: tuple[float, ...]
) -> Iterable[str]:
    total = 0
    for bound, count in zip((*bounds, math.inf), found.counts, strict=True):
        total += count
        yield f"{name}_bucket{_braces((*labels, ('le', _number(bound))))} {total}"
    yield f"{name}_sum{_braces(labels)} {_number(found.total)}"
    yield f"{name}_count{_braces(labels)} {total}"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
