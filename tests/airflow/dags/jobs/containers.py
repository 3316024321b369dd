"""Jobs as tasks: workers that die, a triggerer that is restarted, tasks that are killed.

They are processes, which need no daemon; ``tests/jobs`` runs the same contract on every runner.
"""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

from airflow_sfx.operators import ContainerBatchOperator, StoreBatchOperator

if TYPE_CHECKING:
    import pandas as pd

RATE = 2
SLOWLY = """
import time, pandas as pd, airflow_sfx as sfx
print("begun", flush=True)
time.sleep(sfx.job.parameters()["seconds"])
sfx.job.store(pd.DataFrame({"n": [1]}))
"""
LARGE = """
import pandas as pd, airflow_sfx as sfx
held = bytearray(800 << 20)
sfx.job.store(pd.DataFrame({"n": [len(held)]}))
"""
UNTIL = """
import os, pathlib, time, pandas as pd, airflow_sfx as sfx
place = pathlib.Path(sfx.job.parameters()["place"])
(place / "pid").write_text(str(os.getpid()))
while not (place / "go").exists():
    time.sleep(0.1)
sfx.job.store(pd.DataFrame({"n": [1]}))
"""


def job(kind, task_id: str, code: str, **options):
    """A task of its own table, whose command is Python code."""
    return kind(
        task_id=task_id,
        table=f"jobs.{task_id}",
        partitions=["p"],
        command=["python", "-c", code],
        runner="process",
        **options,
    )


class DiesAfterTheStart(ContainerBatchOperator):
    """Its first attempt is killed while its job runs."""

    def _start(self, context, *arguments):
        work = super()._start(context, *arguments)
        if context["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return work


class DiesAfterTheBatch(ContainerBatchOperator):
    """Its first attempt is killed between its job's batch and Airflow's hearing of it."""

    def _succeed(self, context, *arguments):
        if context["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._succeed(context, *arguments)


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def jobs_killed():
    job(DiesAfterTheStart, "reattached", SLOWLY, parameters={"seconds": 12})
    job(DiesAfterTheBatch, "found", SLOWLY, parameters={"seconds": 0})
    job(ContainerBatchOperator, "grown", LARGE, memory="auto")


@dag(schedule=None, params={"day": "20130101"})
def jobs_decorated():
    def rows():
        import pandas as pd

        return pd.DataFrame({"n": [1, 2, 3]})

    store = StoreBatchOperator(
        task_id="numbers", python_callable=rows, table="jobs.numbers", partitions=["p"]
    )

    @task.batch_container(table="jobs.doubled", partitions=["p"], runner="process", reason="twice")
    def doubled(numbers: pd.DataFrame, day: str) -> pd.DataFrame:
        return numbers.assign(n=numbers["n"] * RATE, day=day)

    doubled(store.output, day="{{ params.day }}")


@dag(schedule=None, params={"place": Param("", type="string")})
def jobs_deferred():
    job(
        ContainerBatchOperator,
        "waiting",
        UNTIL,
        parameters={"place": "{{ params.place }}"},
        deferrable=True,
    )


jobs_killed()
jobs_decorated()
jobs_deferred()
