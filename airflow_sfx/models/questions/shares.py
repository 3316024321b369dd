"""How much of a change each of several causes has: the Shapley value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial


def shapley(values: Mapping[frozenset[str], float], causes: Sequence[str]) -> dict[str, float]:
    """Return the share of each cause in the change from none of them to all.

    A cause has the mean of what it adds, over all orders in which the causes can come. The shares
    add up to the change, and causes that add the same have the same. Source: L. Shapley, "A Value
    for n-Person Games", Contributions to the Theory of Games II, Princeton, 1953.

    Args:
        values: The value for each set of causes that have come.
        causes: The causes.

    Returns:
        The shares by cause.

    Example:
        >>> value = {frozenset(): 0.8, frozenset("d"): 0.7, frozenset("c"): 0.8,
        ...     frozenset("dc"): 0.6}
        >>> {cause: round(share, 3) for cause, share in shapley(value, "dc").items()}
        {'d': -0.15, 'c': -0.05}
    """
    count = len(causes)
    shares = dict.fromkeys(causes, 0.0)
    for cause in causes:
        others = [one for one in causes if one != cause]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for some in map(frozenset, combinations(others, size)):
                shares[cause] += weight * (values[some | {cause}] - values[some])
    return shares
