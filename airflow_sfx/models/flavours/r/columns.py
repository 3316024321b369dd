"""The columns of a model of R in an ONNX graph: numbers, and levels as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from airflow_sfx.models.flavours.coefficients import level_number
from airflow_sfx.models.flavours.graph import GraphBuilder
from airflow_sfx.models.flavours.onnx import MISSING_TEXT
from airflow_sfx.models.schema.signature import Feature

_ML = "ai.onnx.ml"


class ColumnGraph(GraphBuilder):
    """A graph that takes a vector for each column: text, or numbers with NaN.

    Args:
        columns: The columns that are used, at least one.
        features: What the model takes.
        levels: The levels of each column that has some.
    """

    def __init__(
        self,
        columns: Sequence[str],
        features: Sequence[Feature],
        levels: Mapping[str, Sequence[str]],
    ) -> None:
        super().__init__("saving a model of R")
        kinds = {one.name: one.kind for one in features}
        self._levels = levels
        self._texts = {one for one in columns if kinds[one] == "text"}
        self._columns = [
            self.takes(one, "text" if one in self._texts else "double") for one in columns
        ]
        self._rows = self.node("Shape", [self._columns[0]])

    def filled(self, name: str, value: float) -> str:
        """Add a vector with the same number for each row, and return its name."""
        return self.node("Expand", [self.constant(name, [float(value)]), self._rows])

    def codes(self, column: str) -> str:
        """Add the places of a column's values in its levels, NaN for others; return their name."""
        levels = self._levels[column]
        keys = (
            np.array(levels, dtype=object)
            if column in self._texts
            else np.array([level_number(one) for one in levels], dtype=np.float64)
        )
        return self.node(
            "LabelEncoder",
            [column],
            _ML,
            keys_tensor=self.tensor("keys", keys),
            values_tensor=self.tensor("values", np.arange(len(levels), dtype=np.float64)),
            default_tensor=self.tensor("default", [np.nan]),
        )

    @property
    def metadata(self) -> dict[str, str]:
        """What stands for missing text, if there is text: it is not one of the levels."""
        if not self._texts:
            return {}
        known = {level for column in self._texts for level in self._levels.get(column, ())}
        missing = "NA"
        while missing in known:
            missing += "_"
        return {MISSING_TEXT: missing}
