"""Prepare a column as columnar databases do: try several ways, keep the best.

The way that is smallest on samples of a long column is then used for all of it. The result depends
on the values alone, so the same values always have the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from airflow_sfx.components.columns import nodes
from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.bits import width_of
from airflow_sfx.components.columns.decimals import find_decimals, scaled, written
from airflow_sfx.components.columns.distinct import distinct

LONG = 1 << 16
"""A longer column is tried on samples."""
_SHORT = 1 << 12
"""A longer column is not cut in pieces."""
_SAMPLES = 4
_CLOSE = 1.1
_MOST_DISTINCT = 1 << 12
_LEAST_CUT = 8
_LEAST_GAIN = 64  # bits that a cut has to save
_DEEPEST = 4
_MOST_CUTS = 4
_MOST_WRITTEN = 1 << 13
_FEW = 256  # exceptions that a footer may hold


@dataclass(frozen=True)
class Packed:
    """A prepared column.

    Args:
        node: How it is made again.
        chunks: What is stored of it: bytes, or columns of a Parquet file.
        size: What it takes, in bytes.
        ways: The names of the ways that made it, the first first.
    """

    node: nodes.Node
    chunks: tuple[object, ...]
    size: int
    ways: tuple[str, ...] = ()

    def within(self, node: nodes.Node, extra: int = 4) -> Packed:
        """Return this column as the child of a node."""
        return Packed(node, self.chunks, self.size + extra, self.ways)

    def beside(self, other: Packed, node: nodes.Node) -> Packed:
        """Return this column and another one as the children of a node."""
        size = self.size + other.size + 6
        return Packed(node, self.chunks + other.chunks, size, self.ways + other.ways)


class Leaves(Protocol):
    """How a container stores values that are prepared."""

    nested: bool
    """Whether a column may be made of columns of other lengths."""

    def integers(self, values: Array, name: str, places: int | None = None) -> Packed:
        """Store integers; as decimals with so many places, if they are that."""

    def items(self, values: Array, name: str) -> Packed:
        """Store floats."""

    def texts(self, texts: Sequence[bytes], name: str) -> Packed:
        """Store texts in UTF-8."""

    def digits(self, text: bytes) -> Packed | None:
        """Store the text of floats, or return None if columns are of numbers."""

    def pco(self, values: Array, name: str) -> Packed | None:
        """Store numbers by pcodec, or return None if that is not allowed."""


@dataclass(frozen=True)
class Task:
    """A column to prepare.

    Args:
        values: The values: ``int64``, or floats.
        name: The name of the column.
        leaves: The container.
        used: What has been done to it.
        step: A step of which all floats are multiples, or None.
        cuts: How often it was cut.
        script: The names of the ways to go, in their order; None to try all.
    """

    values: Array
    name: str
    leaves: Leaves
    used: frozenset[str] = frozenset()
    step: float | None = None
    cuts: int = 0
    script: Iterator[str] | None = None

    def but(self, values: Array, way: str, name: str | None = None) -> Task:
        """Return the task to prepare what a way made of the values."""
        return replace(self, values=values, name=name or self.name, used=self.used | {way})


def prepare(task: Task) -> Packed:
    """Return the smallest form of a column, or that which the ways of a script make."""
    names = list(_names(task))
    if task.script is not None:
        names = [next(task.script)]
    elif len(task.values) > LONG and len(names) > 1:
        names = _best_on_samples(task, names)
    return min(_made(task, names), key=lambda one: one.size)


def _made(task: Task, names: Iterable[str]) -> Iterator[Packed]:
    """Yield what each way makes of a column, if it applies."""
    for name in names:
        packed = _WAYS[name](task)
        if packed is not None:
            yield replace(packed, ways=(name, *packed.ways))


def _best_on_samples(task: Task, names: list[str]) -> list[str]:
    """Return the way that is smallest on pieces of a long column, and one that is close."""
    length = LONG // _SAMPLES
    starts = np.linspace(0, len(task.values) - length, _SAMPLES).astype(int)
    sample = np.concatenate([task.values[start : start + length] for start in starts])
    made = sorted(_made(replace(task, values=sample), names), key=lambda one: one.size)
    return [one.ways[0] for one in made[:2] if one.size < _CLOSE * made[0].size]


def _names(task: Task) -> Iterator[str]:
    """Yield the names of the ways that can apply to a column."""
    yield "direct"
    yield "pcodec"
    if len(task.values) == 0 or len(task.used) >= _DEEPEST:
        return
    if task.values.dtype.kind == "f":
        if task.step is not None:
            yield "steps"
        yield from ("narrow", "decimal")
    elif not task.used & {"gaps", "index"}:
        yield "gaps"
    if not task.leaves.nested:
        return
    if not task.used & {"distinct", "index", "pieces"}:
        yield "distinct"
    if task.values.dtype.kind == "f" and len(task.values) <= _MOST_WRITTEN:
        yield "written"
    if not task.used & {"sparse", "pieces"}:
        yield "sparse"
    if len(task.values) <= _SHORT and task.cuts < _MOST_CUTS:
        yield "pieces"


def _direct(task: Task) -> Packed:
    if task.values.dtype.kind == "f":
        return task.leaves.items(task.values, task.name)
    return task.leaves.integers(task.values, task.name)


def _pcodec(task: Task) -> Packed | None:
    return task.leaves.pco(task.values, task.name) if len(task.values) else None


def _narrow(task: Task) -> Packed | None:
    """Floats of 8 bytes as floats of 4 or 2, if they are exactly those."""
    values = task.values
    for kind in ("<f2", "<f4"):
        if np.dtype(kind).itemsize < values.itemsize:
            with np.errstate(all="ignore"):
                narrow = values.astype(kind)
                back = narrow.astype(values.dtype)
            if _same(back, values):
                child = prepare(task.but(narrow, "narrow"))
                return child.within(nodes.Narrow(narrow.itemsize, child.node))
    return None


def _decimal(task: Task) -> Packed | None:
    """Floats as integers over a power of ten, with exceptions."""
    found = find_decimals(task.values)
    if found is None or len(found.exceptions) > (len(task.values) if task.leaves.nested else _FEW):
        return None
    if task.leaves.nested:
        child = prepare(task.but(found.integers, "decimal"))
    else:
        child = task.leaves.integers(found.integers, task.name, found.places)
    child = child.within(nodes.Decimal(found.places, child.node))
    return _patched(task.values, found.exceptions, child)


def _patched(values: Array, where: Array, child: Packed) -> Packed:
    """Return a column with the values that its steps do not make."""
    if not len(where):
        return child
    items = _as_integers(values[where]).tolist()
    size = len(items) * (values.itemsize + 3)
    return child.within(nodes.Patched(where.tolist(), items, child.node), size)


def _written(task: Task) -> Packed | None:
    """Floats as text, in the fewest digits."""
    text = written(task.values)
    return None if text is None else task.leaves.digits(text)


def _steps(task: Task) -> Packed | None:
    """Floats as multiples of the step of a precision."""
    step = task.step or 1.0
    with np.errstate(all="ignore"):
        wide = np.rint(task.values.astype("f8") / step)
        inside = np.abs(wide) < 2.0**53
        integers = np.where(inside, wide, 0.0).astype("i8")
        back = multiples(integers, step, task.values.dtype)
    exceptions = np.flatnonzero(_as_integers(back) != _as_integers(task.values))
    if len(exceptions) > (len(task.values) // 32 if task.leaves.nested else _FEW):
        return None
    child = prepare(task.but(integers, "decimal"))
    return _patched(task.values, exceptions, child.within(nodes.Step(step, child.node), 10))


def multiples(integers: Array, step: float, dtype: np.dtype[np.floating]) -> Array:
    """Return the floats that are integers times a step."""
    return (integers.astype("f8") * step).astype(dtype, copy=False)


def _gaps(task: Task) -> Packed | None:
    """Integers as differences, if those are of a smaller range."""
    values = task.values
    start = int(values[0]) if not 0 <= int(values[0]) < 1 << 31 or task.leaves.nested else 0
    with np.errstate(over="ignore"):
        gaps = np.diff(values, prepend=np.int64(start))
        if task.leaves.nested and len(gaps) > 1:
            start -= int(gaps[1:].min())  # the first is as the others are
            gaps[0] = gaps[1:].min()
    if not -(1 << 63) <= start < 1 << 63 or _range(gaps[1:]) >= _range(values):
        return None
    name = f"{task.name}_gap" if task.name else "gap"
    child = prepare(task.but(gaps, "gaps", name))
    return child.within(nodes.Gaps(start, child.node), 6)


def _distinct(task: Task) -> Packed | None:
    """Few distinct values, and the number of each."""
    items = _as_integers(task.values)
    coded = distinct(items, min(_MOST_DISTINCT, len(items) // 2))
    if coded is None:
        return None
    found, index = coded
    values = found.view(task.values.dtype)
    first = prepare(task.but(values, "distinct"))
    second = prepare(task.but(index.astype("i8"), "index"))
    return first.beside(second, nodes.Distinct(len(found), first.node, second.node))


def _sparse(task: Task) -> Packed | None:
    """The values that are not zero, and where they are."""
    items = _as_integers(task.values)
    positions = np.flatnonzero(items)
    if len(positions) > len(items) // 4:
        return None
    values = task.values[positions]
    first = prepare(task.but(positions.astype("i8"), "sparse"))
    second = prepare(task.but(values, "sparse"))
    return first.beside(second, nodes.Sparse(len(positions), first.node, second.node))


def _pieces(task: Task) -> Packed | None:
    """Two parts, cut where they take the fewest bits together."""
    cut = _cut(task.values)
    if cut is None:
        return None
    first, second = (
        prepare(replace(task, values=some, cuts=task.cuts + 1, used=task.used | {"pieces"}))
        for some in (task.values[:cut], task.values[cut:])
    )
    return first.beside(second, nodes.Pieces(cut, first.node, second.node))


def _cut(values: Array) -> int | None:
    """Return where to cut a column so that its parts take fewer bits, or None."""
    before = _running_bits(values)
    after = _running_bits(values[::-1])[::-1]
    if len(values) < _LEAST_CUT:
        return None
    sums = before[:-1] + after[1:]
    best = int(np.argmin(sums))
    return best + 1 if sums[best] + _LEAST_GAIN < before[-1] else None


def _running_bits(values: Array) -> Array:
    """Return about how many bits the first values take, for each number of them."""
    counts = np.arange(1, len(values) + 1)
    if values.dtype.kind == "f":
        places = _places(values)
        scale = 10.0 ** np.maximum.accumulate(np.where(places < 0, 0, places))
        wide = np.where(places < 0, 0, values).astype("f8")
        low, high = np.minimum.accumulate(wide), np.maximum.accumulate(wide)
        with np.errstate(all="ignore"):
            widths = np.ceil(np.log2((high - low) * scale + 1.0))
        full = np.maximum.accumulate(places < 0) | (widths > values.itemsize * 8)
        widths = np.where(full, values.itemsize * 8, widths)
    else:
        low, high = np.minimum.accumulate(values), np.maximum.accumulate(values)
        widths = np.ceil(np.log2(high.astype("f8") - low.astype("f8") + 1.0))
    found: Array = counts * widths
    return found


def _places(values: Array) -> Array:
    """Return how many decimal places each float has, and -1 where it has too many."""
    found = np.full(len(values), -1)
    for places in range(16, -1, -1):
        with np.errstate(all="ignore"):
            wide = np.rint(values.astype("f8") * 10.0**places)
            whole = np.where(np.abs(wide) < 2.0**53, wide, 0.0).astype("i8")
            same = _as_integers(scaled(whole, places, values.dtype)) == _as_integers(values)
        found[same] = places
    return found


def _range(values: Array) -> int:
    """Return how many bits integers need once the least of them is subtracted."""
    if not len(values):
        return 0
    return width_of(int(values.max()) - int(values.min()))


def _as_integers(values: Array) -> Array:
    return values.view(f"i{values.itemsize}")


def _same(one: Array, other: Array) -> bool:
    return bool(np.array_equal(_as_integers(one), _as_integers(other)))


_WAYS: Mapping[str, Callable[[Task], Packed | None]] = {
    "direct": _direct,
    "pcodec": _pcodec,
    "steps": _steps,
    "narrow": _narrow,
    "decimal": _decimal,
    "written": _written,
    "gaps": _gaps,
    "distinct": _distinct,
    "sparse": _sparse,
    "pieces": _pieces,
}
