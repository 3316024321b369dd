"""DAGs that the tests of the operators of models run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import (
    AllowedKeyMapper,
    Param,
    PartitionedAssetTimetable,
    dag,
    get_current_context,
    task,
)

import airflow_sfx as sfx
from airflow_sfx.assets import model_asset, model_from_event
from airflow_sfx.notifications import AffectedModelsNotifier
from airflow_sfx.operators import (
    PromoteModelOperator,
    RollbackBatchOperator,
    RollbackModelOperator,
    ScoreBatchOperator,
    TrainModelOperator,
)
from airflow_sfx.sensors import ModelDriftSensor

if TYPE_CHECKING:
    import pandas as pd

DAY = "20161031"


def fitted(frame: pd.DataFrame) -> sfx.models.Coefficients:
    return sfx.models.Coefficients({"distance": float((frame["delay"] / frame["distance"]).mean())})


@dag(
    schedule=None,
    params={
        "day": Param("20161031", type="string"),
        "slope": Param(0.02, type="number"),
        "mae": Param(4.0, type="number"),
        "owner": Param("Ada", type="string"),
    },
)
def model_night():
    """Flights, a model of them, gates, a promotion, scores."""

    @task.batch(table="air.flights", partitions=["{{ params.day }}"], partition_keys=["day"])
    def flights(params) -> pd.DataFrame:
        import pandas as pd

        distance = [100.0 * n for n in range(1, 41)]
        delay = [params["slope"] * one for one in distance]
        return pd.DataFrame({"flight": range(40), "distance": distance, "delay": delay})

    @task.model(name="delays", target="delay", reason="night of {{ params.day }}")
    def train(flights: pd.DataFrame, params):
        return {
            "model": fitted(flights),
            "metrics": {"mae": params["mae"]},
            "params": {"day": params["day"]},
            "card": {"owner": params["owner"]},
        }

    pin = flights()
    promote = PromoteModelOperator(
        task_id="promote",
        model=train(pin),
        lower_is_better={"mae": 0.5},
        card=["owner"],
        drift_on=pin,
        reason="night of {{ params.day }}",
    )
    ScoreBatchOperator(
        task_id="score",
        model=promote.output,
        pin=pin,
        table="air.scores",
        partitions=["{{ params.day }}"],
        keep=["flight"],
    )


@dag(schedule=None)
def model_back():
    RollbackModelOperator(task_id="back", model="delays", reason="mae rose")


@dag(
    schedule=PartitionedAssetTimetable(
        assets=model_asset("delays"), default_partition_mapper=AllowedKeyMapper(["production"])
    )
)
def model_promoted():
    """Starts on promotions and rollbacks alone."""

    @task
    def promoted():
        return model_from_event(get_current_context(), "delays")

    promoted()


@dag(schedule=None)
def model_retried():
    """The first try saves, and fails after that; the second one saves the same."""

    @task.batch(table="air.retried", partitions=["p"])
    def rows() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"distance": [1.0, 2.0], "delay": [2.0, 4.0]})

    def save(train: pd.DataFrame, ti):
        if ti.try_number == 1:
            pin = sfx.models.save(fitted(train), "retried", inputs={"train": rows_pin()})
            raise RuntimeError(f"after {pin}")
        return fitted(train)

    def rows_pin():
        return sfx.pin("air", "retried", ["p"])

    TrainModelOperator(
        task_id="train",
        name="retried",
        python_callable=save,
        inputs={"train": rows()},
        retries=1,
        retry_delay=timedelta(seconds=0),
    )


@dag(schedule=None)
def model_drift():
    sensor = ModelDriftSensor(
        task_id="wait",
        model="delays@production",
        table="air.flights",
        partitions=["drift"],
        columns=["distance"],
        poke_interval=5,
        timeout=900,
    )

    @task
    def seen(pin, ti):
        report = ti.xcom_pull(task_ids="wait", key="drift")
        print("drifted", pin.batch_id, [one["column"] for one in report["columns"]])

    seen(sensor.output)


@dag(schedule=None)
def model_data_undone():
    """Rolls back what production was trained on, and then what nothing was."""

    def notified(context):
        print("told of", context["models"]["versions"], context["models"]["message"])

    def store():
        import pandas as pd

        return sfx.store_dataframe(pd.DataFrame({"n": [1]}), "air", "other", [DAY])

    @task(on_success_callback=AffectedModelsNotifier([notified]))
    def plain():
        store()
        store()
        sfx.rollback("air", "other", [DAY])

    back = RollbackBatchOperator(
        task_id="back",
        table="air.undone",
        partitions=[DAY],
        on_success_callback=AffectedModelsNotifier([notified]),
    )
    plain() >> back


model_data_undone()
model_drift()
model_night()
model_back()
model_promoted()
model_retried()
