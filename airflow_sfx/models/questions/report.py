"""The base of what the questions return."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.results import Tabular


class Report(Tabular):
    """A frozen result: a table in a notebook, a DataFrame, or plain JSON types."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the members as plain JSON types.

        Returns:
            The members by name, at any depth.
        """
        return {one.name: plain(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Change(Report):
    """One value before and after.

    Args:
        name: What it is of: a package, a parameter, a metric, a term.
        before: The value before, or None if there was none.
        after: The value after, or None if there is none.

    Example:
        >>> Change("auc", 0.75, 0.5).change
        -0.25
    """

    name: str
    before: object
    after: object

    @property
    def change(self) -> float | None:
        """By how much a number changed; None for other values."""
        pair = self.before, self.after
        if any(isinstance(one, bool) or not isinstance(one, int | float | None) for one in pair):
            return None
        before, after = (0.0 if one is None else float(one) for one in pair)  # type: ignore[arg-type]
        return after - before if pair != (None, None) else None
