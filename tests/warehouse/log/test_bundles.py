"""The common object of the entries of one commit of many partitions."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from airflow_sfx.core.serde import decode
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import CommitRecord
from airflow_sfx.warehouse.table.table import Table


def test_what_packs_to_a_two_hundredth_is_read_from_one_object_again(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "items", ["a"])
    info = warehouse.metastore.get_table(TableRef("sales", "items"))
    ledger = Ledger(Table.of(info, warehouse.store, warehouse.metastore))
    entry = ledger.read("a", 1)
    attempts = {
        f"nightly/load_all_customers/scheduled__2016-11-{day:02}": "1" for day in range(1, 33)
    }
    many = replace(
        entry,
        commit=f"{entry.commit}-many",
        group=True,
        attempts=attempts,
        reason="late: " * 40_000,
    )
    entries = [replace(many, partition=f"{number:05}") for number in range(200)]
    assert ledger.append(*entries)
    assert list(ledger.group(entries[0].commit).values()) == entries


def test_reasons_with_characters_that_end_a_line_of_unicode_are_read_back(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    frame = pd.DataFrame({"day": [f"{day:02}" for day in range(20)], "n": range(20)})
    reason = "a\u2028b\u2029c\x85d\x1ce\nf"
    warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], reason=reason)
    entries = warehouse.audit("sales", "items").entries
    assert len(entries) == 20
    assert {entry.reason for entry in entries} == {reason}


@pytest.mark.parametrize("more", [[], [None, None, 2, "a later version's"]])
def test_a_commit_record_of_another_version_is_read(tmp_path, more) -> None:
    text = json.dumps(
        {
            "at": "2016-11-01T00:00:00+00:00",
            "lease_seconds": 3,
            "producer": {},
            "changes": [["20161031", 1, *more]],
            "added": True,
        }
    )
    (change,) = decode(text, CommitRecord, "a record").changes
    assert (change.partition, change.sequence, change.batch_id) == ("20161031", 1, None)
