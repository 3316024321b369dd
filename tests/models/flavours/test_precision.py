"""A model in fewer digits: no prediction changes by more than its bound, and all say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import sparse
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.core.errors import InvalidName, ModelRefused, SchemaMismatch
from airflow_sfx.core.producer import Producer
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.build import Training, build, finish
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.flavours.function import FunctionModel
from airflow_sfx.models.model import Model, load_artifact
from airflow_sfx.models.questions.terms import terms_of
from airflow_sfx.models.registry import ModelRegistry
from tests.models.conftest import flights
from tests.models.fewer_digits import score, train as train_coefficients

FRAME = flights(100)
CITIES = [f"C{number:03d}" for number in range(80)]
SOURCE = np.random.default_rng(1)
ROWS = pd.DataFrame({"distance": SOURCE.normal(1000, 300, 200), "city": SOURCE.choice(CITIES, 200)})


def effects(link: Any = "identity") -> Coefficients:
    """A linear model with a coefficient for each of many cities."""
    terms = {f"city[{one}]": float(SOURCE.normal()) for one in CITIES}
    classes = (False, True) if link == "logit" else ()
    return Coefficients({"distance": 0.0012345678, **terms}, -0.3, link, {"city": CITIES}, classes)


def numbers(model: Model | Any, frame: pd.DataFrame = ROWS) -> np.ndarray:
    found = model.answers(frame)
    return found.prediction if found.probability is None else found.probability


def saved(model: object, precision: Any, **frames: pd.DataFrame) -> bytes:
    training = Training((), frames or {"train": ROWS}, precision=precision)
    return finish(build(model, training), "delays", "20161101002256", Producer(user="ada"))


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_coefficients_in_fewer_digits_stay_within_the_bound_of_predictions(link: str) -> None:
    model = effects(link)
    exact = load_artifact(saved(model, "exact"), "exact.zip")
    assert exact.component_precision is None
    assert set(exact.components) == {"coefficients"}
    data = saved(model, {"predictions": 1e-3}, train=ROWS, validation=ROWS[:100])
    found = load_artifact(data, "delays.zip")  # and its golden rows are answered as saved
    change = float(np.abs(numbers(found, ROWS[:100]) - numbers(exact, ROWS[:100])).max())
    kept = found.component_precision
    assert kept is not None
    assert 0 < change <= 1e-3
    assert abs(kept.change - change) < 1e-12
    assert (kept.precision, kept.role, kept.rows) == ({"predictions": 1e-3}, "validation", 100)
    choice = kept.components["weights"]
    assert choice.precision.startswith("abs")
    assert choice.bytes == len(found.entries["components/weights.packed"])
    assert choice.bytes < 0.5 * choice.exact_bytes
    assert found.record.digest != exact.record.digest
    assert saved(model, {"predictions": 1e-3}, train=ROWS, validation=ROWS[:100]) == data
    assert list(terms_of(found)) == list(terms_of(exact))
    assert max(abs(terms_of(found)[one] - terms_of(exact)[one]) for one in model.terms) == (
        pytest.approx(choice.error)
    )
    assert f"changes by more than {kept.change:.2g}" in found.card
    assert f"| weights | {choice.precision} |" in found.card


@settings(max_examples=25, deadline=None)
@given(
    st.floats(1e-6, 10.0),
    st.sampled_from([{"predictions": 0.0}, {"abs": 0.0}]),
    st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=30),
)
def test_the_bound_holds_for_any_coefficients(
    bound: float, kind: dict[str, float], weights: list[float]
) -> None:
    (name,) = kind
    levels = CITIES[: len(weights)]
    terms = {f"city[{one}]": value for one, value in zip(levels, weights, strict=True)}
    model = Coefficients(terms, 0.5, levels={"city": levels})
    frame = pd.DataFrame({"city": levels})
    content = build(model, Training((), {"train": frame}, precision={name: bound}))
    assert content.kept is not None
    found = load_artifact(finish(content, "x", "20161101002256", Producer()), "x.zip")
    change = np.abs(found.predict(frame) - (np.array(weights) + 0.5)).max()
    assert change <= bound * (1 + 1e-9) + 1e-11  # of the intercept's addition
    assert content.kept.components["weights"].error <= bound


@pytest.mark.parametrize("precision", ["float32", {"abs": 1e-3}, {"predictions": 0.05}])
def test_a_function_over_a_sparse_matrix_keeps_its_bound(precision: Any) -> None:
    matrix = sparse.random_array((80, 400), density=0.05, rng=0, format="csr")
    index = {one: number for number, one in enumerate(CITIES)}
    parts = {"affinity": matrix, "profile": SOURCE.normal(size=400), "index": index}
    data = saved(FunctionModel(score, parts), precision)
    found = load_artifact(data, "scores.zip", trust=["code"])
    change = float(np.abs(numbers(found) - score(ROWS, parts)).max())
    kept = found.component_precision
    assert kept is not None
    assert change == kept.change
    assert (
        change
        <= {"float32": 1e-4, "abs": 1.0, "predictions": 0.05}[
            precision if isinstance(precision, str) else next(iter(precision))
        ]
    )
    assert kept.components["index"].precision == "exact"
    assert kept.components["affinity"].bytes < 0.85 * kept.components["affinity"].exact_bytes
    assert sum(one.bytes for one in kept.components.values()) == sum(
        len(content) for name, content in found.entries.items() if name.endswith(".packed")
    )


def linear_models() -> list[tuple[Any, pd.DataFrame]]:
    """A pipeline with a coefficient for each city, and a classifier with a row for each class."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer([("texts", OneHotEncoder(), ["city"])], remainder="passthrough")
    ridge = Pipeline([("columns", columns), ("model", Ridge(0.1))])
    target = ROWS["distance"] * 0.01 + ROWS["city"].str[1:].astype(int).pow(0.5)
    wide = pd.DataFrame(SOURCE.normal(size=(300, 20)), columns=[f"c{n}" for n in range(20)])
    classes = np.array(["a", "b", "c"])[wide.iloc[:, :3].to_numpy().argmax(axis=1)]
    return [
        (ridge.fit(ROWS, target), ROWS),
        (LogisticRegression().fit(wide, classes), wide),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["pipeline", "classes"])
def test_a_linear_model_of_scikit_learn_is_saved_in_these_digits_everywhere(which: int) -> None:
    model, frame = linear_models()[which]
    data = saved(model, {"predictions": 0.01}, train=frame)
    found = load_artifact(data, "delays.zip")
    native = load_artifact(data, "delays.zip", native=True, trust=["sklearn"])
    assert found.record.scorer == "onnx"
    own = model.predict_proba(frame) if which else model.predict(frame)
    assert 0 < np.abs(numbers(native, frame) - own).max() <= 0.01
    assert np.abs(numbers(found, frame) - numbers(native, frame)).max() < 1e-4
    kept = found.component_precision
    assert kept is not None
    assert kept.components["coefficients"].precision.startswith("abs")
    assert len(terms_of(found)) == (3 * 21 if which else len(set(ROWS["city"])) + 2)


def test_a_model_without_such_components_is_refused_before_anything_is_stored(
    models: ModelRegistry, train: sfx.BatchPin
) -> None:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_depth=2).fit(FRAME[["distance", "hour"]], FRAME["delay"])
    with pytest.raises(ModelRefused, match="not scored by components"):
        models.save(tree, "trees", inputs={"train": train}, precision="float32")
    for wrong in ({"predictions": -1}, "float16", None):
        with pytest.raises(InvalidName, match="precision="):
            models.save(tree, "trees", inputs={"train": train}, precision=wrong)  # type: ignore[arg-type]
    assert models.list() == []


def test_a_function_that_predicts_no_numbers_is_refused() -> None:
    model = FunctionModel(score, {"index": {}, "text": "x"})
    with pytest.raises(SchemaMismatch, match="have no distance"):
        saved(model, {"predictions": 0.1})


def test_the_registry_names_the_batches_and_trains_again_in_the_same_digits(
    models: ModelRegistry, warehouse: sfx.Warehouse, train: sfx.BatchPin, tmp_path: Path
) -> None:
    later = warehouse.store_dataframe(flights(300, seed=5), "air", "flights", ["20161101"])
    params = {"columns": ["distance", "hour"]}
    model = train_coefficients({"train": flights()}, params)
    pin = models.save(
        model,
        "delays",
        inputs={"train": train, "validation": later},
        target="delay",
        params=params,
        precision={"predictions": 0.01},
        trained_by=train_coefficients,
    )
    found = models.load(pin)
    kept = found.component_precision
    assert kept is not None
    assert (kept.role, kept.rows, kept.change <= 0.01) == ("validation", 300, True)
    assert kept.batches == (f"sfx://air/flights/20161101@{later.batch_id}",)
    assert models.reproduce(pin, trust=["code"]).same
    example = models.save(
        model, "by_hand", example=flights(), inputs={"train": train}, precision="float32"
    )
    kept = models.load(example).component_precision
    assert kept is not None
    assert (kept.role, kept.batches) == ("example", ())
    path = tmp_path / "delays.zip"
    path.write_bytes(models.fetch(pin))
    run = CliRunner().invoke
    rows = json.loads(run(app, ["components", str(path), "--json"]).stdout)
    assert [(row["name"], row["exact_bytes"] is not None) for row in rows] == [
        ("coefficients.packed", True),
        ("weights.packed", True),
    ]
    assert "predictions 0.01: On 300 rows" in run(app, ["components", str(path)]).output
    shown = " ".join(run(app, ["model", "show", str(path)]).output.split())
    assert "component weights" in shown
    assert "predictions 0.01" in shown
    whole = json.loads(run(app, ["model", "show", str(path), "--json"]).stdout)
    assert whole["precision"]["role"] == "validation"


def test_an_artifact_without_its_weights_is_refused() -> None:
    from airflow_sfx.models.artifact.writer import write_artifact

    entries = dict(read_artifact(saved(effects(), "float32"), "x.zip"))
    del entries["components/weights.packed"]
    with pytest.raises(ModelRefused, match=r"no components/weights\.packed"):
        load_artifact(write_artifact(entries), "x.zip")
