"""Versions are trained again in processes of their own, to compare and to explain."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.questions.shares import shapley
from airflow_sfx.models.registry import ModelRegistry
from tests.models.conftest import flights
from tests.models.questions import retrained
from tests.warehouse.forging import forge_manifest

TRUST = ["code"]


@pytest.fixture
def trained(models: ModelRegistry, warehouse: sfx.Warehouse) -> Callable[..., ModelPin]:
    test = warehouse.store_dataframe(flights(300, 9), "air", "test", ["a"])

    def save(train: sfx.BatchPin, function=retrained.train, **params: object) -> ModelPin:
        pins = {"train": train, "test": test}
        frames = {role: warehouse.load_dataframe(pin) for role, pin in pins.items()}
        model, metrics = retrained.train(frames, params)
        return models.save(
            model,
            "delays",
            inputs=pins,
            target="delay",
            metrics=metrics,
            params=params,
            trained_by=function,
        )

    return save


def test_a_version_is_trained_again_with_the_same_content(models, train, trained) -> None:
    pin = trained(train, depth=3, seed=7)
    entries = models.load(pin).entries
    sources = {f"code/tests/models/questions/{name}.py" for name in ("retrained", "scaling")}
    assert sources <= entries.keys()
    recipe = json.loads(entries["code/train.json"])
    assert (recipe["module"], recipe["function"]) == ("tests.models.questions.retrained", "train")
    found = models.reproduce(pin, trust=TRUST)
    assert (found.entries, found.same) == ((), True)
    assert found.diff.identical


def test_what_differs_after_training_without_a_seed_is_said(warehouse, train, trained) -> None:
    pin = trained(train, depth=3)
    words = ["model", "reproduce", str(pin), "--trust", "code", "--json"]
    done = CliRunner().invoke(app, ["--warehouse", warehouse.uri, *words])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert not found["same"]
    assert {"metrics.json", "examples/output.json"} <= set(found["entries"])
    assert found["diff"]["predictions"][0]["greatest"] > 0
    assert (found["diff"]["environment"], found["diff"]["code"]) == ([], [])


def test_the_command_why_shows_the_shares(models, warehouse, train, trained) -> None:
    pin = str(trained(train, depth=2, seed=1))
    words = ["model", "why", pin, pin, "--metric", "mae", "--seeds", "1", "--trust", "code"]
    done = CliRunner().invoke(app, ["--warehouse", warehouse.uri, *words])
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][-2:] == ["1", "training"]
    assert sorted(row[:2] for row in rows[2:]) == [["code", "0"], ["data", "0"]]
    done = CliRunner().invoke(app, ["--warehouse", warehouse.uri, *words, "--python", "x"])
    assert done.exit_code == 2


def test_code_runs_only_if_the_caller_trusts_it(models, train, trained) -> None:
    pin = trained(train, depth=2, seed=1)
    for ask in (
        lambda: models.reproduce(pin),
        lambda: models.explain_change(pin, pin, "mae"),
        lambda: models.reproduce(pin, trust=["sklearn"]),
    ):
        with pytest.raises(ModelRefused, match="did not allow"):
            ask()


def test_what_cannot_be_trained_again_is_refused(models, warehouse, train, trained) -> None:
    failing = trained(train, retrained.fail, depth=2, seed=1)
    with pytest.raises(ModelRefused, match="no convergence"):
        models.reproduce(failing, trust=TRUST)
    with pytest.raises(InvalidName, match="at the top of a module"):
        trained(train, lambda frames, params: None, depth=2)
    with pytest.raises(InvalidName, match="one of the two"):
        frame = flights(50)
        models.save(
            sfx.models.Coefficients({"hour": 1.0}), "x", example=frame, trained_by=retrained.train
        )
    pin = trained(train, depth=2, seed=1)
    with pytest.raises(InvalidName, match="whole numbers"):
        models.explain_change(pin, pin, "mae", seeds=[], trust=TRUST)
    with pytest.raises(ModelRefused, match="returns the metrics mae, not 'auc'"):
        models.explain_change(pin, pin, "auc", seeds=[0], trust=TRUST)


def test_a_batch_that_was_altered_is_refused(models, warehouse, train, trained) -> None:
    pin = trained(train, depth=2, seed=1)
    forge_manifest(warehouse, train, replaced="20161101002256")
    with pytest.raises(ModelRefused, match="altered"):
        models.reproduce(pin, trust=TRUST)


@pytest.mark.parametrize("cause", ["data", "code"])
def test_the_planted_cause_has_nearly_all_of_the_change(
    models, warehouse, train, trained, cause
) -> None:
    frame = flights(1500, 3)
    if cause == "data":
        frame["delay"] *= 1.5
    other = warehouse.store_dataframe(frame, "air", "flights", ["20161101"])
    before = trained(train, depth=4, seed=0)
    after = trained(other, depth=4, seed=0, **({"factor": 1.5} if cause == "code" else {}))
    assert models.diff(before, after).code == (), "the parameters are apart"
    found = models.explain_change(
        before,
        after,
        "mae",
        seeds=(0, 1),
        trust=TRUST,
        environments=(sys.executable, sys.executable) if cause == "data" else None,
    )
    assert found.change > 5
    assert sum(one.share for one in found.shares) == pytest.approx(found.change, abs=1e-9)
    assert found.shares[0].cause == cause
    assert found.shares[0].share > 0.9 * found.change
    assert found.shares[0].least <= found.shares[0].share <= found.shares[0].greatest
    assert found.saved_before == pytest.approx(found.value_before, abs=1)
    assert found.trainings == (4 if cause == "data" else 8), "equal mixtures are trained once"
    assert len(found.shares) == (3 if cause == "data" else 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8))
def test_shares_add_up_and_a_cause_without_effect_has_none(numbers) -> None:
    causes = ("data", "code", "environment")
    sets = [
        frozenset(one for place, one in enumerate(causes) if number >> place & 1)
        for number in range(8)
    ]
    values = dict(zip(sets, numbers, strict=True))
    shares = shapley(values, causes)
    assert sum(shares.values()) == pytest.approx(values[sets[7]] - values[sets[0]], abs=1e-9)
    inert = {some: values[some - {"code"}] for some in sets}
    assert shapley(inert, causes)["code"] == 0
