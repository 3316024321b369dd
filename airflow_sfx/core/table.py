"""References to tables: a validated database name and table name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from airflow_sfx.core.errors import InvalidName

MODELS = "models"
"""The database whose tables are models, which are in the log only."""
LATEST = "latest"
"""The partition of a model's table whose batches are all of its versions, the last save current."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True, order=True)
class TableRef:
    """A reference to a table of the metastore.

    Names have 1 to 128 letters, digits and underscores, begin with a letter or a digit, and are
    kept in lower case, as Hive keeps them. Names with hyphens are accepted for tables that a
    catalog such as Glue already has, not for new ones.

    Args:
        database: The database's name.
        table: The table's name.

    Raises:
        InvalidName: A name breaks the rule.

    Example:
        >>> TableRef("sales", "Sold_Items")
        TableRef(database='sales', table='sold_items')
        >>> str(TableRef.parse("sales.sold_items"))
        'sales.sold_items'
    """

    database: str
    table: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "database", identifier(self.database, "database"))
        object.__setattr__(self, "table", identifier(self.table, "table"))

    @classmethod
    def parse(cls, text: str) -> TableRef:
        """Parse ``database.table``.

        Args:
            text: The two names with one dot between them.

        Returns:
            The table.

        Raises:
            InvalidName: It is not text, there is not exactly one dot, or a name breaks the rule.

        Example:
            >>> TableRef.parse("sales.sold_items").table
            'sold_items'
        """
        if not isinstance(text, str):
            raise _not_a_table(text)
        return _parsed(text)

    def __str__(self) -> str:
        return f"{self.database}.{self.table}"


@lru_cache(maxsize=1024)  # DAG files repeat the same names
def _parsed(text: str) -> TableRef:
    database, dot, table = text.partition(".")
    if not dot:
        raise _not_a_table(text)
    return TableRef(database, table)


def _not_a_table(text: object) -> InvalidName:
    return InvalidName(
        f"{text!r:.80} does not name a table; write it as text, DATABASE.TABLE, as in"
        " 'sales.sold_items'"
    )


def identifier(name: object, what: str) -> str:
    """Check a database, table or partition key name and return it in lower case.

    Args:
        name: The name as given.
        what: What it names, for the message: ``database``, ``table``, ``partition key``.

    Returns:
        The name in lower case.

    Raises:
        InvalidName: It is not text, or breaks the rule.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name!r:.160} cannot be the name of a {what}: use 1 to 128 ASCII letters, digits and"
            " underscores, beginning with a letter or a digit"
        )
    return name.lower()


def refuse_hyphen(name: str, what: str) -> None:
    """Raise an error for the name of a new table or key that has a hyphen.

    Args:
        name: The name.
        what: What it names, for the message.

    Raises:
        InvalidName: It has a hyphen.

    Example:
        >>> refuse_hyphen("sold_items", "table")
    """
    if "-" in name:
        raise InvalidName(
            f"{name!r} cannot be the name of a new {what}: Hive accepts ASCII letters, digits and"
            " underscores; hyphens are accepted only for tables that the catalog already has"
        )
