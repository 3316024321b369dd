"""The fewest rows, and the plainest values, for which something still holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_sfx.portability.check.runs import Row
from airflow_sfx.portability.schema import Column

Holds = Callable[[Sequence[Row]], bool]
_MOST_TRIES = 400
_PLAIN: dict[str, tuple[Any, ...]] = {
    "number": (0.0, 1.0, 2.0),
    "integer": (0, 1, 2),
    "boolean": (False,),
    "text": ("a", "b"),
}


def fewest(rows: Sequence[Row], holds: Holds) -> list[Row]:
    """Return as few of the rows as possible for which something holds, in their order.

    Halves, quarters and so on are left out as long as it holds; then single rows.

    Args:
        rows: The rows, for which it holds.
        holds: Returns whether it holds for some rows.

    Returns:
        The rows.

    Example:
        >>> rows = [{"n": n} for n in range(100)]
        >>> fewest(rows, lambda some: {7, 70} <= {one["n"] for one in some})
        [{'n': 7}, {'n': 70}]
    """
    kept, parts, tries = list(rows), 2, 0
    while len(kept) > 1 and tries < _MOST_TRIES:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            tries += 1
            if rest and holds(rest):
                kept, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(kept):
                break
            parts = min(parts * 2, len(kept))
    return kept


def plainest(rows: Sequence[Row], columns: Sequence[Column], holds: Holds) -> list[Row]:
    """Return the rows with plain values where something still holds.

    Args:
        rows: The rows, for which it holds.
        columns: Their columns.
        holds: Returns whether it holds for some rows.

    Returns:
        The rows; missing values stay missing.
    """
    kept = [dict(one) for one in rows]
    for column in columns:
        plain = column.feature.categories or _PLAIN.get(column.feature.kind, ())
        for place, row in enumerate(kept):
            for value in plain[:3]:
                if row[column.name] is None or row[column.name] == value:
                    break
                tried = [*kept[:place], {**row, column.name: value}, *kept[place + 1 :]]
                if holds(tried):
                    kept = tried
                    break
    return list(kept)
