"""The sensor of a stream's lag and its trigger, on a server of Kinesis and on Kafka."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.sensors import StreamLagSensor
from airflow_sfx.streams.opening import open_stream
from airflow_sfx.streams.source import Source
from airflow_sfx.triggers import StreamLagTrigger
from airflow_sfx.triggers._warehouses import forget
from tests.streams.servers.streams import KafkaStream, KinesisStream
from tests.streams.sources.test_sources import numbered, read


@pytest.fixture(params=["kinesis", "kafka"])
def stream(request):
    if request.param == "kinesis":
        return KinesisStream(request.getfixturevalue("kinesalite").url, 2)
    return KafkaStream(request.getfixturevalue("kafka"), 2)


@pytest.fixture
def options(request, stream) -> dict:
    with stream.source() as source:
        name = source.stream
    if name.startswith("kafka:"):
        return {"stream": name, "servers": request.getfixturevalue("kafka")}
    return {"stream": name, "endpoint_url": request.getfixturevalue("kinesalite").url}


@pytest.fixture(autouse=True)
def warehouse(tmp_path, monkeypatch) -> sfx.Warehouse:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SFX_WAREHOUSE", f"embedded://{tmp_path}/warehouse")
    forget(None)  # the triggers' warehouse of another test
    return sfx.connect()


def consume(warehouse: sfx.Warehouse, source: Source, most: int | None = None) -> None:
    """Bring the next records of each shard into a table, by hand."""
    for shard in source.shards():
        positions = warehouse.stream_positions("web", "numbers")
        after = positions.get(source.stream, {}).get(shard.id, "")
        records = [one for one in read(source, shard.id) if int(one.sequence) > int(after or -1)]
        if records := records[:most]:
            taken = {shard.id: (after, records[-1].sequence)}
            frame = pd.DataFrame({"n": [int(one.data) for one in records]})
            consumed = sfx.Consumed(source.stream, taken)
            warehouse.store_window(frame, "web", "numbers", consumed=consumed)


def test_it_waits_until_the_table_has_what_arrived(stream, options, warehouse) -> None:
    stream.put(numbered(20))
    passed = datetime.now(UTC) + timedelta(seconds=1)
    given = {"task_id": "lag", "table": "web.numbers", "poke_interval": 0.1, **options}
    by_lag = StreamLagSensor(at_most=timedelta(0), **given)
    by_time = StreamLagSensor(passed=passed.isoformat(), **given)
    long_ago = StreamLagSensor(passed="2016-11-01T00:00:00Z", **given)
    assert not by_lag.poke({}).is_done  # there is no table
    with stream.source() as source:
        consume(warehouse, source, most=1)
        assert not by_lag.poke({}).is_done
        assert not by_time.poke({}).is_done
        assert long_ago.poke({}).is_done

        async def waited() -> object:
            name, arguments = by_time._trigger().serialize()
            assert name.endswith(".StreamLagTrigger")
            events = StreamLagTrigger(**arguments).run()
            first = asyncio.create_task(anext(events))
            await asyncio.sleep(0.3)
            assert not first.done()
            await asyncio.to_thread(consume, warehouse, source)
            return (await asyncio.wait_for(first, 60)).payload

        assert asyncio.run(waited()) == {"status": "success"}
    done = by_lag.poke({})
    assert done.is_done
    assert done.xcom_value == warehouse.stream_positions("web", "numbers")[options["stream"]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "neither at_most= nor passed="),
        ({"passed": "2016-11-01T00:00:00"}, "not a time with a zone"),
        ({"passed": "yesterday"}, "not a time with a zone"),
        ({"at_most": 1, "start": "oldest"}, "trim_horizon"),
        ({"at_most": 1, "table": "numbers"}, "numbers"),
    ],
)
def test_what_it_cannot_wait_for_is_refused(given, told) -> None:
    arguments = {"task_id": "lag", "table": "web.numbers", "stream": "kinesis:n", **given}
    with pytest.raises(sfx.InvalidName, match=told):
        StreamLagSensor(**arguments)


def test_a_name_that_is_no_stream_is_refused() -> None:
    with pytest.raises(sfx.InvalidName, match="kinesis:NAME or kafka:TOPIC"):
        open_stream("sqs:clicks")
    with pytest.raises(sfx.InvalidName, match="needs brokers"):
        open_stream("kafka:clicks")
    for name in (
        "clicks",
        "kinesis:clicks",
        "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks",
    ):
        assert open_stream(name).stream == "kinesis:clicks"


def test_the_trigger_names_all_its_arguments() -> None:
    trigger = StreamLagTrigger({"table": "a.b", "stream": "kinesis:c", "at_most": 1.0}, 5.0, "sfx")
    _, arguments = trigger.serialize()
    assert set(arguments) == set(inspect.signature(StreamLagTrigger.__init__).parameters) - {"self"}
    assert StreamLagTrigger(**arguments).serialize() == trigger.serialize()
