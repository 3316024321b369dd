"""DAGs whose tasks notify about their changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier, Param, dag, task

from airflow_sfx.checks import rows_between
from airflow_sfx.operators import PublishBatchOperator, RollbackBatchOperator
from airflow_sfx.operators.base.notifications import EVENTS

if TYPE_CHECKING:
    import pandas as pd


class FileNotifier(BaseNotifier):
    """Writes a line a notification into a file."""

    template_fields = ("text", "path")

    def __init__(self, text: str, path: str = "{{ dag_run.conf['path'] }}") -> None:
        super().__init__()
        self.text, self.path = text, path

    def notify(self, context) -> None:
        with Path(self.path).open("a") as file:
            file.write(json.dumps([self.text, context["batch"]]) + "\n")


def broken(context):
    raise RuntimeError("the mail server is down")


ALL = {
    event: [broken, FileNotifier("{{ task.task_id }}: {{ batch.event }} of {{ batch.table }}")]
    for event in EVENTS
}


@dag(schedule=None, params={"rows": Param(1, type="integer")})
def notified():
    @task.batch(table="notified.items", partitions=["p"], checks=[rows_between(1, 3)], notify=ALL)
    def write(params) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"n": range(params["rows"])})

    write()


@dag(schedule=None)
def notified_of_publish():
    @task.batch(table="notified.items", partitions=["q"], publish=False, notify=ALL)
    def stage() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"n": [1]})

    PublishBatchOperator(task_id="publish", pin=stage(), notify=ALL)


@dag(schedule=None)
def notified_of_rollback():
    RollbackBatchOperator(task_id="undo", table="notified.items", partitions=["p"], notify=ALL)


notified()
notified_of_publish()
notified_of_rollback()
