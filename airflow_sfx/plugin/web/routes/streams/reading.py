"""Routes that list the tables that streams feed, and their dead letters.

They read what the tables' logs have. The streams themselves are not asked, as the page has no
credentials of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query

from airflow_sfx.core.errors import (
    BatchNotFound,
    ForeignChange,
    InconsistentBatch,
    InvalidName,
    TableNotFound,
)
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.table import TableRef
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.streams import DeadLettersDocument, StreamPage
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.routes.parameters import Limit, Offset, Search
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.streams.applying.dead_letters import table_of_dead_letters
from airflow_sfx.warehouse.history.stream_commits import StreamCommit, stream_commits
from airflow_sfx.warehouse.log.compactions import is_of_windows
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table

MAX_SHARDS = 100
"""Greatest number of positions of a stream in a list."""

MAX_WINDOWS = 1000
"""Greatest number of windows in which the dead letters of several streams are counted."""

_COLUMNS = ("stream", "shard", "sequence", "arrived", "error", "attempts", "at")

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])

Found = TypeVar("Found")


@router.get("/streams", response_model=StreamPage)
@in_page_threads
def streams(search: Search = "", limit: Limit = 25, offset: Offset = 0) -> dict[str, Any]:
    """List the tables that streams feed, with positions and the last commit of each stream."""
    there = frozenset(snapshots.warehouse().tables())
    dead = {base: ref for ref in there if (base := table_of_dead_letters(ref))}
    beside = {ref for base, ref in dead.items() if base in there}
    wanted = sorted(ref for ref in there - beside if search.lower() in str(ref))
    unreadable: dict[str, str] = {}
    logs = _read(wanted, _log_of_fed, unreadable)
    names = sorted(logs)
    page = names[offset : offset + limit]
    commits = _read(page, lambda ref: stream_commits(logs[ref]), unreadable)
    return {
        "total": len(names),
        "tables": [
            {
                "table": str(ref),
                "streams": [_stream(one) for one in of_table],
                "dead_letters": str(ref) if table_of_dead_letters(ref) else _text(dead.get(ref)),
            }
            for ref, of_table in commits.items()
        ],
        "unreadable": [
            {"table": name, "message": message} for name, message in sorted(unreadable.items())
        ],
    }


@router.get("/streams/dead_letters", response_model=DeadLettersDocument)
@in_page_threads
def dead_letters(
    table: Annotated[
        str, Query(max_length=MAX_NAME, description="The table of the dead letters, as listed.")
    ],
) -> dict[str, Any]:
    """Count dead letters, and return the newest of each stream."""
    ref = TableRef.parse(table)
    opened = snapshots.open(ref.database, ref.table)
    if table_of_dead_letters(ref) is None or not is_of_windows(opened):
        raise InvalidName(
            f"{ref} is not a table of dead letters: name one that the list of streams has",
            table=table,
        )
    log = PartitionLog(opened)
    newest = [_newest(opened, log, one) for one in stream_commits(log)]
    rows = snapshots.table(ref.database, ref.table).rows
    return {
        "table": str(ref),
        "rows": rows,
        "by_stream": _by_stream(opened, log, rows),
        "newest": [one for one in newest if one],
    }


def _text(ref: TableRef | None) -> str | None:
    return str(ref) if ref else None


def _read(
    refs: Collection[TableRef],
    read: Callable[[TableRef], Found | None],
    unreadable: dict[str, str],
) -> dict[TableRef, Found]:
    """Return what was read of tables, and note those that cannot be read.

    Tables of other engines, and those that were dropped meanwhile, are left out.
    """

    def of_table(ref: TableRef) -> Found | None:
        try:
            return read(ref)
        except (ForeignChange, TableNotFound):
            return None
        except InconsistentBatch as error:
            unreadable[str(ref)] = str(error)
            return None

    found = zip(refs, map_concurrently(of_table, refs), strict=True)
    return {ref: one for ref, one in found if one is not None}


def _log_of_fed(ref: TableRef) -> PartitionLog | None:
    """Return the log of a table that streams feed, or None; others' logs are not read."""
    opened = snapshots.open(ref.database, ref.table)
    if not is_of_windows(opened):
        return None
    log = PartitionLog(opened)
    return log if log.look().positions else None


def _stream(one: StreamCommit) -> dict[str, Any]:
    only = next(iter(one.batches.items())) if len(one.batches) == 1 else (None, None)
    return {
        "stream": one.stream,
        "shards": len(one.positions),
        "positions": dict(islice(sorted(one.positions.items()), MAX_SHARDS)),
        "at": one.at,
        "commit": one.commit,
        "rows": one.rows,
        "partitions": len(one.batches),
        "partition": only[0],
        "batch_id": only[1],
    }


def _by_stream(table: Table, log: PartitionLog, rows: int) -> dict[str, int] | None:
    """Count the dead letters of each stream, or return None for too many windows.

    A window has those of one stream, as its statistics show; only compacted ones are read.
    """
    streams = sorted(log.state.positions)
    if len(streams) == 1:
        return {streams[0]: rows}
    current = {name: mark.batch_id for name, mark in log.marks().items() if mark.batch_id}
    if len(current) > MAX_WINDOWS:
        return None
    found, mixed = Counter(dict.fromkeys(streams, 0)), dict[str, str]()
    for one in table.manifests(current):
        known = one.statistics.get("stream")
        if known and known.minimum == known.maximum and known.minimum in found:
            found[str(known.minimum)] += one.rows
        else:
            mixed[one.partition] = one.batch_id
    if mixed:
        read = snapshots.warehouse().load_dataframe(
            table.pin(mixed), columns=["stream"], as_="arrow"
        )
        found.update(map(str, read.column("stream").to_pylist()))
    return dict(found)


def _newest(table: Table, log: PartitionLog, commit: StreamCommit) -> dict[str, Any] | None:
    """Return the newest dead letter of a stream, from its last commit alone."""
    heads = log.heads(commit.batches)
    pin = table.pin(
        {
            name: batch_id
            for name, batch_id in commit.batches.items()
            if heads[name].batch_id == batch_id or _is_compacted(heads[name])
        }
    )
    if not pin.batches:
        return None
    try:
        rows = snapshots.warehouse().load_dataframe(pin, columns=[*_COLUMNS], as_="arrow")
    except BatchNotFound:  # it has expired after a compaction
        return None
    newest: dict[str, Any] | None = max(
        rows.to_pylist(),
        key=lambda one: (one["at"], one["arrived"], int(one["sequence"])),
        default=None,  # all were erased
    )
    return newest


def _is_compacted(head: Head) -> bool:
    """Return whether a partition has no batch because its rows are in a compacted one."""
    return head.entry is not None and head.entry.operation is Operation.COMPACT
