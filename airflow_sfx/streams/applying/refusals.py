"""Rows that the table refuses for their values: only their records fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx.core.table import TableRef
from airflow_sfx.frames.types.hive import hive_type
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.applying.running import Ran
from airflow_sfx.streams.applying.windows import Windows

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_TYPED = ("date", "decimal", "binary")


def declared_types(function: Portable) -> dict[str, str]:
    """Return the Hive types of columns that a frame of pandas has as objects."""
    return {
        one.name: hive_type(one.arrow) for one in function.outputs if one.feature.kind in _TYPED
    }


def without_refused(warehouse: Warehouse, table: TableRef, windows: Windows, ran: Ran) -> Ran:
    """Return what a function gave; rows fail that the table refuses for their values.

    It is for rows that a store has refused: nothing is written.

    Args:
        warehouse: The warehouse.
        table: The table.
        windows: Where the rows go.
        ran: What the function gave.

    Returns:
        It without those rows; itself if the table refuses the columns, or no row.
    """
    from airflow_sfx.warehouse.batch.target import Target
    from airflow_sfx.warehouse.write.refused_rows import refused_rows
    from airflow_sfx.warehouse.write.store_plan import StoreOptions

    if ran.frame is None:
        return ran
    frame, _ = windows.place(ran.frame, ran.records)
    options = StoreOptions(
        partition_by=windows.partition_by or None, types=declared_types(windows.function)
    )
    target = Target.of(table, warehouse.store, warehouse.metastore, warehouse.partition_style)
    return ran.without(refused_rows(target, frame, options))
