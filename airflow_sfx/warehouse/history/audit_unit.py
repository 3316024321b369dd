"""The audit of a DAG run or a backfill, in all tables that it changed."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.history.audit import AuditReport, entries_of
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.run_index import Unit, commits_of
from airflow_sfx.warehouse.table.renamed import tables_named
from airflow_sfx.warehouse.table.table import Table


def audit_unit(store: ObjectStore, metastore: Metastore, unit: Unit) -> list[AuditReport]:
    """List the changes of one DAG run or backfill, for each table that it changed.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        unit: The run or the backfill.

    Returns:
        The entries of each table that took effect, newest first, also of tables that were renamed
        or dropped since; for a table that cannot be read, the reason.
    """
    found: dict[str, AuditReport | tuple[Table, list[str]]] = {}
    for ref, commits in commits_of(store, unit).items():
        try:
            tables, missing = tables_named(ref, store, metastore)
        except InconsistentBatch as error:  # a record of the name is damaged
            found[str(ref)] = AuditReport(str(ref), (), (), unreadable=str(error))
            continue
        if not tables:
            found[str(ref)] = AuditReport(str(ref), (), (), unreadable=str(missing))
        for table in tables:
            known = found.setdefault(table.location, (table, []))
            if isinstance(known, tuple):
                known[1].extend(commits)
    reports = [one if isinstance(one, AuditReport) else _report(*one) for one in found.values()]
    return [report for report in reports if report.entries or report.unreadable]


def _report(table: Table, commits: Sequence[str]) -> AuditReport:
    try:
        return AuditReport(str(table.ref), tuple(entries_of(PartitionLog(table), commits)), ())
    except InconsistentBatch as error:
        return AuditReport(str(table.ref), (), (), unreadable=str(error))
