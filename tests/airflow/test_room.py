"""A loop in what an operator calls costs the same at whatever depth of the interpreter's stack it stands."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from airflow_sfx.operators.room import roomy
from airflow_sfx.operators.store import StoreBatchOperator

CALLS = 1000


def new_pages_of_a_loop(depth: int) -> int:
    """How many pages the operating system gives for calls in a loop, ``depth`` calls further down."""
    if depth:
        return new_pages_of_a_loop(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        _called(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _called(value: int) -> int:
    """Its frame is larger than one step down, so that some depth leaves no room for it."""
    return [value, value, value, value, value, value, value, value, value, value, value, value, value, value, value][0]


def worst(measure: Callable[[int], int]) -> int:
    return max(measure(depth) for depth in range(200))


def test_no_depth_costs_new_memory_at_each_call_of_a_loop() -> None:
    @roomy
    def with_room(depth: int) -> int:
        return new_pages_of_a_loop(depth)

    if worst(new_pages_of_a_loop) < CALLS / 2:
        pytest.skip("this Python keeps the memory of its stack")
    assert worst(with_room) < CALLS / 10


def test_a_task_that_stores_has_the_room() -> None:
    execute = StoreBatchOperator.execute
    while hasattr(execute, "__wrapped__"):
        execute = execute.__wrapped__
    assert execute.__code__.co_stacksize * 8 > 100_000
