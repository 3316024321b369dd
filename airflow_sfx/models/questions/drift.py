"""What drifted: rows, and predictions for them, since the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airflow_sfx.core.errors import InvalidName, ModelRefused, SchemaMismatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.models.describe.profile import OTHERS, PROFILE
from airflow_sfx.models.model import Model
from airflow_sfx.models.questions import distances
from airflow_sfx.models.questions.report import Report
from airflow_sfx.models.schema.fitting import fits
from airflow_sfx.models.schema.signature import Feature
from airflow_sfx.models.training import load_rows

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.warehouse.warehouse import Warehouse

Reason = Literal["psi", "ks", "js", "nulls", "new"]
THRESHOLD = 0.1
"""From which index or distance on a shift counts."""
_LEVEL = 0.01
"""The probability that a report names a column that has not drifted."""
_TESTS = 4
_BINS = 10
_MOST_NAMED = 20
PREDICTION = "prediction"


@dataclass(frozen=True, slots=True)
class ColumnDrift(Report):
    """How far a column is from its profile.

    Args:
        column: The column, or ``prediction``.
        reasons: What is above the threshold and above chance: ``psi``, ``ks``, ``js``; ``nulls``;
            ``new`` for categories that the training rows did not have. Empty for no drift.
        psi: The population stability index.
        ks: The greatest difference of the cumulative distributions; None for categories.
        js: The Jensen-Shannon distance.
        nulls_before: The share of missing values in the training rows.
        nulls_after: The share of missing values now.
        mean_before: The mean of the training rows; None for categories.
        mean_after: The mean now.
        outside: The share of numbers outside of the range of the training rows.
        new: Categories that the training rows did not have, most frequent first, at most 20.
        new_share: The share of rows that have one of these.
    """

    column: str
    reasons: tuple[Reason, ...] = ()
    psi: float | None = None
    ks: float | None = None
    js: float | None = None
    nulls_before: float = 0.0
    nulls_after: float = 0.0
    mean_before: float | None = None
    mean_after: float | None = None
    outside: float | None = None
    new: tuple[str, ...] = ()
    new_share: float = 0.0


@dataclass(frozen=True, slots=True)
class DriftReport(Report):
    """How far rows are from those that a model was trained on.

    Args:
        model: The version.
        pin: The rows.
        rows: How many rows were compared.
        scored: How many of them the model could score: those without values that it refuses.
        columns: The columns that the model takes, its target if the rows have it, and the
            prediction.
        note: Why there are no predictions; empty if there are.
    """

    model: str
    pin: BatchPin
    rows: int
    scored: int
    columns: tuple[ColumnDrift, ...] = field(default=())
    note: str = ""

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns that drifted, ``prediction`` among them."""
        return tuple(one.column for one in self.columns if one.reasons)

    def table_rows(self) -> Sequence[object]:
        """Return the columns."""
        return self.columns


def drift_of(
    model: Model, warehouse: Warehouse, pin: BatchPin, threshold: float = THRESHOLD
) -> DriftReport:
    """Compare rows with the profile of a model's training rows.

    Args:
        model: The model.
        warehouse: The warehouse of the rows.
        pin: The rows.
        threshold: From which index or distance on a shift counts.

    Returns:
        The report.

    Raises:
        SchemaMismatch: A column of the model is missing.
        ModelRefused: The artifact has no profile, or the model needs trust.
        InvalidName: There are no rows, or the threshold is not a positive number.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or threshold <= 0:
        raise InvalidName(f"threshold={threshold!r:.80} is not a positive number: pass 0.1")
    rows = sum(one.rows for one in warehouse.manifests(pin))
    frame = load_rows(warehouse, pin, rows)
    if not len(frame):
        raise InvalidName(f"{pin} has no rows: pass a pin of batches that have some")
    profile = _profile(model)
    features = {one.name: one for one in model.signature.inputs}
    fitting = frame[fits(frame, model.signature)]
    wanted = dict.fromkeys([*features, model.record.target])
    names = [name for name in wanted if name in profile and name in frame.columns]
    test = _Test(threshold, _LEVEL / _TESTS / (len(names) + 1))
    found = [test.column(name, profile[name], frame[name], features.get(name)) for name in names]
    note = ""
    try:
        if len(fitting) and "" in profile:
            predicted = _series(model.answers(fitting, unseen="missing").scores)
            found.append(test.column(PREDICTION, profile[""], predicted, None))
    except SchemaMismatch as error:
        note, fitting = str(error), fitting.iloc[:0]
    return DriftReport(str(model), pin, len(frame), len(fitting), tuple(found), note)


def _series(values: Any) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(values)


def _profile(model: Model) -> dict[str, dict[str, Any]]:
    """Return the profile of the training rows by column; the prediction's is that of ''."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if PROFILE not in model.entries:
        raise ModelRefused(f"{model} has no {PROFILE}: save the model again")
    rows = pq.read_table(pa.BufferReader(model.entries[PROFILE])).to_pylist()
    role = rows[0]["role"] if rows else ""
    return {one["column"]: one for one in rows if one["role"] == role}


class _Test:
    """Compares columns, with one threshold and one level of chance."""

    def __init__(self, threshold: float, level: float) -> None:
        self._threshold, self._level = threshold, level

    def column(
        self, name: str, before: Mapping[str, Any], values: pd.Series[Any], feature: Feature | None
    ) -> ColumnDrift:
        """Compare a column with its profile."""
        known = values.dropna()
        nulls = (
            before["nulls"] / before["rows"] if before["rows"] else 0.0,
            1 - len(known) / len(values),
        )
        reasons: list[Reason] = []
        refused = feature is not None and not feature.nullable and nulls[1] > 0
        rows = (before["rows"], len(values))
        chance = distances.share_by_chance(rows, nulls, self._level)
        if refused or abs(nulls[1] - nulls[0]) > max(self._threshold, chance):
            reasons.append("nulls")
        found: dict[str, Any] = {}
        if len(known) and before["rows"] > before["nulls"]:
            compare = self._numbers if before["quantiles"] else self._categories
            found = compare(before, known, feature, reasons)
        return ColumnDrift(
            name, tuple(reasons), nulls_before=nulls[0], nulls_after=nulls[1], **found
        )

    def _numbers(
        self,
        before: Mapping[str, Any],
        known: pd.Series[Any],
        feature: Feature | None,
        reasons: list[Reason],
    ) -> dict[str, Any]:
        numbers = np.sort(_as_numbers(known, before["type"]))
        baseline = Baseline(before["quantiles"], before["rows"] - before["nulls"])
        rows = baseline.rows, len(numbers)
        expected, found = baseline.shares(numbers)
        ks = distances.kolmogorov_smirnov(*baseline.cumulative(numbers))
        if ks > max(self._threshold, distances.kolmogorov_smirnov_by_chance(rows, self._level)):
            reasons.append("ks")
        index, distance = self._shares(rows, expected, found, reasons, js=False)
        finite = numbers[np.isfinite(numbers)]
        outside = (numbers < before["least"]) | (numbers > before["greatest"])
        return {
            "psi": index,
            "ks": ks,
            "js": distance,
            "mean_before": before["mean"],
            "mean_after": float(finite.mean()) if len(finite) else None,
            "outside": float(outside.mean()),
        }

    def _categories(
        self,
        before: Mapping[str, Any],
        known: pd.Series[Any],
        feature: Feature | None,
        reasons: list[Reason],
    ) -> dict[str, Any]:
        expected = dict(zip(before["values"] or (), before["counts"] or (), strict=True))
        listed = {str(one) for one in (feature and feature.categories) or ()}
        found = dict.fromkeys([*expected, OTHERS], 0)
        new: dict[str, int] = {}
        for name, count in known.astype(str).value_counts().items():
            text = str(name)
            if text in expected and text != OTHERS:
                found[text] += int(count)
            elif text in listed or (OTHERS in expected and not listed):
                found[OTHERS] += int(count)
            else:
                new[text] = int(count)
        many = sum(new.values())
        counts = np.array([*(expected.get(name, 0) for name in found), 0], dtype=np.float64)
        now = np.array([*found.values(), many], dtype=np.float64)
        used = (counts > 0) | (now > 0)
        rows = int(counts.sum()), int(now.sum())
        index, distance = self._shares(
            rows, counts[used] / max(1, rows[0]), now[used] / rows[1], reasons, js=True
        )
        if new:
            reasons.append("new")
        return {
            "psi": index,
            "js": distance,
            "new": tuple(list(new)[:_MOST_NAMED]),
            "new_share": many / rows[1],
        }

    def _shares(
        self,
        rows: tuple[int, int],
        expected: Any,
        found: Any,
        reasons: list[Reason],
        *,
        js: bool,
    ) -> tuple[float, float]:
        """Return index and distance of shares, and say which are too large."""
        bins = len(expected)
        index, distance = distances.psi(expected, found), distances.jensen_shannon(expected, found)
        if index > max(self._threshold, distances.psi_by_chance(rows, bins, self._level)):
            reasons.append("psi")
        by_chance = distances.jensen_shannon_by_chance(rows, bins, self._level)
        if js and distance > max(self._threshold, by_chance):
            reasons.append("js")
        return index, distance


def _as_numbers(known: pd.Series[Any], kind: str) -> Any:
    """Return values as floats; times in the unit of the profile."""
    from pandas.api import types

    try:
        if kind.startswith("datetime64"):
            known = known.astype(kind).astype("int64")  # type: ignore[call-overload]
        elif types.is_datetime64_any_dtype(known.dtype):
            raise ValueError("it has times")
        return known.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaMismatch(
            f"the column {known.name!r:.80} was {kind} in the training rows, and is {known.dtype}"
            f" now ({error}): pass rows as the model takes them"
        ) from error


class Baseline:
    """The distribution of numbers by their quantiles.

    Args:
        quantiles: The quantiles, evenly spaced from the least to the greatest number.
        rows: How many numbers they are of.

    Example:
        >>> baseline = Baseline([0.0, 1.0, 2.0, 3.0], 4)
        >>> [share.round(2).tolist() for share in baseline.shares(np.array([0.0, 0.5, 9.0]))]
        [[0.25, 0.25, 0.25, 0.25], [0.33, 0.33, 0.0, 0.33]]
    """

    def __init__(self, quantiles: Sequence[float], rows: int) -> None:
        self.rows = rows
        every = np.asarray(quantiles, dtype=np.float64)
        places = np.linspace(0, rows - 1, len(every)).round().astype(int)
        self._values, first, counts = np.unique(every, return_index=True, return_counts=True)
        last = first + counts - 1
        # A number that several quantiles have may end anywhere before the next: the middle.
        least = (places[last] + 1) / rows
        most = np.append(places[last[:-1] + 1] / rows, 1.0)
        self._ends = np.where(counts > 1, (least + most) / 2, least)
        self._ends[-1] = 1.0
        before = np.append(0.0, (places[first[1:] - 1] + 1) / rows)
        starts = np.append(0.0, (places[first[1:]] / rows + before[1:]) / 2)
        self._tied = counts > 1
        self._tied[0] = True
        self._starts = starts

    def shares(self, numbers: Any) -> tuple[Any, Any]:
        """Return the shares of at most ten bins: of the baseline, and of sorted numbers."""
        chosen = np.unique(np.searchsorted(self._ends, np.arange(1, _BINS) / _BINS))
        chosen = chosen[chosen < len(self._values) - 1]
        found = np.searchsorted(numbers, self._values[chosen], side="right") / len(numbers)
        return tuple(  # type: ignore[return-value]
            np.diff(np.concatenate([[0.0], ends, [1.0]])) for ends in (self._ends[chosen], found)
        )

    def cumulative(self, numbers: Any) -> tuple[Any, Any]:
        """Return cumulative shares at the quantiles, and before those that several rows have."""
        at = np.searchsorted(numbers, self._values, side="right") / len(numbers)
        below = np.searchsorted(numbers, self._values[self._tied], side="left") / len(numbers)
        return (
            np.concatenate([self._ends, self._starts[self._tied]]),
            np.concatenate([at, below]),
        )
