"""Entries of a log as commits write them, but without the metastore, and so in less time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Change, LogEntry, Operation, next_entry, time_after
from airflow_sfx.core.paths import commit_id
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.warehouse.log.partition_log import PartitionLog


def append(
    log: PartitionLog,
    changes: Sequence[Change],
    before: Mapping[str, LogEntry],
    consumed: sfx.Consumed | None = None,
) -> list[LogEntry]:
    """Append an entry, which says that the metastore has all earlier ones.

    Args:
        log: The log, which nobody else writes.
        changes: The changes.
        before: The last changes of their partitions, by name.
        consumed: The records of a stream that it adds.
    """
    state = log.state
    at, version = time_after(datetime.now(UTC), state.at), state.version + 1
    header = EntryHeader(
        version,
        Operation.PUBLISH,
        at,
        sfx.Producer(),
        "",
        commit_id(at, version, f"{version:08x}"),
        len(changes),
        applied=version - 1,
        positions=consumed.advance(state.positions) if consumed else state.positions,
        consumed=consumed.ranges if consumed else {},
    )
    entries = [
        next_entry(
            before.get(change.partition), change, version=version, commit=header.commit, at=at,
            producer=header.producer, reason="",
        )
        for change in changes
    ]  # fmt: skip
    if not log.create(header, entries):
        raise RuntimeError(f"another writer created the entry {version}")
    return entries
