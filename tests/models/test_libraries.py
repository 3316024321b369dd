"""Which libraries a model needs: numpy and onnxruntime to answer, others to be saved."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.producer import Producer
from airflow_sfx.models import build as build_module
from airflow_sfx.models.build import Training, build, finish
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.model import load_artifact
from tests.models.conftest import flights

EXAMPLES = build_module._examples
SERVE = """
import sys
absent = ("pandas", "pyarrow", "sklearn", "onnx", "skl2onnx", "skops", "scipy", "airflow")
sys.modules.update(dict.fromkeys(absent))
from pathlib import Path
from airflow_sfx.models.model import load_artifact
model = load_artifact(Path(sys.argv[1]).read_bytes(), sys.argv[1])
rows = [{"distance": 1400.0, "hour": 7, "carrier": "UA"}]
print(model.predict(rows)[0], len(model.predict_proba(rows)[0]), "onnxruntime" in sys.modules)
"""


def artifact(model: object) -> bytes:
    frame = flights(300)
    content = build(model, Training((), {"train": frame}, "late"))
    return finish(content, "delays", "20161101002256", Producer(user="ada"))


@pytest.mark.parametrize("kind", ["onnx", "coefficients"])
def test_a_model_answers_where_only_numpy_and_onnxruntime_are(
    kind: str, pipeline, tmp_path: Path
) -> None:
    terms = {"distance": 0.001, "hour": 0.1, "carrier[UA]": 1.0}
    by_hand = Coefficients(terms, -2.0, "logit", classes=(False, True))
    file = tmp_path / "delays.zip"
    file.write_bytes(artifact(pipeline if kind == "onnx" else by_hand))
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "2", str(kind == "onnx")]


def test_a_missing_library_is_named_with_what_installs_it(pipeline, monkeypatch) -> None:
    data = artifact(pipeline)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelRefused, match=r"needs onnxruntime.*airflow-sfx\[models\]"):
        load_artifact(data, "delays.zip")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ModelRefused, match=r"needs skops.*airflow-sfx\[models\]"):
        load_artifact(data, "delays.zip", native=True, trust=["sklearn"])
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ModelRefused, match=r"needs skl2onnx.*airflow-sfx\[models\]"):
        artifact(pipeline)


def test_a_library_of_another_version_is_named_with_both(pipeline, monkeypatch) -> None:
    saved_with = {"onnxruntime": "0.1.0", "numpy": np.__version__, "scikit-learn": "0.24.0"}
    monkeypatch.setattr(build_module, "_libraries", lambda *_: saved_with)
    data = artifact(pipeline)
    monkeypatch.setattr(build_module, "_examples", _other_answers)
    otherwise = artifact(pipeline)
    monkeypatch.undo()
    assert load_artifact(data, "delays.zip").predict(flights(5)).shape == (5,)
    here = f"scikit-learn 0.24.0 ({version('scikit-learn')} here)"
    runtime = f"onnxruntime 0.1.0 ({version('onnxruntime')} here)"
    said = f"It was saved with {runtime}, {here}."
    with pytest.raises(ModelRefused, match="golden rows otherwise") as refused:
        load_artifact(otherwise, "delays.zip")
    assert str(refused.value).endswith(said)
    monkeypatch.setattr("skops.io.loads", lambda *_, **__: 1 / 0)
    with pytest.raises(ModelRefused, match="cannot be loaded here") as refused:
        load_artifact(data, "delays.zip", native=True, trust=["sklearn"])
    assert str(refused.value).endswith(said)


def _other_answers(*arguments):
    entries = EXAMPLES(*arguments)
    rows = len(json.loads(entries["examples/output.json"])["prediction"])
    answers = {"prediction": [True] * rows, "probability": [[0.0, 1.0]] * rows}
    return {**entries, "examples/output.json": json.dumps(answers).encode()}


def test_a_pickle_of_classes_that_are_not_here_is_refused_with_the_versions(monkeypatch) -> None:
    from sklearn.linear_model import LinearRegression

    frame = flights(300)
    model = LinearRegression().fit(frame[["distance", "hour"]], frame["delay"])
    content = build(model, Training((), {"train": frame}, "delay", pickle=True))
    data = finish(content, "delays", "20161101002256", Producer(user="ada"))
    monkeypatch.setitem(sys.modules, "sklearn.linear_model._base", None)
    with pytest.raises(ModelRefused, match=r"cannot be loaded here .*sklearn\.linear_model"):
        load_artifact(data, "delays.zip", native=True, trust=["pickle"])


def test_a_booster_is_saved_natively_without_the_converter_to_onnx(monkeypatch) -> None:
    import lightgbm

    frame = flights(300)
    booster = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)
    booster.fit(frame[["distance", "hour"]], frame["late"])
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    model = load_artifact(artifact(booster), "delays.zip")
    assert (model.record.scorer, model.record.note) == (
        "native",
        "It could not be converted to ONNX.",
    )
    assert (model.predict(frame) == booster.predict(frame[["distance", "hour"]])).all()


def test_importing_models_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "pyarrow", "sklearn", "onnxruntime", "airflow")
    code = "import sys, airflow_sfx as sfx; sfx.models.save;"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert sfx.models.ModelPin("delays", "20161101002256").name == "delays"
