"""Models in DAGs: trained, gated, promoted, scored, rolled back and watched, on one scheduler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from dags_examples.local_airflow import LocalAirflow

DAY = "20161031"


@pytest.fixture(scope="module")
def models(scheduler: LocalAirflow) -> ModelRegistry:
    return ModelRegistry(sfx.connect(scheduler.environment["SFX_WAREHOUSE"]))


@pytest.fixture(scope="module")
def night(scheduler: LocalAirflow, models: ModelRegistry) -> Iterator[str]:
    """The first night, which promotes a version."""
    scheduler.ready("model_night", "model_back", "model_promoted", "model_drift", "model_retried")
    return scheduler.succeed("model_night")


def runs(scheduler: LocalAirflow, dag_id: str) -> list[dict]:
    return scheduler.get(f"dags/{dag_id}/dagRuns", limit=100, order_by="run_after")["dag_runs"]


def xcom(scheduler: LocalAirflow, dag_id: str, run_id: str, task_id: str) -> object:
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
    return json.dumps(scheduler.get(path)["value"])


def events(scheduler: LocalAirflow, **where: str) -> list[dict]:
    found = scheduler.get("assets/events", limit=100, order_by="timestamp", **where)
    return found["asset_events"]


def test_a_model_is_trained_on_what_came_in_promoted_and_scores_what_came_in(
    scheduler, scheduled_warehouse, models, night
):
    model = models.load("delays@production")
    flights = scheduled_warehouse.pin("air", "flights", [DAY])
    assert model.inputs == {"train": flights}
    assert (model.metrics, model.params["day"]) == ({"mae": 4.0}, DAY)
    assert b"def model_night" in model.entries["code/nights.py"]
    save, promotion = models.history("delays", "latest")[0], models.history("delays")[0]
    assert (save.producer.task_id, save.reason) == ("train", f"night of {DAY}")
    assert (promotion.producer.run_id, promotion.producer.task_id) == (night, "promote")
    assert model.version in str(xcom(scheduler, "model_night", night, "train"))
    links = scheduler.get(f"dags/model_night/dagRuns/{night}/taskInstances/promote/links")
    (link,) = links["extra_links"].values()
    assert link.endswith("#/partition/models.delays/production")
    scores = scheduled_warehouse.pin("air", "scores", [DAY])
    frame = scheduled_warehouse.load_dataframe(scores)
    assert list(frame.columns) == ["flight", "prediction"]
    assert frame["prediction"].tolist()[:2] == pytest.approx([2.0, 4.0])
    version = models.batch("delays@production")
    assert scheduled_warehouse.manifests(scores)[0].inputs == (flights, version)
    assert [one.pin for one in scheduled_warehouse.readers(version)] == [scores]


def test_the_events_have_the_version_by_alias_and_start_a_dag_on_promotions_alone(
    scheduler, models, night
):
    sent = [one for one in events(scheduler, source_dag_id="model_night") if "models" in one["uri"]]
    pin = str(models.resolve("delays@production"))
    assert [(one["partition_key"], one["extra"]["sfx"]["models"]) for one in sent[:2]] == [
        ("latest", {"latest": pin}),
        ("production", {"production": pin}),
    ]
    scheduler.until(lambda: bool(runs(scheduler, "model_promoted")), "a run has started")
    (run,) = runs(scheduler, "model_promoted")
    scheduler.succeeded("model_promoted", run["dag_run_id"])
    got = xcom(scheduler, "model_promoted", run["dag_run_id"], "promoted")
    assert pin.split("/")[1] in str(got)


def test_a_version_that_fails_its_gates_is_not_promoted_and_a_rollback_starts_the_dag_again(
    scheduler, scheduled_warehouse, models, night
):
    first = models.resolve("delays@production")
    conf = {"mae": 5.0, "slope": 0.03, "owner": " "}
    run_id = scheduler.trigger("model_night", conf=conf)
    assert scheduler.finish("model_night", run_id) == "failed"
    log = scheduler.task_log("model_night", run_id, "promote")
    assert "its mae is 5, and must be at most 4.5: that of the version it replaces + 0.5" in log
    assert "its card does not state owner" in log
    assert models.resolve("delays@production") == first != models.resolve("delays")
    before = len(runs(scheduler, "model_promoted"))
    second = models.promote("delays", "@latest", reason="by hand")
    assert models.resolve("delays@production") == second
    back = scheduler.succeed("model_back")
    assert models.resolve("delays@production") == first
    entry = models.history("delays")[0]
    assert (entry.operation.value, entry.reason) == ("rollback", "mae rose")
    assert (entry.producer.dag_id, entry.producer.run_id) == ("model_back", back)
    scheduler.until(lambda: len(runs(scheduler, "model_promoted")) > before, "a run has started")
    newest = runs(scheduler, "model_promoted")[-1]["dag_run_id"]
    scheduler.succeeded("model_promoted", newest)
    assert first.version in str(xcom(scheduler, "model_promoted", newest, "promoted"))
    scheduler.clear("model_back", back, ["back"])
    scheduler.succeeded("model_back", back)
    assert models.resolve("delays@production") == first, "a cleared task goes back once"


def test_a_retry_saves_nothing_again_and_an_older_attempt_is_fenced(scheduler, models, night):
    run_id = scheduler.succeed("model_retried")
    (entry,) = models.history("retried", "latest")
    (task,) = [one for one in scheduler.tasks("model_retried", run_id) if one["task_id"] == "train"]
    assert task["try_number"] == 2
    assert entry.batch_id in str(xcom(scheduler, "model_retried", run_id, "train"))
    zombie = replace(entry.producer, attempt_id="00000000-0000-7000-8000-000000000000")
    other = sfx.models.Coefficients({"distance": 9.0})
    train = models.load(ModelPin("retried", entry.batch_id)).inputs
    with pytest.raises(sfx.StaleAttempt):
        models.save(other, "retried", inputs=train, producer=zombie)


def test_the_end_of_a_batch_that_production_was_trained_on_is_told(
    scheduler, scheduled_warehouse, models
):
    scheduler.ready("model_data_undone")
    for rows in (2, 3):
        frame = pd.DataFrame({"distance": range(rows)})
        pin = scheduled_warehouse.store_dataframe(frame, "air", "undone", [DAY])
    model = sfx.models.Coefficients({"distance": 2.0})
    version = models.promote("undone", models.save(model, "undone", inputs={"train": pin}))
    run_id = scheduler.succeed("model_data_undone")
    log = scheduler.task_log("model_data_undone", run_id, "back")
    assert f"told of ['{version}']" in log
    assert f"trained on batches that have ended: {version} (production); {pin}" in log
    assert "told of" not in scheduler.task_log("model_data_undone", run_id, "plain")


def test_a_sensor_waits_in_the_triggerer_until_rows_have_drifted(
    scheduler, scheduled_warehouse, night
):
    def store(shift: float) -> sfx.BatchPin:
        distance = [100.0 * n + shift for n in range(1, 41)]
        frame = pd.DataFrame({"flight": range(40), "distance": distance, "delay": 1.0})
        return scheduled_warehouse.store_dataframe(
            frame, "air", "flights", ["drift"], partition_keys=["day"]
        )

    def waits() -> bool:
        (task,) = [
            one for one in scheduler.tasks("model_drift", run_id) if one["task_id"] == "wait"
        ]
        assert task["state"] != "failed", scheduler.task_log("model_drift", run_id, "wait")[-3000:]
        return task["state"] == "deferred"

    run_id = scheduler.trigger("model_drift")
    scheduler.until(waits, "the sensor waits in the triggerer")
    store(0.0)
    scheduler.until(
        lambda: "drifted in nothing" in scheduler.task_log("model_drift", run_id, "wait"),
        "the rows were compared",
    )
    scheduler.until(waits, "the sensor waits again")
    pin = store(90_000.0)
    scheduler.succeeded("model_drift", run_id)
    log = scheduler.task_log("model_drift", run_id, "seen")
    assert f"drifted {pin.batch_id} ['distance', 'delay', 'prediction']" in log
