"""What a task that trains a model takes as inputs, and what its function may return."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx import BatchPin, CheckFailed, InvalidName
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.operators.models.train import TrainModelOperator
from airflow_sfx.operators.models.training import inputs_by_role, passed_on, returned_parts


def pin(table: str, day: str = "1", batch_id: str = "20161101002256") -> BatchPin:
    return BatchPin("air", table, f"s3://b/air.db/{table}", ((day, batch_id),))


A, B = pin("a"), pin("b")


def one(flights: pd.DataFrame): ...
def two(train: pd.DataFrame, test: pd.DataFrame): ...
def many(train: list[pd.DataFrame], rate: float = 0.1): ...
def by_name(frames: dict[str, pd.DataFrame], **more): ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "inputs", "found"),
    [
        (one, [A], {}, {}, {"train": A}),
        (one, [], {"flights": A}, {}, {"train": A}),
        (one, [A], {}, {"train": A}, {"train": A}),
        (one, [A], {}, {"train": B}, {"train": B, "flights": A}),
        (one, [A], {}, {"test": B}, {"train": A, "test": B}),
        (two, [A], {"test": B}, {}, {"train": A, "test": B}),
        (two, [A, "not a pin"], {}, {}, {"train": A}),
        (two, [], {"train": A, "test": B}, {"train": A, "test": B}, {"train": A, "test": B}),
        (many, [[A, pin("a", "2")]], {"rate": 0.2}, {}, {"train": BatchPin(
            "air", "a", A.location, (("1", A.batch_id), ("2", A.batch_id)))}),
        (by_name, [{"train": A, "test": B}], {}, {}, {"train": A, "test": B}),
        (one, [3], {}, {}, {}),
    ],
)  # fmt: skip
def test_pins_get_the_role_of_their_parameter(function, args, kwargs, inputs, found):
    assert inputs_by_role(function, args, kwargs, inputs, "fit") == found


@pytest.mark.parametrize(
    ("function", "args", "inputs", "said"),
    [
        (by_name, [{"left": A, "right": B}], {}, "none of 'train'"),
        (many, [[A, B]], {}, "pass them to parameters of their own"),
        (many, [[A, pin("a", "1", "20161101002257")]], {}, "one batch of each partition"),
        (two, [A, B], {"train": pin("c")}, "leave one out"),
    ],
)
def test_inputs_that_have_no_role_are_refused_before_the_function_runs(
    function, args, inputs, said
):
    with pytest.raises(InvalidName, match="the task fit has") as caught:
        inputs_by_role(function, args, {}, inputs, "fit")
    assert said in str(caught.value)


def test_inputs_are_passed_to_free_parameters_of_their_names():
    assert passed_on(two, [A], {}, {"train": B, "test": B, "other": B}) == {"test": B}
    assert passed_on(two, [], {"test": A}, {"train": B, "test": B}) == {"train": B, "test": A}


def test_a_function_returns_a_model_with_what_is_saved_with_it():
    assert returned_parts("model", "fit") == {"model": "model"}
    assert returned_parts(("model", {"auc": 1}), "fit") == {"model": "model", "metrics": {"auc": 1}}
    parts = {"model": "model", "params": {"C": 1}, "card": {"owner": "Ada"}}
    assert returned_parts(parts, "fit") == parts


@pytest.mark.parametrize(
    "result", [None, ("model", 1), ("model", {}, 3), {"metrics": {}}, {"model": 1, "auc": 2}, {}]
)
def test_another_result_is_refused_with_what_may_be_returned(result):
    with pytest.raises(TypeError, match=r"the task fit returned .* return a model"):
        returned_parts(result, "fit")


def test_an_edited_xcom_with_the_pin_of_another_model_is_refused():
    from airflow.sdk import DAG

    from airflow_sfx.hooks.pin_guard import refuse_foreign_pin
    from airflow_sfx.operators import PromoteModelOperator, ScoreBatchOperator, TrainModelOperator

    with DAG("guarded"):
        train = TrainModelOperator(task_id="train", name="delays", python_callable=one)
        promote = PromoteModelOperator(task_id="promote", model=train.output)
        score = ScoreBatchOperator(task_id="score", model=promote.output, pin=A, table="air.scores")
    for task in (promote, score):
        running = copy.copy(task)
        running.model = ModelPin("delays", "20161101002256")
        refuse_foreign_pin(running, {}, "model")
        running.model = ModelPin("others", "20161101002256")
        with pytest.raises(InvalidName, match=r"holds a pin of models.others, .* models.delays"):
            refuse_foreign_pin(running, {}, "model")


def test_the_gate_of_the_card_counts_what_was_stated_at_promotions(tmp_path, monkeypatch) -> None:
    from airflow_sfx.operators import PromoteModelOperator

    uri = f"embedded://{tmp_path}/warehouse"
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    models = ModelRegistry(sfx.connect(uri))
    rows = pd.DataFrame({"distance": [1.0, 2.0]})
    saved = models.save(Coefficients({"distance": 0.5}), "delays", example=rows)
    models.promote("delays", saved, to="candidate", card={"owner": "Ada"})
    promote = PromoteModelOperator(task_id="promote", model="delays", card=["owner", "risks"])
    with pytest.raises(CheckFailed, match=r"does not state risks, and must have owner, risks"):
        promote.run({})
    assert "production" not in models.aliases("delays")


def test_a_precision_that_is_not_one_is_refused_before_the_function_runs():
    operator = TrainModelOperator(
        task_id="fit",
        name="delays",
        python_callable=lambda: pytest.fail("the function ran"),
        precision="float16",
    )
    with pytest.raises(InvalidName, match="precision='float16' is not a precision"):
        operator.run({})
