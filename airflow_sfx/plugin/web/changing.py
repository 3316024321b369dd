"""The routes that change: rollback and publish. Each says what its asker saw; where that is no longer so, nothing happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.errors import CommitConflict
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.plugin.web.access import EDITING, READING, author
from airflow_sfx.plugin.web.documents import Done, Publish, Rollback
from airflow_sfx.plugin.web.looking import pinned, snapshots, values
from airflow_sfx.warehouse.overview import TableOverview

router = APIRouter(dependencies=[*READING, *EDITING], tags=["change"])

Author = Annotated[Producer, Depends(author)]


@router.post("/tables/{db}/{table}/rollback", response_model=Done)
def rollback(db: str, table: str, asked: Rollback, producer: Author) -> dict[str, Any]:
    """Make an earlier batch of a partition current again; no data are read or written, and nothing is lost."""
    found = _as_seen(db, table, asked.partition, asked.expected)
    expected = pinned(found, asked.partition, asked.expected) if asked.expected else None
    try:
        snapshots.warehouse().rollback(
            db,
            table,
            values(found, asked.partition),
            to=asked.to,
            reason=asked.reason,
            expected=expected,
            producer=producer,
        )
    finally:
        snapshots.forget(db, table)
    return _now(db, table, asked.partition)


@router.post("/tables/{db}/{table}/publish", response_model=Done)
def publish(db: str, table: str, asked: Publish, producer: Author) -> dict[str, Any]:
    """Make a staged batch of a partition current."""
    found = _as_seen(db, table, asked.partition, asked.expected)
    pin: BatchPin = pinned(found, asked.partition, asked.batch_id)
    try:
        snapshots.warehouse().publish(pin, reason=asked.reason, producer=producer)
    finally:
        snapshots.forget(db, table)
    return _now(db, table, asked.partition)


def _as_seen(db: str, table: str, partition: str, expected: str | None) -> TableOverview:
    """The table as it is this moment, if the partition is as its asker saw it.

    Raises:
        CommitConflict: Somebody else has changed it meanwhile.
    """
    snapshots.forget(db, table)
    found = snapshots.table(db, table)
    pin = found.pin(partition)
    current = pin.batch_id if pin else None
    if current != expected:
        raise CommitConflict(
            f"{found.table.describe(partition)} has {current or 'no batch'} now, not {expected or 'none'}: somebody has changed "
            "it meanwhile, and nothing was done; look again",
            table=str(found.table.ref),
            partition=partition,
        )
    return found


def _now(db: str, table: str, partition: str) -> dict[str, Any]:
    found = snapshots.table(db, table)
    pin = found.pin(partition)
    return {"table": str(found.table.ref), "partition": partition, "batch_id": pin.batch_id if pin else None}
