"""Shell completion of names and batch IDs, within a second and without errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.warehouse.table.table import Table
    from airflow_sfx.warehouse.warehouse import Warehouse

SECONDS = 0.6
"""How long the shell waits for the warehouse; then there are no suggestions."""
MOST = 200
"""The largest number of suggestions."""
MOST_BATCHES = 50
"""The largest number of changes in which batches are looked up."""


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
    return _of_table(ctx, incomplete, lambda _, table: sorted(table.names(), reverse=True))


def complete_batch(ctx: Any, incomplete: str) -> list[str]:
    """Return the batches that the named partitions, or the table, had, newest first.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """

    def ids(warehouse: Warehouse, table: Table) -> Iterable[str]:
        db, name, named = table.ref.database, table.ref.table, _named_partitions(ctx, table)
        if named or not table.info.keys:
            found = [
                one
                for values in named or (None,)
                for one in warehouse.history(db, name, values, limit=MOST_BATCHES)
            ]
            return [one.batch_id for one in found if one.batch_id]
        report = warehouse.audit(
            db, name, limit=MOST_BATCHES, foreign=False, files=False, by_commit=True
        )
        return [one.batch_id for one in report.commits if one.batch_id]

    return _of_table(ctx, incomplete, ids)


def complete_staged(ctx: Any, incomplete: str) -> list[str]:
    """Return the staged batches of the named table that begin with what was typed, newest first.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """

    def ids(_: Warehouse, table: Table) -> Iterable[str]:
        from airflow_sfx.warehouse.batch.staging import recorded_pins

        found = {batch for pin in recorded_pins(table) for batch in pin.batches.values()}
        return sorted(found, reverse=True)

    return _of_table(ctx, incomplete, ids)


def complete_column(ctx: Any, incomplete: str) -> list[str]:
    """Return the columns of the named table that begin with what was typed.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """
    return _of_table(ctx, incomplete, lambda _, table: [one.name for one in table.info.columns])


def complete_operand(ctx: Any, incomplete: str) -> list[str]:
    """Return what ``diff`` takes next: a partition, and then batches of it.

    Args:
        ctx: The context of the command line so far.
        incomplete: What was typed.
    """
    if not ctx.params.get("words"):
        return complete_partition(ctx, incomplete)
    words = [one for one in ("current", "previous") if one.startswith(incomplete)]
    return words + complete_batch(ctx, incomplete)


def _named_partitions(ctx: Any, table: Table) -> list[Sequence[str]]:
    """Return the values of the partitions that the command line names so far."""
    from airflow_sfx.cli.options import values_of

    named = ctx.params.get("partition") or (ctx.params.get("words") or ())[:1] or ctx.args[1:]
    keys = [key.name for key in table.info.keys]
    return [values_of(one, keys) for one in named] if keys else []


def _of_table(
    ctx: Any, incomplete: str, names: Callable[[Warehouse, Table], Iterable[str]]
) -> list[str]:
    """Return names of something that the named table has."""
    # before the value of an option, arguments are not assigned to their parameters yet
    text = ctx.params.get("table") or next(iter(ctx.args), "")

    def search(warehouse: Warehouse) -> Iterable[str]:
        from airflow_sfx.core.table import TableRef
        from airflow_sfx.warehouse.table.table import Table

        table = Table.find_ended(TableRef.parse(text), warehouse.store, warehouse.metastore)
        return names(warehouse, table)

    return _suggestions(ctx, incomplete, search) if text else []


def _suggestions(
    ctx: Any, incomplete: str, names: Callable[[Warehouse], Iterable[str]]
) -> list[str]:
    """Return names of a warehouse; none if it is slow, or if anything goes wrong."""
    found: list[str] = []
    uri = ctx.find_root().params.get("warehouse")

    def search() -> None:
        from airflow_sfx._default import connect

        try:
            there = dict.fromkeys(one for one in names(connect(uri)) if one.startswith(incomplete))
        except Exception:  # the shell is in the middle of a line: an error has no place there
            return
        found.extend([*there][:MOST])

    logging.disable(logging.CRITICAL)
    thread = threading.Thread(target=search, name="sfx completion", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return list(found)
