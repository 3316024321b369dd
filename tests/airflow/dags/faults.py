"""DAGs whose workers die, whose XCom is edited and whose templates render to nonsense."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task, task_group

import airflow_sfx as sfx
from airflow_sfx.assets import batch_asset
from airflow_sfx.operators import (
    PinBatchesOperator,
    RollbackBatchOperator,
    StoreBatchOperator,
    VerifyBatchOperator,
)

if TYPE_CHECKING:
    import pandas as pd


def frame_of(*numbers):
    import pandas as pd

    return pd.DataFrame({"n": numbers})


def same(frame: pd.DataFrame):
    return frame


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class DiesAfterItsPublish(StoreBatchOperator):
    """Its first attempt is killed between its commit and Airflow's hearing of it."""

    def execute(self, context):
        pin = super().execute(context)
        if context["ti"].try_number == 1:
            die()
        return pin


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def killed():
    @task.batch(table="killed.before", partitions=["p"])
    def before(ti) -> pd.DataFrame:
        """Dies while the rows are written: of the first attempt there are files, and no batch."""
        if ti.try_number > 1:
            return frame_of(1, 2)

        def rows():
            yield frame_of(-1)
            die()

        return rows()

    after = DiesAfterItsPublish(
        task_id="after", table="killed.after", partitions=["p"], python_callable=lambda: frame_of(3)
    )

    @task.batch(table="killed.sum", partitions=["p"])
    def total(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
        return before.sum().to_frame().T + after["n"].sum()

    total(before(), after.output)


class DiesAfterItsRollback(RollbackBatchOperator):
    """Its first attempt is killed between its commit and Airflow's hearing of it."""

    def execute(self, context):
        done = super().execute(context)
        if context["ti"].try_number == 1:
            die()
        return done


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def killed_undo():
    DiesAfterItsRollback(task_id="one", table="killed.undone", partitions=["one"])
    DiesAfterItsRollback(
        task_id="run",
        dag_id="bad",
        run_id="r1",
        outlets=[batch_asset("killed.undone")],
        reason="a bad night",
    )


@dag(
    schedule="@daily", start_date=datetime(2013, 1, 1), end_date=datetime(2013, 2, 1), catchup=False
)
def slowly():
    """A night of it takes a while: the scheduler is restarted in the middle."""

    @task.batch(table="slowly.items", partition_keys=["day"])
    def items(ds: str) -> pd.DataFrame:
        time.sleep(2)
        return frame_of(int(ds[-2:]))

    @task.batch(table="slowly.totals", partition_keys=["day"])
    def totals(items: pd.DataFrame) -> pd.DataFrame:
        return items.sum().to_frame().T

    totals(items())


@dag(schedule=None)
def twice():
    """Two runs of it at once write the same partition; each goes on with its own batch."""

    @task.batch(table="twice.items", partitions=["20130101"])
    def items(dag_run) -> pd.DataFrame:
        time.sleep(1)
        return frame_of(dag_run.conf["n"])

    @task
    def wait(pin):
        time.sleep(3)
        return pin

    @task.batch(table="twice.copies", partitions=["{{ dag_run.conf['n'] }}"])
    def copy(items: pd.DataFrame) -> pd.DataFrame:
        return items

    copy(wait(items()))


@task
def loaded(pin, other=None) -> int:
    """A task of Airflow's own, which this package has not made."""
    return sum(len(sfx.load_dataframe(one)) for one in (pin, other) if one)


@dag(schedule=None)
def swapped():
    """The tests edit what `first` and `second` have left in XCom."""

    @task.batch(table="Swapped.First", partitions=["p"])
    def first() -> pd.DataFrame:
        return frame_of(1)

    @task.batch(table="swapped.second", partitions=["p"])
    def second() -> pd.DataFrame:
        return frame_of(2)

    @task.batch(table="swapped.sum", partitions=["p"])
    def total(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
        return first + second

    one, other = first(), second()
    total(one, other)
    loaded(one, other)


@dag(schedule=None)
def swapped_in_maps():
    """Map readers over the pins of `swapped`, in every way of mapping."""

    @task.batch(table="swapped.one", partitions=["p"])
    def one() -> pd.DataFrame:
        return frame_of(1)

    @task.batch(table="swapped.other", partitions=["p"])
    def other() -> pd.DataFrame:
        return frame_of(2)

    @task.batch(table="swapped.copies", partitions=["{{ ti.map_index }}"])
    def copied(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
        return frame * factor

    @task_group
    def grouped(pin):
        VerifyBatchOperator(task_id="verify", pin=pin)

    first, second = one(), other()
    each = PinBatchesOperator.partial(task_id="each", table="swapped.one").expand(
        partitions=[["p"]]
    )
    [first, second] >> each
    copied.partial(factor=1).expand(frame=each.output)
    passed = VerifyBatchOperator.partial(task_id="passed").expand(pin=each.output)
    VerifyBatchOperator.partial(task_id="passed_on").expand(pin=passed.output)
    VerifyBatchOperator.partial(task_id="verified").expand(pin=each.output)
    VerifyBatchOperator.partial(task_id="listed").expand(pin=[second, first])
    StoreBatchOperator.partial(
        task_id="named", table="swapped.named", python_callable=same
    ).expand_kwargs(
        [{"op_args": [second], "partitions": ["0"]}, {"op_args": [first], "partitions": ["1"]}]
    )
    grouped.expand(pin=each.output)
    loaded.override(task_id="plain").expand(pin=each.output)


@dag(
    schedule=None,
    params={
        "day": Param(None, type=["null", "string"]),
        "conn": Param(None, type=["null", "string"]),
    },
)
def wrongly():
    """Store into the partition that the run's conf names."""

    @task.batch(table="wrongly.items", partitions=["{{ params.day }}"])
    def items() -> pd.DataFrame:
        return frame_of(1)

    items()


def connected(dag_id: str, sfx_conn_id: str):
    @dag(dag_id=dag_id, schedule=None)
    def connected():
        @task.batch(table="connected.items", partitions=["p"], sfx_conn_id=sfx_conn_id)
        def items() -> pd.DataFrame:
            return frame_of(1)

        items()

    connected()


for name in ("missing", "wrong", "unreachable"):
    connected(f"connection_{name}", f"sfx_{name}")
for made in (killed, killed_undo, slowly, twice, swapped, swapped_in_maps, wrongly):
    made()
