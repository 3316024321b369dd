"""The handler of AWS Lambda, behind AWS's own runtime client."""

from __future__ import annotations

from collections import Counter

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.streams import aws_lambda
from tests.streams.on_lambda.deployed import (
    DONE,
    SHARD,
    dead_letters,
    event,
    from_on,
    function,
    mappings_of,
    stored,
)
from tests.streams.on_lambda.runtime import FunctionFailed


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
    dead = dead_letters(uri)
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


def test_an_event_ends_in_time_and_says_from_where_to_go_on(embedded_uri, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", embedded_uri)
    monkeypatch.setattr(aws_lambda, "_PIECE", 2)
    left = [9000, 4000, 900]

    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def slow(rows):
        left.pop(0)
        return rows

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return left[0]

    handler = sfx.streams.lambda_handler(slow, "web.doubles")
    assert handler(event(1, 2, 3, 4, 5, 6), Context()) == from_on(5)
    assert stored(embedded_uri) == Counter([1, 2, 3, 4])
    left.append(900)
    assert handler(event(5, 6)) == DONE


@pytest.mark.parametrize(
    ("seconds", "limit", "patience"),
    [(900, 60, 300), (60, 15, 36.5), (30, 8, 17), (6, 4, 0), (1, 4, 0)],
)
def test_an_attempt_on_servers_that_are_down_fails_before_the_time_is_over(
    seconds, limit, patience
) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 1000 * seconds

    left = aws_lambda._Time(Context())
    assert (left.limit, left.patience) == (limit, patience)
    assert (aws_lambda._Time(None).limit, aws_lambda._Time(None).patience) == (60, 300)


def portable():
    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def same(rows):
        return rows

    return same


def test_records_that_other_invocations_get_as_well_are_refused(embedded_uri, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", embedded_uri)
    handler = sfx.streams.lambda_handler(portable(), "web.doubles")
    handler(event(1, 3, 5))
    with pytest.raises(sfx.InvalidName, match="ParallelizationFactor") as error:
        handler(event(2, 4, 6))
    assert f"{SHARD} up to {10**55 + 5}" in str(error.value)
    assert stored(embedded_uri) == Counter([1, 3, 5])


def test_lambda_is_asked_where_only_it_knows(embedded_uri, tmp_path) -> None:
    """Records 2 and 4 look known after 5; and an answer that Lambda ignores would lose records."""
    uri = embedded_uri
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


def test_an_event_of_which_nothing_can_be_stored_fails(embedded_uri, tmp_path) -> None:
    uri = embedded_uri
    blocked = tmp_path / "warehouse"
    with function(uri, tmp_path, timeout=12.0) as deployed:
        assert deployed.invoke(event(1)) == DONE
        moved = blocked.rename(tmp_path / "moved")
        blocked.write_text("no folder")
        with pytest.raises(FunctionFailed, match="WarehouseUnavailable|InconsistentBatch"):
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
    embedded_uri, monkeypatch, arguments, told
) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", embedded_uri)
    with pytest.raises(sfx.InvalidName, match=told):
        sfx.streams.lambda_handler(portable(), "web.doubles", **arguments)
    with pytest.raises(sfx.InvalidName, match="portable"):
        sfx.streams.lambda_handler(len, "web.doubles")
    assert TableRef("web", "doubles") not in sfx.connect(embedded_uri).tables()
