"""Faults of environments, of storage and of records, behind AWS's own runtime client."""

from __future__ import annotations

import random
from collections import Counter

import pandas as pd
import pytest

import airflow_sfx as sfx
from tests.faults.proxy import proxy
from tests.streams.on_lambda.deployed import (
    AT,
    DONE,
    SHARD,
    dead_letters,
    event,
    function,
    stored,
)
from tests.streams.on_lambda.runtime import FunctionFailed, LambdaFunction
from tests.warehouse.faults import KILLED

KILLS = 8
BAD = 7
"""Of ten records, the one that is no JSON."""
NETWORK = {"reset": 0.03, "lost reply": 0.03}
HTTP = {**NETWORK, "503": 0.04, "409": 0.02}


def delivered(first: int, last: int) -> dict:
    bad = {f"_{n}": b"{" for n in range(first, last + 1) if n % 10 == BAD}
    return event(*(n for n in range(first, last + 1) if n != 13), **bad)


def assert_once(uri: str, last: int) -> None:
    """Each record is a row or a dead letter, and once."""
    sent = [n for n in range(1, last + 1) if n != 13]
    assert stored(uri) == Counter(n for n in sent if n % 10 != BAD)
    bad = [str(10**55 + n) for n in sent if n % 10 == BAD]
    assert dead_letters(uri)["sequence"].tolist() == bad
    assert sfx.connect(uri).stream_positions("web", "doubles") == {
        "kinesis:clicks": {SHARD: str(10**55 + last)}
    }


def test_environments_that_die_at_calls_of_storage_lose_and_double_nothing(uri, tmp_path) -> None:
    """Lambda delivers an event again until one answers, and a fifth of those that did."""
    dice = random.Random(22)
    first, last, kills = 1, 10, 0

    def invoke(deployed: LambdaFunction) -> None:
        nonlocal first, last
        assert deployed.invoke(delivered(first, last)) == DONE
        if dice.random() > 0.2:
            first = last + 1
        last += 10

    while kills < KILLS:
        env = {"CALLS": str(dice.randint(1, 60)), "DIES": dice.choice(["before", "after"])}
        with function(uri, tmp_path, handler="mortal.handler", env=env) as deployed:
            with pytest.raises(FunctionFailed) as failed:
                while True:
                    invoke(deployed)
            assert failed.value.error.get("code") == KILLED, failed.value
            kills += 1
    with function(uri, tmp_path) as deployed:
        end = last
        invoke(deployed)
    assert_once(uri, end)


def test_answers_of_s3_and_hive_that_are_lost_lose_and_double_nothing(
    stack, stack_uri, tmp_path
) -> None:
    with (
        proxy(stack.ports["s3"], HTTP, seed=4) as s3,
        proxy(stack.metastore_port, NETWORK, seed=5) as hive,
    ):
        through = stack_uri.replace(f":{stack.metastore_port}", f":{hive.port}")
        env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}", "SFX_WAREHOUSE": through}
        with function(stack_uri, tmp_path, env=env) as deployed:
            for last in range(10, 160, 10):
                for first in (last - 9, max(last - 19, 1)):
                    while True:  # as Lambda does
                        try:
                            assert deployed.invoke(delivered(first, last)) == DONE
                            break
                        except FunctionFailed as failed:
                            assert failed.error["errorType"] in (
                                "WarehouseUnavailable",
                                "CommitConflict",
                            ), failed
        assert set(s3.done) >= {"lost reply", "503"}
        assert hive.done.total() > 0
    assert_once(stack_uri, 150)


@pytest.mark.parametrize(("server", "fault"), [("s3", "stall"), ("metastore", "reset")])
def test_a_server_that_is_down_is_told_in_time_and_the_event_passes_later(
    stack, stack_uri, tmp_path, server, fault
) -> None:
    odds: dict[str, float] = {}
    with proxy(stack.ports[server], odds, seed=1, stall_seconds=60.0) as between:
        env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{between.port}"}
        if server == "metastore":
            through = stack_uri.replace(f":{stack.metastore_port}", f":{between.port}")
            env = {"SFX_WAREHOUSE": through}
        with function(stack_uri, tmp_path, env=env, timeout=14.0) as deployed:
            assert deployed.invoke(event(1)) == DONE
            odds[fault] = 1.0
            with pytest.raises(FunctionFailed, match="WarehouseUnavailable"):
                deployed.invoke(event(2))
            odds.clear()
            assert deployed.invoke(event(2, 3)) == DONE
    assert stored(stack_uri) == Counter([1, 2, 3])


def narrow_table(uri: str) -> None:
    """A table, of an earlier consumer, whose numbers are smaller than what the function gives."""
    frame = pd.DataFrame(
        {"n": [0], "double": [0], "at": pd.to_datetime([AT]), "day": ["20161031"], "hour": ["21"]}
    )
    sfx.connect(uri).store_window(
        frame,
        "web",
        "doubles",
        consumed=sfx.Consumed("memory:before", {"0": ("", "1")}),
        partition_by=["day", "hour"],
        types={"double": "smallint"},
    )


def test_records_that_cannot_be_rows_are_dead_letters_and_the_shard_goes_on(uri, tmp_path) -> None:
    narrow_table(uri)
    large = b"x" * (1 << 20)
    odd = {
        "_2": b"\xff{",
        "_3": b"[1]",
        "_4": b'{"at": null}',  # the schema has changed: a column is gone, has another type, is new
        "_5": b'{"n": "one", "at": null}',
        "_6": b'{"n": 6, "at": null, "new": {"a": [1]}}',
        "_7": b'{"n": 7, "at": null, "text": "%s"}' % large,
        "_8": b'{"n": 8, "text": "%s' % large,
        "_9": b'{"n": 200000, "at": null}',
    }
    with function(uri, tmp_path) as deployed:
        assert deployed.invoke(event(1, _1=b'{"n": 13, "at": null}')) == DONE  # the shard's first
        for numbers in (range(2, 12), range(1, 12)):
            assert deployed.invoke(event(*numbers, _1=b'{"n": 13, "at": null}', **odd)) == DONE
    assert stored(uri) == Counter([0, 6, 7, 10, 11])
    dead = dead_letters(uri)
    assert dead["sequence"].tolist() == [str(10**55 + n) for n in (1, 2, 3, 4, 5, 8, 9)]
    assert dead["data"].tolist()[1:3] == [b"\xff{", b"[1]"]
    assert dead["data"].tolist()[5] == odd["_8"]
    for error, part in zip(
        dead["error"],
        ("n is 13", "not JSON", "it is [1]", "no column 'n'", "'n'", "not JSON", "smallint"),
        strict=True,
    ):
        assert part in error


def test_a_shard_of_a_new_table_may_begin_with_records_that_fail(uri, tmp_path) -> None:
    with function(uri, tmp_path) as deployed:
        for numbers in ((1, 2), (1, 2, 3)):
            assert deployed.invoke(event(*numbers, _1=b"{", _2=b'{"n": 13}')) == DONE
    assert stored(uri) == Counter([3])
    assert len(dead_letters(uri)) == 2


def test_an_environment_that_takes_too_long_is_ended_and_the_next_goes_on(
    embedded_uri, tmp_path
) -> None:
    slow: dict[str, object] = {"env": {"SLOWLY": "2"}, "timeout": 10.0}
    with function(embedded_uri, tmp_path, **slow) as deployed:
        assert deployed.invoke(event(1)) == DONE
        with pytest.raises(FunctionFailed) as failed:
            deployed.invoke(event(*range(1, 20)))
        assert failed.value.error["errorType"] == "Sandbox.Timedout"
    with function(embedded_uri, tmp_path) as deployed:
        assert deployed.invoke(event(*range(1, 13))) == DONE
    assert stored(embedded_uri) == Counter(range(1, 13))
