"""Compares batches with each other, and with what lies in storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.diff.diff import BatchDiff
    from airflow_sfx.warehouse.integrity.verify import VerifyReport
from airflow_sfx.api.connecting import warehouse_of


def diff(
    before: BatchPin,
    after: BatchPin,
    *,
    keys: Sequence[str] = (),
    warehouse: Warehouse | str | None = None,
) -> BatchDiff:
    """Compare what two pins hold: columns, rows, each column's values, and, by key, the rows.

    Args:
        before: The one pin.
        after: The other, of the same or of another table.
        keys: Columns that tell rows apart; without them rows are compared as a whole.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The differences.

    Raises:
        SchemaMismatch: A key is not a column of both.

    Example:
        >>> found = sfx.diff(good, oops)
        >>> found.identical, found.added, found.removed
        (False, 1, 1)
    """
    return warehouse_of(warehouse).diff(before, after, keys=keys)


def verify(
    pin: BatchPin,
    *,
    warehouse: Warehouse | str | None = None,
) -> VerifyReport:
    """Read every file of a pin and compare size, checksum and rows with the manifest.

    Args:
        pin: The pin.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was read.

    Raises:
        BatchNotFound: There is no such batch.
        InconsistentBatch: Something is missing, truncated or altered; ``problems`` lists it.

    Example:
        >>> sfx.verify(good).rows
        2
    """
    return warehouse_of(warehouse).verify(pin)
