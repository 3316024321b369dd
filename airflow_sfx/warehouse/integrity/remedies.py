"""Commands that settle what other engines did to a table, for messages."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.batch.file_listing import FileProblem, FileProblemKind

DROP_OR_RENAME = "loads leave it out; drop or rename the partition in the engine that made it"
"""The remedy for a partition whose values are not supported."""


def of_moved(ref: TableRef, name: str) -> str:
    """Return the remedy for a partition that another engine made or moved.

    Args:
        ref: The table.
        name: The partition's name; empty for a table without partition keys.

    Example:
        >>> of_moved(TableRef("shop", "orders"), "20161031")
        '`sfx adopt shop.orders --partition 20161031` adds it to the history'
        >>> of_moved(TableRef("shop", "orders"), "")
        '`sfx adopt shop.orders` adds it to the history'
    """
    return f"{_adopt(ref, name)} adds it to the history"


def of_files(
    ref: TableRef, name: str, problems: Iterable[FileProblem], previous: str | None
) -> str:
    """Return the remedy for a current batch whose files another program changed.

    Args:
        ref: The table.
        name: The partition's name.
        problems: What differs.
        previous: The batch before, or None.
    """
    found = tuple(problems)
    kinds = {one.kind for one in found}
    choices = []
    if kinds & {FileProblemKind.CHANGED, FileProblemKind.ADDED} and all(
        one.is_parquet for one in found
    ):
        choices.append(f"{_adopt(ref, name)} makes a batch of the files as they are")
    if previous is not None:
        rollback = " ".join(filter(None, ("sfx rollback", str(ref), name and shlex.quote(name))))
        choices.append(f"`{rollback}` makes the batch before current")
    if kinds == {FileProblemKind.ADDED}:
        choices.append("move the added files elsewhere")
    elif not choices:
        choices.append("restore the files from a backup")
    return ", or ".join(choices)


def _adopt(ref: TableRef, name: str) -> str:
    partition = f" --partition {shlex.quote(name)}" if name else ""
    return f"`sfx adopt {ref}{partition}`"
