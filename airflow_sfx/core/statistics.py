"""What a column holds, as far as a manifest says it: how many nulls, the smallest and the greatest value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_sfx.core.errors import InconsistentBatch

_BOUNDS = (bool, int, float, str, type(None))

Bound = bool | int | float | str
"""A smallest or greatest value: numbers as numbers, everything else as text (dates and times in ISO 8601)."""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """The statistics of one column of a file or a batch.

    Args:
        null_count: How many values are null.
        minimum: The smallest value; None where all are null or it is not known. Long text is cut and marked with ``…``.
        maximum: The greatest value, likewise.

    Example:
        >>> ColumnStatistics(1, 2, 30).to_json()
        {'nulls': 1, 'min': 2, 'max': 30}
    """

    null_count: int
    minimum: Bound | None = None
    maximum: Bound | None = None

    def to_json(self) -> dict[str, object]:
        """As a JSON object, without what is absent."""
        data: dict[str, object] = {"nulls": self.null_count}
        if self.minimum is not None:
            data["min"] = self.minimum
        if self.maximum is not None:
            data["max"] = self.maximum
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ColumnStatistics:
        """From a JSON object.

        Args:
            data: As `to_json` writes it.

        Returns:
            The statistics.

        Raises:
            InconsistentBatch: A member is absent or of another type.

        Example:
            >>> ColumnStatistics.from_json({"nulls": 1, "min": 2, "max": 30})
            ColumnStatistics(null_count=1, minimum=2, maximum=30)
        """
        nulls, low, high = data.get("nulls"), data.get("min"), data.get("max")
        if not isinstance(nulls, int) or isinstance(nulls, bool) or nulls < 0:
            raise InconsistentBatch(
                f"a column's statistics have no proper 'nulls' ({nulls!r:.80}): the manifest was changed"
            )
        if not isinstance(low, _BOUNDS) or not isinstance(high, _BOUNDS):
            raise InconsistentBatch(
                "a column's statistics have a 'min' or 'max' that is no value: the manifest was changed"
            )
        return cls(nulls, low, high)
