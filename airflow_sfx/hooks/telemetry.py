"""Metrics through Airflow's statistics, hook lineage, and lines of the log: what a task has read and changed, with the batch IDs.

All come from what the warehouse tells, so a plain ``@task`` that calls `load_dataframe` is seen
like an operator. OpenLineage takes hook lineage up by itself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_sfx.warehouse.log.events import Committed, Loaded, subscribe

if TYPE_CHECKING:
    from airflow.sdk import BaseHook

    from airflow_sfx.core.pin import BatchPin

MANY = 20
"""Of more batch IDs than so many, lineage and the log have the newest ones only."""


def register() -> None:
    """Send this process's work on from now on."""
    subscribe(_send)


def _send(work: Committed | Loaded) -> None:
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
    """A line with a field for each fact, which Airflow's log keeps as such: a table's commits are found in any log store."""
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

    # Where nobody reads lineage, Airflow's collector would drop it, after loading every provider's
    # assets, boto3 among them: 0.15 s in each task.
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
