"""Two readers of a partition that is overwritten a hundred times, back to back."""

from __future__ import annotations

import uuid

from airflow_sfx.warehouse.connect import connect
from bench.overwrites import DAY, OVERWRITES, overwritten
from tests.metastore.hive_server import drop_databases


def test_no_read_fails_or_is_torn_while_a_partition_is_overwritten_again_and_again(stack) -> None:
    drop_databases(f"127.0.0.1:{stack.metastore_port}")
    place = f"s3://warehouse/overwritten/{uuid.uuid4().hex}"
    warehouse = connect(f"hive://127.0.0.1:{stack.metastore_port}?location={place}")
    found = overwritten(
        lambda frame: warehouse.store_dataframe(frame.drop(columns="date"), "busy", "items", [DAY]),
        lambda: warehouse.load_dataframe("busy", "items", [DAY]),
    )
    assert found["reads"] > OVERWRITES // 4
    assert (found["failed"], found["torn"]) == (0, 0)
    assert len(warehouse.history("busy", "items", [DAY], limit=None)) == OVERWRITES + 1
