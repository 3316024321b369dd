"""Reasons with any characters are read back from the log."""

from __future__ import annotations

import pandas as pd

from airflow_sfx.warehouse.connect import connect


def test_reasons_with_characters_that_end_a_line_of_unicode_are_read_back(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    frame = pd.DataFrame({"day": [f"{day:02}" for day in range(20)], "n": range(20)})
    reason = "a\u2028b\u2029c\x85d\x1ce\nf"
    warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], reason=reason)
    entries = warehouse.audit("sales", "items").entries
    assert len(entries) == 20
    assert {entry.reason for entry in entries} == {reason}
