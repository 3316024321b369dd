"""Arguments and options of the commands, and their parsing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli.completion import complete_batch, complete_partition, complete_table
from airflow_sfx.core.batch_id import is_batch_id
from airflow_sfx.core.errors import BatchNotFound, InvalidName, WarehouseUnavailable
from airflow_sfx.core.partition import Partition, PartitionKey, unescape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef

if TYPE_CHECKING:
    from airflow_sfx.warehouse.table.table import Table
    from airflow_sfx.warehouse.warehouse import Warehouse

TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="DB.TABLE",
        help="The table, such as sales.sold_items.",
        autocompletion=complete_table,
    ),
]
Partitions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PARTITION",
        help=(
            "Partitions as listed: 20161031, or 2016/US for two keys; type a slash in a value as"
            " %2F (default: all)."
        ),
        autocompletion=complete_partition,
    ),
]
Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="ID",
        help="Batch ID (default: the current batch).",
        autocompletion=complete_batch,
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Read what was current then: 2016-11-01T12:00Z, 2016-11-01, or 36h ago.",
    ),
]
Version = Annotated[
    int | None,
    typer.Option(
        "--version",
        metavar="N",
        help="Read what was current at this version of the table, as `sfx history` lists them.",
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Print new changes as they come, until Ctrl-C.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason, recorded in the history.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run/--apply", help="Print the plan only, or carry it out.")
]
Grace = Annotated[
    str,
    typer.Option(
        "--grace",
        metavar="TIME",
        help="Grace period before the files of expired batches are deleted: 12h, 7d, 0d.",
    ),
]
KeepLast = Annotated[
    int | None,
    typer.Option(
        "--keep-last",
        metavar="N",
        min=1,
        help="Number of batches to keep per partition, including the current one.",
    ),
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than",
        metavar="TIME",
        help="How long ago a batch must have been replaced: 90d, 12w, 36h.",
    ),
]

Values = tuple[str, ...]

_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_RELATIVE, _DAY = re.compile(r"(\d{1,6})([mhdw])"), re.compile(r"\d{4}-\d\d-\d\d|\d{8}")


@dataclass(frozen=True)
class Settings:
    """Global options of the command line.

    Args:
        uri: The URI that ``--warehouse`` names, or None for the default warehouse.
    """

    uri: str | None

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse, connected on first use, which must exist.

        Raises:
            WarehouseUnavailable: The warehouse's directory does not exist.
        """
        if absence := self.new_warehouse.store.absence():
            raise WarehouseUnavailable(f"there is no warehouse: {absence}")
        return self.new_warehouse

    @cached_property
    def new_warehouse(self) -> Warehouse:
        """The warehouse, for commands that store a first batch."""
        from airflow_sfx._default import connect, connect_named

        return connect_named(self.uri, "--warehouse") if self.uri else connect()

    def table(self, text: str, partitions: Sequence[str] | None = None) -> Chosen:
        """Return the table and the partitions that arguments name; it may be a dropped one.

        Raises:
            typer.BadParameter: The text is not a table name.
            InvalidName: A partition has an empty part.
            TableNotFound: The table does not exist.
        """
        from airflow_sfx.warehouse.table.table import Table

        ref, warehouse = table_of(text), self.warehouse
        opened = Table.find_ended(ref, warehouse.store, warehouse.metastore)
        keys = [key.name for key in opened.info.keys]
        return Chosen(
            self.warehouse,
            opened,
            [values_of(one, keys) for one in partitions] if partitions else None,
        )


@dataclass(frozen=True)
class Chosen:
    """A table, and the partitions of it that a command names.

    Args:
        warehouse: The warehouse.
        opened: The table.
        partitions: The values of each partition, or None if none was named.
    """

    warehouse: Warehouse
    opened: Table
    partitions: list[Values] | None

    @property
    def ref(self) -> TableRef:
        """The name of the table."""
        return self.opened.ref

    @property
    def names(self) -> tuple[str, str]:
        """The database and the table, as arguments of methods."""
        return self.ref.database, self.ref.table

    @property
    def keyed(self) -> bool:
        """Whether the table has partition keys."""
        return bool(self.opened.info.keys)

    def current(self, as_of: datetime | None = None, version: int | None = None) -> BatchPin:
        """Return the pin of the current batches, or of those of a time or a version."""
        return self.warehouse.pin(*self.names, self.partitions, as_of=as_of, version=version)

    def pinned(self, batch: str) -> BatchPin:
        """Return the pin of a batch ID, ``current`` or ``previous``, per partition."""
        if batch == "current":
            return self.current()
        if batch != "previous" and not is_batch_id(batch):
            raise InvalidName(
                f"{batch!r} is not a batch ID: type current, previous, or 14 digits as listed by"
                f" `sfx history {self.ref}`"
            )
        if self.partitions is None and self.keyed:
            raise typer.BadParameter(
                f"{self.ref} is partitioned: name the partitions of batch {batch}"
            )
        wanted = self.opened.wanted(self.partitions) or [Partition()]
        names = [self.opened.layout.name(partition) for partition in wanted]
        batches = {name: self._previous(name) if batch == "previous" else batch for name in names}
        return BatchPin.of(self.ref, self.opened.location, batches)

    def _previous(self, name: str) -> str:
        values = [self.opened.layout.partition(name).values] if name else None
        (newest,) = self.warehouse.history(*self.names, values, limit=1)
        if not newest.moved:  # an expiry keeps the current batch
            from airflow_sfx.warehouse.log.partition_log import PartitionLog

            log = PartitionLog(self.opened)
            newest = log.last_move(name, log.head(name)) or newest
        if newest.previous is None:
            raise BatchNotFound(
                f"{self.opened.describe(name)} has no batch before {newest.batch_id}, its first",
                table=str(self.ref),
                partition=name,
            )
        return newest.previous


def table_of(text: str) -> TableRef:
    """Return the table that an argument names as ``DB.TABLE``.

    Raises:
        typer.BadParameter: The text is not a table name.

    Example:
        >>> str(table_of("sales.sold_items"))
        'sales.sold_items'
    """
    try:
        return TableRef.parse(text)
    except InvalidName as error:
        raise typer.BadParameter(str(error)) from error


def key_of(text: str) -> PartitionKey:
    """Return the partition key that an option names as ``NAME`` or ``NAME:TYPE``.

    Raises:
        typer.BadParameter: The name or the type is invalid.

    Example:
        >>> key_of("day:date"), key_of("area")
        (PartitionKey(name='day', type='date'), PartitionKey(name='area', type='string'))
    """
    name, _, kind = text.partition(":")
    try:
        return PartitionKey(name, kind or "string")
    except InvalidName as error:
        raise typer.BadParameter(str(error)) from error


def values_of(text: str, keys: Sequence[str]) -> Values:
    """Return the values of the partition that an argument names.

    Args:
        text: A name such as ``20161031``, ``2016/US`` or ``year=2016/country=US``.
        keys: The names of the table's partition keys.

    Raises:
        InvalidName: A part is empty, or names another key.

    Example:
        >>> values_of("2016/US%2FEast", ["year", "country"]), values_of("year=2016", ["year"])
        (('2016', 'US/East'), ('2016',))
    """
    values = []
    for place, step in enumerate(text.split("/")):
        name, equals, value = step.partition("=")
        if not (value if equals else name):
            raise InvalidName(
                f"{text!r} is not a partition: type it as listed, such as 20161031 or 2016/US"
            )
        if equals and name.lower() != (keys[place] if place < len(keys) else None):
            raise InvalidName(
                f"{text!r} names the partition key {name!r}, but the keys of the table are"
                f" {', '.join(keys) or 'none'}, in this order: omit the key, and type an = in a"
                " value as %3D"
            )
        values.append(unescape(value if equals else step))
    return tuple(values)


def moment_of(
    text: str | None, *, now: datetime | None = None, durations: str = "how long ago: 10m, 36h, 7d"
) -> datetime | None:
    """Return the time that an option names.

    Args:
        text: A time with a zone, a day (its midnight in UTC), a duration (how long ago), or None
            for None.
        now: The time from which durations count back, or None for the current time.
        durations: What a duration means to the option, for the message.

    Raises:
        typer.BadParameter: The text is not a time, or has no time zone.

    Example:
        >>> str(moment_of("2016-11-01")), str(moment_of("2016-11-01T12:00Z"))
        ('2016-11-01 00:00:00+00:00', '2016-11-01 12:00:00+00:00')
        >>> str(moment_of("36h", now=datetime(2016, 11, 2, 12, tzinfo=UTC)))
        '2016-11-01 00:00:00+00:00'
    """
    if text is None:
        return None
    if (ago := relative(text)) is not None:
        return (now or datetime.now(UTC)) - ago
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time: type one such as 2016-11-01T12:00Z, a day such as 2016-11-01,"
            f" or {durations}"
        ) from None
    if _DAY.fullmatch(text):
        return found.replace(tzinfo=UTC)
    if found.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} has no time zone: type one such as {text}+00:00, or {text}Z for UTC"
        )
    return found


def relative(text: str) -> timedelta | None:
    """Return the duration of a time from now, such as ``10m`` or ``36h``; None for another text.

    Example:
        >>> relative("10m"), relative("2016-11-01")
        (datetime.timedelta(seconds=600), None)
    """
    found = _RELATIVE.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def duration(text: str) -> timedelta:
    """Return the age that a retention option names: ``36h``, ``12w``, or days.

    Minutes are refused: what expires cannot be loaded any more, and ``3m`` may mean months.

    Raises:
        typer.BadParameter: The text is not a duration.

    Example:
        >>> duration("36h")
        datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(r"(\d{1,6})\s*([hdw]?)", text.strip().lower())
    if not found:
        raise typer.BadParameter(
            f"{text!r} is not a duration: type hours, days or weeks, such as 36h, 90d or 12w"
        )
    return int(found[1]) * _UNITS[found[2] or "d"]
