"""What boosting libraries share: the loaded booster and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_sfx.models.flavours.base import Answers, Scorer
from airflow_sfx.models.schema.rows import Columns, frame_of
from airflow_sfx.models.schema.signature import Signature, Value

if TYPE_CHECKING:
    import pandas as pd

Predict: TypeAlias = "Callable[[Any, pd.DataFrame, Sequence[Value]], Answers]"
"""Returns the answers of a booster for a frame, given its classes."""


class BoosterScorer(Scorer):
    """A booster that its library has loaded.

    Args:
        booster: The booster.
        signature: The model's signature.
        predict: How the library predicts.
    """

    def __init__(self, booster: Any, signature: Signature, predict: Predict) -> None:
        self._booster, self._signature, self._predict = booster, signature, predict

    @property
    def native(self) -> object:
        """The booster."""
        return self._booster

    def answers(self, columns: Columns) -> Answers:
        """Return the booster's predictions."""
        frame = frame_of(self._signature, columns)
        return self._predict(self._booster, frame, self._signature.outputs[0].classes)


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are texts, numbers or booleans, sorted by name.

    Example:
        >>> plain_parameters({"seed": 7, "callbacks": [], "booster": "gbtree"})
        {'booster': 'gbtree', 'seed': 7}
    """
    return {
        name: value
        for name, value in sorted(parameters.items())
        if isinstance(value, str | int | float | bool)
    }
