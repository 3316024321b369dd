"""The last commit of each stream that feeds a table.

The log's last entry has the positions of all shards. A stream's last commit is the first entry with
its present positions: it is found by halving, in a few reads however long the history is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.warehouse.log.partition_log import PartitionLog


@dataclass(frozen=True, slots=True)
class StreamCommit:
    """How far a table has consumed a stream, and the commit that added its last records.

    Args:
        stream: The stream, as ``kinesis:clicks``.
        positions: The sequence number of the last consumed record, by shard.
        at: The time of the commit, in UTC.
        commit: Its ID.
        rows: The rows that it added: 0 if its records had none.
        batches: The batch of each partition that it added.
    """

    stream: str
    positions: Mapping[str, str]
    at: datetime
    commit: str
    rows: int
    batches: Mapping[str, str]


def stream_commits(log: PartitionLog) -> list[StreamCommit]:
    """Return the last commit of each stream that feeds a table, by the stream's name.

    Args:
        log: The table's log.

    Raises:
        InconsistentBatch: A log entry is damaged.
    """
    state = log.look()
    found = []
    for stream, positions in sorted(state.positions.items()):
        version = _last_commit(log, stream, state.version)
        header, changes = log.header(version), log.changes(version)
        rows = sum(one.rows for one in changes)
        batches = {one.partition: one.batch_id for one in changes if one.batch_id}
        commit = StreamCommit(stream, positions, header.at, header.commit, rows, batches)
        found.append(commit)
    return found


def _last_commit(log: PartitionLog, stream: str, end: int) -> int:
    """Return the first version with the positions that a stream has at the end."""
    now = log.header(end).positions[stream]
    there, before, step = end, 0, 1
    while there - before > 1:
        if stream in log.header(there).consumed:
            return there
        probe = max(there - step, 1) if before == 0 else (there + before) // 2
        if log.header(probe).positions.get(stream) == now:
            there, step = probe, 2 * step
        else:
            before = probe
    return there
