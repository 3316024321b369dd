"""Results of the warehouse as frames, whose types do not depend on the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

Columns = Sequence[tuple[str, pa.DataType, Callable[[Any], object]]]

_TEXT, _COUNT, _NUMBER = pa.string(), pa.int32(), pa.float64()
_TIME = pa.timestamp("us", "UTC")

TABLES: Columns = (
    ("database", _TEXT, lambda one: one.database),
    ("table", _TEXT, lambda one: one.table),
)
HISTORY: Columns = (
    ("partition", _TEXT, lambda one: one.partition),
    ("version", _COUNT, lambda one: one.version),
    ("operation", _TEXT, lambda one: one.operation.value),
    ("batch_id", _TEXT, lambda one: one.batch_id),
    ("previous", _TEXT, lambda one: one.previous),
    ("at", _TIME, lambda one: one.at),
    ("dag_id", _TEXT, lambda one: one.producer.dag_id),
    ("run_id", _TEXT, lambda one: one.producer.run_id),
    ("task_id", _TEXT, lambda one: one.producer.task_id),
    ("try_number", _COUNT, lambda one: one.producer.try_number),
    ("user", _TEXT, lambda one: one.producer.user),
    ("host", _TEXT, lambda one: one.producer.host),
    ("reason", _TEXT, lambda one: one.reason),
    ("rows", _NUMBER, lambda one: one.rows),
    ("bytes", _NUMBER, lambda one: one.bytes),
)
COLUMNS: Columns = (
    ("column", _TEXT, lambda one: one.name),
    ("type_before", _TEXT, lambda one: one.type_before),
    ("type_after", _TEXT, lambda one: one.type_after),
    ("nulls_before", _NUMBER, lambda one: one.before and one.before.null_count),
    ("nulls_after", _NUMBER, lambda one: one.after and one.after.null_count),
    ("mean_before", _NUMBER, lambda one: one.mean_before),
    ("mean_after", _NUMBER, lambda one: one.mean_after),
    ("distinct_before", _NUMBER, lambda one: one.distinct_before),
    ("distinct_after", _NUMBER, lambda one: one.distinct_after),
    ("changed", _NUMBER, lambda one: one.changed),
)
HOLDS: Columns = (
    ("name", _TEXT, lambda one: one.name),
    ("table", _TEXT, lambda one: str(one.pin.ref)),
    ("pin", _TEXT, lambda one: one.pin.to_json()),
    ("at", _TIME, lambda one: one.at),
    ("until", _TIME, lambda one: one.until),
    ("user", _TEXT, lambda one: one.producer.user),
    ("reason", _TEXT, lambda one: one.reason),
)


def listing(columns: Columns, found: Iterable[object]) -> pa.Table:
    """Return results as a table.

    Args:
        columns: The columns: name, type and value.
        found: The results.

    Returns:
        The table, with a row for each result.

    Example:
        >>> from airflow_sfx.core.table import TableRef
        >>> listing(TABLES, [TableRef("shop", "orders")]).to_pylist()
        [{'database': 'shop', 'table': 'orders'}]
    """
    rows = list(found)
    schema = pa.schema([(name, kind) for name, kind, _ in columns])
    arrays = [pa.array([value(row) for row in rows], kind) for _, kind, value in columns]
    return pa.Table.from_arrays(arrays, schema=schema)
