"""Which commits a DAG run made, across all tables of a warehouse, so that they can be undone as one."""

from __future__ import annotations

from airflow_sfx.core.jsontext import compact, member, parse_object
from airflow_sfx.core.layout import path_step
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.parallel import each
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.opened import OpenTable


def record_run(table: OpenTable, commit: str, producer: Producer) -> None:
    """Note that a DAG run is about to make a commit; nothing outside of a run."""
    if producer.dag_id is None or producer.run_id is None:
        return
    path = f"{_directory(producer.dag_id, producer.run_id)}/{table.ref}~{commit.replace('/', '~')}.json"
    table.store.put_if_absent(path, compact({"table": str(table.ref), "commit": commit}).encode())


def commits_of_run(store: Store, dag_id: str, run_id: str) -> dict[TableRef, list[str]]:
    """The commits that a DAG run made or tried, by table.

    Args:
        store: The warehouse's storage.
        dag_id: The DAG.
        run_id: The DAG run.

    Returns:
        The commits of each table, in the order in which they were begun.
    """
    paths = sorted(info.path for info in store.list(_directory(dag_id, run_id)))
    found: dict[TableRef, list[str]] = {}
    for path, data in zip(paths, each(store.get, paths), strict=True):
        record = parse_object(data or b"", path)
        ref = TableRef.parse(member(record, "table", str, path))
        found.setdefault(ref, []).append(member(record, "commit", str, path))
    return found


def _directory(dag_id: str, run_id: str) -> str:
    return f"_sfx/runs/{path_step(dag_id)}/{path_step(run_id)}"
