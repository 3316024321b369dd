"""What can go wrong, as a tree.

::

    SfxError ├── InvalidName            a name, path or partition value breaks a rule (also a
    ValueError) ├── TableNotFound          no such table in the metastore (also a LookupError) ├──
    PartitionNotFound      the table has no such partition, or the partition has no batch (also a
    LookupError) ├── BatchNotFound          the partition never had that batch (also a LookupError)
    ├── SchemaMismatch         the frame does not fit the table (also a TypeError) ├── CheckFailed
    a check before publishing said no; the batch stays staged ├── CommitConflict         somebody
    else's change came first │   └── StaleAttempt       a newer attempt of the same task instance
    came first ├── InconsistentBatch      stored objects are not what the manifest says ├──
    ForeignChange          the metastore or the files were changed by something else └──
    WarehouseUnavailable   storage or metastore cannot be reached, read or written

Every error names the value, the rule and the remedy in its message, and carries its facts as
attributes.
"""

from __future__ import annotations


class SfxError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: What happened, to what, and what to do about it.
        table: The table as ``database.table``, where one is concerned.
        partition: The partition's name as in a pin (``20161031``), where one is concerned.
        batch_id: The batch, where one is concerned.

    Example:
        >>> SfxError("no", table="sales.sold_items").table
        'sales.sold_items'
    """

    def __init__(
        self,
        message: str,
        *,
        table: str | None = None,
        partition: str | None = None,
        batch_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.table = table
        self.partition = partition
        self.batch_id = batch_id


class InvalidName(SfxError, ValueError):
    """A name, path or partition value breaks a rule; nothing was written."""


class TableNotFound(SfxError, LookupError):
    """The metastore has no such table."""


class PartitionNotFound(SfxError, LookupError):
    """The table has no such partition, or the partition has no current batch."""


class BatchNotFound(SfxError, LookupError):
    """The partition has no such batch, or none before the present one."""


class SchemaMismatch(SfxError, TypeError):
    """The frame's columns do not fit the table's, or cannot be stored; nothing was written."""


class CheckFailed(SfxError):
    """A check before publishing failed. The batch stays staged and the partition is unchanged."""


class CommitConflict(SfxError):
    """Somebody else's change came first; the partition is as they left it."""


class StaleAttempt(CommitConflict):
    """A newer attempt of the same task instance has already changed the partition."""


class InconsistentBatch(SfxError):
    """Stored objects are missing, truncated or altered: they are not what the manifest says.

    Args:
        message: As for every error.
        problems: One sentence for each thing found wrong.
        table: As for every error.
        partition: As for every error.
        batch_id: As for every error.
    """

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[str, ...] = (),
        table: str | None = None,
        partition: str | None = None,
        batch_id: str | None = None,
    ) -> None:
        super().__init__(message, table=table, partition=partition, batch_id=batch_id)
        self.problems = problems


class ForeignChange(SfxError):
    """Something other than this package changed the metastore's pointer or the files."""


class WarehouseUnavailable(SfxError):
    """Storage or metastore cannot be reached, read or written, or is not what it should be."""


def sentence(error: Exception) -> str:
    """An error's message as a sentence that others can follow.

    Example:
        >>> sentence(SfxError("the disk is full")), sentence(SfxError("Free space."))
        ('the disk is full.', 'Free space.')
    """
    return f"{str(error).rstrip('.')}."
