"""The audit trail as a table."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from airflow_sfx.core.errors import ForeignChange
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.calls.looking import Looking
from airflow_sfx.warehouse.calls.storing import Storing
from airflow_sfx.warehouse.log.ledger import Ledger


class Exporting(Storing, Looking):
    """The audit trail as a table."""

    def export_audit(
        self,
        db: str,
        table: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reason: str = "",
    ) -> BatchPin | None:
        """Store what changed in all tables in a table of its own, a partition a day, to be queried by SQL.

        Args:
            db: The database of the table to store in.
            table: That table; its own changes are left out.
            since: From the day of this time on, in UTC; None for the beginning.
            until: Until the end of the day before this time, or of its day where it is no midnight;
                None for now.
            reason: Why, for the history.

        Returns:
            The pin of the days that were stored; None where nothing had changed.

        Raises:
            InvalidName: A time has no time zone, or the table's name breaks a rule.

        Example:
            >>> warehouse.load_dataframe(warehouse.export_audit("meta", "changes"))["batch_id"].tolist()[-1] == oops.batch_id
            True
        """
        from airflow_sfx.warehouse.history.audit import AuditFilter, audit_table
        from airflow_sfx.warehouse.history.audit_export import export_changes, whole_days

        target, wanted = TableRef(db, table), whole_days(AuditFilter(since, until))
        reports = []
        for ref in self.tables():
            with suppress(ForeignChange):  # a table that is not ours has no history
                opened = self._open(ref.database, ref.table)
                reports.append(audit_table(opened, Ledger(opened), wanted))
        return export_changes(self, reports, target, reason or "export of the audit trail")
