"""A warehouse with flights, and models that were trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.models.registry import ModelRegistry


def flights(rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Flights with numbers, integers that may be missing, text, and a category."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "distance": rng.normal(1000, 300, rows).clip(50).round(2),
            "hour": rng.integers(0, 24, rows),
            "carrier": rng.choice(["AA", "DL", "UA"], rows),
            "seats": pd.array(rng.integers(50, 300, rows), dtype="Int64"),
        }
    )
    frame.loc[3, "seats"] = pd.NA
    frame["kind"] = frame["carrier"].astype("category")
    score = frame["distance"] / 1000 + frame["hour"] / 24 + (frame["carrier"] == "UA")
    frame["delay"] = score * 20 + rng.normal(0, 2, rows)
    frame["late"] = frame["delay"] > 38
    return frame


@pytest.fixture
def warehouse(tmp_path: Path) -> sfx.Warehouse:
    return sfx.connect(f"embedded://{tmp_path}/warehouse")


@pytest.fixture
def models(warehouse: sfx.Warehouse) -> ModelRegistry:
    return ModelRegistry(warehouse)


@pytest.fixture
def train(warehouse: sfx.Warehouse) -> sfx.BatchPin:
    return warehouse.store_dataframe(flights(), "air", "flights", ["20161031"])


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = flights()
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["distance", "hour"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        ]
    )
    steps = [("columns", columns), ("model", LogisticRegression())]
    return Pipeline(steps).fit(frame[["distance", "hour", "carrier"]], frame["late"])
