"""Gates: what a version must fulfil before it is promoted.

Each is a function that returns why a version fails it: a sentence with value, rule and remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import CheckFailed, InvalidName
from airflow_sfx.models.describe.card import PARTS, stated_parts
from airflow_sfx.models.pin import LATEST, ModelPin, table_of

if TYPE_CHECKING:
    from airflow_sfx.models.model import Model
    from airflow_sfx.models.questions.drift import ColumnDrift, DriftReport

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Gates:
    """What a version must fulfil, besides its golden rows.

    Args:
        higher_is_better: Metrics of which more is better, each with how much less than that of the
            version it replaces is accepted.
        lower_is_better: Metrics of which less is better, each with how much more is accepted.
        card: The parts of the card that people must have written.
        drift: From which index or distance on current rows must not differ from those of the
            training; None for no such gate.

    Raises:
        InvalidName: A value breaks a rule.

    Example:
        >>> Gates(higher_is_better={"auc": 0.01}, card=["owner"]).card
        ('owner',)
        >>> Gates(card=["author"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: card=['author'] is not a part of a card: ...
    """

    higher_is_better: Mapping[str, float] = field(default_factory=dict, hash=False)
    lower_is_better: Mapping[str, float] = field(default_factory=dict, hash=False)
    card: Sequence[str] = ()
    drift: float | None = None

    def __post_init__(self) -> None:
        for name in ("higher_is_better", "lower_is_better"):
            _check_metrics(name, getattr(self, name))
        both = self.higher_is_better.keys() & self.lower_is_better.keys()
        if both:
            raise InvalidName(
                f"the metric {min(both)!r} is in higher_is_better= and in lower_is_better=: leave"
                " it out of one"
            )
        if isinstance(self.card, str) or not set(self.card) <= set(PARTS):
            raise InvalidName(
                f"card={self.card!r:.80} is not a part of a card: pass a list with any of"
                f" {', '.join(PARTS)}"
            )
        object.__setattr__(self, "card", tuple(self.card))
        if self.drift is not None and not _is_positive(self.drift):
            raise InvalidName(f"drift={self.drift!r:.80} is not a positive number: pass 0.1")

    @property
    def compares(self) -> bool:
        """Whether metrics are compared with those of the version that is replaced."""
        return bool(self.higher_is_better or self.lower_is_better)

    def failures(
        self,
        candidate: Model,
        current: Mapping[str, float] | None,
        report: DriftReport | None = None,
        *,
        missing: Sequence[str] | None = None,
    ) -> list[str]:
        """Return why a version fails, a sentence for each gate; none if it passes.

        Args:
            candidate: The version.
            current: The metrics of the version that it would replace, or None without one.
            report: How far current rows are from those of its training, or None.
            missing: The parts of the gate's card that were stated neither at the save nor at a
                promotion; None for those that were not stated at the save.
        """
        found = [*self._worse(candidate.metrics, current)]
        if missing is None:
            missing = [part for part in self.card if part not in stated_parts(candidate.card)]
        if missing:
            found.append(
                f"its card does not state {', '.join(missing)}, and must have"
                f" {', '.join(self.card)}: pass card={{{missing[0]!r}: …}} when it is saved, or"
                " promoted to another alias"
            )
        if self.drift is not None and report is not None and report.drifted:
            found.append(_drifted(report, self.drift))
        return found

    def _worse(
        self, metrics: Mapping[str, float], current: Mapping[str, float] | None
    ) -> Iterator[str]:
        """Yield what is wrong with the metrics."""
        for name, accepted, sign in self._directions():
            if name not in metrics:
                yield (
                    f"it has no metric {name!r}, which it is compared by: return it with the model;"
                    f" it has {', '.join(metrics) or 'none'}"
                )
            elif current is not None and name in current:
                worse = sign * (current[name] - metrics[name])
                if worse > accepted:
                    more, bound = ("least", "-") if sign > 0 else ("most", "+")
                    yield (
                        f"its {name} is {metrics[name]:.6g}, and must be at {more}"
                        f" {current[name] - sign * accepted:.6g}: that of the version it replaces"
                        f" {bound} {accepted:g}; train it again, or accept more"
                    )

    def _directions(self) -> Iterator[tuple[str, float, int]]:
        for name, accepted in self.higher_is_better.items():
            yield name, accepted, 1
        for name, accepted in self.lower_is_better.items():
            yield name, accepted, -1


def refuse_failed(pin: ModelPin, alias: str, failures: Sequence[str]) -> None:
    """Raise an error if a version fails a gate.

    Args:
        pin: The version.
        alias: The alias that it is promoted to.
        failures: Why it fails, or nothing.

    Raises:
        CheckFailed: It fails.
    """
    if failures:
        raise CheckFailed(
            f"{pin} is not promoted, and {pin.name}@{alias} is as it was: {'; '.join(failures)}",
            table=str(table_of(pin)),
            partition=LATEST,
            batch_id=pin.version,
        )


def _drifted(report: DriftReport, bound: float) -> str:
    columns = [one for one in report.columns if one.reasons]
    shown = ", ".join(f"{one.column} ({_measured(one)})" for one in columns[:_SHOWN])
    more = f" and {len(columns) - _SHOWN} more" if columns[_SHOWN:] else ""
    return (
        f"the rows of {report.pin} have drifted from those of its training, in {shown}{more}, by"
        f" more than {bound:g}: train it on newer rows"
    )


def _measured(one: ColumnDrift) -> str:
    """Return what is too large in a column, with its value."""
    values = {
        "psi": one.psi,
        "ks": one.ks,
        "js": one.js,
        "nulls": one.nulls_after,
        "new": one.new_share,
    }
    return ", ".join(f"{reason} {values[reason]:.3g}" for reason in one.reasons)


def _check_metrics(argument: str, given: Mapping[str, float]) -> None:
    if not isinstance(given, Mapping):
        raise InvalidName(
            f"{argument}={given!r:.80} does not map metrics to numbers: pass {{'auc': 0.01}}"
        )
    for name, accepted in given.items():
        if not isinstance(name, str) or not (accepted == 0 or _is_positive(accepted)):
            raise InvalidName(
                f"{argument}={{{name!r:.40}: {accepted!r:.40}}} is not a number from 0 by the name"
                " of a metric: pass how much worse than now is accepted"
            )


def _is_positive(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < float("inf")  # type: ignore[operator]
