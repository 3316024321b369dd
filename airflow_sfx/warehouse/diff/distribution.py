"""Distributions of a column's values before and after, for small plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.frames._typing import AnyColumn

BINS = 20
MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Distribution:
    """Counts of a column's values in the same bins before and after.

    Nulls, NaN and infinities are left out.

    Args:
        bins: The bins: a range of numbers or times, named by its lower end, or one value. If there
            are many different values, the last bin is ``others``.
        before: The number of values in each bin before.
        after: The number of values in each bin after.

    Example:
        >>> import pyarrow as pa
        >>> Distribution.of(pa.chunked_array([["UA", "UA", "AA"]]), pa.chunked_array([["UA"]]))
        Distribution(bins=('UA', 'AA'), before=(2, 1), after=(1, 0))
    """

    bins: tuple[str, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, before: AnyColumn | None, after: AnyColumn | None) -> Distribution | None:
        """Count the values of a column.

        Args:
            before: The values before, or None if the column did not exist.
            after: The values after, of the same type if both exist, or None.

        Returns:
            The counts, or None if there are no values, for nested and binary columns, and for two
            different types.
        """
        import pyarrow.compute as pc
        from pyarrow import types

        sides = [side if side is None else _plain(side).drop_null() for side in (before, after)]
        known = [side for side in sides if side is not None]
        if not known or len({side.type for side in known}) > 1:
            return None
        kind: Any = known[0].type
        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            return cls._of_numbers([_finite(side) for side in sides], lambda edge: f"{edge:.6g}")
        if types.is_date(kind) or types.is_timestamp(kind):
            seconds = [side if side is None else _finite(_ticks(side)) for side in sides]
            return cls._of_numbers(seconds, lambda edge: _moment(edge, kind))
        if types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind):
            counts = [
                {} if side is None else {one["values"]: one["counts"] for one in _counts(pc, side)}
                for side in sides
            ]
            return cls._of_values(*counts)
        return None

    @classmethod
    def _of_numbers(cls, sides: list[Any], label: Any) -> Distribution | None:
        import numpy as np

        there = [side for side in sides if side is not None and len(side)]
        if not there:
            return None
        low, high = (
            min(float(side.min()) for side in there),
            max(float(side.max()) for side in there),
        )
        if not np.isfinite(high - low):
            return None
        if high - low <= abs(low) * 1e-9:  # too narrow to be cut
            high = low + max(abs(low) * 1e-9, 1)
        edges = np.linspace(low, high, BINS + 1)
        counted = [
            (
                (0,) * BINS
                if side is None
                else tuple(int(n) for n in np.histogram(side, bins=BINS, range=(low, high))[0])
            )
            for side in sides
        ]
        return cls(tuple(label(edge) for edge in edges[:-1]), counted[0], counted[1])

    @classmethod
    def _of_values(cls, before: dict[Any, int], after: dict[Any, int]) -> Distribution | None:
        total = {value: before.get(value, 0) + after.get(value, 0) for value in before | after}
        if not total:
            return None
        shown = sorted(total, key=lambda value: (-total[value], str(value)))
        if len(shown) > MOST_VALUES:
            shown = shown[: MOST_VALUES - 1]
        counted = [[side.get(value, 0) for value in shown] for side in (before, after)]
        labels = [str(value) for value in shown]
        if len(shown) < len(total):
            labels.append("others")
            for counts, side in zip(counted, (before, after), strict=True):
                counts.append(sum(side.values()) - sum(counts))
        return cls(tuple(labels), tuple(counted[0]), tuple(counted[1]))


def mean(values: AnyColumn | None) -> float | None:
    """Return the mean of a column's numbers without nulls and NaN, or None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if values is None or not any(is_kind(values.type) for is_kind in kinds):
        return None
    numbers = values.cast(pa.float64(), safe=False)
    numbers = numbers.filter(pc.invert(pc.is_nan(numbers)))
    found: float | None = pc.mean(numbers).as_py()
    return found


def _plain(values: AnyColumn) -> Any:
    from pyarrow import types

    from airflow_sfx.frames.types.encodings import decode_column

    kind: Any = values.type
    return decode_column(values.cast(kind.value_type) if types.is_dictionary(kind) else values)


def _finite(values: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if values is None:
        return None
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    return numbers[np.isfinite(numbers)]


def _ticks(values: Any) -> Any:
    """Return times as microseconds since 1970."""
    import pyarrow as pa

    return values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())


def _moment(edge: float, kind: Any) -> str:
    """Format microseconds as text, also beyond Python's year 9999."""
    import numpy as np
    import pyarrow as pa

    ticks = min(max(int(edge), 1 - 2**63), 2**63 - 1)
    return str(
        np.datetime_as_string(
            np.datetime64(ticks, "us"), unit="D" if pa.types.is_date(kind) else "s"
        )
    )


def _counts(pc: Any, values: Any) -> list[dict[str, Any]]:
    counted = pc.value_counts(values)
    try:
        found: list[dict[str, Any]] = counted.to_pylist()
    except UnicodeDecodeError:  # Arrow does not check that text is UTF-8
        return [
            {
                "values": repr(one["values"].as_buffer().to_pybytes()),
                "counts": one["counts"].as_py(),
            }
            for one in counted
        ]
    return found
