"""Compares batches with each other, and with what lies in storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin

if TYPE_CHECKING:
    from airflow_sfx.warehouse.diff.diff import BatchDiff
    from airflow_sfx.warehouse.integrity.verify import VerifyReport
from airflow_sfx.warehouse.calls.base import Calls


class Comparing(Calls):
    """Compares batches with each other, and with what lies in storage."""

    def diff(self, before: BatchPin, after: BatchPin, *, keys: Sequence[str] = ()) -> BatchDiff:
        """Compare what two pins hold: columns, rows, each column's values, and, by key, the rows.

        Args:
            before: The one pin.
            after: The other, of the same or of another table.
            keys: Columns that tell rows apart; without them rows are compared as a whole.

        Returns:
            The differences.

        Raises:
            SchemaMismatch: A key is not a column of both.

        Example:
            >>> found = warehouse.diff(good, oops)
            >>> found.identical, found.added, found.removed
            (False, 1, 1)
        """
        from airflow_sfx.warehouse.diff.diff import diff_batches

        return diff_batches(self._pinned(before), before, self._pinned(after), after, keys=keys)

    def verify(self, pin: BatchPin) -> VerifyReport:
        """Read every file of a pin and compare size, checksum and rows with the manifest.

        Args:
            pin: The pin.

        Returns:
            What was read.

        Raises:
            BatchNotFound: There is no such batch.
            InconsistentBatch: Something is missing, truncated or altered; ``problems`` lists it.

        Example:
            >>> warehouse.verify(good).rows
            2
        """
        from airflow_sfx.warehouse.integrity.verify import verify_pin

        return verify_pin(self._pinned(pin), pin)

    def inconsistencies(self, pin: BatchPin) -> list[str]:
        """What of a pin cannot be seen yet: objects by name, size and ETag, and whether metastore and history agree.

        Nothing is read but manifests: objects are listed, a thousand a request.

        Args:
            pin: The pin.

        Returns:
            A sentence for each thing that is amiss; none when all is there.

        Raises:
            InvalidName: The pin is of another warehouse.

        Example:
            >>> warehouse.inconsistencies(good)
            []
        """
        from airflow_sfx.warehouse.integrity.consistency import inconsistencies

        return inconsistencies(self._pinned(pin), pin)
