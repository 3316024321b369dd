"""DAGs that the tests of the sensors run."""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from airflow_sfx.sensors import BatchConsistencySensor, BatchPartitionSensor


@task
def seen(pin):
    print("the task got", pin.batch_id)


@dag(schedule=None, params={"day": Param("", type="string"), "newer_than": Param("", type="string")})
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


@dag(schedule=None)
def waiting_in_vain():
    BatchPartitionSensor(task_id="wait", table="waiting.items", partitions=["never"], poke_interval=1, timeout=3)


@dag(schedule=None)
def waiting_on_nothing():
    BatchPartitionSensor(
        task_id="wait", table="waiting.items", partitions=["x"], poke_interval=1, timeout=60, sfx_conn_id="not_there"
    )


@dag(schedule=None)
def consistent():
    from airflow_sfx.operators import PinBatchesOperator

    pin = PinBatchesOperator(task_id="pin", table="consistent.items", partitions=["x"])
    seen(BatchConsistencySensor(task_id="wait", pin=pin.output, poke_interval=1, timeout=60).output)


@dag(schedule=None)
def many_waiting():
    for number in range(500):
        BatchPartitionSensor(
            task_id=f"wait_{number}",
            table="many.items",
            partitions=[f"p{number:03d}"],
            poke_interval=2,
            timeout=900,
            start_from_trigger=True,
            end_from_trigger=True,
        )


waiting()
waiting_in_the_triggerer()
waiting_in_vain()
waiting_on_nothing()
consistent()
many_waiting()
