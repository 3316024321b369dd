"""Values in fewer digits: within a bound of each value, known and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.kinds import sparse
from airflow_sfx.core.errors import InvalidName

Precision: TypeAlias = Literal["exact", "float32"] | Mapping[str, float]
"""``exact``, ``float32``, ``{"abs": 1e-4}``, or of `pack_all` ``{"predictions": 1e-3}``."""

_MARGIN = 1 - 1e-9  # for the rounding of the product


@dataclass(frozen=True)
class Approximate:
    """A value in fewer digits.

    Args:
        value: The value, of the same type.
        error: The greatest difference to the value that it stands for.
        step: What all its floats are multiples of, or None.
        precision: The precision as text, or None if it is exact.
    """

    value: Any
    error: float
    step: float | None
    precision: str | None


def bound_of(precision: Precision, kind: str) -> float | None:
    """Return the bound of a precision of a kind, or None if it is of another kind.

    Raises:
        InvalidName: It is not a precision.

    Example:
        >>> bound_of({"abs": 1e-4}, "abs"), bound_of("exact", "abs")
        (0.0001, None)
    """
    if isinstance(precision, str) and precision in ("exact", "float32"):
        return None
    if isinstance(precision, Mapping) and len(precision) == 1:
        ((name, bound),) = precision.items()
        valid = isinstance(bound, int | float) and not isinstance(bound, bool)
        if name in ("abs", "predictions") and valid and isfinite(bound) and bound > 0:
            return float(bound) if name == kind else None
    raise InvalidName(
        f"precision={precision!r:.80} is not a precision",
        remedy='pass "exact", "float32", {"abs": 1e-4} or {"predictions": 1e-3}',
    )


def approximate(value: Any, precision: Precision) -> Approximate:
    """Return a value in a precision; integers, texts, tables and JSON objects stay exact.

    Args:
        value: What `pack` takes.
        precision: ``exact``, ``float32`` or ``{"abs": bound}``.

    Raises:
        InvalidName: The precision is not one of these.

    Example:
        >>> approximate(np.array([0.1234, 0.5]), {"abs": 0.05}).value.round(6).tolist()
        [0.1, 0.5]
    """
    if bound_of(precision, "predictions") is not None:
        raise InvalidName(
            f"precision={precision!r} bounds predictions, and one value makes none",
            remedy="call pack_all with all components and the function that predicts",
        )
    if precision == "exact":
        return Approximate(value, 0.0, None, None)
    bound = bound_of(precision, "abs")
    floats = floats_of(value)
    if floats is None:
        return Approximate(value, 0.0, None, None)
    step = None if bound is None else 2 * bound * _MARGIN
    found = _narrowed(floats) if step is None else _stepped(floats, step)
    with np.errstate(invalid="ignore"):
        error = np.nanmax(np.abs(found.astype("f8") - floats.astype("f8")), initial=0.0)
    if not error <= (np.inf if bound is None else bound):
        return Approximate(value, 0.0, None, None)
    text = "float32" if bound is None else f"abs {bound:g}"
    return Approximate(_with_floats(value, found), float(error), step, text)


def _narrowed(floats: Array) -> Array:
    """Return floats as those of 4 bytes hold them; those too large for that stay."""
    with np.errstate(all="ignore"):
        narrow = floats.astype("f4")
        fits = np.isfinite(narrow) | ~np.isfinite(floats)
        found: Array = np.where(fits, narrow.astype(floats.dtype), floats)
    return _kept(found, floats)


def _stepped(floats: Array, step: float) -> Array:
    """Return the nearest multiples of a step."""
    with np.errstate(all="ignore"):
        wide = np.rint(floats.astype("f8") / step) * step + 0.0
        return _kept(wide.astype(floats.dtype), floats)


def _kept(found: Array, floats: Array) -> Array:
    """Return floats with NaN and infinities as they were, payloads and all."""
    whole = found.astype(floats.dtype, order="K")
    special = ~np.isfinite(floats)
    whole[special] = floats[special]
    return whole


def floats_of(value: Any) -> Array | None:
    """Return the floats of an array, a sparse matrix, a map or a list, or None.

    Args:
        value: What `pack` takes.
    """
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "f" else None
    if sparse.is_sparse(value):
        entries = sparse.entries_of(value).values
        return entries if entries.dtype.kind == "f" else None
    if type(value) is dict and value and set(map(type, value.values())) == {float}:
        return np.array(list(value.values()))
    if type(value) is list and value and set(map(type, value)) == {float}:
        return np.array(value)
    return None


def _with_floats(value: Any, floats: Array) -> Any:
    """Return a value with other floats."""
    if isinstance(value, np.ndarray):
        return floats
    if type(value) is dict:
        return dict(zip(value, floats.tolist(), strict=True))
    if type(value) is list:
        return floats.tolist()
    entries = replace(sparse.entries_of(value), values=floats)
    return entries if isinstance(value, sparse.SparseMatrix) else sparse.to_scipy(entries)
