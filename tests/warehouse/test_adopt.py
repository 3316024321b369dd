"""A directory of Parquet files becomes a table as it lies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx


@pytest.fixture
def legacy(tmp_path) -> Path:
    """Two days as Hive lays them out, with what Spark leaves beside them."""
    folder = tmp_path / "legacy"
    for day, values in (("20161031", [1, 2]), ("20161101", [3])):
        target = folder / f"day={day}"
        target.mkdir(parents=True)
        for number, value in enumerate(values):
            pq.write_table(pa.table({"n": [value]}), target / f"part-{number}.snappy.parquet")
        (target / "_SUCCESS").touch()
    return folder


def test_each_partition_becomes_a_first_batch_and_the_files_stay(warehouse, legacy) -> None:
    before = {path: path.read_bytes() for path in legacy.rglob("*") if path.is_file()}
    pin = warehouse.adopt("sales", "items", str(legacy), reason="moved in")
    assert sorted(pin.batches) == ["20161031", "20161101"]
    assert warehouse.load_dataframe("sales", "items").to_dict("list") == {
        "n": [1, 2, 3],
        "day": ["20161031", "20161031", "20161101"],
    }
    assert warehouse.verify(pin).files == 3
    assert warehouse.show("sales", "items").partitions[0].location == f"file://{legacy}/day=20161031"
    (entry,) = warehouse.history("sales", "items", ["20161031"])
    assert (entry.operation, entry.reason) == ("adopt", "moved in")
    assert {path: path.read_bytes() for path in legacy.rglob("*") if path.is_file()} == before


def test_an_adopted_batch_is_replaced_and_rolled_back_to_like_any_other(warehouse, legacy) -> None:
    warehouse.adopt("sales", "items", str(legacy))
    warehouse.store_dataframe(pd.DataFrame({"n": [9]}), "sales", "items", ["20161031"])
    assert warehouse.load_dataframe("sales", "items", ["20161031"])["n"].tolist() == [9]
    warehouse.rollback("sales", "items", ["20161031"])
    assert warehouse.load_dataframe("sales", "items", ["20161031"])["n"].tolist() == [1, 2]
    assert warehouse.repair("sales", "items") == []


def test_a_flat_directory_is_a_table_without_partitions(warehouse, tmp_path) -> None:
    (tmp_path / "flat").mkdir()
    pq.write_table(pa.table({"n": [1]}), tmp_path / "flat/one.parquet")
    warehouse.adopt("sales", "stores", str(tmp_path / "flat"))
    assert warehouse.load_dataframe("sales", "stores")["n"].tolist() == [1]


def test_directories_that_are_values_need_the_keys_names(warehouse, tmp_path) -> None:
    (tmp_path / "values/2016").mkdir(parents=True)
    pq.write_table(pa.table({"n": [1]}), tmp_path / "values/2016/one.parquet")
    with pytest.raises(sfx.InvalidName, match="partition_keys="):
        warehouse.adopt("sales", "items", str(tmp_path / "values"))
    warehouse.adopt("sales", "items", str(tmp_path / "values"), partition_keys={"year": "int"})
    assert warehouse.load_dataframe("sales", "items")["year"].tolist() == [2016]


def test_what_cannot_be_adopted_is_refused(warehouse, legacy, tmp_path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(sfx.InvalidName, match="no Parquet files"):
        warehouse.adopt("sales", "items", str(tmp_path / "nothing"))
    (legacy / "day=20161031/part-9.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(sfx.SchemaMismatch, match=r"part-9\.parquet"):
        warehouse.adopt("sales", "items", str(legacy))
    (legacy / "day=20161031/part-9.parquet").unlink()
    warehouse.adopt("sales", "items", str(legacy))
    with pytest.raises(sfx.CommitConflict, match="already"):
        warehouse.adopt("sales", "items", str(legacy))


def test_a_file_that_somebody_changes_later_is_noticed(warehouse, legacy) -> None:
    pin = warehouse.adopt("sales", "items", str(legacy))
    pq.write_table(pa.table({"n": [7, 8, 9]}), legacy / "day=20161101/part-0.snappy.parquet")
    with pytest.raises(sfx.InconsistentBatch):
        warehouse.verify(pin)
