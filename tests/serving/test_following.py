"""Aliases that move under a server, versions that it refuses, shadows, and samples."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
from collections.abc import Iterator

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.models import build
from airflow_sfx.models.describe.golden import Deviation
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.model import Model
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.serving.predictions import hour_of
from tests.serving.server import JSON, Server, command, serving, until

ROWS = [{"distance": 100.0}, {"distance": 1400.0}]


def save(registry: ModelRegistry, flights: sfx.BatchPin, slope: float) -> ModelPin:
    frame = pd.DataFrame({"distance": [1.0, 2.0, 3000.0]})
    return registry.save(
        Coefficients({"distance": slope}), "speeds", inputs={"train": flights}, example=frame
    )


@pytest.fixture(scope="module")
def versions(registry, flights) -> dict[str, float]:
    """Versions in production, the first of them, with their coefficients."""
    slopes = (1.0, 2.0)
    made = {save(registry, flights, slope).version: slope for slope in slopes}
    registry.promote("speeds", next(iter(made)), reason="first")
    return made


@pytest.fixture(scope="module")
def bad(registry, flights, versions) -> ModelPin:
    """A version whose golden rows hold where it was saved, but not here."""
    with pytest.MonkeyPatch.context() as patch:
        right = build._examples

        def wrong(*arguments):
            entries = right(*arguments)
            entries["examples/output.json"] = b'{"prediction":[9.5,9.5,9.5]}'
            return entries

        patch.setattr(build, "_examples", wrong)
        return save(registry, flights, 3.0)


@pytest.fixture
def promote_unchecked(monkeypatch) -> None:
    monkeypatch.setattr(Model, "check", lambda self: Deviation(0, 0.0, 0))


@pytest.fixture
def server(warehouse, registry, versions) -> Iterator[Server]:
    registry.promote("speeds", next(iter(versions)), reason="again")
    with serving("speeds@production", uri=warehouse.uri) as running:
        yield running


def predicted(server: Server) -> list[float]:
    return [one["prediction"] for one in server.predict(ROWS).json["predictions"]]


def test_an_alias_that_moves_is_followed_within_two_seconds(server, registry, versions) -> None:
    first, second = versions
    assert server.predict(ROWS).headers["x-sfx-model"] == f"speeds/{first}"
    registry.promote("speeds", second, reason="better")
    assert until(lambda: server.predict(ROWS).json["model"] == f"speeds/{second}") < 2
    assert predicted(server) == [200.0, 2800.0]
    registry.rollback("speeds", reason="worse")
    assert until(lambda: predicted(server) == [100.0, 1400.0]) < 2
    assert server.figure("sfx_serve_swaps_total") == 2


def test_a_version_that_fails_its_golden_rows_is_not_served_and_the_old_one_goes_on(
    server, registry, versions, bad, promote_unchecked
) -> None:
    first, second = versions
    registry.promote("speeds", bad, reason="unchecked")
    until(lambda: server.get("/readyz").json["trouble"] is not None)
    ready = server.get("/readyz")
    assert (ready.status, ready.json["model"]) == (200, f"speeds/{first}")
    trouble = ready.json["trouble"]
    assert (trouble["version"], trouble["refused"]) == (bad.version, True)
    assert "answers its golden rows otherwise" in trouble["reason"]
    assert server.get("/metadata").json["state"]["trouble"] == trouble
    assert server.figure("sfx_serve_trouble") == 1
    assert predicted(server) == [100.0, 1400.0]
    registry.promote("speeds", second, reason="good")
    until(lambda: predicted(server) == [200.0, 2800.0])
    assert server.get("/readyz").json["trouble"] is None


def test_a_server_that_starts_while_the_newest_is_refused_serves_the_one_before(
    warehouse, registry, versions, bad, promote_unchecked
) -> None:
    first, _ = versions
    registry.promote("speeds", first, reason="good")
    registry.promote("speeds", bad, reason="unchecked")
    with serving("speeds@production", uri=warehouse.uri) as server:
        assert server.predict(ROWS).json["model"] == f"speeds/{first}"
        assert server.get("/readyz").json["trouble"]["version"] == bad.version
        assert f"serving speeds/{first} (speeds@production)" in server.told
    with (
        pytest.raises(AssertionError, match="answers its golden rows otherwise"),
        serving(str(bad), uri=warehouse.uri),
    ):
        pass


def test_no_request_fails_or_mixes_versions_while_the_alias_moves(
    server, registry, versions
) -> None:
    stopped, problems, seen = threading.Event(), [], set()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while not stopped.is_set():
            connection.request("POST", "/predict", json.dumps(ROWS), JSON)
            found = connection.getresponse()
            body = json.loads(found.read())
            version = found.headers["x-sfx-model"].rpartition("/")[2]
            slope = versions.get(version)
            wanted = [one["distance"] * slope for one in ROWS]
            same = (
                body["model"].endswith(version)
                and [one["prediction"] for one in body["predictions"]] == wanted
            )
            seen.add(version)
            if found.status != 200 or not same:
                problems.append(body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    try:
        for number in range(6):
            version = list(versions)[(number + 1) % 2]
            registry.promote("speeds", version, reason=f"swap {number}")
            until(lambda: server.figure("sfx_serve_swaps_total") == number + 1)  # noqa: B023
    finally:
        stopped.set()
        for one in threads:
            one.join()
    assert problems == []
    assert seen == set(versions)


def test_a_warehouse_that_fails_meanwhile_stops_nothing(server, warehouse, registry) -> None:
    log = registry._registry().table("speeds").layout.log
    folder = warehouse.uri.removeprefix("embedded://") + f"/{log}"
    os.rename(folder, f"{folder}.away")
    try:
        until(lambda: server.get("/readyz").json["trouble"] is not None)
        assert server.get("/readyz").json["trouble"]["refused"] is False
        assert server.predict(ROWS).status == 200
    finally:
        os.rename(f"{folder}.away", folder)
    until(lambda: server.get("/readyz").json["trouble"] is None)


def test_a_shadow_answers_too_and_differences_are_counted(warehouse, registry, versions) -> None:
    first, second = versions
    registry.promote("speeds", first, reason="production")
    registry.promote("speeds", second, to="candidate", reason="shadow")
    with serving("speeds@production", "--shadow", "candidate", uri=warehouse.uri) as server:
        assert predicted(server) == [100.0, 1400.0]
        label = f'{{model="speeds/{second}"'
        until(lambda: server.figure(f"sfx_serve_shadow_rows_total{label}") == 2)
        assert server.figure(f"sfx_serve_shadow_difference_sum{label}") == 2
        assert server.figure(f'sfx_serve_shadow_difference_bucket{label},le="0.1"') == 0
        assert server.get("/readyz").json["shadow"]["model"] == f"speeds/{second}"


def test_samples_of_predictions_are_batches_by_hour_version_and_server(
    warehouse, registry, delays
) -> None:
    rows = [
        {"distance": 10.0 * one, "hour": one % 24, "weekend": False, "carrier": "UA"}
        for one in range(40)
    ]
    arguments = ("delays@production", "--log", "served.delays", "--log-rows", "30")
    for _ in range(2):
        with serving(*arguments, uri=warehouse.uri) as server:
            answers = [server.predict(rows[:15]).json, server.predict(rows[15:]).json]
            server.stop()
    frame = warehouse.load_dataframe("served", "delays")
    assert len(frame) == 60  # at most 30 rows of each server
    assert set(frame["model_version"]) == {delays.version}
    assert frame["model_server"].nunique() == 2
    assert set(frame["answered_hour"]) <= {hour_of(one) for one in frame["answered_at"]}
    by_distance = {
        row["distance"]: answer
        for row, answer in zip(
            rows, [one for part in answers for one in part["predictions"]], strict=True
        )
    }
    for one in frame.itertuples():
        assert one.prediction == by_distance[one.distance]["prediction"]
        assert list(one.probability) == by_distance[one.distance]["probability"]
    assert len(set(frame["distance"])) > 15  # of both requests
    entry = warehouse.history("served", "delays")[0]
    assert entry.reason == f"30 of 40 rows that {delays} answered"


def test_a_killed_server_loses_no_more_than_the_rows_since_its_last_write(
    warehouse, registry, versions
) -> None:
    arguments = ("speeds@production", "--log", "served.speeds", "--log-seconds", "1")
    with serving(*arguments, uri=warehouse.uri) as server:
        for number in range(2):  # each write of the hour replaces the one before
            server.predict(ROWS)
            until(lambda: server.figure("sfx_serve_sampled_rows_total") == 2 * (number + 1))  # noqa: B023
        server.process.kill()
        server.process.wait()
    assert sorted(warehouse.load_dataframe("served", "speeds")["distance"]) == [
        *(100.0, 100.0),
        *(1400.0, 1400.0),
    ]
    assert len(warehouse.history("served", "speeds")) == 2


def test_a_server_that_cannot_start_says_why_in_one_line(warehouse, delays) -> None:
    for arguments, words in (
        (["delays@staging"], "has no alias 'staging'"),
        (["flights:late"], "'flights:late' cannot be imported (No module named 'flights')"),
        (["tests.serving.functions:plain"], "is not a portable function"),
        (["tests.serving.functions:older", "--log", "a.b"], "--log is for models"),
        (["delays@production", "--shadow", "a:b@c"], "names a Python function"),
        (["nothing.zip"], "nothing.zip cannot be read"),
        (["delays@production", "--port", "1", "--host", "192.0.2.1"], "pass another --host"),
    ):
        done = subprocess.run(
            command(*arguments, uri=warehouse.uri),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1 + ("--host" in arguments)
