"""Models that R saved, in Python: loaded, promoted, and refused if only R can use them."""

from __future__ import annotations

import pytest

import airflow_sfx as sfx
from airflow_sfx.models.flavours.tree import Node, Tree
from airflow_sfx.models.registry import ModelRegistry
from tests.r.conftest import RunR

SCRIPT = """
    data <- transform(mtcars, gear = factor(gear))
    train <- sf_writer(data, "cars", "tests")
    save <- function(fit, name) sf_model_save(fit, name, inputs = list(train = train))
    logit <- glm(am ~ wt + log(hp), binomial, data)
    tree <- rpart::rpart(mpg ~ wt + gear, data, control = rpart::rpart.control(minsplit = 4))
    save(logit, "manual")
    save(tree, "mileage")
    suppressMessages(save(loess(mpg ~ wt, data), "smooth"))
    manual <- predict(logit, data, type = "response")
    sf_writer(data.frame(manual = manual, mileage = predict(tree, data)), "cars", "answers")
"""


def test_python_answers_as_r_does(run_r: RunR, warehouse: sfx.Warehouse) -> None:
    run_r(SCRIPT)
    models = ModelRegistry(warehouse)
    rows = warehouse.load_dataframe("cars", "tests")
    expected = warehouse.load_dataframe("cars", "answers")
    for name in ("manual", "mileage"):
        models.promote(name, models.resolve(name), reason="as good as in R")
        model = models.load(f"{name}@production")
        assert model.record.scorer == "components"
        assert list(model.inputs.values()) == [warehouse.pin("cars", "tests")]
        assert model.check().greatest < 1e-12
        found = model.predict(rows)
        assert abs(found - expected[name].to_numpy()).max() < 1e-12
    with pytest.raises(sfx.SchemaMismatch, match="3 categories"):
        models.load("mileage").predict([{"wt": 3.0, "gear": "9"}])
    for trust in ([], ["R"]):
        with pytest.raises(sfx.ModelRefused, match="R"):
            models.load("smooth", native=True, trust=trust)
    assert models.history("manual")[0].reason == "as good as in R"


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (Node("x", 1.0, None, 0, 0),),
        (Node("x", 1.0, None, 1, 5), Node(values=(1.0,))),
        (Node("x", None, None, 1, 2), Node(values=(1.0,)), Node(values=(1.0,))),
        (Node(values=(1.0, 2.0)),),
    ],
)
def test_a_tree_that_is_none_is_refused(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(sfx.InvalidName):
        Tree(nodes)
