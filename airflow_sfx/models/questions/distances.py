"""How far two distributions are apart, and how far they are by chance alone.

Shares are arrays that sum to 1, in the same order of bins. Needs numpy only.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAST = 1e-4
"""The share that the population stability index assumes of an empty bin."""


def psi(expected: Array, found: Array) -> float:
    """Return the population stability index: Σ (found − expected) · ln(found / expected).

    It is the symmetric divergence of Kullback and Leibler. By the usual rule, below 0.1 is no
    shift, above 0.25 a large one. Source: B. Yurdakul, "Statistical Properties of the Population
    Stability Index", Western Michigan University, 2018, equation 1.

    Args:
        expected: The shares of the baseline.
        found: The shares now. In both, an empty bin has `LEAST`.

    Example:
        >>> round(psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])), 4)
        0.2747
    """
    one, other = np.maximum(expected, LEAST), np.maximum(found, LEAST)
    return float(np.sum((other - one) * np.log(other / one)))


def jensen_shannon(expected: Array, found: Array) -> float:
    """Return the Jensen-Shannon distance: 0 for equal shares, 1 for shares with no bin in common.

    It is the square root of H(m) − (H(p) + H(q)) / 2, with the entropy H in bits and m = (p + q) /
    2. Source: D. Endres and J. Schindelin, "A New Metric for Probability Distributions", IEEE
    Transactions on Information Theory 49, 2003.

    Args:
        expected: The shares of the baseline.
        found: The shares now.

    Example:
        >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        1.0
    """
    middle = (expected + found) / 2
    bits = _entropy(middle) - (_entropy(expected) + _entropy(found)) / 2
    return math.sqrt(min(1.0, max(0.0, bits)))


def _entropy(shares: Array) -> float:
    some = shares[shares > 0]
    return float(-np.sum(some * np.log2(some)))


def kolmogorov_smirnov(expected: Array, found: Array) -> float:
    """Return the greatest difference of two cumulative distributions at the same points.

    Source: N. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions",
    Annals of Mathematical Statistics 19, 1948.

    Args:
        expected: The cumulative shares of the baseline.
        found: The cumulative shares now.

    Example:
        >>> kolmogorov_smirnov(np.array([0.25, 1.0]), np.array([0.5, 1.0]))
        0.25
    """
    return float(np.max(np.abs(expected - found), initial=0.0))


def psi_by_chance(rows: tuple[int, int], bins: int, level: float) -> float:
    """Return the index that samples of one distribution exceed with a probability.

    The index times n·m / (n + m) has the chi-squared distribution with one degree of freedom less
    than there are bins; Yurdakul 2018, theorem 3.1.

    Args:
        rows: How many rows the two samples have.
        bins: How many bins.
        level: The probability.

    Example:
        >>> round(psi_by_chance((10_000, 10_000), 10, 0.01), 4)
        0.0043
    """
    return _chi_squared(bins - 1, level) * _variance(rows)


def jensen_shannon_by_chance(rows: tuple[int, int], bins: int, level: float) -> float:
    """Return the distance that samples of one distribution exceed with a probability.

    For close shares the divergence in nats is an eighth of Σ (p − q)² / m, and so an eighth of
    the index.

    Args:
        rows: How many rows the two samples have.
        bins: How many bins.
        level: The probability.

    Example:
        >>> round(jensen_shannon_by_chance((10_000, 10_000), 10, 0.01), 3)
        0.028
    """
    return math.sqrt(min(1.0, psi_by_chance(rows, bins, level) / 8 / math.log(2)))


def kolmogorov_smirnov_by_chance(rows: tuple[int, int], level: float) -> float:
    """Return the difference that samples of one distribution exceed with a probability.

    Smirnov's limit: √(−ln(level / 2) / 2 · (n + m) / (n · m)).

    Args:
        rows: How many rows the two samples have.
        level: The probability.

    Example:
        >>> round(kolmogorov_smirnov_by_chance((10_000, 10_000), 0.01), 4)
        0.023
    """
    return math.sqrt(-math.log(level / 2) / 2 * _variance(rows))


def share_by_chance(rows: tuple[int, int], shares: tuple[float, float], level: float) -> float:
    """Return the difference of two shares that chance exceeds with a probability.

    Args:
        rows: How many rows the two samples have.
        shares: The shares.
        level: The probability.

    Example:
        >>> round(share_by_chance((10_000, 10_000), (0.5, 0.5), 0.01), 4)
        0.0182
    """
    pooled = (rows[0] * shares[0] + rows[1] * shares[1]) / max(1, sum(rows))
    return NormalDist().inv_cdf(1 - level / 2) * math.sqrt(pooled * (1 - pooled) * _variance(rows))


def _variance(rows: tuple[int, int]) -> float:
    return 1 / max(1, rows[0]) + 1 / max(1, rows[1])


def _chi_squared(freedom: int, level: float) -> float:
    """Return a quantile of chi-squared, by the approximation of Wilson and Hilferty (1931)."""
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return freedom * (1 - part + NormalDist().inv_cdf(1 - level) * math.sqrt(part)) ** 3
