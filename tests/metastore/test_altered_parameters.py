"""Hive table parameters that another program changed raise an `SfxError`."""

from __future__ import annotations

import pytest

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.metastore.hive.convert import info_of, next_version, pointer_of_table, table_of
from airflow_sfx.metastore.table_properties import COLUMNS, LOG_VERSION, VERSION

INFO = TableInfo(TableRef("sales", "items"), "s3://b/items", (Column("n", "int"),), (), {})


@pytest.mark.parametrize(
    "text", ["{", '[["a"]]', "3", '[["a", 3]]', '[["a", "int", 3]]', '{"ab": 1}', "[" * 100_000]
)
def test_columns_that_nobody_wrote_are_an_inconsistent_batch(text: str) -> None:
    table = table_of(INFO)
    table.parameters[COLUMNS] = text
    with pytest.raises(InconsistentBatch, match=r"sfx\.columns of the table sales\.items"):
        info_of(table)


def test_columns_that_an_earlier_version_kept_without_comments_are_read() -> None:
    table = table_of(INFO)
    table.parameters[COLUMNS] = '[["n", "int"], ["s", "string"]]'
    assert info_of(table).columns == (Column("n", "int"), Column("s", "string"))


@pytest.mark.parametrize("text", ["x", "", "9" * 5000])
def test_a_version_that_nobody_wrote_is_an_inconsistent_batch(text: str) -> None:
    table = table_of(INFO)
    table.parameters[VERSION] = text
    with pytest.raises(InconsistentBatch, match=r"sfx\.version of the table sales\.items"):
        next_version(table)


@pytest.mark.parametrize("text", ["x", "", "9" * 5000])
def test_a_pointer_whose_number_nobody_wrote_has_none(text: str) -> None:
    table = table_of(INFO)
    table.parameters[LOG_VERSION] = text
    assert pointer_of_table(table).version == 0
