"""Odd rows over HTTP: what `online` gives for them, or its refusal, and never a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

import airflow_sfx as sfx
from tests.serving.functions import ROW, typed
from tests.serving.server import JSON, Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("tests.serving.functions:typed") as running:
        yield running


VALUES = [
    *("null", "true", "1", "1.0", "-0", "-0.0", "1e2", "0.5", "12.345", "123456789.1", "0.1"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616"),
    *("1" * 400, '"Infinity"', '"NaN"', '""', '"1"', '"\\u0000"', '"\\ud83d\\ude00"', '"ua"'),
    *("[" * 900 + "]" * 900, '{"a": 1}', "[]", '"' + "x" * 100_000 + '"', '"1e400"', '"-0"'),
    *('"2016-02-30"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-12:00"'),
    *('"2016-10-31T12:00:00"', '"2016-10-31T12:00:00.1234567Z"', '"2016-10-31T24:00:00Z"'),
]


@pytest.mark.parametrize("column", ROW)
def test_an_odd_value_in_json_is_what_online_makes_of_it(server, column) -> None:
    for value in VALUES:
        rows = f"[{json.dumps({**ROW, column: '@'})}]".replace('"@"', value)
        found = server.send("POST", "/predict", rows.encode(), JSON)
        try:
            online = typed.of_row(msgspec.json.decode(rows)[0])
        except sfx.SchemaMismatch as error:
            assert (found.status, found.message) == (422, str(error)), value[:50]
        else:
            assert found.status == 200, (value[:50], found.body)
            (answer,) = found.json["predictions"]
            as_json = json.loads(msgspec.json.encode(online))
            assert answer == {**as_json, "ratio": answer["ratio"]}


BODIES: list[tuple[bytes, int, str]] = [
    (b'[{"distance": 1e999}]', 400, "it is not JSON (Number out of range"),
    (
        b'[{"distance": NaN}]',
        400,
        "it is not JSON (JSON is malformed: invalid character (byte 14))",
    ),
    (b'[{"distance": ' + b"1" * 5000 + b"}]", 400, "it is not JSON (Integer value out of range"),
    (b"[" * 100_000, 400, "it is not JSON (maximum recursion depth"),
    (b'{"a":' * 3000 + b"1" + b"}" * 3000, 400, "it is not JSON (maximum recursion depth"),
    (b'["\xe9"]', 400, "it is not JSON (Invalid UTF-8"),
    (b'["\\ud800"]', 400, "it is not JSON"),
    (b"\xef\xbb\xbf[]", 400, "it is not JSON"),
    (b"", 400, "it is not JSON (Input data was truncated)"),
    (b"[][]", 400, "it is not JSON"),
    (b"null", 400, "the body is not records, as it is None"),
    (b"[" + b"[" * 900 + b"]" * 900 + b"]", 422, "pass records as mappings"),
    (b"[null]", 422, "it is None: pass records as mappings"),
    (b"[{}]", 422, "the row has no column 'distance'"),
    (json.dumps([ROW, {**ROW, "distance": None}]).encode(), 422, "row 1: the column 'distance'"),
]


@pytest.mark.parametrize(("body", "status", "why"), BODIES, ids=[one[2][:40] for one in BODIES])
def test_a_body_that_is_not_rows_is_refused_and_says_why(server, body, status, why) -> None:
    found = server.send("POST", "/predict", body, JSON)
    assert (found.status, why in found.message) == (status, True), found.body[:300]


def test_further_columns_are_ignored_and_the_last_of_two_counts(server) -> None:
    plain = server.predict(ROW).json["predictions"]
    assert server.predict({**ROW, "": [1, {"y": 2}], "__class__": 1}).json["predictions"] == plain
    twice = json.dumps(ROW).replace('"distance": 1400', '"distance": "far", "distance": 1400')
    assert server.send("POST", "/predict", twice.encode(), JSON).json["predictions"] == plain
