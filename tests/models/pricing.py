"""A function over components, in a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def price(frame: pd.DataFrame, components: Mapping[str, Any]) -> np.ndarray:
    """Return a price by carrier and distance."""
    rates = frame["carrier"].map(components["rates"]).to_numpy(dtype="float64")
    return rates * frame["distance"].to_numpy(dtype="float64")
