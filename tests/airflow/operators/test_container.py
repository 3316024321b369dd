"""What `ContainerBatchOperator` refuses when a DAG is parsed."""

from __future__ import annotations

import pytest

WRITES = {"table": "jobs.items", "partitions": ["p"]}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "has no image"),
        ({"image": "i", "command": "python x.py"}, "one text: pass a list"),
        ({"image": "i", "runner": "podman"}, "no runner 'podman': use process, docker, ecs"),
        ({"image": "i", "runner_options": {"net": "host"}}, "no option 'net'"),
        ({"image": "i", "table": "items"}, "items"),
    ],
)
def test_a_task_that_cannot_run_is_refused_when_the_dag_is_parsed(airflow, arguments, named):
    arguments = {**WRITES, **arguments}
    kind, message = airflow.probe(
        "operator_error", operator="ContainerBatchOperator", arguments=arguments
    )
    assert kind == "InvalidName"
    assert named in message
