"""Aggregates are computed once, pinned, the same in all ways, and inputs of what is stored."""

from __future__ import annotations

import pickle
import random
from decimal import Decimal
from threading import Thread

import pandas as pd
import pytest

import airflow_sfx as sfx

MEAN = sfx.aggregate("crm.clients", "age", "mean")


def _relative(ages):
    return ages - MEAN.value


@sfx.portable(inputs={"age": "double"}, outputs={"older": "double"})
def older(clients: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"older": _relative(clients["age"])})


@pytest.fixture
def clients(sfx_warehouse) -> sfx.BatchPin:
    frame = pd.DataFrame({"age": [30.0, 40.0, None]})
    pin = sfx.store_dataframe(frame, "crm", "clients", ["20161031"])
    MEAN.follow()
    return pin


def test_one_number_is_given_to_all_three_and_stays_until_it_is_followed(clients) -> None:
    rows = [{"age": 50}, {"age": 20}]
    assert older.online(age=50) == {"older": 15.0}
    assert older(pd.DataFrame(rows))["older"].tolist() == [15.0, -15.0]
    assert [one["older"] for one in older.stream(rows)] == [15.0, -15.0]
    assert older.check(rows)
    sfx.store_dataframe(pd.DataFrame({"age": [50.0]}), "crm", "clients", ["20161101"])
    assert older.online(age=50) == {"older": 15.0}
    assert older.follow()
    assert older.online(age=50) == {"older": 10.0}
    assert not older.follow()


def test_what_is_stored_names_the_pins_of_aggregates_among_its_inputs(clients) -> None:
    day = sfx.store_dataframe(pd.DataFrame({"age": [50.0, 20.0]}), "web", "visits", ["1"])
    scored = older(sfx.load_dataframe(day)).assign(more=1)
    stored = sfx.store_dataframe(scored, "web", "scores", ["1"], inputs=[day])
    (manifest,) = sfx.manifests(stored)
    assert manifest.inputs == (day, clients)
    assert sfx.load_dataframe(stored).attrs == {}
    readers = sfx.connect().readers(clients)
    assert [one.pin for one in readers] == [stored]
    again = sfx.store_dataframe(scored, "web", "scores", ["1"], inputs=[clients, day])
    assert sfx.manifests(again)[0].inputs == (clients, day), "each once"


def test_its_batches_are_found_through_helpers_before_any_call(clients) -> None:
    assert older.aggregates == (MEAN,)
    assert older.pins == (clients,)
    assert repr(MEAN) == "<Aggregate mean of age in crm.clients>"


def test_a_pinned_aggregate_never_moves(clients) -> None:
    pinned = sfx.aggregate(clients, "age", "max")
    sfx.store_dataframe(pd.DataFrame({"age": [99.0]}), "crm", "clients", ["20161031"])
    assert (pinned.value, pinned.follow(), pinned.pin) == (40.0, False, clients)


def test_a_move_in_the_middle_of_a_call_is_not_seen_by_it(clients) -> None:
    @sfx.portable(inputs={"age": "double"}, outputs={"same": "boolean"})
    def same(rows):
        before = MEAN.value
        sfx.store_dataframe(pd.DataFrame({"age": [1.0]}), "crm", "clients", ["20161031"])
        mover = Thread(target=MEAN.follow)
        mover.start()
        mover.join()
        return pd.DataFrame({"same": [before == MEAN.value] * len(rows)})

    assert same.online(age=1) == {"same": True}
    assert MEAN.value == 1.0


def test_aggregates_do_not_depend_on_the_order_of_rows(sfx_warehouse) -> None:
    values = [random.Random(0).uniform(-1e9, 1e9) for _ in range(999)]
    found = []
    for day in "12":
        frame = pd.DataFrame({"x": values, "p": [Decimal("0.10")] * 999, "s": "a"})
        pin = sfx.store_dataframe(frame, "a", "b", [day])
        found.append({how: sfx.aggregate(pin, "x", how).value for how in ("sum", "mean", "std")})
        values = values[::-1]
    assert found[0] == found[1]
    assert sfx.aggregate(pin, "p", "sum").value == Decimal("99.90")
    assert sfx.aggregate(pin, "s", "count").value == 999
    assert sfx.aggregate(pin, "s", "max").value == "a"


def test_what_cannot_be_computed_is_refused_with_its_table(clients) -> None:
    with pytest.raises(sfx.InvalidName, match="'avg' is not an aggregate: pass one of count"):
        sfx.aggregate("crm.clients", "age", "avg")
    sfx.store_dataframe(pd.DataFrame({"name": ["a"], "age": [None]}), "crm", "empty", ["1"])
    with pytest.raises(sfx.SchemaMismatch, match="it has other values than numbers"):
        _ = sfx.aggregate("crm.empty", "name", "mean").value
    with pytest.raises(sfx.SchemaMismatch, match="it has no values"):
        _ = sfx.aggregate("crm.empty", "age", "mean").value
    with pytest.raises(sfx.TableNotFound):
        _ = sfx.aggregate("crm.nobody", "age", "mean").value


def test_a_portable_function_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(older)) is older
