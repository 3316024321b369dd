"""DAGs that the tests of assets run: one writes, others start on what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import (
    CronPartitionTimetable,
    Param,
    PartitionedAssetTimetable,
    dag,
    get_current_context,
    task,
)

import airflow_sfx as sfx
from airflow_sfx.assets import batch_asset, missed_pins, pins_from_events
from airflow_sfx.operators import PublishBatchOperator, RollbackBatchOperator

if TYPE_CHECKING:
    import pandas as pd


def one_row(n=1):
    import pandas as pd

    return pd.DataFrame({"n": [n]})


@dag(
    schedule=CronPartitionTimetable("0 0 1 1 *", timezone="UTC", key_format="%Y%m%d"), catchup=False
)
def event_source():
    @task.batch(table="events.items", partition_keys=["day"])
    def write(dag_run) -> pd.DataFrame:
        return one_row((dag_run.conf or {}).get("n", 1))

    write()


@dag(schedule=None)
def event_source_of_two_keys():
    """A plain task that names what it writes among its outlets, in two calls."""

    @task(outlets=[batch_asset("events.by_country")])
    def write():
        for country in ("US/East", "DE"):
            sfx.store_dataframe(
                one_row(),
                "events",
                "by_country",
                [["2016", country]],
                partition_keys=["year", "country"],
            )

    write()


@dag(schedule=None)
def event_source_of_many():
    """A DAG whose table is known only at run time."""

    @task.batch(table="events.{{ 'many' }}", partition_by=["day"])
    def write() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"day": [f"d{number:03d}" for number in range(22)], "n": 1})

    write()


@dag(schedule=None)
def event_source_staged():
    @task.batch(table="events.items", partitions=["staged"])
    def stage() -> pd.DataFrame:
        return one_row()

    PublishBatchOperator(task_id="publish", pin=stage.override(publish=False)())


@dag(schedule=None)
def event_source_without_keys():
    @task.batch(table="events.totals", partitions=[])
    def write() -> pd.DataFrame:
        return one_row()

    write()


@dag(schedule=None, params={"day": Param("", type="string")})
def event_rollback():
    RollbackBatchOperator(task_id="undo", table="events.items", partitions=["{{ params.day }}"])


@task
def note(table: str, once: bool = False):
    """Note which batch the run was started by."""
    context = get_current_context()
    pin = pins_from_events(context, table, once=once)
    sfx.store_dataframe(
        sfx.load_dataframe(pin),
        "seen",
        context["ti"].dag_id,
        [context["dag_run"].partition_key or "none"],
        inputs=[pin],
    )


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("events.items")))
def event_reader():
    note("events.items")


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("events.items")))
def event_reader_once():
    note("events.items", once=True)


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("events.by_country")))
def event_reader_of_two_keys():
    note("events.by_country")


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("events.many")))
def event_reader_of_many():
    note("events.many")


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("stale.prices")))
def event_reader_of_prices():
    note("stale.prices")


@dag(schedule=[batch_asset("events.totals")])
def event_reader_without_keys():
    note("events.totals", once=True)


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("events.totals")))
def event_reader_of_keys_that_never_come():
    note("events.totals")


@dag(schedule=None)
def event_catch_up():
    """Return the batches without an event."""

    @task
    def missed():
        pin = missed_pins(get_current_context(), "events.items", consumer="event_reader_once/note")
        print("missed", sorted(pin.batches) if pin else "nothing")
        return pin

    missed()


event_source()
event_source_of_two_keys()
event_source_of_many()
event_source_staged()
event_source_without_keys()
event_rollback()
event_reader()
event_reader_once()
event_reader_of_two_keys()
event_reader_of_many()
event_reader_of_prices()
event_reader_without_keys()
event_reader_of_keys_that_never_come()
event_catch_up()
