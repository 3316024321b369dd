"""A model that is trained each night, and promoted if it is as good as the one before.

Nightly flights, features, training, gate, promotion, predictions for the coming day, drift.
docs/tutorial-models.md shows what happens when the weather of a night is wrong.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException
from delays import training
from flights_of_2013 import delivered_again, on_day, source

from airflow_sfx.checks import not_null, rows_between, unique
from airflow_sfx.operators import PinBatchesOperator, PromoteModelOperator, ScoreBatchOperator
from airflow_sfx.sensors import ModelDriftSensor

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx import BatchPin

NIGHTS = [
    f"{{{{ macros.ds_format(macros.ds_add(ds, -{n}), '%Y-%m-%d', '%Y%m%d') }}}}" for n in range(7)
]
"""The partitions of the night and of the six before it."""
WHY = "{{ 'weather delivered again' if params.weather_of else 'nightly' }}"


@dag(
    schedule="@daily",
    start_date=datetime(2013, 2, 7),
    end_date=datetime(2013, 12, 29),
    catchup=False,
    params={
        "weather_of": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Store the weather of this day as that of the night, as a source that"
            " delivers a file twice",
        ),
        "C": Param(1.0, type="number", description="How freely the model follows the data"),
    },
    tags=["sfx", "example"],
)
def delay_model():
    """Predict which departures of the coming day are late; train the model anew each night.

    One run stores a night's data, and saves and promotes a model. `sfx rollback --run` undoes all
    of it, data and model.
    """

    @task.batch(table="delays.flights", partition_keys=["date"], reason=WHY)
    def flights(ds: str) -> pd.DataFrame:
        return on_day(source("flights"), ds)

    @task.batch(
        table="delays.weather",
        partition_keys=["date"],
        checks=[rows_between(1, 75), unique("origin", "time_hour")],
        reason=WHY,
    )
    def weather(ds: str, params: dict) -> pd.DataFrame:
        if params["weather_of"]:
            return delivered_again(source("weather"), params["weather_of"], ds)
        return on_day(source("weather"), ds)

    @task.batch(
        table="delays.features",
        partition_keys=["date"],
        checks=[rows_between(200, 1_200), not_null(training.TARGET, *training.FEATURES)],
        reason=WHY,
    )
    def features(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
        return training.features(flights, weather)

    @task.model(
        name="delays",
        target=training.TARGET,
        card=training.CARD,
        trained_by=training.train,
        reason=WHY,
    )
    def train(train: pd.DataFrame, january: pd.DataFrame, params: dict) -> dict:
        chosen = {"C": params["C"]}
        model, metrics = training.train({"train": train, "january": january}, chosen)
        return {"model": model, "metrics": metrics, "params": chosen}

    @task.batch(table="delays.coming", partition_keys=["date"], reason=WHY)
    def coming(ds: str) -> pd.DataFrame:
        """Return what is known of the coming day; its weather stands for the forecast."""
        day = str(date.fromisoformat(ds) + timedelta(days=1))
        return training.known(on_day(source("flights"), day), on_day(source("weather"), day))

    @task
    def alarm(pin: BatchPin) -> None:
        raise AirflowFailException(
            f"what delays@production predicts for {pin} is not as usual: see `sfx model drift`"
        )

    nights = PinBatchesOperator(task_id="nights", table="delays.features", partitions=NIGHTS)
    january = PinBatchesOperator(
        task_id="january", table="delays.features", partitions=training.JANUARY
    )
    features(flights(), weather()) >> nights
    promoted = PromoteModelOperator(
        task_id="promote",
        model=train(nights.output, january.output),
        higher_is_better={"auc": 0.01},
        card=["purpose", "owner", "limits"],
        reason=WHY,
    )
    scored = ScoreBatchOperator(
        task_id="score",
        model=promoted.output,
        pin=coming(),
        table="delays.scores",
        partition_keys=["date"],
        keep=training.KEY,
        probabilities=True,
        reason=WHY,
    )
    drifted = ModelDriftSensor(
        task_id="drifted",
        model="delays@production",
        table="delays.coming",
        partitions=["{{ ds_nodash }}"],
        columns=["prediction"],
        threshold=0.5,
        # compare once; if nothing has drifted, skip the alarm
        deferrable=False,
        poke_interval=1,
        timeout=1,
        soft_fail=True,
    )
    scored >> drifted
    alarm(drifted.output)


delay_model()
