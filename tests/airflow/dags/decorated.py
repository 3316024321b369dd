"""DAGs that the tests of `@task.batch` run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import CronPartitionTimetable, Param, dag, task

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.operators import VerifyBatchOperator
from airflow_sfx.sensors import BatchConsistencySensor

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


def numbers_frame(*numbers):
    import pandas as pd

    return pd.DataFrame({"n": numbers})


@dag(schedule=None)
def pinned():
    """The partition moves on between the batch and its reader."""

    @task.batch(table="pinned.numbers", reason="of {{ ds }}")
    def numbers() -> pd.DataFrame:
        return numbers_frame(1, 2, 3)

    @task
    def move_on(pin):
        assert isinstance(pin, sfx.BatchPin), pin
        return sfx.store_dataframe(
            numbers_frame(-1), pin.database, pin.table, ["20130101"], inputs=[pin]
        )

    @task.batch(table="pinned.total")
    def total(before: pd.DataFrame, after: pd.DataFrame, pin, moved) -> pd.DataFrame:
        assert isinstance(pin, sfx.BatchPin)
        return before.assign(now=after["n"].sum()).agg("sum").to_frame().T

    pin = numbers()
    moved = move_on(pin)
    total(pin, moved, pin, moved)


@dag(schedule=None)
def portable():
    """A portable function is a task's function as it is; so it is in the next task."""

    @task.batch(table="portable.numbers", partitions=["p"])
    def numbers() -> pd.DataFrame:
        return numbers_frame(1, None, 3)

    @task.batch(table="portable.doubled", partitions=["p"])
    @sfx.portable(inputs={"n": "bigint"}, outputs={"doubled": "bigint"})
    def doubled(numbers: pd.DataFrame) -> pd.DataFrame:
        return numbers.mul(2).rename(columns={"n": "doubled"})

    doubled(numbers())


@dag(schedule=None)
def libraries():
    """Each library's frame, named in an annotation that exists for type checkers only."""

    @task.batch(table="libraries.one", partitions=["p"])
    def one() -> pl.DataFrame:
        import polars

        return polars.DataFrame({"n": [1]})

    @task.batch(table="libraries.two", partitions="p")
    def two(one: pl.DataFrame) -> pa.Table:
        import polars

        assert isinstance(one, polars.DataFrame), type(one)
        return one.with_columns(n=polars.col("n") + 1).to_arrow()

    @task.batch(table="libraries.three", partitions=["p"])
    def three(*frames: pa.Table, also: pd.DataFrame | None = None):
        import pandas
        import pyarrow

        assert all(isinstance(frame, pyarrow.Table) for frame in frames), frames
        assert isinstance(also, pandas.DataFrame), type(also)
        yield from frames

    @task.batch(table="libraries.four", partitions=["p"])
    async def four(three: pd.DataFrame):
        return three

    first = one()
    second = two(first)
    four(three(first, second, also=second))


@dag(schedule=None)
def mapped():
    """One partition for each mapped argument; the next task gets all of their batches."""

    @task.batch(
        table="mapped.days", partitions=["{{ task.op_kwargs.day }}"], partition_keys=["day"]
    )
    def load(day: str, factor: int) -> pd.DataFrame:
        return numbers_frame(int(day[-2:]) * factor)

    @task.batch(table="mapped.double", partitions=["{{ task.op_kwargs['pin'].entries[0][0] }}"])
    def double(pin):
        return sfx.load_dataframe(pin) * 2

    @task.batch(table="mapped.sum", partitions=[])
    def add(days: list[pd.DataFrame]) -> pd.DataFrame:
        import pandas

        return pandas.concat(days).sum().to_frame().T

    @task
    def count(pins):
        pins = list(pins)
        assert all(isinstance(pin, sfx.BatchPin) for pin in pins)
        return pins

    @task
    def unpack(pins):
        assert isinstance(pins, list)
        assert all(isinstance(pin, sfx.BatchPin) for pin in pins)

    days = load.partial(factor=10).expand(day=["20130101", "20130102", "20130103"])
    double.expand(pin=days)
    verified = VerifyBatchOperator(task_id="verify", pin=days)
    add(BatchConsistencySensor(task_id="seen", pin=verified.output).output)
    unpack(count(days))


@dag(schedule=None)
def mapped_onto_one():
    @task.batch(table="mapped_onto_one.t")
    def load(n: int) -> pd.DataFrame:
        return numbers_frame(n)

    load.expand(n=[1, 2])


@dag(schedule=None)
def retried():
    @task.batch(table="retried.numbers", retries=1, retry_delay=timedelta(0))
    def numbers(ti) -> pd.DataFrame:
        if ti.try_number == 1:
            raise RuntimeError("the first try fails")
        return numbers_frame(ti.try_number)

    numbers()


@dag(schedule=None, params={"rows": Param(3)})
def checked():
    @task.batch(table="checked.numbers", checks=[rows_between(2, 5)])
    def numbers(params) -> pd.DataFrame:
        return numbers_frame(*range(params["rows"]))

    numbers()


@dag(schedule=None)
def staged():
    @task.batch(table="staged.numbers", publish=False)
    def numbers() -> pd.DataFrame:
        return numbers_frame(1)

    @task
    def publish(pin):
        sfx.publish(pin, reason="audited")

    publish(numbers())


@dag(schedule=None, params={"day": Param(None), "table": Param("hostile.t")})
def hostile():
    @task.batch(table="{{ params.table }}", partitions=["{{ params.day }}"])
    def store() -> pd.DataFrame:
        return numbers_frame(1)

    store()


@dag(schedule=None)
def no_frame():
    @task.batch(table="no_frame.t")
    def store():
        numbers_frame(1)

    store()


@dag(schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", key_format="%Y.W%W"))
def keyed():
    @task.batch(table="keyed.t")
    def store() -> pd.DataFrame:
        return numbers_frame(1)

    store()


@dag(schedule=None)
def many():
    @task.batch(table="many.t", partition_by=["day"])
    def store():
        import pandas as pd

        days = pd.date_range("2013-01-01", periods=300).strftime("%Y%m%d").astype("str")
        return pd.DataFrame({"day": days, "n": range(300)})

    @task
    def rows(pin):
        return len(sfx.load_dataframe(pin))

    rows(store())


@dag(schedule=None)
def elsewhere():
    @task.batch(table="elsewhere.t", partitions=["p"], sfx_conn_id="sfx_elsewhere")
    def store() -> pd.DataFrame:
        return numbers_frame(1)

    @task.batch(table="elsewhere.t", partitions=["q"], sfx_conn_id="sfx_elsewhere")
    def again(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    again(store())


@dag(schedule=None)
def plain():
    @task
    def store():
        return [sfx.store_dataframe(numbers_frame(n), "plain", "t", [str(n)]) for n in range(2)]

    @task
    def load(pins):
        return [int(sfx.load_dataframe(pin)["n"].sum()) for pin in pins]

    load(store())


for made in (pinned, libraries, mapped, mapped_onto_one, retried, checked, staged, hostile):
    made()
for made in (no_frame, keyed, many, elsewhere, plain, portable):
    made()
