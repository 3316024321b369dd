"""A function over a sparse matrix, and one that trains coefficients, in a module of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from airflow_sfx.models import Coefficients


def score(frame: pd.DataFrame, components: Mapping[str, Any]) -> np.ndarray:
    """Return a score by city, or a text if there is one."""
    if "text" in components:
        return np.array([components["text"]] * len(frame))
    rows = frame["city"].map(components["index"]).to_numpy()
    scores: np.ndarray = components["affinity"][rows] @ components["profile"]
    return scores


def train(frames: Mapping[str, pd.DataFrame], params: Mapping[str, Any]) -> Coefficients:
    """Return the coefficients of a linear regression."""
    frame, columns = frames["train"], params["columns"]
    rows = frame[columns].to_numpy(dtype="float64")
    fitted, *_ = np.linalg.lstsq(rows, frame["delay"].to_numpy(), rcond=None)
    return Coefficients(dict(zip(columns, fitted.tolist(), strict=True)))
