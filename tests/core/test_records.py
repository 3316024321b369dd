"""Stored records keep their format to the byte, and each member is checked when they are read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.manifest import CheckResult, DataFile, Manifest
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics
from airflow_sfx.core.stored.call_manifest import manifests_to_bytes
from airflow_sfx.core.stored.log_entry import (
    EntryHeader,
    Mark,
    checkpoint_to_bytes,
    entry_to_bytes,
)
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.commit import _record
from airflow_sfx.warehouse.pins.holds import Hold, _to_text
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table

AT = datetime(2016, 11, 1, 0, 22, 57, tzinfo=UTC)
FINE = datetime(2016, 11, 1, 0, 22, 57, 120, tzinfo=UTC)
TASK = Producer(
    dag_id="nightly",
    run_id='scheduled__"1"',
    task_id="load",
    map_index=3,
    try_number=2,
    packages={"pyarrow": "22.0.0", "köln": "\t\x01"},
)
PIN = BatchPin.of(
    TableRef("sales", "items"),
    "s3://b/sales.db/items",
    {"2016/Köln": "20161101002257", "a": "20161101002256"},
)
MANIFEST = Manifest(
    ref=PIN.ref,
    partition="2016/Köln",
    keys=(PartitionKey("year", "int"), PartitionKey("city")),
    batch_id="20161101002256",
    schema="p:abc",
    columns=(Column("price", "double"), Column("größe", "array<string>")),
    files=(
        DataFile("part-00000.parquet", 10, 3, "ab", "etag"),
        DataFile("part-00001.parquet", 5, 2, "", ""),
    ),
    created_at=FINE,
    statistics={
        "price": ColumnStatistics(1, 1e16, 1.5e-7),
        "größe": ColumnStatistics(0, "a\n\x7f\u2028", "ä…"),
        "flag": ColumnStatistics(0, False, True),
        "n": ColumnStatistics(7, -(1 << 63), 123456789012345678),
        "small": ColumnStatistics(0, 0.00001, 1e22),
        "none": ColumnStatistics(9),
    },
    producer=TASK,
    inputs=(PIN,),
    replaced="20161031000000",
    staged=True,
    location="s3://b/elsewhere",
    checks=(CheckResult("rows", False, '3 "rows"\\ /'), CheckResult("ok", True, "")),
)
ENTRY = LogEntry(
    partition="2016/Köln",
    version=4,
    operation=Operation.PUBLISH,
    batch_id="20161101002256",
    previous=None,
    at=AT,
    producer=Producer(),
    reason="",
    commit="2016-11-01/002257.000000-4-9f3a01bc",
    parent=2,
    origin=4,
    previous_origin=0,
    newest="20161101002256",
    attempts={},
    rows=5,
    bytes=15,
    location="",
)
RETIRED = LogEntry(
    partition="",
    version=4,
    operation=Operation.RETIRE,
    batch_id=None,
    previous="20161101002256",
    at=FINE,
    producer=TASK,
    reason="déjà\r\n",
    commit="2016-11-01/002257.000000-4-9f3a01bc",
    parent=3,
    origin=0,
    previous_origin=3,
    newest="20161101002256",
    attempts={"nightly/r/load/-1": "000002"},
    rows=0,
    bytes=0,
    location="s3://b/x",
    retired=("20161101002255", "20161101002256"),
    despite_pins=True,
)

HEADER = EntryHeader(
    version=4,
    operation=Operation.PUBLISH,
    at=AT,
    producer=TASK,
    reason="late",
    commit="2016-11-01/002257.000000-4-9f3a01bc",
    partitions=3,
    base=2,
    recent=(Mark("b", 3, "20161101002255"), Mark("c", 3)),
    applied=3,
    undo="u",
)
WINDOW = replace(
    HEADER,
    partitions=1,
    positions={"kinesis:clicks": {"0": "17", "1": "4"}, "spark:köln": {"batch": "0"}},
    consumed={"kinesis:clicks": {"0": ("", "17")}},
)
DISCARDED = LogEntry(
    partition="a",
    version=4,
    operation=Operation.DISCARD,
    batch_id=None,
    previous=None,
    at=AT,
    producer=Producer(),
    reason="",
    commit="2016-11-01/002257.000000-4-9f3a01bc",
    parent=0,
    origin=0,
    previous_origin=0,
    newest="20161101002256",
    attempts={},
    rows=0,
    bytes=0,
    location="",
    discarded=("20161101002256",),
)


def stored(uri: str) -> dict[str, bytes]:
    """The records of an embedded warehouse, by their paths."""
    root = Path(uri.removeprefix("embedded://"))
    paths = (path for path in root.rglob("*") if path.is_file() and "_sfx" in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def written(uri: str) -> dict[str, bytes]:
    """Return the records beside manifests and the log: of events, runs and expired batches."""
    warehouse = sfx.connect(uri)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "items", ["2016"])
    before = stored(uri)
    table = Table.find(TableRef("sales", "items"), warehouse.store, warehouse.metastore)
    _record(table, [ENTRY, RETIRED], HEADER, (), HEADER.operation.value)
    note = tombstones.Tombstone(
        {"2016/Köln": ("20161101002256",), "a": ()},
        AT,
        FINE,
        TASK,
        "asked",
        {"a": {"20161101002256": tombstones.Replacement("20161101002257", 3, 9, staged=True)}},
        "2016-11-01/002257.000005-2-9f3a01bc",
    )
    tombstones.write(table, note)
    tombstones.finish(table, note)
    found = {path: text for path, text in stored(uri).items() if path not in before}
    # the name of an event ends at random
    return {re.sub(r"(_sfx/events/.*~).*", r"\1….json", path): found[path] for path in found}


def records(uri: str) -> dict[str, str]:
    """The texts of all kinds of records, by name."""
    hold = Hold("report", 2, PIN, AT, None, TASK, "why")
    released = replace(hold, until=FINE.replace(year=9999), reason="", released=True)
    return {
        "manifest": manifests_to_bytes([MANIFEST, replace(MANIFEST, partition="b")]).decode(),
        "entry": entry_to_bytes(HEADER, [ENTRY, RETIRED, DISCARDED]).decode(),
        "entry of a stream": entry_to_bytes(WINDOW, [ENTRY]).decode(),
        "checkpoint": checkpoint_to_bytes(3, HEADER.recent).decode(),
        "pin": PIN.to_json(),
        "hold": _to_text(hold),
        "released hold": _to_text(released),
        **{path: text.decode() for path, text in written(uri).items()},
    }


def test_records_are_written_to_the_byte_as_in_the_first_release(tmp_path) -> None:
    golden = json.loads(Path(__file__).with_name("golden_records.json").read_text())
    assert records(f"embedded://{tmp_path}/w") == golden
