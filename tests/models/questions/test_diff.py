"""What changed between two versions, by each of the parts of an artifact."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.flavours.function import FunctionModel
from tests.models.conftest import flights
from tests.models.pricing import price

NUMBERS = ["distance", "hour"]


@pytest.fixture(scope="module")
def fitted():
    from sklearn.linear_model import LogisticRegression

    frame = flights()
    return [
        LogisticRegression(C=c, max_iter=500).fit(frame[NUMBERS], frame["late"])
        for c in (1.0, 0.0001)
    ]


def test_the_rows_that_were_added_removed_and_changed_are_counted(models, warehouse) -> None:
    frame = pd.DataFrame({"id": range(50), "x": [float(n) for n in range(50)]})
    old = warehouse.store_dataframe(frame, "air", "ids", ["20161031"])
    frame = pd.concat([frame[2:], pd.DataFrame({"id": [90], "x": [0.5]})], ignore_index=True)
    frame.loc[0, "x"] = -1.0
    new = warehouse.store_dataframe(frame, "air", "ids", ["20161031"])
    a, b = (
        models.save(Coefficients({"x": 1.0}), "ids", inputs={"train": pin, "test": old})
        for pin in (old, new)
    )
    train, test = models.diff(a, b, keys=["id"]).data
    assert (train.added, train.removed, train.changed, train.columns) == (1, 2, 1, ("x",))
    assert train.partitions.changed == ("20161031",)
    assert (test.same, test.added) == (True, 0)
    by_whole_rows = models.diff(a, b).data[0]
    assert (by_whole_rows.added, by_whole_rows.removed) == (2, 3)
    assert "no column 'no'" in models.diff(a, b, keys=["no"]).data[0].note


def test_parameters_metrics_terms_and_predictions_are_compared(
    models, warehouse, train, fitted
) -> None:
    a, b = (
        models.save(
            model,
            "delays",
            inputs={"train": train},
            target="late",
            metrics={"auc": auc},
            params={"folds": 5},
        )
        for model, auc in zip(fitted, (0.8, 0.6), strict=True)
    )
    found = models.diff(a, b, on=train)
    assert [(one.name, one.before, one.after) for one in found.params] == [("C", 1.0, 0.0001)]
    assert found.metrics[0].change == pytest.approx(-0.2)
    assert [one.name for one in found.terms] == ["(intercept)", "hour", "distance"]
    hour = fitted[1].coef_[0][1] - fitted[0].coef_[0][1]
    assert found.terms[1].change == pytest.approx(hour)
    assert (found.environment, found.code, found.signature, found.notes) == ((), (), (), ())
    golden, current = found.predictions
    frame = warehouse.load_dataframe(train)[NUMBERS]
    own = [model.predict_proba(frame)[:, 1] for model in fitted]
    assert (golden.rows, current.rows) == (64, len(frame))
    assert current.mean_after == pytest.approx(own[1].mean(), abs=1e-5)
    assert current.greatest == pytest.approx(abs(own[1] - own[0]).max(), abs=1e-4)
    assert current.labels == ((own[0] > 0.5) != (own[1] > 0.5)).sum()
    assert current.examples[0].row.keys() == {"distance", "hour"}
    assert set(found.to_pandas()["part"]) == {"params", "metrics", "terms", "predictions"}
    assert found.as_dict()["metrics"][0]["before"] == 0.8
    assert "<table" in found._repr_html_()


def test_a_version_is_identical_to_itself(models, train, fitted) -> None:
    pin = models.save(fitted[0], "delays", inputs={"train": train})
    found = models.diff(pin, "delays")
    assert found.identical
    assert found.predictions[0].greatest < 1e-5
    assert all(one.same for one in found.data)


def test_coefficients_of_classes_and_gains_have_names(models, train) -> None:
    from sklearn.linear_model import LogisticRegression
    from xgboost import XGBRegressor

    frame = flights()
    classes = LogisticRegression(max_iter=2000).fit(frame[NUMBERS], frame["carrier"])
    trees = XGBRegressor(n_estimators=3).fit(frame[NUMBERS], frame["delay"])
    pins = [models.save(one, "m", inputs={"train": train}) for one in (classes, trees)]
    names = {one.name for one in models.diff(*pins).terms}
    assert {"hour [AA]", "(intercept) [UA]", "distance"} <= names


def test_the_lines_of_code_that_changed_are_shown(models, train, tmp_path, monkeypatch) -> None:
    text = "def score(frame, components):\n    return frame['distance'].to_numpy() * {}\n"
    monkeypatch.syspath_prepend(tmp_path)
    pins = []
    for factor in (2, 3):
        (tmp_path / f"scoring{factor}.py").write_text(text.format(factor))
        module = __import__(f"scoring{factor}")
        model = FunctionModel(module.score, {})
        pins.append(models.save(model, "scored", inputs={"train": train}))
    found = models.diff(*pins)
    (file,) = (one for one in found.code if one.path == "model/native/function.py")
    assert (file.added, file.removed) == (1, 1)
    assert "+    return frame['distance'].to_numpy() * 3" in file.hunks
    assert "did not allow" in found.notes[0], "nothing ran"
    trusted = models.diff(*pins, trust=["code"])
    assert trusted.predictions[0].mean_after == pytest.approx(
        trusted.predictions[0].mean_before * 1.5
    )


def test_packages_of_another_environment_are_named(models, train, fitted, monkeypatch) -> None:
    from airflow_sfx.models import build

    a = models.save(fitted[0], "delays", inputs={"train": train})
    lock = build.lock_of
    monkeypatch.setattr(build, "lock_of", lambda some: lock(some).replace(b"numpy==", b"numpy==9."))
    b = models.save(fitted[0], "delays", inputs={"train": train})
    (package,) = models.diff(a, b).environment
    assert (package.name, str(package.after)[:2]) == ("numpy", "9.")


def test_models_of_other_columns_are_compared_as_far_as_that_goes(
    models, warehouse, train, fitted
) -> None:
    a = models.save(fitted[0], "delays", inputs={"train": train})
    rows = pd.DataFrame({"carrier": ["AA", "UA"], "distance": [1.0, 2.0]})
    model = FunctionModel(price, {"rates": {"AA": 1.0, "UA": 2.0}})
    b = models.save(model, "price", example=rows)
    found = models.diff(a, b)
    assert found.notes[0].startswith("the predictions for golden rows were not compared")
    assert {one.name for one in found.signature} >= {"carrier", "hour"}
    assert (found.data[0].after, found.data[0].rows_before) == (None, 1500)
    with pytest.raises(InvalidName, match="no rows that both"):
        empty = warehouse.store_dataframe(flights().head(0), "air", "empty", ["a"])
        models.diff(a, a, on=empty)


def test_zips_are_compared_without_a_warehouse(models, train, fitted, tmp_path: Path) -> None:
    from airflow_sfx.models.model import described
    from airflow_sfx.models.questions.diff import diff_models

    pins = [models.save(one, "delays", inputs={"train": train}) for one in fitted]
    old, new = (described(models.fetch(pin), str(pin)) for pin in pins)
    found = diff_models(old, new)
    assert (found.data[0].same, len(found.terms)) == (True, 3)
