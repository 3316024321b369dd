"""What the operations tell: small values that a person, a test or the command line reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column

DROP_OR_RENAME = "loads leave it out; drop or rename the partition in the engine that made it"
"""What to do about a partition with a value that no batch can have."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition as it is now.

    Args:
        partition: Its name.
        batch_id: Its current batch; None where it has none.
        sequence: The number of the ledger entry that made it current.
        rows: Rows of the current batch; None where nobody counted.
        bytes: Bytes of the current batch; None where nobody counted.
        at: When it became current, in UTC; None where nobody said.
        location: The directory that readers read, as a URI.
    """

    partition: str
    batch_id: str | None
    sequence: int
    rows: int | None
    bytes: int | None
    at: datetime | None
    location: str


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as it is now.

    Args:
        database: Its database.
        table: Its name.
        location: Its directory as a URI.
        columns: Its columns, without the partition keys.
        keys: Its partition keys, as columns.
        partitions: Its partitions with a current batch, by name.
        staged: Complete batches that wait to be published.
    """

    database: str
    table: str
    location: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    partitions: tuple[PartitionState, ...]
    staged: tuple[BatchPin, ...]

    @property
    def rows(self) -> int:
        """Rows of all current batches that were counted."""
        return sum(state.rows or 0 for state in self.partitions)

    @property
    def bytes(self) -> int:
        """Bytes of all current batches that were counted."""
        return sum(state.bytes or 0 for state in self.partitions)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` looked at; it raises `InconsistentBatch` when it finds something wrong.

    Args:
        pin: The pin.
        files: How many files were read.
        rows: How many rows they hold.
        bytes: How many bytes they have.
    """

    pin: BatchPin
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that `repair` found, and what it did.

    Args:
        partition: The partition's name.
        found: What was wrong, in words.
        done: What was done about it; empty where nothing may be done without a person.
    """

    partition: str
    found: str
    done: str


@dataclass(frozen=True, slots=True)
class RunRollback:
    """What undoing a DAG run did to one table.

    Args:
        pin: The batches that are current now, of the partitions that were rolled back and have one; None if none has.
        table: The table as ``database.table``.
        rolled_back: The partitions that were changed, with the batch that each has now (None: no batch, as before).
        kept: The partitions that somebody else has changed since, and so were left alone, with the batch they have.
        gone: Why the whole table was left alone: it is no longer in the metastore, or no longer ours. Empty where it is there.
        blocked: What keeps the run from being undone, a sentence each; told by a dry run only, as an undo is refused then.
    """

    table: str
    pin: BatchPin | None
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreign:
    """A partition that something else than this package has made, moved or written, and that is not in the history.

    Args:
        partition: Its name; as Hive writes it (``day=__HIVE_DEFAULT_PARTITION__``) where no batch can be there.
        location: Where the metastore has it now, as a URI.
        batch_id: The batch that the history has; None where it has none.
        files: What is amiss with this batch's files, a sentence each; none where the partition was made or moved.
        refused: Why no batch can be there, so that loads leave it out: the value, the rule that it breaks, and the remedy;
            empty where one can.
    """

    partition: str
    location: str
    batch_id: str | None
    files: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What changed in a table.

    Args:
        table: The table as ``database.table``.
        entries: The changes that were asked for, newest first.
        foreign: What something else has done that is not in the history, as the metastore has it now.
        files: Whether the files of the current batches were compared with what was written.
        untold: Why its changes cannot be told, where several tables were asked about: it is gone, or its history is damaged.
    """

    table: str
    entries: tuple[LedgerEntry, ...]
    foreign: tuple[Foreign, ...]
    files: bool = False
    untold: str = ""
