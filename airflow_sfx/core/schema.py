"""The columns of a table, as the metastore names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Evolve: TypeAlias = Literal["none", "safe", "any"]
"""What a store may do to a table's columns: nothing; add and widen; anything."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: The column's name as the frame wrote it; Hive compares names without regard to case.
        type: The Hive type, for example ``bigint`` or ``array<string>``.

    Example:
        >>> Column("price", "double").type
        'double'
    """

    name: str
    type: str
