"""How the predictions of two versions differ for the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.models.describe.golden import golden_rows
from airflow_sfx.models.flavours.base import Answers
from airflow_sfx.models.model import Model
from airflow_sfx.models.questions.report import Report
from airflow_sfx.models.schema.fitting import fits
from airflow_sfx.models.schema.rows import columns_of, frame_of

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class PredictionExample:
    """One row whose prediction differs.

    Args:
        row: The row, as the second model takes it.
        before: The score or class of the first model.
        after: That of the second.
    """

    row: Mapping[str, object] = field(hash=False)
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class PredictionDiff(Report):
    """How the predictions of two versions differ for the same rows.

    Numbers are predictions, or the probabilities of the last class.

    Args:
        on: Which rows.
        rows: How many were compared: those without values that a version refuses.
        labels: How many predicted classes differ; None for a regression.
        mean_before: The mean of the numbers before; None for classes without probabilities.
        mean_after: The mean after.
        mean_change: The mean of the absolute differences.
        greatest: The greatest absolute difference.
        examples: The rows that differ most, at most 5.
    """

    on: str
    rows: int
    labels: int | None = None
    mean_before: float | None = None
    mean_after: float | None = None
    mean_change: float | None = None
    greatest: float | None = None
    examples: tuple[PredictionExample, ...] = ()


def on_golden_rows(before: Model, after: Model) -> PredictionDiff:
    """Compare the predictions for the golden rows of the first version.

    Those of the first are in its artifact; only the second predicts.

    Args:
        before: The first version.
        after: The second version.

    Raises:
        ModelRefused: The second version needs trust.
        SchemaMismatch: The second version takes other columns.
    """
    columns, expected = golden_rows(before.entries, before.signature, str(before))
    frame = frame_of(before.signature, columns)
    kept = fits(frame, after.signature)
    if not kept.any():
        raise SchemaMismatch(f"{after} refuses all golden rows of {before}")
    frame, old = frame[kept], Answers(*(some[kept] for some in expected.as_dict().values()))
    return _compared(old, after.answers(frame, unseen="missing"), frame, "golden rows", after)


def on_rows(before: Model, after: Model, frame: pd.DataFrame, on: str) -> PredictionDiff:
    """Compare the predictions for current rows.

    Args:
        before: The first version.
        after: The second version.
        frame: The rows.
        on: What to call them.

    Raises:
        ModelRefused: A version needs trust.
        SchemaMismatch: The rows do not fit a version.
        InvalidName: There are no rows that both can score.
    """
    frame = frame[fits(frame, before.signature) & fits(frame, after.signature)]
    if not len(frame):
        raise InvalidName(f"{on} has no rows that both models can score: pass other batches")
    old, new = (one.answers(frame, unseen="missing") for one in (before, after))
    return _compared(old, new, frame, on, after)


def _compared(
    old: Answers, new: Answers, frame: pd.DataFrame, on: str, model: Model
) -> PredictionDiff:
    classes = model.record.task == "classification"
    one, other = (_numbers(answers, classes=classes) for answers in (old, new))
    differ = old.prediction.astype(str) != new.prediction.astype(str)
    labels = int(differ.sum()) if classes else None
    if one is None or other is None:
        places = np.flatnonzero(differ)[:_EXAMPLES]
        examples = _examples(places, old.prediction, new.prediction, frame, model)
        return PredictionDiff(on, len(frame), labels, examples=examples)
    change = np.abs(other - one)
    order = np.argsort(-np.nan_to_num(change), kind="stable")[:_EXAMPLES]
    places = order[change[order] > 0]
    return PredictionDiff(
        on,
        len(frame),
        labels,
        _mean(one),
        _mean(other),
        _mean(change),
        float(np.nanmax(change)) if np.isfinite(change).any() else None,
        _examples(places, one, other, frame, model),
    )


def _mean(values: Any) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _numbers(answers: Answers, *, classes: bool) -> Any:
    """Return the scores as numbers, or None for classes without probabilities."""
    if (classes and answers.probability is None) or answers.scores.dtype.kind not in "fiu":
        return None
    return answers.scores.astype(np.float64)


def _examples(
    places: Any, old: Any, new: Any, frame: pd.DataFrame, model: Model
) -> tuple[PredictionExample, ...]:
    columns = columns_of(model.signature, frame.iloc[places], unseen="missing").arrays
    return tuple(
        PredictionExample(
            {name: array[number : number + 1].tolist()[0] for name, array in columns.items()},
            old[place].item() if hasattr(old[place], "item") else old[place],
            new[place].item() if hasattr(new[place], "item") else new[place],
        )
        for number, place in enumerate(places)
    )
