"""Builders of small batches that several test modules share."""

from __future__ import annotations

import pandas as pd

import airflow_sfx as sfx


def put(
    warehouse: sfx.Warehouse, value: int, partition: str = "a", **options: object
) -> sfx.BatchPin:
    """Store a batch of one number in a partition of sales.items."""
    frame = pd.DataFrame({"n": [value]})
    return warehouse.store_dataframe(frame, "sales", "items", [partition], **options)


def put_both(warehouse: sfx.Warehouse, value: int, **options: object) -> sfx.BatchPin:
    """Store a number in the partitions a and b of sales.items, in one commit."""
    frame = pd.DataFrame({"n": value, "day": ["a", "b"]})
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], **options)
