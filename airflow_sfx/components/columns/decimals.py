"""Floats that were written with few digits, found and checked, never assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airflow_sfx.components.columns._typing import Array

MOST_PLACES = 18
"""The most digits after the point; powers of ten up to 22 are exact floats."""
_GREATEST = 2.0**53
_SAMPLE = 512
_EXCEPTIONS = 32  # at most one of so many values


@dataclass(frozen=True)
class Decimals:
    """Floats as integers and a power of ten.

    Args:
        places: The digits after the point.
        integers: The values times ``10 ** places``, as ``int64``; 0 for an exception.
        exceptions: The positions of the values that are not such decimals.
    """

    places: int
    integers: Array
    exceptions: Array


def scaled(integers: Array, places: int, dtype: np.dtype[np.floating]) -> Array:
    """Return the floats of integers and a power of ten.

    Example:
        >>> scaled(np.array([56, -5]), 2, np.dtype("f8")).tolist()
        [0.56, -0.05]
    """
    if places == 0:
        return integers.astype(dtype)
    return (integers.astype("f8") / 10.0**places).astype(dtype, copy=False)


def find_decimals(values: Array) -> Decimals | None:
    """Return floats as decimals, or None if more than one of 32 is not a short decimal.

    Args:
        values: Floats of any width.

    Example:
        >>> found = find_decimals(np.array([0.56, 1.0, -2.25]))
        >>> found.places, found.integers.tolist()
        (2, [56, 100, -225])
        >>> find_decimals(np.array([2.0, 3.0]) ** 0.5) is None
        True
    """
    step = max(1, len(values) // _SAMPLE)
    sample = values[::step]
    for places in range(MOST_PLACES + 1):
        _, wrong = _scale(sample, places)
        if wrong.sum() * _EXCEPTIONS > 2 * len(sample):
            continue
        integers, wrong = _scale(values, places)
        if wrong.sum() * _EXCEPTIONS <= len(values):
            integers[wrong] = 0
            return Decimals(places, integers, np.flatnonzero(wrong))
    return None


def written(values: Array) -> bytes | None:
    """Return floats as they are written, with commas between them.

    Returns:
        None if one of them is a NaN that would not be read as it was.

    Example:
        >>> written(np.array([0.1, 2.0, -0.0]))
        b'0.1,2,-0'
    """
    each = values.tolist() if values.itemsize == 8 else values  # noqa: PLR2004
    found = ",".join(str(one).removesuffix(".0") for one in each).encode()
    back = as_read(found, values.dtype)
    same = back.view(f"u{values.itemsize}") == values.view(f"u{values.itemsize}")
    return found if bool(np.all(same)) else None


def as_read(text: bytes, dtype: np.dtype[np.generic]) -> Array:
    """Return the floats of a text.

    Raises:
        ValueError: It is not of numbers.

    Example:
        >>> as_read(b"0.1,2", np.dtype("f8")).tolist()
        [0.1, 2.0]
    """
    with np.errstate(over="ignore"):
        return np.array(text.split(b","), dtype="S").astype("f8").astype(dtype)


def _scale(values: Array, places: int) -> tuple[Array, Array]:
    """Return values as integers, and which of them are not those decimals."""
    with np.errstate(all="ignore"):
        wide = np.rint(values.astype("f8") * 10.0**places)
        inside = np.abs(wide) < _GREATEST
        integers = np.where(inside, wide, 0.0).astype("i8")
        back = scaled(integers, places, values.dtype)
    same = back.view(f"u{values.itemsize}") == values.view(f"u{values.itemsize}")
    return integers, ~(same & inside)
