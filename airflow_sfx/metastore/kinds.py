"""What columns are beyond their Hive types, kept among a table's parameters: one for each column that is not ordinary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column, ColumnKind

KIND = "sfx.column."
"""What the names of these parameters begin with; the column's name in lower case follows."""

LONGEST = 255 - len(KIND)
"""How many bytes the name of such a column may have: Glue takes 255 for the name of a parameter, and Hive 256 characters."""


def refuse_long(columns: Iterable[Column], table: str) -> None:
    """Refuse columns whose parameters would have names that are too long for Hive or Glue.

    Args:
        columns: The columns.
        table: The table, for messages.

    Raises:
        SchemaMismatch: There is one.

    Example:
        >>> refuse_long([Column("n" * 250, "bigint")], "sales.items")
    """
    for column in columns:
        if column.kind and len(column.name.lower().encode()) > LONGEST:
            raise SchemaMismatch(
                f"the name of the column {column.name!r} of {table} is too long: what it is beyond its Hive type is kept under "
                f"its name, for which there are {LONGEST} bytes; rename it",
                table=table,
            )


def parameters_of(columns: Iterable[Column]) -> dict[str, str]:
    """The parameters that say what columns are.

    Example:
        >>> parameters_of([Column("n", "bigint"), Column("Since", "bigint", ColumnKind((("", "period[M]"),)))])
        {'sfx.column.since': '{"parts":{"":"period[M]"}}'}
    """
    return {f"{KIND}{column.name.lower()}": column.kind.to_text() for column in columns if column.kind}


def with_kinds(columns: Iterable[Column], parameters: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns with what a table's parameters say of them.

    Raises:
        InconsistentBatch: A parameter was changed by another program.
    """
    told = {column: parameters.get(f"{KIND}{column.name.lower()}") for column in columns}
    return tuple(
        column if text is None else replace(column, kind=ColumnKind.from_text(text)) for column, text in told.items()
    )


def without_kinds(parameters: Mapping[str, str]) -> dict[str, str]:
    """The other parameters."""
    return {name: text for name, text in parameters.items() if not name.startswith(KIND)}
