"""Why a function gives other values for rows together than alone: a likely cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, permutations
from typing import Any

from airflow_sfx.portability.check.clock import clocks_of, names_in, reads_random
from airflow_sfx.portability.check.report import Cause
from airflow_sfx.portability.check.runs import Outcome, Row, Runs

Found = tuple[Cause, str]

_ROUNDING = 1e-9
_CODES = {"factorize", "get_dummies", "codes", "Categorical", "category", "LabelEncoder", "unique"}
_CODES |= {"OrdinalEncoder", "OneHotEncoder", "ngroup"}
_RANKS = {"rank", "argsort", "qcut", "nlargest", "nsmallest", "percentileofscore", "searchsorted"}
_WHOLE = {"mean", "std", "var", "sum", "min", "max", "median", "quantile", "count", "nunique"}
_WHOLE |= {"mode", "value_counts", "len", "size", "shape", "groupby", "transform", "agg", "cut"}
_WHOLE |= {"describe", "skew", "kurt", "corr", "average", "fit_transform", "normalize", "zscore"}


def cause_in_time(runs: Runs) -> Found:
    """Return why the same row gave another value when it came again."""
    function = runs.portable.function
    clocks = clocks_of(function)
    if clocks:
        return "clock", f"it reads {clocks[0]}()"
    if reads_random(function):
        return "randomness", "it uses random numbers"
    changed = runs.state.changed()
    if changed:
        return "global state", f"its calls change {', '.join(changed)}"
    return "global state", "the same row gave another value when it came again"


def cause_together(
    runs: Runs, rows: Sequence[Row], row: int, column: str, outcomes: tuple[Outcome, Outcome]
) -> Found:
    """Return why a row gave another value together with others.

    Args:
        runs: Calls of the function.
        rows: The smallest rows.
        row: Which of them differs.
        column: Which column does.
        outcomes: What it gave together with the others, and alone.
    """
    runs.together(rows)
    changed = runs.state.changed()
    if changed and _same_when_warm(runs, rows):
        return "global state", f"its calls change {', '.join(changed)}"
    if _is_filled(runs, rows, row):
        return "fillna of a mean", "only a missing value differs: it is filled from other rows"
    names = names_in(runs.portable.function)
    together, alone = (one.shown(column) for one in outcomes)
    for cause, why in (
        _of_values(together, alone),
        _named("category codes", _CODES, names),
        _named("rank", _RANKS, names),
        _of_order(runs, rows),
        _named("mean over the batch", _WHOLE, names),
    ):
        if why:
            return cause, why
    return "other rows", "the value of a row depends on the rows beside it"


def _named(cause: Cause, wanted: set[str], names: set[str]) -> Found:
    used = sorted(names & wanted)
    return cause, f"it uses {', '.join(used[:3])}" if used else ""


def _same_when_warm(runs: Runs, rows: Sequence[Row]) -> bool:
    """Return whether the difference is gone where the state is that after an earlier call."""
    together = runs.together(rows)
    return all(
        one.differing(runs.alone(row, fresh=False)) is None
        for one, row in zip(together, rows, strict=True)
    )


def _is_filled(runs: Runs, rows: Sequence[Row], row: int) -> bool:
    """Return whether a row no longer differs once its missing values are there."""
    missing = [name for name, value in rows[row].items() if value is None]
    known = {
        name: next((one[name] for one in rows if one[name] is not None), None) for name in missing
    }
    if not missing or None in known.values():
        return False
    filled = [dict(one) for one in rows]
    filled[row].update(known)
    return runs.together(filled)[row].differing(runs.alone(filled[row])) is None


def _of_values(together: Any, alone: Any) -> Found:  # noqa: PLR0911  in this order
    """Judge the two values: the same number as another text, or one that lost digits."""
    cause: Cause = "dtype upcast"
    if isinstance(together, str) and isinstance(alone, str):
        try:
            same = float(together) == float(alone)
        except ValueError:
            return cause, ""
        return cause, "the same number as text of an integer and of a float" if same else ""
    if isinstance(together, bool) or not isinstance(together, int | float):
        return cause, ""
    if isinstance(alone, bool) or not isinstance(alone, int | float) or not alone:
        return cause, ""
    if not math.isclose(together, alone, rel_tol=1e-6):
        return cause, ""
    if isinstance(alone, int) or abs(alone) >= 1 << 53:
        return cause, "an integer has lost digits, as one that became a float"
    if math.isclose(together, alone, rel_tol=_ROUNDING):
        return "rounding", "the last digits of a number differ"
    return cause, "a number has lost digits, as one that became a float of 32 bits"


def _of_order(runs: Runs, rows: Sequence[Row]) -> Found:
    """Judge whether rows in another order give each row another value."""
    first = runs.together(rows)
    places = list(range(len(rows)))
    for order in islice(permutations(places), 1, 6):
        other = runs.together([rows[place] for place in order])
        if any(
            first[place].differing(other[number]) is not None for number, place in enumerate(order)
        ):
            return "order", "the same rows in another order give other values"
    return "order", ""
