"""The embedded metastore of the tests: a file in each test's own folder."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from airflow_sfx.metastore.embedded import EmbeddedMetastore
from tests.metastore.backend import PLACE, Backend


def _add_foreign(place: str, values: Sequence[str], location: str) -> None:
    with closing(sqlite3.connect(place)) as db, db:
        query = (
            "INSERT INTO partitions SELECT id, ?, ?, 0, NULL, NULL, NULL, '' FROM tables"
            " WHERE name = 'items'"
        )
        assert db.execute(query, (json.dumps(values), location)).rowcount == 1


EMBEDDED = Backend(
    empty=lambda _, folder: f"{folder}/metastore.sqlite",
    open=lambda place: EmbeddedMetastore(place, PLACE),
    add_foreign=_add_foreign,
)
