"""Discarding staged batches: an end in the history, by which no file is deleted.

The end is a log entry of each partition. A publish that runs at the same time wants the same
number: exactly one of the two takes effect. Retention expires discarded batches, and until then a
publish with ``force`` takes the end back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_sfx.core.errors import BatchNotFound, CommitConflict
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.batch.staging import ending, recorded_pins
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_retired
from airflow_sfx.warehouse.words import moment

Item = tuple[str, str]


def discard_pin(table: Table, log: PartitionLog, pin: BatchPin, author: Author) -> BatchPin:
    """Discard staged batches, all of them in one commit.

    Batches that are discarded already stay so, without a log entry.

    Args:
        table: The pin's table.
        log: The table's log.
        pin: The batches.
        author: Who discards them, and why.

    Returns:
        The pin.

    Raises:
        BatchNotFound: A batch is not staged, or has expired.
        CommitConflict: A batch was published.
    """
    recorded = {item for one in recorded_pins(table) for item in one.entries}
    for name, batch_id in pin.entries:
        if (name, batch_id) not in recorded:
            raise BatchNotFound(
                f"{table.describe(name)} has no staged batch {batch_id}: only staged batches are"
                f" discarded; `sfx show {table.ref}` lists them",
                table=str(table.ref),
                partition=name,
                batch_id=batch_id,
            )
    refuse_retired(table, pin.entries)
    discard(table, log, pin.entries, author)
    return pin


def discard(
    table: Table,
    log: PartitionLog,
    batches: Collection[Item],
    author: Author,
    *,
    unless_published: bool = False,
) -> list[LogEntry]:
    """Commit that staged batches are not to be published any more.

    Args:
        table: The table.
        log: The table's log.
        batches: Partition names and batch IDs.
        author: Who discards them, and why.
        unless_published: Whether batches that are published meanwhile are left out.

    Returns:
        The log entries, of the partitions with a batch that was not discarded before.

    Raises:
        CommitConflict: A batch was published, and ``unless_published`` is not set.
    """
    wanted: dict[str, list[str]] = {}
    for name, batch_id in batches:
        wanted.setdefault(name, []).append(batch_id)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        changes = []
        for name, ids in wanted.items():
            ends = {one: ending(log, name, one, heads[name]) for one in ids}
            published = [one for one, end in ends.items() if end and one not in end.discarded]
            if published and not unless_published:
                raise _published(table, name, published[0])
            if due := tuple(one for one, end in ends.items() if end is None):
                changes.append(_change(name, heads[name], due))
        return changes

    if not wanted:
        return []
    return commit(table, log, heads_to_change(table, log, wanted, author), plan, author)


def refuse_discarded(table: Table, log: PartitionLog, item: Item, head: Head) -> None:
    """Raise an error for a batch that was discarded, and not published since.

    Args:
        table: The table.
        log: The table's log.
        item: The partition's name and the batch ID.
        head: The partition's head.

    Raises:
        CommitConflict: It was.
    """
    name, batch_id = item
    end = ending(log, name, batch_id, head)
    if end is not None and batch_id in end.discarded:
        who = end.producer.user or end.producer.dag_id or "an unknown author"
        why = f" ({end.reason})" if end.reason else ""
        raise CommitConflict(
            f"the batch {batch_id} of {table.describe(name)} was discarded on {moment(end.at)} UTC"
            f" by {who}{why}",
            remedy="nothing was published; pass force=True to publish it all the same",
            cli_remedy="nothing was published; pass --force to publish it all the same",
            table=str(table.ref),
            partition=name,
            batch_id=batch_id,
        )


def _published(table: Table, name: str, batch_id: str) -> CommitConflict:
    return CommitConflict(
        f"the batch {batch_id} of {table.describe(name)} was published: it is no longer staged, and"
        " nothing was discarded. To take a publish back, roll back",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _change(name: str, head: Head, discarded: tuple[str, ...]) -> Change:
    """Return the change after which the same batch is current."""
    now = head.entry
    if now is None:
        return Change(name, Operation.DISCARD, None, discarded=discarded)
    return Change(
        name,
        Operation.DISCARD,
        now.batch_id,
        now.origin,
        now.rows,
        now.bytes,
        now.location,
        discarded=discarded,
    )
