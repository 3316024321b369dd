"""The check that compares a batch with the usual band of earlier batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import listed
from airflow_sfx.warehouse.quality.checks import BuiltInCheck, is_positive

if TYPE_CHECKING:
    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.warehouse.quality.figures import ColumnFigures
    from airflow_sfx.warehouse.quality.metric import Metric
    from airflow_sfx.warehouse.quality.subjects import BatchSubject, CheckContext, Subject


_DEFAULT: tuple[Metric, ...] = ("mean", "nulls")


class like_before(BuiltInCheck):  # in lower case, as checks read like functions
    """Require figures of a column as in the earlier batches of the table.

    Each partition that the call writes is compared with the current batches of up to 91 partitions
    before it: days with the same weekday, without clear anomalies; the rule is in
    `airflow_sfx.warehouse.quality.band`. Of a table without partitions, the earlier batches are
    those that were current. Passes while there are fewer than seven earlier batches, and for a
    frame by itself.

    Args:
        column: The column.
        metrics: What to compare: ``rows``, ``nulls`` (as a part of the rows), ``mean``, ``sum``,
            ``least``, ``greatest``, and ``distinct``, which reads the files of earlier batches
            once.
        width: How many standard deviations a figure may differ by, or None for 3.5.

    Raises:
        InvalidName: The column is not text, a metric is unknown, or the width is not positive.

    Example:
        >>> like_before("price").name
        "like_before('price')"
    """

    def __init__(
        self,
        column: str,
        metrics: Sequence[Metric] = _DEFAULT,
        width: float | None = None,
    ) -> None:
        if not isinstance(column, str) or not column:
            raise InvalidName(f"like_before({column!r:.80}) does not name a column: pass its name")
        if width is not None and not is_positive(width):
            raise InvalidName(f"width={width!r:.80} is not a positive number: pass one, such as 5")
        self.column, self.width = column, width
        self.metrics = _checked(listed(metrics, "metrics"))
        if not self.metrics:
            raise InvalidName("metrics= is empty: name what to compare, such as mean")

    @property
    def name(self) -> str:
        """The call that made the check, as text."""
        given = [repr(self.column)]
        if self.metrics != _DEFAULT:
            given.append(f"metrics={list(self.metrics)!r}")
        if self.width is not None:
            given.append(f"width={self.width}")
        return f"like_before({', '.join(given)})"

    @property
    def needs(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters as JSON values."""
        width = {} if self.width is None else {"width": self.width}
        return {"column": self.column, "metrics": list(self.metrics), **width}

    def with_context(self, context: CheckContext) -> Callable[[object], str | None]:
        """Return the check of the batches that a call has written."""

        def check(_: object) -> str | None:
            found = [(one.manifest.partition, self.judge(one)) for one in context.batches]
            wrong = [(name, problem) for name, problem in found if problem]
            if len(context.batches) == 1:
                return wrong[0][1] if wrong else None
            return "; ".join(f"{name}: {problem}" for name, problem in wrong) or None

        return check

    def judge(self, subject: Subject) -> str | None:
        """Return what is wrong, or None."""
        from airflow_sfx.warehouse.quality.figures import ColumnFigures
        from airflow_sfx.warehouse.quality.subjects import BatchSubject

        if not isinstance(subject, BatchSubject):
            return None
        counts = "distinct" in self.metrics
        own = self._own(subject, counts=counts)
        before = [
            (
                one,
                ColumnFigures.of(one, self.column, subject.counted(one) if counts else None),
            )
            for one in subject.earlier()
        ]
        wrong = [self._wrong(subject, metric, own, before) for metric in self.metrics]
        return "; ".join(one for one in wrong if one) or None

    def _own(self, subject: BatchSubject, *, counts: bool) -> ColumnFigures:
        from airflow_sfx.warehouse.quality.figures import (
            ColumnFigures,
            Counted,
            distinct_values,
        )
        from airflow_sfx.warehouse.quality.subjects import decoded

        manifest = subject.manifest
        if self.column not in manifest.statistics or counts:
            values = decoded(subject.table([self.column]), self.column)
            count = distinct_values(values) if counts else None
            counted = Counted({self.column: count} if count is not None else {})
            return ColumnFigures.of(manifest, self.column, counted)
        return ColumnFigures.of(manifest, self.column, None)

    def _wrong(
        self,
        subject: BatchSubject,
        metric: Metric,
        own: ColumnFigures,
        before: Sequence[tuple[Manifest, ColumnFigures]],
    ) -> str | None:
        from airflow_sfx.warehouse.quality.band import WIDTH, Figure, UsualFigures
        from airflow_sfx.warehouse.quality.metric import LEAST_CHANGES, described

        value = own.value(metric, subject.rows)
        usual = UsualFigures(least_change=LEAST_CHANGES.get(metric, 0), width=self.width or WIDTH)
        for manifest, figure in before:
            usual.add(Figure(figure.value(metric, manifest.rows), subject.day_of(manifest)))
        band = usual.band(subject.day_of(subject.manifest))
        if value is None or band is None or band.holds(value):
            return None
        return described(metric, self.column, value, band)


def _checked(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    if metrics == _DEFAULT:  # as in most DAG files, which are parsed often
        return metrics
    from airflow_sfx.warehouse.quality.metric import checked_metric

    return tuple(checked_metric(one) for one in metrics)
