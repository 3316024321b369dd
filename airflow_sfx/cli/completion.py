"""Shell completion of tables and partitions, within a second and without errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

SECONDS = 0.6
"""How long the shell waits for the warehouse; then there are no suggestions."""
MOST = 200
"""The largest number of suggestions."""


def complete_table(ctx: Any, incomplete: str) -> list[str]:
    """Return the tables whose name begins with what was typed.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """

    def names(warehouse: Warehouse) -> Iterable[str]:
        return map(str, warehouse.tables())

    return _suggestions(ctx, incomplete, names)


def complete_partition(ctx: Any, incomplete: str) -> list[str]:
    """Return the partitions of the named table that begin with what was typed, newest first.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """
    table = ctx.params.get("table")

    def names(warehouse: Warehouse) -> Iterable[str]:
        from airflow_sfx.core.table import TableRef
        from airflow_sfx.warehouse.table.table import Table

        opened = Table.find(TableRef.parse(table), warehouse.store, warehouse.metastore)
        return sorted(opened.names(), reverse=True)

    return _suggestions(ctx, incomplete, names) if table else []


def _suggestions(
    ctx: Any, incomplete: str, names: Callable[[Warehouse], Iterable[str]]
) -> list[str]:
    """Return names of a warehouse; none if it is slow, or if anything goes wrong."""
    found: list[str] = []
    uri = ctx.find_root().params.get("warehouse")

    def search() -> None:
        from airflow_sfx._default import connect

        try:
            there = [name for name in names(connect(uri)) if name.startswith(incomplete)]
        except Exception:  # the shell is in the middle of a line: an error has no place there
            return
        found.extend(there[:MOST])

    logging.disable(logging.CRITICAL)
    thread = threading.Thread(target=search, name="sfx completion", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return list(found)
