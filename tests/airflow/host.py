"""A process with its own Airflow that runs DAGs and probes on request.

A request is a line of JSON, and so is its answer.

Importing Airflow takes seconds and binds a process to one ``AIRFLOW_HOME``, so the tests share this
process and stay free of Airflow themselves. What the runs print goes to the process's log; each
answer carries its part of it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from unittest.mock import patch


def run_dag(dag_id, logical_date=None, conf=None, partition_key=None):
    """Run a DAG to its end with ``dag.test()`` and return the state of each task."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.utils.session import create_session
    from sqlalchemy import select

    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    if folder not in sys.path:
        sys.path.append(folder)  # as Airflow does in each of its processes
    bag = DagBag(folder, bundle_path=Path(folder))
    if dag_id not in bag.dags:
        raise RuntimeError(f"{dag_id} is not there: {bag.import_errors}")
    moment = datetime.fromisoformat(f"{logical_date}T00:00:00+00:00") if logical_date else None
    with ExitStack() as stack:
        # dag.test() has no argument for it; a scheduler sets it in the same way.
        if partition_key is not None:
            with_key = functools.partialmethod(
                SerializedDAG.create_dagrun, partition_key=partition_key
            )
            stack.enter_context(patch.object(SerializedDAG, "create_dagrun", with_key))
        run = bag.dags[dag_id].test(logical_date=moment, run_conf=conf)
    with create_session() as session:
        where = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run.run_id)
        tasks = session.scalars(select(TaskInstance).where(*where)).all()
        where = (
            XComModel.dag_id == dag_id,
            XComModel.run_id == run.run_id,
            XComModel.key == "return_value",
        )
        xcoms = session.scalars(select(XComModel).where(*where)).all()
        return {
            "run_id": run.run_id,
            "state": str(run.state),
            "tasks": {_instance(task): [str(task.state), task.try_number] for task in tasks},
            "xcoms": {_instance(xcom): xcom.value for xcom in xcoms},
        }


def probe(name, **arguments):
    """Call a function of ``probes.py``."""
    return getattr(_probes(), name)(**arguments)


@functools.cache
def _probes():
    spec = importlib.util.spec_from_file_location("probes", Path(__file__).with_name("probes.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _instance(row):
    return row.task_id if row.map_index < 0 else f"{row.task_id}[{row.map_index}]"


def main(log_path):
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(log_path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from airflow.plugins_manager import ensure_plugins_loaded

    # as each of Airflow's processes does before it reads a DAG or an XCom
    ensure_plugins_loaded()
    for line in sys.stdin:
        begin = Path(log_path).stat().st_size
        request = json.loads(line)
        try:
            answer = {"result": {"run_dag": run_dag, "probe": probe}[request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.flush()
        with open(log_path, "rb") as whole:
            whole.seek(begin)
            answer["log"] = whole.read().decode(errors="replace")
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
