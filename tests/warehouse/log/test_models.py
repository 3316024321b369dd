"""Models on S3 and Hive: in the log only, saved, promoted, rolled back, and held."""

from __future__ import annotations

import pandas as pd

from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.warehouse.connect import connect

FRAME = pd.DataFrame({"distance": [1400.0, 200.0, 740.0], "delay": [28.0, 4.0, 15.0]})


def test_models_live_in_the_log_beside_tables_of_hive(new_stack_uri) -> None:
    warehouse = connect(new_stack_uri())
    models = ModelRegistry(warehouse)
    train = warehouse.store_dataframe(FRAME, "air", "flights", ["20161031"])
    first, second = (
        models.save(Coefficients({"distance": slope}), "delays", inputs={"train": train})
        for slope in (0.02, 0.03)
    )
    assert models.save(Coefficients({"distance": 0.02}), "delays", inputs={"train": train}) == first
    models.promote("delays", first, expected=None)
    models.promote("delays", second, expected=first, reason="nightly")
    assert models.rollback("delays") == first
    assert models.load("delays@production").predict([{"distance": 100.0}]).tolist() == [2.0]
    assert [one.pin for one in models.versions("delays")] == [second, first]
    assert {one.pin for one in models.affected(train)} == {first, second}
    assert models.verify("delays@production").ok
    inputs = [train, models.batch("delays@production")]
    scored = warehouse.store_dataframe(FRAME, "air", "scores", inputs=inputs)
    assert [one.pin for one in warehouse.readers(models.batch(first))] == [scored]
    assert warehouse.stale() == [], "a version does not end"
    assert "models" not in warehouse.metastore.databases()
    held = [one.name for one in warehouse.holding("air", "flights") if one.until is None]
    assert held == [f"model {first}", f"model {second}"]
