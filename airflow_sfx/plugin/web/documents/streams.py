"""Bodies about streams that feed tables."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from airflow_sfx.plugin.web.documents.history import UnreadableTable


class StreamDocument(BaseModel):
    """How far a table has consumed a stream, and the commit that added its last records.

    Args:
        stream: The stream, as `kinesis:clicks`.
        shards: Number of shards.
        positions: The last consumed record of each shard, of some shards if there are many.
        at: When the last commit was made. Its age is not the lag: the stream is not asked.
        commit: The ID of that commit.
        rows: The rows that it added: 0 if its records had none.
        partitions: Number of partitions that it added.
        partition: The only one of them, or null.
        batch_id: The batch of that partition, or null.
    """

    stream: str
    shards: int
    positions: dict[str, str]
    at: datetime
    commit: str
    rows: int
    partitions: int
    partition: str | None
    batch_id: str | None


class FedTable(BaseModel):
    """A table that streams feed.

    Args:
        table: The table, as `database.table`.
        streams: The streams, by name.
        dead_letters: The table of its dead letters, or null for none; a table of dead letters of
            which no record had a row is listed itself.
    """

    table: str
    streams: list[StreamDocument]
    dead_letters: str | None


class StreamPage(BaseModel):
    """A page of the tables that streams feed, by name.

    Args:
        total: Number of tables that match.
        tables: The tables on this page.
        unreadable: Tables whose history cannot be read.
    """

    total: int
    tables: list[FedTable]
    unreadable: list[UnreadableTable]


class DeadLetterDocument(BaseModel):
    """A record of a stream that has no row.

    Args:
        stream: The stream.
        shard: The shard.
        sequence: Its sequence number.
        arrived: When it arrived in the stream.
        error: Why it has no row.
        attempts: How often it was tried.
        at: When it became a dead letter.
    """

    stream: str
    shard: str
    sequence: str
    arrived: datetime
    error: str
    attempts: int
    at: datetime


class DeadLettersDocument(BaseModel):
    """The dead letters of a table.

    Args:
        table: The table that has them, as `database.table`.
        rows: Number of dead letters.
        by_stream: Number of dead letters of each stream, or null if they are in too many windows
            to be counted: compact the table.
        newest: The newest of each stream; none of a stream whose last ones were rolled back or have
            expired.
    """

    table: str
    rows: int
    by_stream: dict[str, int] | None
    newest: list[DeadLetterDocument]
