"""A warehouse of its own for each test."""

from __future__ import annotations

import pandas as pd
import pytest

from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    return connect(f"embedded://{tmp_path}/warehouse")


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"item": ["hat", "shoe", "belt"], "price": [19.5, 80.0, 12.25], "sold": [3, 1, 2]})
