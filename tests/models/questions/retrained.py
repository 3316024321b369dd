"""A function that trains a model, in a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tests.models.questions.scaling import scaled

COLUMNS = ["distance", "hour"]


def train(frames: Mapping[str, pd.DataFrame], params: Mapping[str, Any]) -> tuple[Any, dict]:
    """Return a forest, and its mean absolute error on other batches."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(
        n_estimators=5, max_depth=params["depth"], random_state=params.get("seed")
    )
    frame, test = frames["train"], frames.get("test", frames["train"])
    model.fit(frame[COLUMNS], scaled(frame["delay"], params.get("factor", 1.0)))
    error = np.abs(model.predict(test[COLUMNS]) - test["delay"]).mean()
    return model, {"mae": float(error)}


def fail(frames: Mapping[str, pd.DataFrame], params: Mapping[str, Any]) -> None:
    """Raise an error."""
    raise ValueError("no convergence")
