"""Each flavour is saved, and answers as its model does, by default without running its code."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_sfx.core.errors import InvalidName, ModelRefused, SchemaMismatch
from airflow_sfx.core.producer import Producer
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.artifact.writer import write_artifact
from airflow_sfx.models.build import Training, build, finish
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.flavours.function import FunctionModel
from airflow_sfx.models.model import Model, load_artifact
from tests.models.conftest import flights
from tests.models.hostile import Payload
from tests.models.pricing import price

FRAME = flights()
NUMBERS = ["distance", "hour"]
VERSION = "20161101002256"


def saved(model: object, target: str | None = None, **options: Any) -> bytes:
    frame = options.pop("frame", FRAME)
    content = build(model, Training((), {"train": frame}, target, **options))
    return finish(content, "delays", VERSION, Producer(user="ada"))


def loaded(model: object, target: str | None = None, **options: Any) -> Model:
    return load_artifact(saved(model, target, **options), "delays.zip")


def sklearn_models() -> dict[str, Any]:
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LinearRegression

    numbers, text = FRAME[NUMBERS], FRAME["late"].map({True: "yes", False: "no"})
    forest = RandomForestClassifier(10, max_depth=6, random_state=0)
    return {
        "linear": LinearRegression().fit(numbers, FRAME["delay"]),
        "forest": forest.fit(numbers, text),
        "boosting": GradientBoostingRegressor(n_estimators=10).fit(numbers, FRAME["delay"]),
    }


def test_a_pipeline_is_portable_and_exact(pipeline) -> None:
    model = loaded(pipeline, "late")
    assert (model.record.flavour, model.record.scorer) == ("scikit-learn", "onnx")
    assert model.signature.names == ("distance", "hour", "carrier")
    rows = FRAME[list(model.signature.names)]
    assert (model.predict(FRAME) == pipeline.predict(rows)).all()
    assert model.predict(FRAME).dtype == bool
    assert np.abs(model.predict_proba(FRAME) - pipeline.predict_proba(rows)).max() < 1e-5
    assert model.classes == (False, True)
    assert model.native is None


@pytest.mark.parametrize("name", ["linear", "forest", "boosting"])
def test_estimators_answer_as_they_do_in_python(name: str) -> None:
    estimator = sklearn_models()[name]
    model = loaded(estimator)
    assert model.record.scorer == "onnx"
    own = estimator.predict(FRAME[NUMBERS])
    if name == "forest":
        assert (model.predict(FRAME) == own).all()
    else:
        assert model.predict(FRAME).dtype == np.float64
        np.testing.assert_allclose(model.predict(FRAME), own, rtol=1e-5)
    native = load_artifact(saved(estimator), "x.zip", native=True, trust=model.record.trust)
    assert (native.predict(FRAME) == own).all()
    assert type(native.native) is type(estimator)


def test_the_native_model_is_kept_where_onnx_differs_and_the_card_says_so() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = FRAME[["distance", "seats", "kind"]]
    estimator = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=5)
    estimator.fit(rows, FRAME["late"])
    artifact = saved(estimator, "late")
    with pytest.raises(ModelRefused, match=r"trust=\['sklearn'") as refused:
        load_artifact(artifact, "delays.zip")
    assert "runs code of sklearn" in str(refused.value)
    with pytest.raises(ModelRefused, match="functools"):
        load_artifact(artifact, "delays.zip", trust=["sklearn"])
    model = load_artifact(artifact, "delays.zip", trust=["sklearn", "functools"])
    assert (model.predict(FRAME) == estimator.predict(rows)).all()
    assert "It could not be converted to ONNX" in model.card
    kind = model.signature.inputs[2]
    assert (kind.categories, kind.dtype) == (("AA", "DL", "UA"), "category")
    seats = model.signature.inputs[1]
    assert (seats.dtype, seats.nullable) == ("Int64", True)


def test_a_tolerance_that_onnx_does_not_keep_leaves_the_native_model() -> None:
    model = sklearn_models()["boosting"]
    found = build(model, Training((), {"train": FRAME}, tolerance=1e-12))
    assert found.record.scorer == "native"
    assert "more than the tolerance of 1e-12" in found.record.note


@pytest.mark.parametrize("columns", [NUMBERS, ["distance", "seats", "kind"]])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosters_are_loaded_without_trust(library: str, columns: list[str]) -> None:
    rows = FRAME[columns]
    if library == "xgboost":
        import xgboost

        estimator = xgboost.XGBClassifier(n_estimators=5, enable_categorical=True)
    else:
        import lightgbm

        rows = rows.drop(columns="seats", errors="ignore")
        estimator = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    estimator.fit(rows, FRAME["late"])
    model = loaded(estimator, "late")
    assert (model.predict(FRAME) == estimator.predict(rows)).all()
    np.testing.assert_allclose(model.predict_proba(FRAME), estimator.predict_proba(rows), atol=1e-6)
    native = load_artifact(saved(estimator, "late"), "x.zip", native=True)
    np.testing.assert_allclose(
        native.predict_proba(FRAME), estimator.predict_proba(rows), atol=1e-7
    )
    assert set(model.components["gain"]) <= set(columns)


def test_coefficients_are_scored_with_numpy_alone() -> None:
    model = Coefficients(
        {"distance": 0.002, "carrierUA": 1.0, "log(distance):carrier[DL]": 0.1, "hour^2": 0.01},
        -3.0,
        "logit",
        {"carrier": ["AA", "DL", "UA"]},
        (False, True),
    )
    found = loaded(model, "late")
    assert found.record.scorer == "components"
    eta = (
        -3.0
        + 0.002 * FRAME["distance"]
        + (FRAME["carrier"] == "UA")
        + 0.1 * np.log(FRAME["distance"]) * (FRAME["carrier"] == "DL")
        + 0.01 * FRAME["hour"] ** 2
    )
    np.testing.assert_allclose(found.predict_proba(FRAME)[:, 1], 1 / (1 + np.exp(-eta)), rtol=1e-12)
    with pytest.raises(SchemaMismatch, match="level 'ZZ'"):
        found.predict(FRAME.assign(carrier="ZZ"))


@pytest.mark.parametrize(
    ("terms", "options", "says"),
    [
        ({"sin(x)": 1.0}, {}, r"the term 'sin\(x\)' is unknown"),
        ({"x": "1"}, {}, "the coefficient of x is '1'"),
        ({"x": 1.0}, {"link": "cube"}, "link='cube' is not a link"),
        ({"x": 1.0}, {"classes": (1, 2, 3)}, "3 classes"),
    ],
)
def test_bad_coefficients_are_named(terms: Any, options: Any, says: str) -> None:
    with pytest.raises(InvalidName, match=says):
        Coefficients(terms, **options)


def test_a_function_over_components_runs_only_if_its_code_is_trusted() -> None:
    model = FunctionModel(price, {"rates": {"AA": 1.0, "DL": 2.0, "UA": 3.5}})
    artifact = saved(model, "delay")
    with pytest.raises(ModelRefused, match=r"trust=\['code'\]"):
        load_artifact(artifact, "x.zip")
    found = load_artifact(artifact, "x.zip", trust=["code"])
    assert found.predict(FRAME).tolist() == price(FRAME, model.components).tolist()
    assert found.components["rates"] == model.components["rates"]
    with pytest.raises(InvalidName, match="not a function of a module"):
        FunctionModel(lambda frame, components: frame["distance"])


def test_onnx_itself_is_saved(pipeline) -> None:
    onnx = read_artifact(saved(pipeline, "late"), "x")["model/model.onnx"]
    model = loaded(onnx, frame=FRAME[["distance", "hour", "carrier"]])
    assert model.record.flavour == "onnx"
    assert (
        model.predict(FRAME).tolist()
        == pipeline.predict(FRAME[["distance", "hour", "carrier"]]).astype(int).tolist()
    )


def test_a_pickle_needs_a_word_when_saving_and_one_when_loading() -> None:
    artifact = saved(sklearn_models()["linear"], pickle=True)
    assert "model/native/model.pickle" in read_artifact(artifact, "x")
    load_artifact(artifact, "x")  # by ONNX: the pickle is not looked at
    for trust in ([], ["sklearn"]):
        with pytest.raises(ModelRefused, match="its pickle runs code of pickle"):
            load_artifact(artifact, "x", native=True, trust=trust)
    found = load_artifact(artifact, "x", native=True, trust=["pickle"])
    assert type(found.native).__name__ == "LinearRegression"


def test_nothing_in_an_artifact_grants_trust(tmp_path) -> None:
    """An artifact whose MODEL.json claims that all is trusted, with a pickle in each slot."""
    payload = tmp_path / "executed"
    attack = pickle.dumps(Payload(payload))
    entries = read_artifact(saved(sklearn_models()["linear"], pickle=True), "x")
    record = entries["MODEL.json"].replace(b'"pickle"', b"").replace(b'"onnx"', b'"native"', 1)
    entries["model/native/model.pickle"] = attack
    for native in (False, True):
        with pytest.raises(ModelRefused, match="which the caller did not allow"):
            load_artifact(write_artifact({**entries, "MODEL.json": record}), "x", native=native)
    entries.pop("model/native/model.pickle")
    for name in (
        "model/native/model.skops",
        "components/coefficients.packed",
        "model/native/model.txt",
    ):
        try:
            hostile = write_artifact({**entries, name: attack})
        except ModelRefused:
            continue
        model = load_artifact(hostile, "x")
        for trust in ([], ["sklearn"]):
            with pytest.raises(ModelRefused):
                load_artifact(hostile, "x", native=True, trust=trust)
        if name.startswith("components"):
            with pytest.raises(ModelRefused):
                model.components["coefficients"]
    assert not payload.exists()


def test_an_artifact_without_a_part_is_refused_by_what_needs_it(pipeline) -> None:
    entries = read_artifact(saved(pipeline, "late"), "x")
    needed = {"signature.json", "examples/input.json", "examples/output.json", "model/model.onnx"}
    for name in needed:
        rest = {one: content for one, content in entries.items() if one != name}
        with pytest.raises(
            ModelRefused, match=name.rpartition("/")[2].partition(".")[0] + "|golden"
        ):
            load_artifact(write_artifact(rest), "x")
    for name in set(entries) - needed - {"MODEL.json"}:
        rest = {one: content for one, content in entries.items() if one != name}
        load_artifact(write_artifact(rest), "x")


def test_skops_loads_no_type_of_a_package_that_is_not_named() -> None:
    artifact = saved(sklearn_models()["forest"], "late")
    with pytest.raises(ModelRefused, match="runs code of sklearn"):
        load_artifact(artifact, "x", native=True)
    with pytest.raises(ModelRefused, match="runs code of sklearn"):
        load_artifact(artifact, "x", native=True, trust=["numpy"])
    with pytest.raises(InvalidName, match=r"pass a list, such as \['sklearn'\]"):
        load_artifact(artifact, "x", native=True, trust="sklearn")  # type: ignore[arg-type]


def test_the_same_model_is_the_same_artifact(pipeline) -> None:
    assert saved(pipeline, "late") == saved(pipeline, "late")
    one, other = sklearn_models()["forest"], sklearn_models()["forest"]
    assert one is not other
    assert saved(one) == saved(other)


def test_a_model_of_no_library_is_refused_with_what_there_is() -> None:
    with pytest.raises(ModelRefused, match="pass one of coefficients, function, xgboost"):
        saved(object())
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(ModelRefused, match="StandardScaler has no predict"):
        saved(StandardScaler().fit(FRAME[NUMBERS]))
    with pytest.raises(SchemaMismatch, match="'speed', which the training batches do not have"):
        saved(LinearRegression().fit(FRAME[NUMBERS].assign(speed=1.0), FRAME["delay"]))


def test_golden_rows_have_the_extremes_and_the_models_own_answers() -> None:
    estimator = sklearn_models()["linear"]
    model = loaded(estimator)
    import json

    rows = pd.DataFrame(json.loads(model.entries["examples/input.json"]))
    answers = json.loads(model.entries["examples/output.json"])["prediction"]
    assert len(rows) == 64
    assert rows["distance"].min() == FRAME["distance"].min()
    assert rows["distance"].max() == FRAME["distance"].max()
    assert answers == estimator.predict(rows[NUMBERS]).tolist()


def test_a_model_that_answers_otherwise_is_not_loaded() -> None:
    entries = read_artifact(saved(sklearn_models()["linear"]), "x")
    other = read_artifact(saved(sklearn_models()["boosting"]), "x")
    swapped = write_artifact({**entries, "model/model.onnx": other["model/model.onnx"]})
    with pytest.raises(ModelRefused, match="answers its golden rows otherwise"):
        load_artifact(swapped, "x")


def test_the_profile_describes_columns_and_the_prediction_without_rare_texts() -> None:
    import io

    import pyarrow.parquet as pq

    frame = FRAME.assign(name=["Zoë", *["many"] * (len(FRAME) - 1)])
    model = loaded(sklearn_models()["linear"], frame=frame)
    found = pq.read_table(io.BytesIO(model.entries["data/profile.parquet"])).to_pandas()
    found = found.set_index("column")
    assert found.loc["name", "values"].tolist() == ["many", "(others)"]
    assert found.loc["seats", "nulls"] == 1
    assert found.loc["distance", "quantiles"][[0, -1]].tolist() == [
        FRAME["distance"].min(),
        FRAME["distance"].max(),
    ]
    assert found.loc["", "rows"] == len(FRAME)


def test_an_artifact_names_its_code_environment_and_origin() -> None:
    import json
    import sys

    model = loaded(
        sklearn_models()["linear"], modules=[sys.modules[price.__module__]], metrics={"mae": 4.5}
    )
    entries = model.entries
    assert "def price(" in entries["code/tests/models/pricing.py"].decode()
    assert json.loads(entries["code/git.json"])["commit"]
    lock = entries["env/requirements.lock"].decode()
    assert "\nscikit-learn==" in lock
    assert "\nscipy==" in lock
    assert "apache-airflow" not in lock
    bom = json.loads(entries["env/sbom.cdx.json"])
    assert bom["metadata"]["component"]["type"] == "machine-learning-model"
    assert {one["name"] for one in bom["components"]} >= {"numpy", "scikit-learn"}
    statement = json.loads(entries["provenance.intoto.json"])
    assert statement["subject"][0]["digest"]["sha256"] == model.record.digest
    assert "| mae | 4.5 |" in model.card


def test_a_model_that_was_fitted_on_its_target_is_refused() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = make_column_transformer((StandardScaler(), ["distance", "hour"]))
    model = make_pipeline(columns, LinearRegression()).fit(FRAME, FRAME["delay"])
    with pytest.raises(SchemaMismatch, match="with its target 'delay'"):
        saved(model, "delay")


def test_the_order_in_which_a_converter_lists_opsets_does_not_change_a_model() -> None:
    from onnx import helper

    from airflow_sfx.models.flavours.onnx_export import _reproducible

    graph = helper.make_graph([], "any", [], [])
    opsets = [helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 21)]
    either, other = (
        _reproducible(helper.make_model(graph, opset_imports=some))
        for some in (opsets, opsets[::-1])
    )
    assert either == other
