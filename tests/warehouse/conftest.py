"""A new warehouse for each test: in a directory, and on S3 and a Hive Metastore."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pandas as pd
import pytest

from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def new_embedded_uri(tmp_path) -> Callable[[], str]:
    """Create empty warehouses in directories."""
    return lambda: f"embedded://{tmp_path}/{uuid.uuid4().hex}"


@pytest.fixture
def embedded_uri(new_embedded_uri) -> str:
    """An empty warehouse in a directory."""
    return new_embedded_uri()


@pytest.fixture(params=["embedded", "stack"])
def uri(request) -> str:
    """An empty warehouse of each kind."""
    found: str = request.getfixturevalue(f"{request.param}_uri")
    return found


@pytest.fixture
def warehouse(uri) -> Warehouse:
    return connect(uri)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"item": ["hat", "shoe", "belt"], "price": [19.5, 80.0, 12.25], "sold": [3, 1, 2]}
    )
