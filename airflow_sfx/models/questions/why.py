"""Why a metric changed: data, code or environment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.describe.code import DIFF, GIT
from airflow_sfx.models.model import Model
from airflow_sfx.models.questions.report import Report
from airflow_sfx.models.questions.retraining import train_again
from airflow_sfx.models.questions.shares import shapley

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

Cause = Literal["data", "code", "environment"]


@dataclass(frozen=True, slots=True)
class ChangeShare(Report):
    """The share of one cause in the change of a metric.

    Args:
        cause: ``data``, ``code`` (with the parameters) or ``environment``.
        share: The mean over the seeds.
        least: The least over the seeds.
        greatest: The greatest.
    """

    cause: Cause
    share: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class ChangeExplanation(Report):
    """Why a metric differs between two versions.

    Args:
        before: The first version.
        after: The second version.
        metric: The metric.
        value_before: Its mean over the seeds, with all of the first version.
        value_after: Its mean with all of the second; the shares add up to the difference.
        saved_before: The metric that the first version was saved with, or None.
        saved_after: That of the second.
        shares: The share of each cause, the largest first.
        seeds: The seeds.
        trainings: How many models were trained.
    """

    before: str
    after: str
    metric: str
    value_before: float
    value_after: float
    saved_before: float | None
    saved_after: float | None
    shares: tuple[ChangeShare, ...]
    seeds: tuple[int, ...]
    trainings: int

    @property
    def change(self) -> float:
        """By how much the metric changed."""
        return self.value_after - self.value_before

    def table_rows(self) -> Sequence[object]:
        """Return the shares."""
        return self.shares


def explain(
    before: Model,
    after: Model,
    warehouse: Warehouse,
    metric: str,
    *,
    seeds: Sequence[int],
    environments: tuple[str, str] | None,
    trust: Sequence[str],
) -> ChangeExplanation:
    """Train every mixture of two versions, and share the change of a metric among the causes.

    Args:
        before: The first version.
        after: The second version.
        warehouse: The warehouse of their batches.
        metric: The metric, which the training functions return.
        seeds: The seeds to train each mixture with.
        environments: The Pythons of the two versions, or None to train all with this one.
        trust: What the caller allows: ``code``.

    Returns:
        The shares.

    Raises:
        ModelRefused: As for `train_again`, or the code does not return the metric.
        InvalidName: There are no seeds.
    """
    if not seeds or any(isinstance(one, bool) or not isinstance(one, int) for one in seeds):
        raise InvalidName(f"seeds={seeds!r:.80} are not whole numbers: pass some, such as [0, 1]")
    pythons = environments or (sys.executable, sys.executable)
    causes: list[Cause] = ["data", "code", *(["environment"] if environments else [])]  # type: ignore[list-item]
    mixtures = [
        _Mixture(
            frozenset(cause for cause, flag in zip(causes, new, strict=True) if flag),
            (before, after)[new[0]],
            (before, after)[new[1]],
            pythons[new[2] if environments else 0],
        )
        for new in product((0, 1), repeat=len(causes))
    ]
    known = _values(mixtures, warehouse, metric, seeds, trust)
    grid = {one.causes: known[one.key] for one in mixtures}
    shares = [
        shapley({came: values[place] for came, values in grid.items()}, causes)
        for place in range(len(seeds))
    ]
    found_shares = [
        ChangeShare(cause, fmean(some), min(some), max(some))
        for cause in causes
        for some in [[one[cause] for one in shares]]
    ]
    return ChangeExplanation(
        str(before),
        str(after),
        metric,
        fmean(grid[frozenset()]),
        fmean(grid[frozenset(causes)]),
        before.metrics.get(metric),
        after.metrics.get(metric),
        tuple(sorted(found_shares, key=lambda one: -abs(one.share))),
        tuple(seeds),
        len(known) * len(seeds),
    )


@dataclass(frozen=True, slots=True)
class _Mixture:
    """What one cell of the grid is trained with.

    Args:
        causes: Those that are of the second version.
        data: The version whose batches are used.
        code: The version whose code and parameters are used.
        python: The Python.
    """

    causes: frozenset[Cause]
    data: Model
    code: Model
    python: str

    @property
    def trainer(self) -> object:
        """The same for mixtures that one process can train."""
        return _code(self.code), self.python

    @property
    def key(self) -> object:
        """The same for equal mixtures, which are trained once."""
        return tuple(self.data.inputs.items()), self.trainer


def _values(
    mixtures: Sequence[_Mixture],
    warehouse: Warehouse,
    metric: str,
    seeds: Sequence[int],
    trust: Sequence[str],
) -> dict[object, list[float]]:
    """Train each mixture that differs from the others, and return its metric for each seed."""
    by_trainer: dict[object, list[_Mixture]] = {}
    for one in {one.key: one for one in mixtures}.values():
        by_trainer.setdefault(one.trainer, []).append(one)
    known: dict[object, list[float]] = {}
    for some in by_trainer.values():
        code, python = some[0].code, some[0].python
        data = [one.data for one in some]
        found = train_again(code, data, warehouse, seeds=seeds, python=python, trust=trust)
        for one, runs in zip(some, found.metrics, strict=True):
            known[one.key] = [_value(run, metric, code) for run in runs]
    return known


def _code(model: Model) -> object:
    """Return what identifies the code and the parameters of a version."""
    return tuple(
        (name, content)
        for name, content in sorted(model.entries.items())
        if name.startswith("code/") and name not in (GIT, DIFF)
    )


def _value(metrics: object, metric: str, code: Model) -> float:
    assert isinstance(metrics, dict)
    if metric not in metrics:
        raise ModelRefused(
            f"{code}: its training code returns the metrics {', '.join(metrics) or 'none'}, not"
            f" {metric!r:.40}: return the model and a mapping of its metrics"
        )
    return float(metrics[metric])
