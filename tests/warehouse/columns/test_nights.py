"""Random nights: a good one is never refused by what is not current."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NAN = float("nan")
GOOD: list[dict[str, list[Any]]] = [
    {"n": [1, 2], "p": [0.5, 1.5], "t": ["a", "b"]},
    {"n": [1.0, NAN], "p": [1, 2], "t": [NAN, NAN]},
    {"n": [NAN, NAN], "p": [NAN, 2.5], "t": ["a", None]},
    {"n": [2.0, 3.0], "p": [NAN, NAN], "t": [None, None]},
]
"""What nights bring: all of them are integers, floats and text."""
BAD: list[dict[str, list[Any]]] = [
    {"n": ["x", "y"], "p": [0.5, 1.5], "t": ["a", "b"]},
    {"n": [1.5, 2.5], "p": ["?", "!"], "t": [1, 2]},
    {"n": [1, 2], "p": [0.5, 1.5], "t": ["a", "b"], "extra": [1, 2]},
    {"n": [1, 2], "p": [0.5, 1.5], "t": ["a", "b"], "extra": ["x", "y"]},
    {"n": [1, 2], "t": ["a", "b"]},
]
WAYS = ("stage", "check", "roll back", "roll back run", "discard", "again")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return connect(f"embedded://{tmp_path_factory.mktemp('nights')}")


nights = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.sampled_from(WAYS), st.integers(0, 4), st.integers(0, 3)),
    ),
    max_size=9,
)


@given(nights)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
def test_a_good_night_is_never_refused_by_what_is_not_current(
    warehouse: Warehouse, drawn: list[tuple[str, int, int]]
) -> None:
    table = f"t{uuid.uuid4().hex}"

    def store(frame: dict[str, list[Any]], night: int, **options: Any) -> sfx.BatchPin:
        data = pd.DataFrame(frame)
        return warehouse.store_dataframe(data, "shop", table, [str(night)], **options)

    for night in (0, 1, 9):
        store(GOOD[0], night)
    own, fractions = {"n": "bigint", "p": "double", "t": "string"}, False
    for number, (way, what, night) in enumerate(drawn):
        event(way)
        if way == "good":
            store(GOOD[what], night)
        else:
            spoil(warehouse, table, way, store, BAD[what], night, str(number))
        types = {one.name: one.type for one in warehouse.show("shop", table).columns}
        fractions |= way == "again" and what == 1  # the good night was stored in such a table
        assert types == own or (fractions and types == {**own, "n": "double"}), way
    for night, frame in enumerate(GOOD):
        pin = store(frame, night)
        rows = warehouse.load_dataframe(pin, as_="arrow").to_pydict()
        for name, values in frame.items():
            assert rows[name] == [None if pd.isna(value) else value for value in values]
    assert len(warehouse.load_dataframe("shop", table)) >= 2 * len(GOOD)


def spoil(
    warehouse: Warehouse,
    table: str,
    way: str,
    store: Callable[..., sfx.BatchPin],
    frame: dict[str, list[Any]],
    night: int,
    run: str,
) -> None:
    """Bring a bad night, of which nothing is current in the end."""
    if way in ("stage", "discard"):
        staged = store(frame, night, publish=False, evolve="any")
        if way == "discard":
            warehouse.discard(staged, reason="bad")
    elif way == "check":
        with pytest.raises(sfx.CheckFailed):
            store(frame, night, evolve="any", checks=[lambda _: False])
    elif way == "again":  # stored again instead of rolled back
        store(frame, night, evolve="any")
        store(GOOD[0], night, evolve="any")
        if "extra" in {one.name for one in warehouse.show("shop", table).columns}:
            store(GOOD[0], 9)  # a kept column is asked of nobody, and goes with the next night
    else:
        night = night % 2 if way == "roll back" else night  # there is a batch before
        who = sfx.Producer(dag_id="shop", run_id=f"{table}{run}", task_id="t", try_number=1)
        store(frame, night, evolve="any", producer=who)
        if way == "roll back run":
            warehouse.rollback_run(dag_id="shop", run_id=f"{table}{run}", reason="bad")
        else:
            warehouse.rollback("shop", table, [str(night)])
