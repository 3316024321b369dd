"""What the suite of metastores needs of each of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_sfx.metastore.base import Metastore

PLACE = f"file://{tempfile.gettempdir()}/sfx-metastore-tests"
"""Where the tables of the tests are."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A metastore under test.

    Args:
        empty: Returns the place of a metastore without tables, given a test's request and folder.
        open: Opens the metastore at a place, also in another process.
        add_foreign: Adds a partition to ``sales.items`` as another engine does; called with the
            place, the partition's values and its location.
    """

    empty: Callable[[pytest.FixtureRequest, Path], str]
    open: Callable[[str], Metastore]
    add_foreign: Callable[[str, Sequence[str], str], None]
