"""The order in which files of many partitions are made durable.

After a loss of power, no change names files that are missing.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from airflow_sfx.storage import local
from airflow_sfx.warehouse.connect import connect

FRAME = pd.DataFrame({"day": [f"201610{number:02d}" for number in range(20)], "n": range(20)})


@pytest.fixture
def log(monkeypatch) -> list[str]:
    """The writes, names and syncs of files, in order."""
    found: list[str] = []

    def noted(owner: object, name: str, note: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def noting(*arguments: object, **options: object) -> object:
            done = original(*arguments, **options)
            found.append(note(*arguments, **options))
            return done

        monkeypatch.setattr(owner, name, noting)

    noted(local, "_write", lambda path, _, *, synced: f"write {path}{' durably' if synced else ''}")
    noted(local, "_link", lambda _, path: f"name {path}")
    noted(local, "sync_file_system", lambda _: "durable")
    return found


@pytest.mark.skipif(not local.sync_file_system, reason="the system has no syncfs")
@pytest.mark.parametrize(
    "first", [True, False], ids=["new partitions", "partitions that there are"]
)
def test_data_then_the_manifest_then_the_entry_become_durable(new_embedded_uri, log, first) -> None:
    warehouse = connect(new_embedded_uri())
    if not first:
        warehouse.store_dataframe(FRAME, "sales", "items", partition_by=["day"])
        log.clear()
    warehouse.store_dataframe(FRAME, "sales", "items", partition_by=["day"])

    def places(action: str, part: str) -> list[int]:
        return [at for at, event in enumerate(log) if event.startswith(action) and part in event]

    durable = places("durable", "")
    assert len(places("write", "/part-")) == 20
    steps = [
        (places("write", "/part-"), places("name", "/manifest")),
        (places("write", "/manifest#"), places("name", "/manifest")),
        (places("name", "/manifest"), places("write", "/_sfx/log/")),
    ]
    for before, after in steps:
        assert before
        assert after
        assert any(max(before) < at < min(after) for at in durable), log
    (entry,) = places("write", "/_sfx/log/")
    assert log[entry].endswith(" durably")
    assert len(durable) == 2


def test_staged_batches_are_durable_when_the_call_returns(new_embedded_uri, log) -> None:
    connect(new_embedded_uri()).store_dataframe(
        FRAME, "sales", "items", partition_by=["day"], publish=False
    )
    last = max(
        at
        for at, event in enumerate(log)
        if event.startswith("name") and event.endswith("/manifest")
    )
    assert "durable" in log[last:]
