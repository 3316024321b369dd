"""Metrics, hook lineage and log lines of a task's reads and changes.

All come from the warehouse's events, so a plain ``@task`` that calls `load_dataframe` is recorded
like an operator. OpenLineage uses hook lineage by itself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_sfx.warehouse.log.events import Committed, Loaded, subscribe

if TYPE_CHECKING:
    from airflow.sdk import BaseHook

    from airflow_sfx.core.pin import BatchPin

MANY = 20
"""The limit of batch IDs in lineage and log; of more, only the newest are there."""


def register() -> None:
    """Report the reads and changes of this process from now on."""
    subscribe(_report)


def _report(work: Committed | Loaded) -> None:
    if isinstance(work, Committed):
        _count(work)
    _log(work)
    _add_lineage(work)


def _count(work: Committed) -> None:
    from airflow.sdk.observability import stats

    tags = {"table": work.table, "operation": work.operation}
    stats.incr("sfx.commits", tags=tags)
    stats.incr("sfx.partitions", work.partitions, tags=tags)
    stats.incr("sfx.rows", work.rows, tags=tags)
    stats.incr("sfx.bytes", work.bytes, tags=tags)
    stats.incr("sfx.conflicts", work.conflicts, tags=tags)
    stats.timing("sfx.commit_duration", work.seconds * 1_000, tags=tags)


def _log(work: Committed | Loaded) -> None:
    """Write a structured log line, by which log stores can find a table's commits."""
    import structlog

    log = structlog.get_logger("airflow_sfx")
    if isinstance(work, Loaded):
        log.info("sfx read", table=str(work.pin.ref), **_batches(work.pin))
        return
    log.info(
        f"sfx {work.operation}",
        table=work.table,
        **(_batches(work.pin) if work.pin is not None else {"partitions": work.partitions}),
        rows=work.rows,
        bytes=work.bytes,
        seconds=round(work.seconds, 3),
        conflicts=work.conflicts,
    )


def _add_lineage(work: Committed | Loaded) -> None:
    from airflow.sdk import plugins_manager
    from airflow.sdk.lineage import get_hook_lineage_collector

    # Without a reader, Airflow's collector would load every provider's assets, boto3 among them,
    # and then drop the lineage: 0.15 s in each task.
    if work.pin is None or not plugins_manager.get_hook_lineage_readers_plugins():
        return
    collector: Any = get_hook_lineage_collector()
    add = collector.add_output_asset if isinstance(work, Committed) else collector.add_input_asset
    names = {"database": work.pin.database, "table": work.pin.table}
    add(_hook(), scheme="sfx", asset_kwargs=names, asset_extra=_extra(work.pin))


def _extra(pin: BatchPin) -> dict[str, Any]:
    return {"location": pin.location, **_batches(pin)}


def _batches(pin: BatchPin) -> dict[str, Any]:
    newest = sorted({batch_id for _, batch_id in pin.entries})[-MANY:]
    return {"batch_ids": newest, "partitions": len(pin.entries)}


@cache
def _hook() -> BaseHook:
    from airflow_sfx.hooks.sfx import SfxHook

    return SfxHook()
