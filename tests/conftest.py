"""What all tests share: one started stack."""

from __future__ import annotations

pytest_plugins = ["tests.services"]
