"""Settings of the Airflows of the tests, whose schedulers import once what each task needs.

LocalExecutor forks a process for each task, and the tests run hundreds of them: without this, most
of a task's time is that of its imports.
"""

import importlib
import sys

__all__: list[str] = []

if "scheduler" in sys.argv:
    for name in (
        "airflow.sdk.execution_time.task_runner",
        "pandas",
        "pyarrow.dataset",
        "pyarrow.parquet",
        "airflow_sfx.decorators.batch",
        "airflow_sfx.frames.inputs",
        "airflow_sfx.frames.outputs",
        "airflow_sfx.warehouse.read.load",
        "airflow_sfx.warehouse.write.store",
    ):
        importlib.import_module(name)
