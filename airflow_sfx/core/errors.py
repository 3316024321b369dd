"""The errors of this package, as a tree.

::

    SfxError
    ├── InvalidName            a name, path or partition value breaks a rule (a ValueError)
    ├── TableNotFound          the metastore does not have the table (a LookupError)
    ├── PartitionNotFound      the partition does not exist or has no batch (a LookupError)
    ├── BatchNotFound          the partition never had that batch (a LookupError)
    ├── SchemaMismatch         the frame does not fit the table (a TypeError)
    ├── CheckFailed            a check before publishing failed; the batch stays staged
    ├── CommitConflict         another writer committed first
    │   ├── StaleAttempt       a newer attempt of the same task instance committed first
    │   └── PositionConflict   the table has consumed other records of a stream
    ├── InconsistentBatch      stored objects are not what the manifest says
    ├── ForeignChange          another engine changed the metastore or the files
    ├── JobFailed              a job's process or container failed, or gave no batch
    ├── ModelRefused           a model artifact is damaged, hostile, or needs trust to load
    ├── RecordsExpired         the stream has dropped records that the table may lack
    ├── StreamUnavailable      the stream cannot be read
    └── WarehouseUnavailable   the object store or the metastore cannot be read or written

Every error names the value, the rule and the remedy in its message, and carries its facts as
attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class SfxError(Exception):
    """The base of all errors of this package.

    Args:
        rule: What happened, to what, and which rule it breaks.
        remedy: What the caller can do about it, in Python; empty if the rule says so.
        cli_rule: The rule for the `sfx` command, without arguments of Python; empty if the rule is
            right for both.
        cli_remedy: The remedy for the `sfx` command, with its options; empty if the remedy is right
            for both.
        table: The table as ``database.table``, or None if no table is concerned.
        partition: The partition's name as in a pin (``20161031``), or None.
        batch_id: The batch, or None.

    Example:
        >>> error = SfxError("it is current", remedy="pass force=True", cli_remedy="pass --force")
        >>> str(error), error.cli_message
        ('it is current: pass force=True', 'it is current: pass --force')
    """

    def __init__(
        self,
        rule: str,
        *,
        remedy: str = "",
        cli_rule: str = "",
        cli_remedy: str = "",
        table: str | None = None,
        partition: str | None = None,
        batch_id: str | None = None,
    ) -> None:
        super().__init__(f"{rule}: {remedy}" if remedy else rule)
        self.rule = rule
        self.remedy = remedy
        self.cli_rule = cli_rule
        self.cli_remedy = cli_remedy
        self.table = table
        self.partition = partition
        self.batch_id = batch_id

    @property
    def cli_message(self) -> str:
        """The message as the `sfx` command prints it."""
        if not self.cli_rule and not self.cli_remedy:
            return str(self)
        parts = (self.cli_rule or self.rule, self.cli_remedy or self.remedy)
        return ": ".join(part for part in parts if part)


class InvalidName(SfxError, ValueError):
    """A name, path or partition value breaks a rule; nothing was written."""


class TableNotFound(SfxError, LookupError):
    """The metastore does not have the table."""


class PartitionNotFound(SfxError, LookupError):
    """The table does not have the partition, or the partition has no current batch."""


class BatchNotFound(SfxError, LookupError):
    """The partition does not have the batch, or has none before the current one."""


class SchemaMismatch(SfxError, TypeError):
    """The frame's columns do not fit the table's or cannot be stored."""


class CheckFailed(SfxError):
    """A check before publishing failed, and the batch stays staged."""


class CommitConflict(SfxError):
    """Another writer committed first; the partition keeps that change."""


class StaleAttempt(CommitConflict):
    """A newer attempt of the same task instance has already changed the partition."""


class PositionConflict(CommitConflict):
    """The table's positions in a stream are not those that a commit demanded.

    Args:
        rule: As for every error.
        positions: The sequence number of the last record of each shard of the stream that the
            table has now.
        remedy: As for every error.
        cli_rule: As for every error.
        table: As for every error.
    """

    def __init__(
        self,
        rule: str,
        *,
        positions: Mapping[str, str] = MappingProxyType({}),
        remedy: str = "",
        cli_rule: str = "",
        table: str | None = None,
    ) -> None:
        super().__init__(rule, remedy=remedy, cli_rule=cli_rule, table=table)
        self.positions = positions


class InconsistentBatch(SfxError):
    """Stored objects are missing, truncated or altered.

    Args:
        rule: As for every error.
        problems: One sentence for each problem.
        remedy: As for every error.
        cli_rule: As for every error.
        cli_remedy: As for every error.
        table: As for every error.
        partition: As for every error.
        batch_id: As for every error.
    """

    def __init__(
        self,
        rule: str,
        *,
        problems: tuple[str, ...] = (),
        remedy: str = "",
        cli_rule: str = "",
        cli_remedy: str = "",
        table: str | None = None,
        partition: str | None = None,
        batch_id: str | None = None,
    ) -> None:
        super().__init__(
            rule,
            remedy=remedy,
            cli_rule=cli_rule,
            cli_remedy=cli_remedy,
            table=table,
            partition=partition,
            batch_id=batch_id,
        )
        self.problems = problems


class ForeignChange(SfxError):
    """Another engine changed the metastore's pointer or the files."""


class WarehouseUnavailable(SfxError):
    """The object store or the metastore is unavailable or misconfigured."""


class StreamUnavailable(SfxError):
    """The stream does not exist, or its service does not answer."""


class RecordsExpired(SfxError):
    """The stream no longer has records that a table may lack.

    Args:
        rule: As for every error.
        stream: The stream, such as ``kinesis:clicks``.
        shard: Its shard.
        after: The sequence number after which records may be missing.
        remedy: As for every error.
        cli_remedy: As for every error.
        table: As for every error.
    """

    def __init__(
        self,
        rule: str,
        *,
        stream: str = "",
        shard: str = "",
        after: str = "",
        remedy: str = "",
        cli_remedy: str = "",
        table: str | None = None,
    ) -> None:
        super().__init__(rule, remedy=remedy, cli_remedy=cli_remedy, table=table)
        self.stream = stream
        self.shard = shard
        self.after = after


class JobFailed(SfxError):
    """The process or container of a job failed, or ended without a batch.

    Args:
        rule: As for every error.
        exit_code: The exit code of the command, or None if it never ran or was lost.
        reason: Why it ended, in the words of the runner; empty if it says nothing.
        out_of_memory: Whether it used more memory than its limit.
        last_lines: The last lines that it printed.
        remedy: As for every error.
        cli_rule: As for every error.
        table: As for every error.
    """

    def __init__(
        self,
        rule: str,
        *,
        exit_code: int | None = None,
        reason: str = "",
        out_of_memory: bool = False,
        last_lines: tuple[str, ...] = (),
        remedy: str = "",
        cli_rule: str = "",
        table: str | None = None,
    ) -> None:
        super().__init__(rule, remedy=remedy, cli_rule=cli_rule, table=table)
        self.exit_code = exit_code
        self.reason = reason
        self.out_of_memory = out_of_memory
        self.last_lines = last_lines


class ModelRefused(SfxError):
    """A model artifact is damaged, is not one, or runs code that the caller did not allow."""


ERRORS: Mapping[str, type[SfxError]] = {
    kind.__name__: kind
    for kind in (
        SfxError,
        InvalidName,
        TableNotFound,
        PartitionNotFound,
        BatchNotFound,
        SchemaMismatch,
        CheckFailed,
        CommitConflict,
        StaleAttempt,
        PositionConflict,
        InconsistentBatch,
        ForeignChange,
        JobFailed,
        ModelRefused,
        RecordsExpired,
        WarehouseUnavailable,
    )
}
"""The classes by name, for errors that cross a process as text."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Example:
        >>> counted(1, "row"), counted(2000, "row"), counted(2, "batch")
        ('1 row', '2,000 rows', '2 batches')
    """
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def sentence(error: Exception) -> str:
    """Return an error's message as a full sentence.

    Example:
        >>> sentence(SfxError("the disk is full")), sentence(SfxError("Free space."))
        ('the disk is full.', 'Free space.')
    """
    return f"{str(error).rstrip('.')}."
