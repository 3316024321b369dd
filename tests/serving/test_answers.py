"""The server's answers, on one server."""

from __future__ import annotations

import json
import socket

import numpy as np
import pyarrow as pa
import pytest

from airflow_sfx.models.registry import ModelRegistry
from tests.serving.server import JSON, Server

ROW = {"distance": 1400.0, "hour": 17, "weekend": False, "carrier": "UA"}
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def test_answers_are_those_of_the_model_and_name_the_version(server, registry, delays) -> None:
    rows = [{**ROW, "distance": float(one), "tail": "ignored"} for one in range(100, 3000, 290)]
    found = server.predict(rows)
    expected = registry.load(delays).answers(rows)
    assert found.status == 200
    assert found.headers["x-sfx-model"] == found.json["model"] == str(delays)
    answers = found.json["predictions"]
    assert [one["prediction"] for one in answers] == expected.prediction.tolist()
    assert [one["probability"] for one in answers] == expected.probability.tolist()
    assert {one["prediction"] for one in answers} == {0, 1}
    assert server.predict(ROW).json["predictions"] == server.predict([ROW]).json["predictions"]
    assert server.predict([]).json == {"model": str(delays), "predictions": []}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{**ROW, "distance": "far"}], ("'distance'", "'far'", "pass numbers")),
        ([{**ROW, "distance": True}], ("'distance'", "True", "pass numbers")),
        ([ROW, {**ROW, "hour": 17.5}], ("'hour'", "17.5", "pass whole numbers")),
        ([{**ROW, "hour": 1 << 70}], ("'hour'", "pass whole numbers of 64 bits")),
        ([{**ROW, "hour": None}], ("'hour'", "1 missing values")),
        ([{**ROW, "hour": [1]}], ("'hour'", "[1]")),
        ([{**ROW, "hour": [1]}, {**ROW, "hour": [1, 2]}], ("'hour'", "[1]")),
        ([{**ROW, "weekend": 1}], ("'weekend'", "pass true or false")),
        ([{**ROW, "carrier": 7}], ("'carrier'", "pass text")),
        ([{**ROW, "carrier": {"code": "UA"}}], ("'carrier'", "pass text")),
        ([ROW, {"distance": 1.0}], ("row 1", "no column 'hour'")),
        ([ROW, 3], ("row 1 is 3",)),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_column_and_rule(server, rows, words) -> None:
    found = server.predict(rows)
    assert (found.status, found.json["error"]) == (422, "SchemaMismatch")
    assert not [word for word in words if word not in found.message]
    assert "np." not in found.message


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"[{", JSON, 400, "not JSON"),
        (b"[" * 100_00, JSON, 400, "not JSON"),
        (b"\xff", JSON, 400, "not JSON"),
        (b'[{"distance": NaN}]', JSON, 400, "not JSON"),
        (b"3", JSON, 400, "it is 3"),
        (b"", JSON, 400, "not JSON"),
        (b"[]", {}, 415, "Content-Type: application/json"),
        (b"[]", {"content-type": "text/plain"}, 415, "Content-Type: application/json"),
        (b"[]", {**JSON, "content-encoding": "gzip"}, 415, "compressed"),
        (b" " * 20_001, JSON, 413, "--max-bytes"),
        (json.dumps([{}] * 51).encode(), JSON, 413, "--max-rows"),
        (b"nothing", ARROW, 400, "pyarrow.ipc.new_stream"),
    ],
)
def test_a_body_that_is_not_rows_is_refused(server, body, headers, status, words) -> None:
    found = server.send("POST", "/predict", body, headers)
    assert found.status == status
    assert words in found.message


def test_another_path_method_or_parameter_is_refused(server) -> None:
    assert server.get("/predict").status == 405
    assert server.get("/predict").headers["allow"] == "POST"
    assert server.send("DELETE", "/metadata").status == 405
    assert "/predict, /healthz" in server.get("/elsewhere").message
    found = server.predict([ROW], "/predict?model=other")
    assert (found.status, "the only one is unseen=" in found.message) == (400, True)
    assert server.predict([ROW], "/predict?unseen=missing").status == 200


def test_a_body_whose_length_is_not_declared_is_bounded(server) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            connection.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        assert b"413" in connection.recv(1000).splitlines()[0]


def stream(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def rows_as_arrow(count: int = 20) -> pa.Table:
    carriers = pa.array(["UA", "AA"] * (count // 2)).dictionary_encode()
    return pa.table(
        {
            "distance": np.linspace(100, 3000, count),
            "hour": pa.array(range(count), pa.int16()),
            "weekend": [True, False] * (count // 2),
            "carrier": carriers,
            "else": [None] * count,
        }
    )


def test_arrow_gets_the_answers_of_json_as_arrow(server, delays) -> None:
    table = rows_as_arrow()
    found = server.send("POST", "/predict", stream(table), ARROW)
    assert (found.status, found.headers["content-type"]) == (200, ARROW["content-type"])
    answers = pa.ipc.open_stream(found.body).read_all()
    assert answers.schema.metadata == {b"model": str(delays).encode()}
    as_json = server.predict(table.to_pylist()).json["predictions"]
    assert answers.select(["prediction", "probability"]).to_pylist() == as_json


def test_arrow_that_does_not_fit_or_could_unpack_to_more_is_refused(server) -> None:
    def send(table: pa.Table, **options: object) -> tuple[int, str]:
        found = server.send("POST", "/predict", stream(table, **options), ARROW)
        return found.status, found.message

    table = rows_as_arrow()
    for codec in ("zstd", "lz4"):
        assert send(table, compression=codec)[0] == 415
    assert send(pa.table({"n": pa.nulls(1 << 24)}))[0] == 413
    status, message = send(table.set_column(1, "hour", pa.array([None, 3] * 10)))
    assert (status, "'hour'" in message) == (422, True)
    assert send(table.drop_columns(["hour"]))[0] == 422
    assert send(table.slice(0, 0))[0] == 422
    nested = table.set_column(1, "hour", pa.array([[1]] * 20))
    assert send(nested)[0] == 422


def test_the_server_says_what_it_serves(server, delays, flights) -> None:
    assert server.get("/healthz").json == {"status": "ok"}
    ready = server.get("/readyz").json
    assert (ready["ready"], ready["model"], ready["trouble"]) == (True, str(delays), None)
    about = server.get("/metadata").json
    assert about["model"] == str(delays)
    assert about["metrics"] == {"auc": 0.8}
    assert [one["name"] for one in about["signature"]["inputs"]] == list(ROW)
    assert about["inputs"]["train"] == json.loads(flights.to_json())
    assert server.figure(f'sfx_serve_model{{model="{delays}"') == 1
    assert server.figure('sfx_serve_requests_total{path="/healthz",status="200"}') >= 1
    assert server.figure("sfx_serve_seconds_count") > 0


def test_the_description_has_the_signature_and_its_example_is_answered(server) -> None:
    found = server.get("/openapi.json").json
    row = found["components"]["schemas"]["Row"]
    assert row["required"] == list(ROW)
    kinds = {name: one.get("type") for name, one in row["properties"].items()}
    assert (kinds["hour"], kinds["weekend"], kinds["carrier"]) == ("integer", "boolean", "string")
    example = found["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert server.predict(example["example"]).status == 200


def test_a_browsers_page_of_another_site_cannot_ask(server: Server) -> None:
    """A request that a page may send without asking first has no content type of JSON."""
    assert server.send("OPTIONS", "/predict").status == 405
    assert "access-control-allow-origin" not in server.predict([ROW]).headers


def test_the_registry_is_not_needed_to_type_rows(registry: ModelRegistry, delays) -> None:
    """The columns that a server types quickly are those that any other list becomes."""
    signature = registry.load(delays).signature
    from airflow_sfx.models.schema.rows import columns_of

    rows = [{**ROW, "distance": one} for one in (1, 2.5, -3)]
    quick = columns_of(signature, rows).arrays
    slow = columns_of(signature, {name: tuple(row[name] for row in rows) for name in ROW}).arrays
    for name, values in quick.items():
        assert values.dtype == slow[name].dtype
        assert values.tolist() == slow[name].tolist()
