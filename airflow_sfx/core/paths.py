"""The paths of a table's batches, manifests and log.

::

    sales.db/sold_items/20161031/20161102234252/part-00000.parquet       data
    sales.db/sold_items/_sfx/batches/20161102234252/claim                whose batch ID it is
    sales.db/sold_items/_sfx/batches/20161102234252/manifest             written after all files
    sales.db/sold_items/_sfx/log/00000000/0000000042.json                the table's 42nd version
    sales.db/sold_items/_sfx/checkpoints/0000000042.json                 who last changed what
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from airflow_sfx.core.batch_id import check_batch_id, is_batch_id
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import Partition, escape, unescape
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import storable_text

PartitionStyle = Literal["value", "hive"]
"""The names of partitions' directories: ``20161031``, or Hive's ``date=20161031``."""

CLAIM = "claim"
_MANIFEST = "manifest"
FIGURES = "_figures.json"
_OWN = "_sfx"
EMPTY = f"{_OWN}/empty"
"""A table's directory without files, below the table's directory."""
_WHOLE_TABLE = "_table"
LOG_PART = 100
"""The number of entries of a log in a directory, so that its end is found by two short listings."""
_LONGEST_STEP = 200

CONTENT = "_sfx/content"
"""Below a model's directory, the records of what its versions hold, which no other table has."""

LEASES = "leases"
"""Below the directory of a stream into a table, signs of life of consumers, by day in UTC."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The paths of one table, relative to the storage that holds it.

    Args:
        root: The table's directory, such as ``sales.db/sold_items``.
        keys: The names of the partition keys.
        style: The names of partitions' directories.

    Example:
        >>> layout = TableLayout("sales.db/sold_items", ("date",))
        >>> layout.manifest("20161102234252")
        'sales.db/sold_items/_sfx/batches/20161102234252/manifest'
        >>> TableLayout("t", ("y", "c"), "hive").name(Partition(("2016", "US")))
        'y=2016/c=US'
    """

    root: str
    keys: tuple[str, ...]
    style: PartitionStyle = "value"

    @staticmethod
    def default_root(ref: TableRef) -> str:
        """Return the default directory of a table: ``sales.db/sold_items``."""
        return f"{ref.database}.db/{ref.table}"

    def name(self, partition: Partition) -> str:
        """Return a partition's directory below the table's; empty without keys."""
        if self.style == "hive":
            return "/".join(
                f"{key}={escape(value)}"
                for key, value in zip(self.keys, partition.values, strict=True)
            )
        return str(partition)

    def partition(self, name: str) -> Partition:
        """Return the partition of a name.

        Args:
            name: The name, as `name` returns it.

        Returns:
            The partition.

        Raises:
            InvalidName: It is not the name of a partition of this table.
        """
        steps = name.split("/") if name else []
        if self.style == "hive":
            steps = [
                step.removeprefix(f"{key}=") for key, step in zip(self.keys, steps, strict=False)
            ]
        partition = Partition(tuple(unescape(step) for step in steps))
        if len(steps) != len(self.keys) or self.name(partition) != name:
            raise InvalidName(
                f"{name!r} is not the name of a partition of {self.root} with the keys {self.keys}"
            )
        return partition

    def is_partition(self, name: str) -> bool:
        """Return whether a directory's name is that of a partition of this table."""
        try:
            self.partition(name)
        except InvalidName:
            return False
        return True

    def keeps(self, path: str) -> bool:
        """Return whether an object belongs to the history or to a batch.

        The directory of an adopted table may also hold objects of the program that made it.

        Example:
            >>> layout = TableLayout("t", ("date",))
            >>> layout.keeps("t/20161031/20161102234252/part-00000.parquet")
            True
            >>> layout.keeps("t/20161031/part-0.parquet")
            False
        """
        steps = path.removeprefix(f"{self.root}/").split("/")
        count = len(self.keys)
        if steps[0] == _OWN:
            return True
        return (
            len(steps) > count + 1
            and is_batch_id(steps[count])
            and self.is_partition("/".join(steps[:count]))
        )

    def partition_dir(self, name: str) -> str:
        """Return the directory of a partition's batches."""
        return f"{self.root}/{name}" if name else self.root

    def batch_dir(self, name: str, batch_id: str) -> str:
        """Return the directory of a batch of a partition."""
        return f"{self.partition_dir(name)}/{check_batch_id(batch_id)}"

    @property
    def batches(self) -> str:
        """The directory of the table's batch IDs."""
        return f"{self.root}/{_OWN}/batches"

    def call(self, batch_id: str) -> str:
        """Return the directory of a batch ID, which the call that has the ID owns."""
        return f"{self.batches}/{check_batch_id(batch_id)}"

    def manifest(self, batch_id: str, generation: int = 1) -> str:
        """Return the path of the manifest of the batches that a call wrote.

        Args:
            batch_id: The batches' ID.
            generation: The first one, or a later one, without the batches that were deleted.

        Example:
            >>> TableLayout("t", ("date",)).manifest("20161102234252", 2)
            't/_sfx/batches/20161102234252/manifest-000002'
        """
        suffix = f"-{generation:06d}" if generation > 1 else ""
        return f"{self.call(batch_id)}/{_MANIFEST}{suffix}"

    def figures(self, name: str, batch_id: str) -> str:
        """Return the path of the figures that were counted of a batch, after it was written."""
        return f"{self.batch_dir(name, batch_id)}/{FIGURES}"

    @property
    def checks(self) -> str:
        """The directory of the records of the table's declared checks."""
        return f"{self.root}/_sfx/checks"

    @property
    def log(self) -> str:
        """The directory above all entries of the table's log."""
        return f"{self.root}/{_OWN}/log"

    def log_part(self, version: int) -> str:
        """Return the directory of the log that has a version: a hundred entries."""
        return f"{self.log}/{version // LOG_PART:08d}"

    def log_entry(self, version: int) -> str:
        """Return the path of an entry of the table's log, numbered from 1.

        Example:
            >>> TableLayout("t", ("date",)).log_entry(242)
            't/_sfx/log/00000002/0000000242.json'
        """
        return f"{self.log_part(version)}/{version:010d}.json"

    def checkpoint(self, version: int) -> str:
        """Return the path of the checkpoint of a version of the table."""
        return f"{self.root}/{_OWN}/checkpoints/{version:010d}.json"

    @property
    def staged(self) -> str:
        """The directory of the pins of staged batches."""
        return f"{self.root}/_sfx/staged"

    @property
    def pins(self) -> str:
        """The directory above all of the table's holds."""
        return f"{self.root}/_sfx/pins"

    @property
    def retired(self) -> str:
        """The directory above all tombstones of the table."""
        return f"{self.root}/_sfx/retired"

    @property
    def consumed(self) -> str:
        """The directory above the offsets of consumers."""
        return f"{self.root}/_sfx/consumed"

    def hold(self, name: str, number: int) -> str:
        """Return the path of a version of a hold, numbered from 1."""
        return f"{self.pins}/{path_step(name)}/{number:06d}.json"

    def empty_dir(self) -> str:
        """Return the directory without files, for partitions without a current batch."""
        return f"{self.root}/{EMPTY}"


def streams_directory(ref: TableRef) -> str:
    """Return the directory of what the consumers of streams into a table keep.

    Below it, each stream has a directory with the `LEASES` of its consumers.

    Example:
        >>> streams_directory(TableRef("web", "clicks"))
        '_sfx/streams/web%2Eclicks'
    """
    return f"{_OWN}/streams/{path_step(str(ref))}"


def path_step(text: str) -> str:
    """Encode any text as one step of a path; different texts have different steps.

    Raises:
        InvalidName: It is not text, or has half a surrogate pair.

    Example:
        >>> path_step("etl/daily"), path_step("..")
        ('etl%2Fdaily', '%2E%2E')
    """
    storable_text(text, "the name ")
    encoded = quote(text, safe=":+~@ ").replace(".", "%2E")
    if len(encoded) <= _LONGEST_STEP:
        return encoded
    return f"{encoded[:120]}~{hashlib.sha256(text.encode()).hexdigest()}"


_COMMIT_ID = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{6}\.[0-9]{6}-[0-9]{1,18}-[0-9a-f]{8}", re.ASCII
)


def commit_id(moment: datetime, version: int, mark: str) -> str:
    """Return the ID of a commit: its time, the number of its entry in the table's log, and a mark.

    So commits of all tables sort by time, and one of a table is found without a search. Two writers
    that try to make the same version at the same time, as after a clock that was ahead, have
    different marks.

    Args:
        moment: The time of the commit, with a time zone.
        version: The number of the entry.
        mark: 8 hexadecimal digits that no other try has.

    Returns:
        The ID, with one slash.

    Example:
        >>> commit_id(datetime(2016, 11, 2, 23, 42, 52, 5, tzinfo=UTC), 42, "9f3a01bc")
        '2016-11-02/234252.000005-42-9f3a01bc'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d/%H%M%S.%f}-{version}-{mark}"


def commit_version(commit: str) -> int:
    """Return the number of a commit's entry in the log.

    Example:
        >>> commit_version("2016-11-02/234252.000005-42-9f3a01bc")
        42
    """
    return int(require_commit_id(commit).split("-")[-2])


def require_commit_id(text: str) -> str:
    """Return a text if it is the name of a commit, as `commit_id` makes them.

    Raises:
        InvalidName: It is not.

    Example:
        >>> require_commit_id("2016-11-02/234252.000005-42-9f3a01bc")
        '2016-11-02/234252.000005-42-9f3a01bc'
    """
    if not isinstance(text, str) or _COMMIT_ID.fullmatch(text) is None:
        raise InvalidName(
            f"{text!r:.80} is not the ID of a commit: pass one as `sfx audit` lists them, such as"
            " 2016-11-02/234252.000005-42-9f3a01bc"
        )
    return text
