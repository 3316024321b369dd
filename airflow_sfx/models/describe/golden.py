"""Golden rows: training rows with the model's own answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.serde import decode
from airflow_sfx.models.flavours.base import Answers, Array
from airflow_sfx.models.schema.rows import Columns, columns_of
from airflow_sfx.models.schema.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

ROWS = 64
INPUT, OUTPUT = "examples/input.json", "examples/output.json"
_SEED = 20161101


def choose(frame: pd.DataFrame, names: Sequence[str], *, more: int = 0) -> pd.DataFrame:
    """Return rows with each column's least, greatest and missing values, and random ones.

    Args:
        frame: The training data.
        names: The columns that the model takes.
        more: How many further rows to return after the golden ones, at random.

    Returns:
        The `ROWS` golden rows, fewer if there are not as many, in the order of the training data,
        and then the others; the same for the same data.
    """
    from pandas.api import types

    places: dict[int, None] = {}
    for name in names:
        values = frame[name]
        missing = np.flatnonzero(values.isna().to_numpy())
        if len(missing):
            places[int(missing[0])] = None
        if types.is_numeric_dtype(values.dtype) and len(missing) < len(values):
            filled = values.astype("float64").to_numpy()
            places[int(np.nanargmin(filled))] = None
            places[int(np.nanargmax(filled))] = None
    order = np.random.default_rng(_SEED).permutation(len(frame))
    places.update(dict.fromkeys(map(int, order[:ROWS])))
    first = sorted(list(places)[:ROWS])
    return frame.iloc[[*first, *map(int, order[:more] if len(frame) > len(first) else ())]]


def to_json(arrays: Mapping[str, Array]) -> dict[str, list[object]]:
    """Return arrays as lists for JSON: infinities as text, missing values as null.

    Example:
        >>> to_json({"x": np.array([0.1, np.nan, np.inf])})
        {'x': [0.1, None, 'Infinity']}
    """
    return {name: [_plain(one) for one in array.tolist()] for name, array in _widened(arrays)}


def as_records(answers: Answers) -> list[dict[str, object]]:
    """Return answers as JSON has them: an object for each row.

    Example:
        >>> as_records(Answers(np.array([28.0, np.nan])))
        [{'prediction': 28.0}, {'prediction': None}]
    """
    columns = to_json(answers.as_dict())
    names = tuple(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _widened(arrays: Mapping[str, Array]) -> list[tuple[str, Array]]:
    return [
        (name, array.astype(str).astype(object) if array.dtype.kind == "M" else array)
        for name, array in arrays.items()
    ]


def _plain(value: Any) -> object:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    return None if value == "NaT" else value


@dataclass(frozen=True, slots=True)
class Deviation:
    """How much two answers to the same rows differ.

    Args:
        rows: How many rows were compared.
        greatest: The greatest difference of a number, relative to its size above 1.
        labels: How many predicted classes differ.
    """

    rows: int
    greatest: float
    labels: int

    def within(self, tolerance: float) -> bool:
        """Return whether the answers agree."""
        return self.greatest <= tolerance and not self.labels


def deviation(expected: Answers, found: Answers) -> Deviation:
    """Compare answers.

    Args:
        expected: The model's own answers.
        found: Those of another form of the model.

    Example:
        >>> one, other = Answers(np.array([1.0, 2.0])), Answers(np.array([1.0, 2.5]))
        >>> deviation(one, other)
        Deviation(rows=2, greatest=0.25, labels=0)
    """
    rows = len(expected.prediction)
    if len(found.prediction) != rows:
        return Deviation(rows, math.inf, rows)
    numbers = expected.probability is None and expected.prediction.dtype.kind in "fiu"
    if numbers:
        return Deviation(rows, _greatest(expected.prediction, found.prediction), 0)
    labels = int(np.sum(expected.prediction.astype(str) != found.prediction.astype(str)))
    if expected.probability is None or found.probability is None:
        same = (expected.probability is None) == (found.probability is None)
        return Deviation(rows, 0.0 if same else math.inf, labels)
    return Deviation(rows, _greatest(expected.probability, found.probability), labels)


def _greatest(expected: Array, found: Array) -> float:
    if expected.shape != found.shape:
        return math.inf
    one, other = expected.astype(np.float64), found.astype(np.float64)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        difference = np.abs(one - other) / np.maximum(1.0, np.abs(one))
    difference = np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    return float(difference.max(initial=0.0))


def golden_rows(
    entries: Mapping[str, bytes], signature: Signature, where: str
) -> tuple[Columns, Answers]:
    """Return the golden rows of an artifact, and the answers that they must get.

    Args:
        entries: The entries of the artifact.
        signature: What the model takes.
        where: The artifact, for messages.

    Raises:
        ModelRefused: The artifact has none.
    """
    if INPUT not in entries or OUTPUT not in entries:
        raise ModelRefused(f"{where} has no golden rows: save the model again")
    rows = decode(entries[INPUT], dict[str, list[Any]], f"{where}: {INPUT}")
    answers = decode(entries[OUTPUT], dict[str, list[Any]], f"{where}: {OUTPUT}")
    columns = columns_of(signature, rows)
    return columns, Answers(
        _array(answers["prediction"]),
        np.array(answers["probability"], dtype=np.float64) if "probability" in answers else None,
    )


def _array(values: list[Any]) -> Array:
    if all(one is None or type(one) in (int, float) for one in values) and any(
        one is None or isinstance(one, float) for one in values
    ):
        return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    return np.array(values)
