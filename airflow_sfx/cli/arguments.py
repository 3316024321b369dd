"""What is typed, as what the warehouse takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import unescape
from airflow_sfx.core.table import TableRef

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

Table = Annotated[str, typer.Argument(metavar="DB.TABLE", help="The table, as in sales.sold_items.")]
Partitions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PARTITION]...",
        help="Partitions as they are listed: 20161031, or 2016/US for two keys (a slash in a value is typed %2F).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.")]


@dataclass(frozen=True)
class Settings:
    """What is said before the command.

    Args:
        uri: The warehouse's URI; None for the default one.
    """

    uri: str | None

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse, opened on first use."""
        from airflow_sfx.api import connect

        return connect(self.uri)


def table_of(text: str) -> TableRef:
    """The table that an argument names."""
    return TableRef.parse(text)


def values_of(texts: Sequence[str] | None) -> list[tuple[str, ...]] | None:
    """The partitions that arguments name, as the lists of values that the calls take; None for none.

    Args:
        texts: Names such as ``20161031``, ``2016/US`` or ``year=2016/country=US``.

    Returns:
        The values of each.

    Raises:
        InvalidName: A name has an empty part.

    Example:
        >>> values_of(["2016/US%2FEast"]), values_of([])
        ([('2016', 'US/East')], None)
    """
    if not texts:
        return None
    found = []
    for text in texts:
        steps = text.split("/")
        if not all(steps):
            raise InvalidName(f"{text!r} is not a partition: type it as it is listed, such as 20161031 or 2016/US")
        found.append(tuple(unescape(step.partition("=")[2] if "=" in step else step) for step in steps))
    return found
