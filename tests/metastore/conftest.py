"""Shared by the tests of metastores."""

from __future__ import annotations

import pytest

from tests.metastore.hive_server import drop_databases


@pytest.fixture
def clean_address(hive_address: str) -> str:
    """Host and port of a running Hive Metastore without tables."""
    drop_databases(hive_address)
    return hive_address
