"""The audit trail as a table: each change of whole days once, however it is exported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd

from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.history.audit_export import whole_days
from airflow_sfx.warehouse.history.audit_filter import AuditFilter
from airflow_sfx.warehouse.warehouse import Warehouse


def changed(warehouse: Warehouse) -> str:
    """Three changes of two tables; returns today, as the export names it."""
    night = Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=2, user="ada")
    for number in (1, 2):
        frame = pd.DataFrame({"n": [number] * number})
        warehouse.store_dataframe(frame, "sales", "items", ["d"], producer=night, reason="nightly")
    warehouse.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "totals")
    return datetime.now(UTC).strftime("%Y%m%d")


def test_the_export_has_every_change_and_who_made_it(warehouse: Warehouse) -> None:
    today = changed(warehouse)
    pin = warehouse.export_audit("meta", "changes")
    assert pin is not None
    assert set(pin.batches) == {today}
    found = warehouse.load_dataframe(pin)
    assert sorted(zip(found["table_name"], found["rows"], strict=True)) == [
        ("sales.items", 1),
        ("sales.items", 2),
        ("sales.totals", 1),
    ]
    night = found[found["table_name"] == "sales.items"]
    assert set(night["user"]) == {"ada"}
    assert set(night["dag_id"]) == {"nightly"}
    assert night["try_number"].tolist() == [2, 2]
    assert night["previous"].isna().tolist() == [True, False]


def test_an_export_of_a_day_replaces_the_one_before_and_leaves_itself_out(
    warehouse: Warehouse,
) -> None:
    today = changed(warehouse)
    warehouse.export_audit("meta", "changes")
    warehouse.store_dataframe(pd.DataFrame({"n": [4]}), "sales", "totals")
    warehouse.export_audit("meta", "changes")
    found = warehouse.load_dataframe("meta", "changes", [today])
    assert len(found) == 4
    assert not found["table_name"].str.startswith("meta.").any()
    assert len(warehouse.history("meta", "changes", [today])) == 2


def test_days_on_which_nothing_changed_are_not_stored(warehouse: Warehouse) -> None:
    changed(warehouse)
    assert warehouse.export_audit("meta", "changes", since=datetime(2099, 1, 1, tzinfo=UTC)) is None
    assert (
        warehouse.export_audit("meta", "changes", until=datetime.now(UTC) - timedelta(days=400))
        is None
    )


def test_a_day_is_exported_as_a_whole() -> None:
    asked = AuditFilter(
        datetime(2016, 11, 1, 7, 30, tzinfo=UTC), datetime(2016, 11, 2, 0, 0, 1, tzinfo=UTC)
    )
    wide = whole_days(asked)
    assert (wide.since, wide.until) == (
        datetime(2016, 11, 1, tzinfo=UTC),
        datetime(2016, 11, 3, tzinfo=UTC),
    )
    assert whole_days(wide) == wide
    assert whole_days(AuditFilter()) == AuditFilter()
