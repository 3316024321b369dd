"""Gates of a promotion: each says value, rule and remedy."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.models.gates import Gates, refuse_failed
from airflow_sfx.models.model import Model
from airflow_sfx.models.registry import ModelRegistry

CARD = {"owner": "Ada\n\n## Owner\n\nof nothing", "limits": "  "}


@pytest.fixture
def saved(models: ModelRegistry, train: sfx.BatchPin) -> Model:
    pin = models.save(
        sfx.models.Coefficients({"distance": 0.02}),
        "delays",
        inputs={"train": train},
        metrics={"auc": 0.8, "mae": 4.0},
        card=CARD,
    )
    return models.load(pin)


@pytest.mark.parametrize(
    ("gates", "current", "said"),
    [
        (Gates(), None, []),
        (Gates(higher_is_better={"auc": 0.0}), None, []),
        (Gates(higher_is_better={"auc": 0.0}), {"mae": 1.0}, []),
        (Gates(higher_is_better={"auc": 0.0}), {"auc": 0.8}, []),
        (Gates(higher_is_better={"auc": 0.011}), {"auc": 0.81}, []),
        (Gates(higher_is_better={"auc": 0.01}), {"auc": 0.82}, ["auc is 0.8", "at least 0.81"]),
        (Gates(lower_is_better={"mae": 0.5}), {"mae": 3.5}, []),
        (Gates(lower_is_better={"mae": 0.5}), {"mae": 3.0}, ["mae is 4", "at most 3.5"]),
        (Gates(lower_is_better={"rmse": 0.5}), None, ["no metric 'rmse'", "it has auc, mae"]),
        (Gates(card=["owner"]), None, []),
        (Gates(card=["owner", "limits"]), None, ["does not state limits", "pass card={'limits'"]),
    ],
)
def test_a_version_passes_or_is_told_the_value_the_rule_and_the_remedy(
    saved: Model, gates: Gates, current: dict[str, float] | None, said: list[str]
) -> None:
    failures = gates.failures(saved, current)
    assert len(failures) == bool(said)
    assert all(text in failures[0] for text in said)


def test_what_was_stated_at_a_promotion_passes_the_gate_of_the_card(
    saved: Model, models: ModelRegistry
) -> None:
    pin = sfx.models.ModelPin(saved.name, saved.version)
    models.promote("delays", pin, to="candidate", card={"limits": "land"})
    gates = Gates(card=["owner", "limits", "risks"])
    (failure,) = gates.failures(saved, None, missing=models.missing_card_parts(pin, gates.card))
    assert "does not state risks, and must have owner, limits, risks" in failure


def test_all_gates_that_fail_are_named_at_once(saved: Model) -> None:
    gates = Gates({"auc": 0.0}, {"mae": 0.0}, ["purpose"])
    failures = gates.failures(saved, {"auc": 0.9, "mae": 1.0})
    pin = sfx.models.ModelPin(saved.name, saved.version)
    with pytest.raises(sfx.CheckFailed, match=r"auc is .*; .*mae is .*; .*purpose") as caught:
        refuse_failed(pin, "production", failures)
    assert (caught.value.table, caught.value.batch_id) == ("models.delays", saved.version)
    refuse_failed(pin, "production", [])


def test_rows_that_have_drifted_fail_by_column(
    saved: Model, models: ModelRegistry, warehouse: sfx.Warehouse
) -> None:
    far = pd.DataFrame({"distance": [5000.0 + n for n in range(200)]})
    pin = warehouse.store_dataframe(far, "air", "far", ["20161101"])
    report = models.drift(f"delays/{saved.version}", pin, threshold=0.2)
    (failure,) = Gates(drift=0.2).failures(saved, None, report)
    assert str(pin) in failure
    assert "distance (ks 1, psi " in failure
    assert "more than 0.2" in failure
    assert Gates().failures(saved, None, report) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"card": ["author"]}, "card=['author']"),
        ({"card": "owner"}, "card='owner'"),
        ({"drift": 0}, "drift=0"),
        ({"higher_is_better": {"auc": -0.1}}, "'auc': -0.1"),
        ({"higher_is_better": {"auc": True}}, "'auc': True"),
        ({"higher_is_better": ["auc"]}, "does not map"),
        ({"higher_is_better": {"auc": 0}, "lower_is_better": {"auc": 0}}, "leave it out of one"),
    ],
)
def test_gates_that_cannot_be_are_refused(options: dict, said: str) -> None:
    with pytest.raises(sfx.InvalidName, match="pass|leave") as caught:
        Gates(**options)
    assert said in str(caught.value)


def test_what_a_model_predicted_is_followed_to_the_models_that_learned_from_it(
    saved: Model, models: ModelRegistry, warehouse: sfx.Warehouse, train: sfx.BatchPin
) -> None:
    batch = models.batch(f"delays/{saved.version}")
    scores = pd.DataFrame({"prediction": [1.0, 2.0, 3.0]})
    scored = warehouse.store_dataframe(scores, "air", "scores", inputs=[train, batch])
    assert [one.pin for one in warehouse.readers(batch)] == [scored]
    assert warehouse.stale() == [], "a version does not end"
    above = models.save(
        sfx.models.Coefficients({"prediction": 2.0}), "above", inputs={"train": scored}
    )
    assert next(iter(models.affected(train))).pin == above
    newer = warehouse.load_dataframe(train).head(5)
    warehouse.store_dataframe(newer, "air", "flights", ["20161031"])
    (stale,) = warehouse.stale()
    assert (stale.table, stale.cause.value, stale.input) == ("air.scores", "replaced", train)
