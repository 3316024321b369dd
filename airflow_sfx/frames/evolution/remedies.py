"""What helps against columns that do not fit, by the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.schema import Column, Evolve
from airflow_sfx.frames.types.families import is_text
from airflow_sfx.frames.types.hive import hive_type

APART = "load the partitions one by one, or leave the column out with columns="
"""For batches whose columns cannot be read together."""
APART_CLI = "name the partitions one by one"


class Source(Enum):
    """What has the columns that are merged into a table's."""

    FRAME = "the frame"
    STAGED = "the staged batch"
    FILES = "the files"

    @property
    def has(self) -> str:
        """The source with its verb."""
        return f"{self.value} {'have' if self is Source.FILES else 'has'}"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps, in Python and on the command line.

    Args:
        python: For a caller in Python.
        cli: For the `sfx` command; empty if it is the same.
    """

    python: str
    cli: str = ""

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of an error."""
        return {"remedy": self.python, "cli_remedy": self.cli}


def of_absent(
    column: Column, others: Mapping[str, Column], table_name: str, source: Source
) -> Remedy:
    """Return what helps if a column of the table is absent.

    Args:
        column: The table's column.
        others: The columns that the table has not, by name in lower case.
        table_name: The table.
        source: What lacks the column.
    """
    drop = f"`sfx drop-column {table_name} {column.name}`"
    alike = [one for one in others.values() if one.type == column.type]
    near = get_close_matches(column.name.lower(), [one.name.lower() for one in alike], 1)
    new = others[near[0]].name if near else alike[0].name if len(others) == len(alike) == 1 else ""
    if new:
        rename = f"`sfx rename-column {table_name} {column.name} {new}`"
        first = f"if {new!r} is its new name, run {rename} first; if not, "
    else:
        first = ""
    if source is Source.FRAME:
        rest = f'add it to the frame, pass evolve="any" to let it read as null, or run {drop}'
        return Remedy(f"{first}{rest}")
    return Remedy(f"{first}run {drop} if the column is no longer wanted")


def of_added(source: Source) -> Remedy:
    """Return what helps if a new column is not allowed."""
    return Remedy(
        'remove it, or pass evolve="safe" to add it'
        if source is Source.FRAME
        else "remove it first"
    )


def of_type(
    table: Column,
    frame: Column,
    *,
    arrow: tuple[pa.DataType | None, pa.DataType | None],
    wider: pa.DataType | None,
    lost: bool,
    evolve: Evolve,
    source: Source,
    staged: tuple[str, str],
) -> Remedy:
    """Return what helps if a column has a type that the table's does not hold.

    Args:
        table: The table's column.
        frame: The frame's column.
        arrow: Their Arrow types, None if unsupported.
        wider: The type that holds the values of both, or None.
        lost: Whether a value prevented a cast.
        evolve: Which changes the caller allows.
        source: What has the column.
        staged: The table and the ID of the staged batch.
    """
    if source is Source.STAGED:
        discard = f"`sfx discard {staged[0]} --batch {staged[1]}`"
        return Remedy(f"store its frame again with the table's type, and end it with {discard}")
    if source is Source.FILES:
        return Remedy(
            "adopt the files as another table, or load them as a frame and store it"
            ' with evolve="any"',
            "adopt the files as another table, or convert them first",
        )
    if wider is not None and evolve == "none":
        return Remedy("convert the frame's column, or pass evolve=\"safe\" to widen the table's")
    if wider is not None and table.kind.declared:
        declare = _declare(table, hive_type(wider))
        return Remedy(f"convert the frame's column, or {declare} to declare the wider type")
    return Remedy(
        f"{_first(table, *arrow, lost=lost)}, or"
        ' pass evolve="any" to give the table the frame\'s type'
    )


def _first(table: Column, have: pa.DataType | None, mine: pa.DataType | None, *, lost: bool) -> str:
    """Return what helps first if neither type holds the values of the other."""
    if lost or have is None or mine is None:
        return "convert the frame's column"
    if is_text(have):
        declare = f"{_declare(table, 'string')} to store its values as text"
        if types.is_integer(mine):
            return f"read the column as text, as numbers have lost leading zeros, {declare}"
        return f"convert the frame's column, {declare}"
    if is_text(mine) and not types.is_nested(have):
        return f"{_declare(table, table.type)} to read the text as values of the table's type"
    return "convert the frame's column"


def _declare(column: Column, kind: str) -> str:
    return f'pass types={{"{column.name}": "{kind}"}}'
