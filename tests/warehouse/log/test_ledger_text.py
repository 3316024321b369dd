"""The partition of a ledger entry's text is found without reading all of the entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, strategies as st

from airflow_sfx.core.ledger import Change, Operation, next_entry
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.log.records import partition_of

TEXTS = st.text(max_size=20) | st.sampled_from(
    ['"partition":"x"', '\\"partition":"x"', "a\\", 'a"b', "ü/日"]
)


@given(name=TEXTS, reason=TEXTS, retired=st.lists(TEXTS, max_size=2), key=TEXTS)
def test_it_is_the_entry_s_own_whatever_else_the_entry_says(
    name: str, reason: str, retired: list[str], key: str
) -> None:
    entry = next_entry(
        None,
        Change(name, Operation.PUBLISH, "20161101002256"),
        sequence=1,
        commit="c",
        group=True,
        at=datetime(2016, 11, 1, tzinfo=UTC),
        producer=Producer(partition_key=key),
        reason=reason,
    )
    assert partition_of(replace(entry, retired=tuple(retired)).to_text(), "e") == name
