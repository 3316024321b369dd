"""The handler of AWS Lambda, behind AWS's own runtime client."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.streams import aws_lambda
from tests.streams.on_lambda.runtime import ARN, FunctionFailed, LambdaFunction, kinesis_event

SHARD = "shardId-000000000000"
AT = "2016-10-31T22:00:00Z"
ARRIVED = 1477951200.0
DONE = {"batchItemFailures": []}
DAY = ["20161031"]


def event(*numbers: int, shard: str = SHARD, **data: bytes) -> dict:
    """An event with a record for each number; ``_13=b"{"`` is another one's data."""
    records = [
        {
            "sequence": 10**55 + n,
            "data": data.get(f"_{n}", json.dumps({"n": n, "at": AT}).encode()),
            "arrived": ARRIVED + n,
        }
        for n in numbers
    ]
    return kinesis_event("clicks", shard, records)


def from_on(n: int) -> dict:
    return {"batchItemFailures": [{"itemIdentifier": str(10**55 + n)}]}


@contextmanager
def mappings_of(**settings: object) -> Iterator[str]:
    """Lambda's own API, which lists one event source mapping; its address."""

    class Listing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mapping = {"UUID": "u-1", "EventSourceArn": f"{ARN}clicks", **settings}
            body = json.dumps({"EventSourceMappings": [mapping]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def function(uri: str, folder: Path, **options: object) -> Iterator[LambdaFunction]:
    shutil.copy(Path(__file__).with_name("app.py"), folder / "app.py")
    with mappings_of(FunctionResponseTypes=["ReportBatchItemFailures"]) as address:
        env = {
            "SFX_WAREHOUSE": uri,
            "PYTHONPATH": str(Path(sfx.__file__).parents[1]),
            "AWS_ENDPOINT_URL_LAMBDA": address,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            "AWS_DEFAULT_REGION": "eu-west-1",
            **options.pop("env", {}),
        }
        with LambdaFunction("app.handler", folder, env=env, **options) as started:
            yield started


@pytest.fixture
def uri(tmp_path) -> str:
    return f"embedded://{tmp_path}/warehouse"


def stored(uri: str) -> Counter:
    return Counter(sfx.connect(uri).load_dataframe("web", "doubles")["n"].tolist())


def test_each_record_is_in_the_table_once_whatever_is_delivered_again(uri, tmp_path) -> None:
    with function(uri, tmp_path) as deployed:
        for delivered in ((1, 2, 3), (1, 2, 3), (3, 4), (2,), (5, 6)):
            assert deployed.invoke(event(*delivered)) == DONE
    assert stored(uri) == Counter(range(1, 7))
    warehouse = sfx.connect(uri)
    assert warehouse.stream_positions("web", "doubles") == {
        "kinesis:clicks": {SHARD: str(10**55 + 6)}
    }
    entry = warehouse.history("web", "doubles", limit=1)[0]
    assert entry.producer.user == "lambda scores"
    frame = warehouse.load_dataframe("web", "doubles")
    assert set(zip(frame["day"], frame["hour"], strict=True)) == {("20161031", "22")}
    assert frame["double"].eq(frame["n"] * 2).all()


def test_a_new_environment_goes_on_where_another_ended(uri, tmp_path) -> None:
    for delivered in ((1, 2), (1, 2, 3)):
        with function(uri, tmp_path) as deployed:
            assert deployed.invoke(event(*delivered)) == DONE
    assert stored(uri) == Counter([1, 2, 3])


def test_failing_records_are_dead_letters_and_the_shard_goes_on(uri, tmp_path) -> None:
    with function(uri, tmp_path) as deployed:
        for numbers in ((2,), (2, 13), (2, 13, 14, 15), (2, 13, 14, 15)):
            assert deployed.invoke(event(*numbers, _2=b"{")) == DONE
    assert stored(uri) == Counter([14, 15])
    dead = sfx.connect(uri).load_dataframe("web", "doubles_dead_letters").sort_values("sequence")
    assert dead["sequence"].tolist() == [str(10**55 + 2), str(10**55 + 13)]
    assert dead["data"].iloc[0] == b"{"
    assert "n is 13" in dead["error"].iloc[1]


def test_a_shard_that_stops_is_delivered_again_from_its_failing_record_on(uri, tmp_path) -> None:
    with function(uri, tmp_path, env={"ON_ERROR": "stop"}) as deployed:
        assert deployed.invoke(event(1, 2, 13, 14)) == from_on(13)
        assert stored(uri) == Counter([1, 2])
        assert deployed.invoke(event(13, 14)) == from_on(13)
        assert deployed.invoke(event(13, 14, _13=b'{"n": 12, "at": null}')) == DONE
    assert stored(uri) == Counter([1, 2, 12, 14])


def test_an_event_ends_in_time_and_says_from_where_to_go_on(uri, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    monkeypatch.setattr(aws_lambda, "_PIECE", 2)
    handler = sfx.streams.lambda_handler(portable(), "web.doubles")

    class Context:
        left = iter([9000, 4000, 4000, 900])

        def get_remaining_time_in_millis(self) -> int:
            return next(self.left)

    assert handler(event(1, 2, 3, 4, 5, 6), Context()) == from_on(5)
    assert stored(uri) == Counter([1, 2, 3, 4])
    assert handler(event(5, 6)) == DONE


def portable():
    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def same(rows):
        return rows

    return same


def test_records_that_other_invocations_get_as_well_are_refused(uri, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    handler = sfx.streams.lambda_handler(portable(), "web.doubles")
    handler(event(1, 3, 5))
    with pytest.raises(sfx.InvalidName, match="ParallelizationFactor") as error:
        handler(event(2, 4, 6))
    assert f"{SHARD} up to {10**55 + 5}" in str(error.value)
    assert stored(uri) == Counter([1, 3, 5])


def test_lambda_is_asked_where_only_it_knows(uri, tmp_path) -> None:
    """Records 2 and 4 look known after 5; and an answer that Lambda ignores would lose records."""
    told = {"env": {"ON_ERROR": "stop"}}
    with mappings_of(ParallelizationFactor=4, FunctionResponseTypes=[]) as address:
        told["env"]["AWS_ENDPOINT_URL_LAMBDA"] = address
        with function(uri, tmp_path, **told) as deployed:
            assert deployed.invoke(event(1, 3, 5)) == DONE
            with pytest.raises(FunctionFailed, match=r"u-1 has 4.*ParallelizationFactor"):
                deployed.invoke(event(2, 4))
            with pytest.raises(FunctionFailed, match="add ReportBatchItemFailures"):
                deployed.invoke(event(12, 13))
    assert stored(uri) == Counter([1, 3, 5, 12])


def test_an_event_of_which_nothing_can_be_stored_fails(uri, tmp_path) -> None:
    blocked = tmp_path / "warehouse"
    with function(uri, tmp_path, timeout=6.0) as deployed:
        assert deployed.invoke(event(1)) == DONE
        moved = blocked.rename(tmp_path / "moved")
        blocked.write_text("no folder")
        with pytest.raises(FunctionFailed):
            deployed.invoke(event(2))
        blocked.unlink()
        moved.rename(blocked)
        assert deployed.invoke(event(2)) == DONE
    assert stored(uri) == Counter([1, 2])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"partition_by": "day"}, "pass a list"),
        ({"partition_by": ["city"]}, "city"),
        ({"event_time": "n"}, "event time"),
        ({"on_error": "ignore"}, "dead_letter"),
        ({"max_attempts": 0}, "max_attempts"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_function_starts(
    uri, monkeypatch, arguments, told
) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", uri)
    with pytest.raises(sfx.InvalidName, match=told):
        sfx.streams.lambda_handler(portable(), "web.doubles", **arguments)
    with pytest.raises(sfx.InvalidName, match="portable"):
        sfx.streams.lambda_handler(len, "web.doubles")
    assert TableRef("web", "doubles") not in sfx.connect(uri).tables()
