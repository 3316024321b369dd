"""DAGs that the tests of the sensors run."""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from airflow_sfx.sensors import BatchConsistencySensor, BatchPartitionSensor


@task
def seen(pin):
    print("the task got", pin.batch_id)


@dag(
    schedule=None, params={"day": Param("", type="string"), "newer_than": Param("", type="string")}
)
def waiting():
    sensor = BatchPartitionSensor(
        task_id="wait",
        table="waiting.items",
        partitions=["{{ params.day }}"],
        newer_than="{{ params.newer_than }}",
        poke_interval=1,
        timeout=60,
    )
    seen(sensor.output)


@dag(schedule=None)
def waiting_in_the_triggerer():
    sensor = BatchPartitionSensor(
        task_id="wait", table="waiting.items", start_from_trigger=True, poke_interval=1, timeout=60
    )
    seen(sensor.output)


@dag(schedule=None, params={"day": Param(None, type=["null", "string"])})
def waiting_in_vain():
    never = {"table": "waiting.items", "partitions": ["never"], "poke_interval": 1}
    BatchPartitionSensor(task_id="wait", timeout=3, newer_than="20130101000000", **never)
    BatchPartitionSensor(task_id="skipped", timeout=0, soft_fail=True, **never)
    BatchPartitionSensor(
        task_id="refused",
        timeout=60,
        start_from_trigger=True,
        **{**never, "table": "{{ 'no database' }}"},
    )
    BatchPartitionSensor(
        task_id="unset",
        timeout=60,
        start_from_trigger=True,
        **{**never, "partitions": ["{{ params.day }}"]},
    )


@dag(schedule=None)
def waiting_for_no_table():
    BatchPartitionSensor(
        task_id="wait",
        table="waiting.misspelt",
        partitions=["never"],
        deferrable=False,
        poke_interval=0.5,
        timeout=2,
    )


@dag(schedule=None)
def waiting_on_nothing():
    BatchPartitionSensor(
        task_id="wait",
        table="waiting.items",
        partitions=["x"],
        poke_interval=1,
        timeout=60,
        sfx_conn_id="not_there",
    )


@dag(schedule=None)
def waiting_for_a_warehouse():
    sensor = BatchPartitionSensor(
        task_id="wait",
        table="waiting.items",
        partitions=["w"],
        poke_interval=1,
        timeout=120,
        sfx_conn_id="sfx_late",
    )
    seen(sensor.output)


@dag(schedule=None)
def consistent():
    from airflow_sfx.operators import PinBatchesOperator

    pin = PinBatchesOperator(task_id="pin", table="consistent.items", partitions=["x"])
    seen(BatchConsistencySensor(task_id="wait", pin=pin.output, poke_interval=1, timeout=60).output)


waiting()
waiting_in_the_triggerer()
waiting_in_vain()
waiting_for_no_table()
waiting_on_nothing()
waiting_for_a_warehouse()
consistent()
