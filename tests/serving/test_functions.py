"""`sfx serve MODULE:FUNCTION`: typed rows, shared calls, aggregates that move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import airflow_sfx as sfx
from tests.serving.functions import ROW
from tests.serving.server import JSON, Server, serving, until

MODULE = "tests.serving.functions"


@pytest.fixture(scope="module")
def typed() -> Iterator[Server]:
    with serving(f"{MODULE}:typed", "--max-rows", "50") as running:
        yield running


def test_rows_are_answered_as_online_answers_them(typed) -> None:
    found = typed.predict([ROW, {**ROW, "distance": 7, "carrier": None, "at": None}])
    assert found.status == 200
    assert found.json == {
        "model": f"{MODULE}:typed/fixed",
        "predictions": [
            {
                "far": True,
                "carrier": "UA",
                "at": "2016-10-31T11:00:00Z",
                "day": "2016-10-31",
                "price": "12.50",
                "ratio": 1 / 1393,
            },
            {
                "far": False,
                "carrier": None,
                "at": None,
                "day": "2016-10-31",
                "price": "12.50",
                "ratio": "Infinity",
            },
        ],
    }
    assert found.headers["x-sfx-model"] == f"{MODULE}:typed/fixed"
    assert typed.predict(ROW).json["predictions"] == found.json["predictions"][:1]
    assert typed.predict([]).json["predictions"] == []


REFUSED = [
    (
        {**ROW, "distance": "far"},
        422,
        "the column 'distance' (int64) has 'far': pass a whole number",
    ),
    ([ROW, {**ROW, "carrier": "XX"}], 422, "row 1: the column 'carrier'"),
    ({"distance": 1}, 422, "the row has no column 'carrier'"),
    ([5], 422, "pass records as mappings"),
    ([ROW] * 51, 413, "51 rows"),
    ("far", 400, "the body is not records"),
]


@pytest.mark.parametrize(("rows", "status", "why"), REFUSED, ids=[one[2][:20] for one in REFUSED])
def test_what_does_not_fit_is_refused_with_column_and_rule(typed, rows, status, why) -> None:
    found = typed.predict(rows)
    assert (found.status, why in found.message) == (status, True), found.body


def test_arrow_and_unknown_categories_are_for_models(typed) -> None:
    arrow = {"content-type": "application/vnd.apache.arrow.stream"}
    assert typed.send("POST", "/predict", b"x", arrow).status == 415


def test_the_interface_has_the_types_of_the_columns(typed) -> None:
    found = typed.get("/openapi.json").json
    schemas = found["components"]["schemas"]
    assert found["info"]["title"] == f"{MODULE}:typed"
    assert schemas["Row"]["properties"] == {
        "distance": {"type": "integer", "format": "int64"},
        "carrier": {"enum": ["AA", "UA", None]},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": ["string", "null"], "format": "date"},
        "price": {"type": ["string", "null"], "format": "decimal"},
    }
    assert schemas["Prediction"]["properties"]["far"] == {"type": ["boolean", "null"]}
    post = found["paths"]["/predict"]["post"]
    assert post["parameters"] == []
    (example,) = post["requestBody"]["content"]["application/json"]["example"]
    assert list(post["requestBody"]["content"]) == ["application/json"]
    assert typed.predict([example]).status == 200
    assert typed.get("/readyz").json["ready"]
    assert typed.get("/metadata").json["aggregates"] == []


def test_requests_that_wait_share_a_call_and_one_that_fails_fails_alone() -> None:
    with serving(f"{MODULE}:slow") as server, ThreadPoolExecutor(30) as clients:
        found = list(clients.map(server.predict, [{"n": n} for n in range(30)]))
        assert [one.status for one in found] == [500 if n == 13 else 200 for n in range(30)]
        assert "failed on these rows" in found[13].message
        answers = [one.json["predictions"] for one in found if one.status == 200]
        assert answers == [[{"n": n}] for n in range(30) if n != 13]
        more = list(clients.map(server.predict, [{"n": n} for n in range(100, 130)]))
        assert [one.json["predictions"] for one in more] == [[{"n": n}] for n in range(100, 130)]
        calls = server.figure("sfx_serve_calls_total")
        assert server.figure("sfx_serve_joined_total") == 60
        assert calls < 40
        assert server.figure("sfx_serve_rows_total") == 59


def test_a_server_follows_the_aggregates_and_names_the_version_of_each_answer(tmp_path) -> None:
    uri = f"embedded://{tmp_path}/warehouse"
    warehouse = sfx.connect(uri)

    def store(age: float) -> sfx.BatchPin:
        return warehouse.store_dataframe(pd.DataFrame({"age": [age]}), "crm", "clients", ["1"])

    first = store(40.0)
    with serving(f"{MODULE}:older", uri=uri) as server:
        answer = server.predict({"age": 50}).json
        assert answer["predictions"] == [{"older": 10.0}]
        (known,) = server.get("/metadata").json["aggregates"]
        assert (known["name"], known["value"]) == ("mean of age in crm.clients", 40.0)
        assert sfx.BatchPin.from_json(json.dumps(known["pin"])) == first
        store(20.0)
        seen = {answer["model"]: 10.0}
        while len(seen) < 2:
            found = server.predict({"age": 50}).json
            older = found["predictions"][0]["older"]
            assert seen.setdefault(found["model"], older) == older
        assert list(seen.values()) == [10.0, 30.0]
        assert server.figure("sfx_serve_swaps_total") == 1
        warehouse.rollback("crm", "clients", ["1"])
        until(lambda: server.predict({"age": 50}).json == answer)
        warehouse.drop("crm", "clients")
        until(lambda: server.figure("sfx_serve_trouble") == 1)
        assert server.send("POST", "/predict", b'{"age": 50}', JSON).json == answer
