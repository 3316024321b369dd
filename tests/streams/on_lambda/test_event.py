"""Events of AWS Lambda: what is read of them, and what is refused."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest

import airflow_sfx as sfx
from airflow_sfx.streams.lambda_event import read_event
from airflow_sfx.streams.source import StreamRecord
from tests.streams.on_lambda.runtime import ARN, FunctionFailed, LambdaFunction, kinesis_event

FIRST = 49590338271490256608559692538361571095921575989136588898
SHARD = "shardId-000000000006"


def event(*numbers: int, stream: str = "clicks", shard: str = SHARD) -> dict:
    return kinesis_event(
        stream, shard, [{"sequence": FIRST + one, "data": b'{"n": 1}'} for one in numbers]
    )


def test_records_have_their_shard_sequence_key_time_and_data() -> None:
    delivery = read_event(event(0, 1))
    assert (delivery.stream, delivery.shard) == ("kinesis:clicks", SHARD)
    assert delivery.records[0] == StreamRecord(
        SHARD, str(FIRST), "1", datetime(2016, 10, 31, 22, 0, 0, 500_000, UTC), b'{"n": 1}'
    )
    assert [one.sequence for one in delivery.records] == [str(FIRST), str(FIRST + 1)]


def test_a_consumer_with_fan_out_reads_the_same_stream() -> None:
    assert read_event(event(0, stream="clicks/consumer/web:1525898737")).stream == "kinesis:clicks"


def test_an_event_without_records_is_one() -> None:
    assert read_event({"Records": []}).records == ()


def altered(**members: object) -> dict:
    one = copy.deepcopy(event(0))
    one["Records"][0].update(members)
    return one


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "a NoneType, and has no list 'Records'"),
        ({"detail": {}, "secret": "abc"}, "an object with detail, secret, and has no list"),
        ({"Records": [{"messageId": "1", "body": "abc"}]}, "KeyError: 'kinesis'"),
        (altered(eventID="6"), "the eventID '6'"),
        (altered(eventSourceARN="arn:aws:dynamodb:eu-west-1:1:table/t"), "the eventSourceARN"),
        (altered(eventSourceARN=7), "AttributeError"),
        ({**event(0), "window": {}, "state": {}}, "set TumblingWindowInSeconds to 0"),
        (event(1, 0), f"the record {FIRST} of kinesis:clicks {SHARD} is delivered after"),
        (event(1, 1), "in order, each once"),
        (
            {"Records": [*event(0)["Records"], *event(0, shard="shardId-7")["Records"]]},
            f"2 shards (kinesis:clicks {SHARD}, kinesis:clicks shardId-7)",
        ),
        (
            {"Records": [*event(0)["Records"], *event(1, stream="views")["Records"]]},
            "2 shards",
        ),
    ],
)
def test_another_event_is_refused_without_its_data(given, told) -> None:
    with pytest.raises(sfx.InvalidName) as error:
        read_event(given)
    assert told in str(error.value)
    assert "abc" not in str(error.value)


@pytest.mark.parametrize("member", ["data", "sequenceNumber", "approximateArrivalTimestamp"])
def test_a_damaged_record_is_refused(member) -> None:
    given = event(0)
    given["Records"][0]["kinesis"][member] = "%"
    with pytest.raises(sfx.InvalidName, match="not one of Kinesis"):
        read_event(given)


def test_the_runtime_client_reports_what_a_handler_returns_raises_and_how_it_ends(tmp_path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\n"
        "def handler(event, context):\n"
        "    if event == 'end': os._exit(3)\n"
        "    if event == 'fail': raise KeyError('n')\n"
        "    return [event, context.get_remaining_time_in_millis() > 0]\n"
    )
    with LambdaFunction("app.handler", tmp_path) as function:
        assert function.invoke({"a": ARN}) == [{"a": ARN}, True]
        with pytest.raises(FunctionFailed, match="KeyError"):
            function.invoke("fail")
        with pytest.raises(FunctionFailed) as ended:
            function.invoke("end")
        assert ended.value.error["code"] == 3
    with LambdaFunction("app.nothing", tmp_path) as function, pytest.raises(FunctionFailed) as why:
        function.invoke({})
    assert why.value.error["errorType"] == "Runtime.HandlerNotFound"
