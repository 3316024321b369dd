"""Storage that shows objects late is waited for as long as outside of the tests."""

from __future__ import annotations

import pytest

from airflow_sfx.storage import s3


@pytest.fixture(autouse=True)
def _patient(stack, monkeypatch) -> None:
    monkeypatch.setattr(s3.S3Store, "visibility_seconds", s3._VISIBLE_WITHIN_SECONDS)
