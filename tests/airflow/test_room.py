"""A loop in an operator's call costs the same at any depth of the stack."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from functools import partial

import pytest
from airflow.sdk import DAG

from airflow_sfx.operators.room import with_room
from airflow_sfx.operators.store import StoreBatchOperator

CALLS = 1000


def new_pages_of_a_loop(depth: int) -> int:
    """Count the pages that calls in a loop need, ``depth`` calls further down."""
    if depth:
        return new_pages_of_a_loop(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        _called(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _called(value: int) -> int:
    """Its frame is larger than one step down, so that some depth leaves no room for it."""
    return [
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
        value,
    ][0]


def worst(measure: Callable[[int], int]) -> int:
    return max(measure(depth) for depth in range(200))


def test_no_depth_costs_new_memory_at_each_call_of_a_loop() -> None:
    if worst(new_pages_of_a_loop) < CALLS / 2:
        pytest.skip("this Python keeps the memory of its stack")
    assert worst(lambda depth: with_room(partial(new_pages_of_a_loop, depth))) < CALLS / 10


def test_a_task_that_stores_has_the_room(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", f"embedded://{tmp_path}")
    callers = []

    class Called(Exception):
        pass

    def function() -> None:
        frame = sys._getframe()
        while frame := frame.f_back:
            callers.append(frame.f_code)
        raise Called

    with DAG("rooms"):
        task = StoreBatchOperator(
            task_id="store", python_callable=function, table="a.b", partitions=[]
        )
    with pytest.raises(Called):
        task.execute({"task": task, "ti": None})
    assert with_room.__code__ in callers
