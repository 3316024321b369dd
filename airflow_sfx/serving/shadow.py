"""Compares the answers of another version with those that clients got."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from airflow_sfx.core.errors import SfxError
from airflow_sfx.serving.background import Answered, Background
from airflow_sfx.serving.follower import Follower
from airflow_sfx.serving.served import ServedModel

if TYPE_CHECKING:
    from airflow_sfx.models.flavours.base import Answers, Array
    from airflow_sfx.serving.metrics import Metrics

_log = logging.getLogger(__name__)


class Shadow(Background):
    """Scores answered requests with another version.

    Args:
        follower: The other version.
        metrics: Where differences are counted.
    """

    def __init__(self, follower: Follower, metrics: Metrics) -> None:
        super().__init__()
        self.follower, self._metrics = follower, metrics

    def process(self, answered: Answered) -> None:
        """Compare the other version's answers with those that the client got."""
        other = self.follower.served
        assert isinstance(other, ServedModel)  # so is its source
        rows = len(answered.answers.prediction)
        try:
            found = other.answers(answered.rows, "missing")
        except SfxError as error:
            _log.debug("The shadow %s refused rows: %s", other.name, error)
            self._metrics.count("shadow_failed_rows", rows, model=other.name)
            return
        labels, difference = compared(answered.answers, found)
        self._metrics.count("shadow_rows", rows, model=other.name)
        self._metrics.count("shadow_changed_classes", labels, model=other.name)
        self._metrics.observe_all("shadow_difference", difference, model=other.name)

    def idle(self) -> None:
        """Do nothing: answers are compared when they come."""

    def last(self) -> None:
        """Do nothing."""


def compared(one: Answers, other: Answers) -> tuple[int, Array]:
    """Compare the answers of two versions to the same rows.

    Args:
        one: The answers of the first.
        other: Those of the other.

    Returns:
        How many classes differ, and the greatest difference of each row's numbers; infinite where
        only one of them gives numbers.
    """
    rows = len(one.prediction)
    if one.probability is None and other.probability is None and _numbers(one, other):
        return 0, _difference(one.prediction.reshape(rows, 1), other.prediction.reshape(rows, 1))
    labels = int(np.sum(one.prediction.astype(str) != other.prediction.astype(str)))
    if one.probability is None or other.probability is None:
        return labels, np.full(rows, np.inf if one.probability is not other.probability else 0.0)
    if one.probability.shape != other.probability.shape:
        return labels, np.full(rows, np.inf)
    return labels, _difference(one.probability, other.probability)


def _numbers(one: Answers, other: Answers) -> bool:
    return one.prediction.dtype.kind == other.prediction.dtype.kind == "f"


def _difference(one: Array, other: Array) -> Array:
    with np.errstate(invalid="ignore"):
        found = np.abs(one - other) / np.maximum(1.0, np.abs(one))
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    found = np.where(same, 0.0, np.where(np.isnan(found), np.inf, found))
    return np.asarray(found.max(axis=1))
