"""A DAG that writes by each surface of the package.

These are the public calls, opened warehouses, the hook, an operator, and a process of its own.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task

import airflow_sfx as sfx
from airflow_sfx.hooks import SfxHook

FROM_A_PROCESS = """
import sys
import pandas as pd
import airflow_sfx as sfx
frame = pd.DataFrame({"n": [1]})
sfx.store_dataframe(frame, "surfaces", "process_calls", [sys.argv[1]])
sfx.connect(sys.argv[2]).store_dataframe(frame, "surfaces", "process_opened", [sys.argv[1]])
assert not any(name.partition(".")[0] == "airflow" for name in sys.modules)
"""


def frame_of(number):
    import pandas as pd

    return pd.DataFrame({"n": [number]})


@dag(
    schedule="@daily", start_date=datetime(2013, 1, 1), end_date=datetime(2013, 3, 1), catchup=False
)
def surfaces():
    @task(retries=1, retry_delay=timedelta(0))
    def write(ti, ds_nodash):
        uri = os.environ["SFX_WAREHOUSE"]
        os.environ["AIRFLOW_CONN_SFX_SURFACES"] = f"sfx://?warehouse={uri}"
        frame = frame_of(ti.try_number)
        sfx.store_dataframe(frame, "surfaces", "calls", [ds_nodash])
        sfx.connect(uri).store_dataframe(frame, "surfaces", "named", [ds_nodash])
        sfx.connect(uri).store_dataframe(frame, "surfaces", "opened", [ds_nodash])
        SfxHook("sfx_surfaces").get_conn().store_dataframe(frame, "surfaces", "hooked", [ds_nodash])
        if ti.try_number == 1:
            raise RuntimeError("the first attempt fails")

    @task.batch(table="surfaces.operator")
    def store():
        return frame_of(1)

    shell = BashOperator(
        task_id="shell",
        bash_command='"$PYTHON" -c "$PROGRAM" {{ ds_nodash }} "$SFX_WAREHOUSE"',
        env={"PYTHON": sys.executable, "PROGRAM": FROM_A_PROCESS},
        append_env=True,
    )
    [write(), store(), shell]


surfaces()
