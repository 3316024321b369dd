"""Requests that a cleared DAG run pins anew, not what it pinned the first time."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_sfx.core.paths import path_step
from airflow_sfx.core.serde import Record, Time, check_time, decode, decoding, encode
from airflow_sfx.core.validation import named
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.log.commit import Author


def request_repin(store: ObjectStore, dag_id: str, run_id: str, author: Author) -> datetime:
    """Record that the tasks of a run are to pin what is current when they run again.

    Args:
        store: The warehouse's object store.
        dag_id: The DAG.
        run_id: The run.
        author: Who asks for it, and why.

    Returns:
        The time of the request, in UTC.
    """
    named(dag_id, "dag_id")
    named(run_id, "run_id")
    now = datetime.now(UTC)
    text = encode(
        {"at": now.isoformat(), "producer": author.producer.to_json(), "reason": author.reason}
    )
    number = len(_paths(store, dag_id, run_id)) + 1
    while not store.put_if_absent(f"{_directory(dag_id, run_id)}/{number:06d}.json", text.encode()):
        number += 1
    return now


def repin_requested(store: ObjectStore, dag_id: str, run_id: str) -> datetime | None:
    """Return when a run was last asked to pin anew, in UTC, or None."""
    paths = _paths(store, dag_id, run_id)
    if not paths:
        return None
    record = decode(store.get(paths[-1]), _RepinRecord, paths[-1])
    with decoding(paths[-1]):
        return check_time(record.at, "at")


def _paths(store: ObjectStore, dag_id: str, run_id: str) -> list[str]:
    return sorted(info.path for info in store.list(_directory(dag_id, run_id)))


def _directory(dag_id: str, run_id: str) -> str:
    return f"_sfx/repin/{path_step(dag_id)}/{path_step(run_id)}"


class _RepinRecord(Record):
    at: Time
