"""What consumers leave in the warehouse by living, and that retention deletes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.streams.consuming import leases
from airflow_sfx.streams.consuming.leases import Leases, directory_of
from airflow_sfx.warehouse.warehouse import Warehouse


def leases_of(warehouse: Warehouse, table: str, seconds: float) -> Leases:
    directory = directory_of(sfx.TableRef.parse(table), "kinesis:a/b")
    return Leases(warehouse.store, directory, seconds)


def live(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, table: str, days_ago: int) -> str:
    """Renew a lease twice on an earlier day, and release it on those that are long past."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    one = leases_of(warehouse, table, 0)
    with monkeypatch.context() as patch:
        patch.setattr(leases, "_now", lambda: day)
        one.renew()
        one.renew()
        if days_ago > 1:
            one.release()
    return one.name


def test_retention_deletes_the_leases_of_past_days(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clicks", "other"):
        warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "web", name)
    for days_ago in (400, 2):
        live(warehouse, monkeypatch, "web.clicks", days_ago)
    kept = {live(warehouse, monkeypatch, "web.clicks", days_ago) for days_ago in (1, 0)}
    live(warehouse, monkeypatch, "web.other", 2)

    before = [*warehouse.store.paths("_sfx/streams")]
    rule = ["web.clicks", "--keep-last", "1", "--older-than", "0d"]
    retain = ["-w", warehouse.uri, "retain", *rule]
    plan = CliRunner().invoke(app, retain)
    assert "6 old lease objects would be deleted" in plan.stdout, plan.output
    assert [*warehouse.store.paths("_sfx/streams")] == before
    done = CliRunner().invoke(app, [*retain, "--apply", "--yes"])
    assert "6 old lease objects deleted" in done.stdout, done.output
    assert "There is nothing to do" in CliRunner().invoke(app, retain).stdout
    left = [path.split("/") for path in warehouse.store.paths("_sfx/streams")]
    mine = {steps[-2] for steps in left if "clicks" in steps[2]}
    assert mine == kept
    assert len(left) == len(before) - 6
    assert kept < set(leases_of(warehouse, "web.clicks", 60).renew())
