"""The batches that a task ended: rolled back, erased, dropped."""

from __future__ import annotations

from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import MODELS, TableRef
from airflow_sfx.warehouse.pins.trained import pins_of
from airflow_sfx.warehouse.table.renamed import tables_named
from airflow_sfx.warehouse.warehouse import Warehouse

_ENDS = (Operation.ROLLBACK, Operation.ERASE, Operation.DROP)


def batches_ended_by(warehouse: Warehouse, producer: Producer) -> list[BatchPin]:
    """Return the batches that a task instance ended, in all of its tries, one pin for a table.

    Args:
        warehouse: The warehouse.
        producer: The task instance.

    Returns:
        The pins. Batches that a publish replaced have not ended.
    """
    if producer.dag_id is None or producer.run_id is None:
        return []
    found: list[BatchPin] = []
    for report in warehouse.audit_run(dag_id=producer.dag_id, run_id=producer.run_id):
        ref = TableRef.parse(report.table)
        ended = {
            (entry.partition, batch_id)
            for entry in report.entries
            if entry.operation in _ENDS and _is_of(entry.producer, producer)
            for batch_id in _ended_by(entry)
        }
        if not ended or ref.database == MODELS:
            continue
        (table, *_), _ = tables_named(ref, warehouse.store, warehouse.metastore)
        found += pins_of(table, ended)
    return found


def _ended_by(entry: LogEntry) -> list[str]:
    previous = [entry.previous] if entry.previous not in (None, entry.batch_id) else []
    return [*filter(None, previous), *entry.retired]


def _is_of(one: Producer, other: Producer) -> bool:
    return (one.task_id, one.map_index) == (other.task_id, other.map_index)
