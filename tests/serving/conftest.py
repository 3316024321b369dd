"""A warehouse with a classifier and a table of coefficients, and servers of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import airflow_sfx as sfx
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from tests.serving.server import Server, serving

COLUMNS = ["distance", "hour", "weekend", "carrier"]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> sfx.Warehouse:
    return sfx.connect(f"embedded://{tmp_path_factory.mktemp('served')}/warehouse")


@pytest.fixture(scope="module")
def registry(warehouse) -> ModelRegistry:
    return ModelRegistry(warehouse)


@pytest.fixture(scope="module")
def flights(warehouse) -> sfx.BatchPin:
    numbers = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "distance": numbers.uniform(80, 3000, 400),
            "hour": numbers.integers(0, 24, 400),
            "weekend": numbers.integers(0, 2, 400).astype(bool),
            "carrier": numbers.choice(["AA", "UA", "WN"], 400),
        }
    )
    frame["late"] = (frame["distance"] / 1000 + frame["hour"] / 12 > 2.2).astype("int64")
    return warehouse.store_dataframe(frame, "air", "flights", ["20161031"])


@pytest.fixture(scope="module")
def delays(warehouse, registry, flights) -> ModelPin:
    """A pipeline of scikit-learn in production, with a portable scorer."""
    frame = warehouse.load_dataframe(flights)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        (StandardScaler(), ["distance", "hour"]),
        ("passthrough", ["weekend"]),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame[COLUMNS], frame["late"])
    pin = registry.save(
        model, "delays", inputs={"train": flights}, target="late", metrics={"auc": 0.8}
    )
    return registry.promote("delays", pin, reason="first")


@pytest.fixture(scope="module")
def archive(registry, delays, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "delays.zip"
    path.write_bytes(registry.fetch(delays))
    return path


@pytest.fixture(scope="module")
def server(warehouse, delays) -> Iterator[Server]:
    with serving(
        "delays@production", "--max-rows", "50", "--max-bytes", "20000", uri=warehouse.uri
    ) as running:
        yield running
