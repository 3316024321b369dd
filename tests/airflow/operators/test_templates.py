"""Operators and sensors reject names made of missing values before they run."""

from __future__ import annotations

import functools
import re

import pytest


def parameter_of(field: str) -> str:
    return field.removeprefix("undone_")


def refusals(run) -> dict[str, str]:
    """Return why each task was rejected, by its name."""
    return {
        found.group(1): found.group(0)
        for found in re.finditer(
            r"(?:the task|an instance of the mapped task) (\S+--\S+--\S+) (?:has|was given) .*",
            run.log,
        )
    }


@pytest.fixture(scope="module")
def run_of(airflow):
    return functools.cache(lambda dag_id: airflow.run(dag_id, "2013-01-01"))


@pytest.mark.parametrize("dag_id", ["missing", "missing_outputs", "missing_in_mapped"])
def test_each_operator_refuses_each_name_of_which_a_part_is_missing(
    run_of, dag_id: str, airflow
) -> None:
    run = run_of(dag_id)
    told = refusals(run)
    tasks = {
        instance.partition("[")[0]: state
        for instance, (state, _) in run.tasks.items()
        if "--" in instance
    }
    assert len(tasks) > 25
    for task, state in tasks.items():
        assert state == "failed", task
        _, field, _ = task.split("--")
        assert re.search(rf" (has|was given) {parameter_of(field)}=", told.get(task, "")), (
            task,
            told.get(task),
        )
    assert "the function has run" not in run.log
    assert not {ref.database for ref in airflow.warehouse.tables()} & {"missing", "none", "nan"}


def test_the_message_has_the_task_the_parameter_and_the_template(run_of) -> None:
    told = refusals(run_of("missing"))
    assert told["StoreBatchOperator--table--part"].startswith(
        "the task StoreBatchOperator--table--part has table='{{ params.unset }}.items', "
        "and a value in it is None: set what is missing, or give it a default"
    )
    assert "has no attribute 'nowhere'" in told["StoreBatchOperator--table--undefined"]


def test_what_is_there_or_has_a_default_is_a_name(airflow) -> None:
    airflow.succeed("present", "2013-01-01")
    history = airflow.warehouse.history("present", "items")
    assert {entry.partition for entry in history} == {"20130101", "None"}
    assert {entry.reason for entry in history} == {"by hand", ""}
