"""Every operator and sensor, with one name at a time made of a missing value."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseSensorOperator, Param, dag, task

import airflow_sfx.operators
import airflow_sfx.sensors
from airflow_sfx.hooks.templates import parameter

NO_NAMES = {
    *PythonOperator.template_fields,
    *SparkSubmitOperator.template_fields,
    *("sql", "parameters", "pin", "cascade", "repin"),
    *("command", "image", "environment", "memory"),
    *("training_params", "drift_on"),
}
"""Templated, and no part of a name."""


def never():
    raise AssertionError("the function has run")


WRITES = {"table": "missing.items", "partitions": ["p"], "reason": "why"}
ARGUMENTS = {
    "StoreBatchOperator": {**WRITES, "python_callable": never},
    "SqlToBatchOperator": {**WRITES, "sql": "SELECT 1", "conn_id": "nowhere"},
    "ContainerBatchOperator": {**WRITES, "command": ["never"], "runner": "process"},
    "SparkBatchOperator": {**WRITES, "application": "nothing.py", "conn_id": "nowhere"},
    "CompactOperator": {"table": "missing.items"},
    "PinBatchesOperator": WRITES,
    "RollbackBatchOperator": WRITES,
    "PublishBatchOperator": {"pin": "nothing"},
    "VerifyBatchOperator": {"pin": "nothing"},
    "TrainModelOperator": {"name": "missing", "reason": "why", "python_callable": never},
    "PromoteModelOperator": {"model": "missing", "to": "production", "reason": "why"},
    "RollbackModelOperator": {"model": "missing", "reason": "why"},
    "ScoreBatchOperator": {**WRITES, "model": "missing", "pin": "nothing"},
    "RetainBatchesOperator": {"table": "missing.items", "keep_last": 1, "older_than": timedelta(0)},
    "RetainByPoliciesOperator": {},
    "BatchPartitionSensor": {"table": "missing.items", "partitions": ["p"], "timeout": 5},
    "BatchConsistencySensor": {"pin": "nothing"},
    "ModelDriftSensor": {"model": "missing", **WRITES, "timeout": 5, "reason": None},
    "StreamLagSensor": {
        "table": "missing.items",
        "stream": "kinesis:missing",
        "passed": "2016-11-01T00:00:00Z",
        "timeout": 5,
    },
}
"""The arguments of each.

A new operator needs an entry here; the tests then try all of its fields.
"""
UNIT = {"dag_id": "nightly", "run_id": "r"}
FIELDS = {
    "tables": {"table": None},
    "undone_dag_id": {"table": None, "partitions": None, **UNIT},
    "undone_run_id": {"table": None, "partitions": None, **UNIT},
    "undone_backfill_id": {"table": None, "partitions": None, **UNIT, "run_id": None},
    "attempt": {"table": None, "partitions": None, **UNIT},
}
"""What else is said, or left out, where a field is."""
TEMPLATES = {
    "none": "{{ params.unset }}",
    "part": "{{ params.unset }}.items",
    "undefined": "{{ params.nowhere }}.items",
    "deep": "{{ params.nowhere.deep }}",
    "variable": "{{ var.value.get('nowhere', none) }}.items",
    "joined": "{{ params.unset ~ '.items' }}",
    "filtered": "{{ params.unset | lower }}",
    "chosen": "{% if true %}{{ params.unset }}{% endif %}",
    "nan": "{{ params.nan }}",
    "text": "{{ params.nan_as_text }}",
}
WRAPPED = {
    "partitions": lambda value: [value],
    "tables": lambda value: {"one": value},
    "inputs": lambda value: {"one": value},
}


def operators() -> dict:
    """All of the package, by name."""
    modules = (airflow_sfx.operators, airflow_sfx.sensors)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def names_of(kind) -> list[str]:
    return [field for field in kind.template_fields if field not in NO_NAMES]


def without_none(arguments: dict) -> dict:
    return {name: value for name, value in arguments.items() if value is not None}


def made(name: str, kind, field: str, label: str, value: object) -> None:
    """A task one of whose names is to be refused."""
    value = WRAPPED.get(field, lambda same: same)(value)
    arguments = {**ARGUMENTS[name], **FIELDS.get(field, {}), parameter(field): value}
    kind(task_id=f"{name}--{field}--{label}", **without_none(arguments))


@dag(schedule=None, params={"unset": Param(None), "nan": float("nan"), "nan_as_text": "nan"})
def missing():
    for name, kind in operators().items():
        for field in names_of(kind):
            # One field of one operator with each template: the others go the same way.
            all_of_them = (name, field) == ("StoreBatchOperator", "table")
            for label, template in (
                TEMPLATES.items() if all_of_them else [("part", TEMPLATES["part"])]
            ):
                made(name, kind, field, label, template)

    @task.batch(task_id="decorated--table--part", table=TEMPLATES["part"])
    def decorated():
        never()

    decorated()


@dag(schedule=None)
def missing_outputs():
    @task
    def nothing():
        return None

    output = nothing()
    for name, kind in operators().items():
        for field in names_of(kind):
            made(name, kind, field, "output", output)


@dag(schedule=None)
def missing_in_mapped():
    @task
    def nothing():
        return [None]

    outputs = nothing()
    for name, kind in operators().items():
        for field in names_of(kind):
            arguments = {**ARGUMENTS[name], **FIELDS.get(field, {}), parameter(field): None}
            if issubclass(kind, BaseSensorOperator):
                arguments["deferrable"] = False  # in vain, it would wait for ever
            partial = kind.partial(task_id=f"{name}--{field}--mapped", **without_none(arguments))
            partial.expand(**{parameter(field): outputs})


@dag(schedule=None, params={"unset": Param(None), "day": "20130101"})
def present():
    """Names made of values that are present or have a default."""

    @task.batch(
        table="{{ params.unset or 'present' }}.items",
        partitions=["{{ params.unset | default(params.day, true) }}"],
        reason="{{ 'by hand' if params.unset is none else params.unset }}"
        "{% if params.unset %}{{ params.unset }}{% endif %}",
    )
    def store():
        import pandas as pd

        return pd.DataFrame({"n": [1]})

    @task.batch(table="present.items", partitions=["None"])
    def plain_text(given="{{ params.unset }}"):
        import pandas as pd

        return pd.DataFrame({"n": [2]})

    store() >> plain_text()


missing()
missing_outputs()
missing_in_mapped()
present()
