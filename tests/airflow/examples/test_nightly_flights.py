"""The example DAG on a real night."""

from __future__ import annotations

import pytest

NIGHT, PARTITION = "2013-07-04", ["20130704"]


@pytest.fixture(scope="module")
def first(airflow):
    return airflow.succeed("nightly_flights", NIGHT)


def test_a_night_is_stored_joined_and_summed_up(first, warehouse):
    departures = warehouse.load_dataframe("nyc", "flights", PARTITION)
    joined = warehouse.load_dataframe("nyc", "flights_weather", PARTITION)
    carriers = warehouse.load_dataframe("nyc", "carrier_delays", PARTITION)
    assert len(departures) == len(joined) == carriers["flights"].sum() == 737
    assert set(departures["month"]) == {7}
    assert joined["wind_speed"].notna().mean() > 0.9


def test_each_task_reads_the_batches_of_the_tasks_before_it(first, warehouse):
    def inputs(table):
        (manifest,) = warehouse.manifests(warehouse.pin("nyc", table, PARTITION))
        return list(manifest.inputs)

    assert inputs("flights_weather") == [
        warehouse.pin("nyc", name, PARTITION) for name in ("flights", "weather")
    ]
    assert inputs("carrier_delays") == [warehouse.pin("nyc", "flights_weather", PARTITION)]


def test_a_correction_is_a_new_batch_and_is_undone_as_one(first, airflow, warehouse):
    def delay():
        return warehouse.load_dataframe("nyc", "carrier_delays", PARTITION).set_index("carrier")[
            "mean_delay"
        ]["UA"]

    before = delay()
    run = airflow.succeed("nightly_flights", NIGHT, conf={"correction": {"UA": 10}})
    assert delay() == pytest.approx(before + 10)
    newest = warehouse.history("nyc", "carrier_delays", PARTITION)[0]
    assert newest.reason == "late correction: {'UA': 10}"
    undone = warehouse.rollback_run(dag_id="nightly_flights", run_id=run.run_id)
    assert {one.table for one in undone} == {
        "nyc.flights",
        "nyc.weather",
        "nyc.flights_weather",
        "nyc.carrier_delays",
    }
    assert delay() == before
