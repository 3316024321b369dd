"""A save or a promotion that is killed at any call leaves the alias as it was, or done."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

FRAME = pd.DataFrame({"distance": [1400.0, 200.0, 740.0], "delay": [28.0, 4.0, 15.0]})
OLD, NEW = 0.02, 0.03


def save(warehouse: Warehouse, slope: float = NEW) -> ModelPin:
    train = warehouse.pin("air", "flights")
    model = Coefficients({"distance": slope})
    return ModelRegistry(warehouse).save(model, "delays", inputs={"train": train}, target="delay")


def promote(warehouse: Warehouse) -> None:
    ModelRegistry(warehouse).promote("delays", "@latest", reason="nightly")


def slope_of(models: ModelRegistry, source: str) -> float:
    return float(models.load(source).predict([{"distance": 1.0}])[0])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", [save, promote])
def test_a_process_killed_at_any_call_leaves_old_or_new(
    tmp_path, action: Callable[[Warehouse], object], when: str
) -> None:
    outcomes = set()
    for calls in range(1, 120):
        uri = f"embedded://{tmp_path}/{calls}"
        warehouse = connect(uri)
        models = ModelRegistry(warehouse)
        warehouse.store_dataframe(FRAME, "air", "flights")
        save(warehouse, OLD)
        promote(warehouse)
        alias = "production" if action is promote else "latest"
        if action is promote:
            save(warehouse, NEW)
        before = models.history("delays", alias)
        code = run_until_call(uri, action, calls, after=when == "after")
        outcome = slope_of(models, f"delays@{alias}")
        entries = models.history("delays", alias)
        assert entries[-1:] == before
        assert len(entries) == (2 if outcome == NEW else 1)
        assert outcome in (OLD, NEW)
        if code == 0:
            assert outcome == NEW
            break
        assert code == KILLED
        outcomes.add(outcome)
        done_again(warehouse, models, action, alias)
    else:
        pytest.fail("the action never ended")
    # The last call of a promotion is its commit: killed before it, nothing has changed.
    reached = {OLD} if (action, when) == (promote, "before") else {OLD, NEW}
    assert outcomes == reached, "the kills did not reach both sides of the commit"


def done_again(
    warehouse: Warehouse, models: ModelRegistry, action: Callable[[Warehouse], object], alias: str
) -> None:
    """The same call once more completes it, with one version and one entry, and a lasting hold."""
    action(warehouse)
    assert slope_of(models, f"delays@{alias}") == NEW
    assert len(models.history("delays", alias)) == 2
    assert len(models.versions("delays")) == 2
    pin = models.resolve("delays")
    held = [one for one in warehouse.holding("air", "flights") if one.name == f"model {pin}"]
    assert held[-1].until is None
    assert models.verify(pin).ok
