"""The distinct values of a column, and which of them each value is."""

from __future__ import annotations

import numpy as np

from airflow_sfx.components.columns._typing import Array

_SHORT = 1 << 14
_SAMPLE = 1 << 13
_NARROW = 1 << 20
_ALL = 0.95  # of a sample that is of no few values


def distinct(values: Array, most: int) -> tuple[Array, Array] | None:
    """Return the distinct values in ascending order, and the number of each value.

    Args:
        values: Integers.
        most: The most distinct values.

    Returns:
        None if there are more.

    Example:
        >>> values, index = distinct(np.array([7, 5, 7]), 2)
        >>> values.tolist(), index.tolist()
        ([5, 7], [1, 0, 1])
        >>> distinct(np.array([7, 5, 7]), 1) is None
        True
    """
    if len(values) > _SHORT:
        sample = values[:: len(values) // _SAMPLE]
        found = np.unique(sample)
        if len(found) > min(most, _ALL * len(sample)):
            return None
        low = int(values.min())
        if int(values.max()) - low < _NARROW:
            return _by_counts(values, low, most)
        return _by_hash(values, most)
    found, index = np.unique(values, return_inverse=True)
    return (found, index) if len(found) <= most else None


def _by_counts(values: Array, low: int, most: int) -> tuple[Array, Array] | None:
    above = values.astype("i8") - low
    there = np.bincount(above) > 0
    found = np.flatnonzero(there)
    if len(found) > most:
        return None
    numbers = np.cumsum(there) - 1
    return (found + low).astype(values.dtype), numbers[above]


def _by_hash(values: Array, most: int) -> tuple[Array, Array] | None:
    import pyarrow as pa

    coded = pa.array(values).dictionary_encode()
    found = coded.dictionary.to_numpy()
    if len(found) > most:
        return None
    order = np.argsort(found)
    numbers = np.empty(len(found), dtype="i8")
    numbers[order] = np.arange(len(found))
    return found[order], numbers[coded.indices.to_numpy()]
