"""Exports of versions, loaded by what they are for: MLflow, images, SageMaker."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.flavours.coefficients import Coefficients
from tests.models.conftest import flights

ROOT = Path(__file__).parents[3]
MLFLOW = """
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pd.read_parquet(sys.argv[2]))
example = model.predict(model.input_example)
import airflow_sfx
print(json.dumps({
    "answers": found.to_dict("list"),
    "example": len(example),
    "types": [one["type"] for one in model.metadata.get_input_schema().to_dict()],
    "reader": airflow_sfx.__file__,
    "model": model.metadata.metadata["airflow_sfx"],
    "onnx": len(mlflow.onnx.load_model(sys.argv[1]).graph.input) if "onnx" in sys.argv else 0,
}))
"""
SAGEMAKER = """
import sys
sys.path.insert(0, sys.argv[1] + "/code")
import inference
model = inference.model_fn(sys.argv[1])
rows = inference.input_fn(open(sys.argv[2]).read(), "application/json; charset=utf-8")
print(inference.output_fn(inference.predict_fn(rows, model), "application/json")[0])
"""


def run(code: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code where this package's requirements are installed, but not the package."""
    numpy = find_spec("numpy")
    assert numpy is not None
    assert numpy.origin is not None
    given = [one for one in os.environ.get("PYTHONPATH", "").split(":") if one]
    paths = [*(one for one in given if Path(one) != ROOT), str(Path(numpy.origin).parents[1])]
    return subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {paths}\n{code}"]
        + [str(one) for one in arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"], "MLFLOW_DISABLE_TELEMETRY": "true", **variables},
    )


def read(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_mlflow_loads_an_export_and_predicts_the_same(models, pipeline, train, tmp_path) -> None:
    pin = models.save(pipeline, "delays", inputs={"train": train}, target="late")
    made = models.export(pin, tmp_path / "delays")
    rows = flights(50, seed=7)
    rows.to_parquet(tmp_path / "rows.parquet")
    found = read(run(MLFLOW, made.path, tmp_path / "rows.parquet", "onnx"))
    expected = models.load(pin).answers(rows)
    assert found["answers"]["prediction"] == expected.prediction.tolist()
    assert found["answers"]["probability"] == expected.probability.tolist()
    assert found["types"] == ["double", "long", "string"]
    assert (found["model"], found["example"], found["onnx"]) == (str(pin), 5, 3)
    assert found["reader"] == f"{made.path}/code/reader/airflow_sfx/__init__.py"
    again = models.export(pin, tmp_path / "again")
    assert again.files == made.files
    assert [
        name
        for name in made.files
        if Path(made.path, name).read_bytes() != Path(again.path, name).read_bytes()
    ] == []


def test_mlflow_gets_missing_integers_and_categories_exactly(models, tmp_path) -> None:
    """Its own schema has neither: it would refuse the first, and lose the second."""
    frame = flights(60)[["seats", "kind"]]
    by_hand = Coefficients({"seats": 0.1, "kind[UA]": 2.0}, levels={"kind": ["AA", "DL", "UA"]})
    pin = models.save(by_hand, "seats", example=frame.dropna())
    models.export(pin, tmp_path / "seats")
    rows = frame.dropna().head(9)
    rows.to_parquet(tmp_path / "rows.parquet")
    found = read(run(MLFLOW, tmp_path / "seats", tmp_path / "rows.parquet"))
    assert found["answers"]["prediction"] == models.load(pin).predict(rows).tolist()
    assert found["types"] == ["any", "any"]


def test_who_loads_an_export_says_which_code_may_run(models, pipeline, train, tmp_path) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = flights(200)
    native = HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype")
    native.fit(frame[["distance", "kind"]], frame["delay"])
    pin = models.save(native, "native", inputs={"train": train}, target="delay")
    with pytest.raises(ModelRefused, match="trust="):
        models.export(pin, tmp_path / "native")
    assert list(tmp_path.glob("*native*")) == []
    models.export(pin, tmp_path / "native", trust=["sklearn", "functools"])
    frame.head(5).to_parquet(tmp_path / "rows.parquet")
    arguments = (MLFLOW, tmp_path / "native", tmp_path / "rows.parquet")
    done = run(*arguments)
    assert "runs code of sklearn" in done.stderr
    allowed = run(*arguments, MLFLOW_PYFUNC_INFERENCE_CONFIG='{"trust": ["sklearn", "functools"]}')
    expected = native.predict(frame[["distance", "kind"]].head(5)).tolist()
    assert read(allowed)["answers"]["prediction"] == expected


def test_an_image_has_the_artifact_under_right_digests(models, train, tmp_path) -> None:
    pin = models.save(Coefficients({"distance": 0.02}), "delays", inputs={"train": train})
    models.export(pin, tmp_path / "image", to="oci")

    def blob(described: dict) -> bytes:
        content = (tmp_path / "image/blobs" / described["digest"].replace(":", "/")).read_bytes()
        assert len(content) == described["size"]
        assert hashlib.sha256(content).hexdigest() == described["digest"].partition(":")[2]
        return content

    assert json.loads((tmp_path / "image/oci-layout").read_text())["imageLayoutVersion"] == "1.0.0"
    (listed,) = json.loads((tmp_path / "image/index.json").read_text())["manifests"]
    assert listed["annotations"]["org.opencontainers.image.ref.name"] == pin.version
    manifest = json.loads(blob(listed))
    config, (layer,) = json.loads(blob(manifest["config"])), manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    with tarfile.open(fileobj=io.BytesIO(blob(layer))) as tar:
        (entry,) = tar.getmembers()
        assert (entry.name, entry.mode) == (f"models/delays-{pin.version}.zip", 0o644)
        file = tar.extractfile(entry)
        assert file is not None
        assert file.read() == models.fetch(pin)


def test_sagemaker_s_calls_answer_as_the_server_does(models, pipeline, train, tmp_path) -> None:
    pin = models.save(pipeline, "delays", inputs={"train": train}, target="late")
    models.export(pin, tmp_path / "delays", to="sagemaker")
    with tarfile.open(tmp_path / "delays/model.tar.gz") as tar:
        tar.extractall(tmp_path / "opt", filter="data")
    rows = [{"distance": 1400.0, "hour": 7, "carrier": "UA"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    found = read(run(SAGEMAKER, tmp_path / "opt", tmp_path / "rows.json"))
    expected = models.load(pin).answers(rows)
    assert found == {
        "model": str(pin),
        "predictions": [
            {
                "prediction": expected.prediction[0].item(),
                "probability": expected.probability[0].tolist(),
            }
        ],
    }


def test_an_export_needs_what_it_says(models, pipeline, train, tmp_path) -> None:
    pin = models.save(pipeline, "delays", inputs={"train": train}, target="late")
    models.export(pin, tmp_path / "delays")
    needed = (tmp_path / "delays/requirements.txt").read_text().split()
    versions = {f"numpy=={np.__version__}", f"pandas=={pd.__version__}"}
    assert versions < set(needed)
    assert {one.partition("=")[0] for one in needed} == {
        "lazy_loader>",
        "msgspec>",
        "numpy",
        "onnxruntime",
        "pandas",
    }
    ours = (ROOT / "setup.cfg").read_text().split()
    assert [one for one in needed if ">=" in one and one not in ours] == []


def test_an_export_that_cannot_be_made_leaves_nothing(models, train, tmp_path) -> None:
    pin = models.save(Coefficients({"distance": 0.02}), "delays", inputs={"train": train})
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").touch()
    for folder, to, words in (
        ("there", "mlflow", "name a new folder"),
        ("no/where", "mlflow", "name a new folder"),
        ("new", "zip", "pass mlflow, oci, sagemaker"),
        ("new", ["oci"], "pass mlflow, oci, sagemaker"),
    ):
        with pytest.raises(InvalidName, match=words):
            models.export(pin, tmp_path / folder, to=to)
    assert sorted(one.name for one in tmp_path.iterdir() if one.name != "warehouse") == ["there"]
    (tmp_path / "empty").mkdir()
    assert "MLmodel" in models.export(pin, tmp_path / "empty").files
