"""Models that R saved, in Python: the same answers without R, or with R if they are trusted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import airflow_sfx as sfx
from airflow_sfx.models.flavours.base import Answers
from airflow_sfx.models.flavours.onnx import ONNX
from airflow_sfx.models.flavours.r.tree import Node, Split, Tree
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.models.schema.rows import columns_of
from tests.r.conftest import ROOT, run_script
from tests.serving.server import serving

SCRIPT = (ROOT / "tests/r/models.R").read_text()
LINEAR = ("crossed", "rounded", "logit", "probit", "counts")
TREES = ("numbers", "stays", "classes", "costs")


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return f"embedded://{tmp_path_factory.mktemp('models')}/warehouse"


@pytest.fixture(scope="module")
def models(uri: str, r_library: Path, tmp_path_factory) -> Iterator[ModelRegistry]:
    """A warehouse with models that R saved, and R's answers to all rows."""
    done = run_script(SCRIPT, r_library, tmp_path_factory.mktemp("temporary"), SFX_WAREHOUSE=uri)
    assert done.returncode == 0, done.stderr
    yield ModelRegistry(sfx.connect(uri))


@pytest.fixture
def no_r(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def rows_of(models: ModelRegistry, table: str):
    return models._warehouse.load_dataframe("cars", table)


@pytest.mark.parametrize("name", [*LINEAR, *TREES])
def test_python_answers_as_r_does_without_r(
    name: str, models: ModelRegistry, no_r: None, monkeypatch
) -> None:
    expected = rows_of(models, "answers")[name].to_numpy()
    model = models.load(name)
    assert model.record.scorer == "onnx"
    assert ONNX in model.entries
    answers = [model.predict(rows_of(models, "tests"))]
    # the tree and the coefficients themselves answer the same, where there is no onnxruntime
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    answers.append(models.load(name).predict(rows_of(models, "tests")))
    for found in answers:
        if name in TREES:
            assert (found == expected).all()
        else:
            close = abs(found - expected) / np.maximum(1, abs(expected))
            assert np.nanmax(close) <= model.record.tolerance
            assert (np.isnan(found) == np.isnan(expected)).all()
            assert np.isnan(expected).any()
    if name in LINEAR and name != "rounded":  # which subtracts large numbers
        assert model.record.tolerance == 1e-12
    golden = json.loads(model.entries["examples/input.json"])
    assert any(None in values for values in golden.values())
    assert model.check().rows == 64


def test_levels_that_a_model_does_not_know_are_refused(models: ModelRegistry, no_r: None) -> None:
    row = {"wt": 3.0, "hp": 90.0, "gear": "4", "cyl": 4, "kind": "v:1", "size": "low", "am": True}
    model = models.load("crossed")
    assert np.isfinite(model.predict([row]))
    for column, value in (("gear", "9"), ("cyl", 5), ("kind", "w"), ("size", "none")):
        with pytest.raises(sfx.SchemaMismatch, match=rf"'{column}'.*knows \d categories"):
            model.predict([{**row, column: value}])
        assert np.isnan(model.predict([{**row, column: value}], unseen="missing"))


def test_a_promoted_model_of_r_is_served_and_scores_batches(
    models: ModelRegistry, uri: str, no_r: None, monkeypatch
) -> None:
    from airflow_sfx.operators import ScoreBatchOperator

    models.promote("classes", models.resolve("classes"), reason="as good as in R")
    expected = rows_of(models, "answers")["classes"]
    with serving("classes@production", uri=uri) as server:
        some = [{"wt": None, "gear": "4", "size": "low", "am": True}]
        some.append({"wt": 2.5, "gear": None, "size": None, "am": None})
        said = server.predict(some).json["predictions"]
    assert [one["prediction"] for one in said] == models.load("classes").predict(some).tolist()
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    pin = models._warehouse.pin("cars", "tests")
    score = ScoreBatchOperator(
        task_id="score",
        model="classes@production",
        pin=pin,
        table="cars.scores",
        partitions=["20161031"],
        publish=False,
    )
    ti = SimpleNamespace(dag_id="cars", run_id="one", task_id="score", map_index=-1, try_number=1)
    stored = models._warehouse.load_dataframe(
        score.run({"ti": ti, "task": score, "outlet_events": {}})
    )
    assert (stored["prediction"].to_numpy() == expected.to_numpy()).all()


def test_a_file_of_r_needs_trust_and_r(models: ModelRegistry, monkeypatch, tmp_path: Path) -> None:
    rows = rows_of(models, "tests").dropna().head(5)
    for call in (models.load, lambda name: models.promote(name, models.resolve(name))):
        with pytest.raises(sfx.ModelRefused, match=r"did not allow.*trust=\['R'\]"):
            call("linear")
    models.promote("linear", models.resolve("linear"), trust=["R"])
    model = models.load("linear@production", native=True, trust=["R"])
    assert isinstance(model._scorer.answers(columns_of(model.signature, rows)), Answers)
    expected = rows_of(models, "answers")["linear"][rows.index]
    assert abs(model.predict(rows) - expected.to_numpy()).max() < 1e-8
    with pytest.raises(sfx.ModelRefused, match="which exports do not run"):
        models.export("linear", tmp_path / "out", to="mlflow", trust=["R"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sfx.ModelRefused, match="no Rscript on the path: install R"):
        models.promote("linear", models.resolve("linear"), trust=["R"])


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (Node((1.0,), splits=(Split("x", 1.0),)),),
        (Node((1.0,), splits=(Split("x", 1.0),), left=1, right=5), Node((1.0,))),
        (Node((1.0,), splits=(Split("x"),), left=1, right=2), Node((1.0,)), Node((1.0,))),
        (Node((1.0, 2.0)),),
        (Node((1.0,), label=1),),
    ],
)
def test_a_tree_that_is_none_is_refused(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(sfx.InvalidName):
        Tree(nodes)
