"""Partitions of one commit whose ledger entries are alike, and so pack to very little."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.ledger import Ledger
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
