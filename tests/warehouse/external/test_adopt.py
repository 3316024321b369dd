"""A directory of Parquet files becomes a table as it lies."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx


def write(path: Path, **columns: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def legacy(tmp_path) -> Path:
    """Two days as Hive lays them out, with what Spark leaves beside them."""
    folder = tmp_path / "legacy"
    for day, values in (("20161031", [1, 2]), ("20161101", [3])):
        for number, value in enumerate(values):
            write(folder / f"day={day}/part-{number}.snappy.parquet", n=[value])
        (folder / f"day={day}/_SUCCESS").touch()
        (folder / f"day={day}/.part-0.crc").write_bytes(b"crc")
    return folder


def test_each_partition_becomes_a_first_batch_and_the_files_stay(warehouse, legacy) -> None:
    before = contents(legacy)
    pin = warehouse.adopt("sales", "items", str(legacy), reason="moved in")
    assert sorted(pin.batches) == ["20161031", "20161101"]
    assert warehouse.load_dataframe("sales", "items").to_dict("list") == {
        "n": [1, 2, 3],
        "day": ["20161031", "20161031", "20161101"],
    }
    assert warehouse.verify(pin).files == 3
    assert (
        warehouse.show("sales", "items").partitions[0].location == f"file://{legacy}/day=20161031"
    )
    (entry,) = warehouse.history("sales", "items", ["20161031"])
    assert (entry.operation, entry.reason) == ("adopt", "moved in")
    assert contents(legacy) == before


def test_the_manifest_tells_files_rows_and_bounds_from_the_footers(warehouse, legacy) -> None:
    pin = warehouse.adopt("sales", "items", f"file://{legacy}")
    manifest = warehouse.manifests(pin)[0]
    assert [(file.path, file.rows, len(file.sha256)) for file in manifest.files] == [
        ("part-0.snappy.parquet", 1, 64),
        ("part-1.snappy.parquet", 1, 64),
    ]
    assert (manifest.statistics["n"].minimum, manifest.statistics["n"].maximum) == (1, 2)


def test_an_adopted_batch_is_replaced_and_rolled_back_to_like_any_other(warehouse, legacy) -> None:
    adopted = warehouse.adopt("sales", "items", str(legacy))
    before = contents(legacy)
    stored = warehouse.store_dataframe(pd.DataFrame({"n": [9]}), "sales", "items", ["20161031"])
    assert warehouse.load_dataframe("sales", "items", ["20161031"])["n"].tolist() == [9]
    assert warehouse.manifests(stored)[0].location == ""
    assert (
        f"sales.db/items/20161031/{stored.batch_id}"
        in warehouse.show("sales", "items").partitions[0].location
    )
    assert warehouse.diff(adopted, warehouse.pin("sales", "items")).partitions.same == ("20161101",)
    warehouse.rollback("sales", "items", ["20161031"])
    assert warehouse.load_dataframe("sales", "items", ["20161031"])["n"].tolist() == [1, 2]
    assert warehouse.pin("sales", "items") == adopted
    assert warehouse.repair("sales", "items") == []
    assert contents(legacy) == before


def test_a_flat_directory_is_a_table_without_partitions(warehouse, tmp_path) -> None:
    write(tmp_path / "flat/one.parq", n=[1])
    warehouse.adopt("sales", "stores", str(tmp_path / "flat"))
    assert warehouse.load_dataframe("sales", "stores")["n"].tolist() == [1]
    warehouse.store_dataframe(pd.DataFrame({"n": [2]}), "sales", "stores")
    assert warehouse.load_dataframe("sales", "stores")["n"].tolist() == [2]
    warehouse.rollback("sales", "stores")
    assert warehouse.load_dataframe("sales", "stores")["n"].tolist() == [1]


def test_directories_that_are_values_need_the_keys_names(warehouse, tmp_path) -> None:
    write(tmp_path / "values/2016/one.parquet", n=[1])
    with pytest.raises(sfx.InvalidName, match="partition_keys= with 1 name,"):
        warehouse.adopt("sales", "items", str(tmp_path / "values"))
    with pytest.raises(
        sfx.InvalidName, match="1 directory deep, but the call names 2 partition keys"
    ):
        warehouse.adopt(
            "sales", "items", str(tmp_path / "values"), partition_keys=["year", "month"]
        )
    warehouse.adopt("sales", "items", str(tmp_path / "values"), partition_keys={"year": "int"})
    assert warehouse.load_dataframe("sales", "items")["year"].tolist() == [2016]


def test_further_partitions_of_a_table_are_adopted_with_its_keys(warehouse, tmp_path) -> None:
    warehouse.store_dataframe(
        pd.DataFrame({"n": [0]}), "sales", "items", ["2015"], partition_keys=["year"]
    )
    write(tmp_path / "values/2016/one.parquet", n=[1], added=["x"])
    warehouse.adopt("sales", "items", str(tmp_path / "values"))
    assert warehouse.load_dataframe("sales", "items")["year"].tolist() == ["2015", "2016"]
    assert [column.name for column in warehouse.show("sales", "items").columns] == ["n", "added"]


@pytest.mark.parametrize(
    "step", ["country=US%2FEast", "country=a b", "country=100%25", "country=é", "country=a+b"]
)
def test_names_that_need_care_are_taken_as_they_lie(warehouse, tmp_path, step: str) -> None:
    write(tmp_path / "old %20 data" / step / "one.parquet", n=[1])
    pin = warehouse.adopt("sales", "items", str(tmp_path / "old %20 data"))
    assert warehouse.verify(pin).rows == 1
    value = {"country=US%2FEast": "US/East", "country=100%25": "100%"}.get(
        step, step.partition("=")[2]
    )
    assert warehouse.load_dataframe("sales", "items")["country"].tolist() == [value]
    assert warehouse.load_dataframe("sales", "items", [value])["n"].tolist() == [1]


def test_files_whose_types_widen_are_read_as_one(warehouse, tmp_path) -> None:
    write(tmp_path / "old/day=1/a.parquet", n=pa.array([1], pa.int32()))
    write(tmp_path / "old/day=1/b.parquet", n=[1 << 40], note=["x"])
    write(tmp_path / "old/day=2/c.parquet", n=pa.array([3], pa.int16()))
    warehouse.adopt("sales", "items", str(tmp_path / "old"))
    found = warehouse.load_dataframe("sales", "items", as_="arrow").to_pylist()
    assert [(row["n"], row["note"]) for row in found] == [(1, None), (1 << 40, "x"), (3, None)]


def test_what_pandas_and_spark_write_is_read(warehouse, tmp_path) -> None:
    frame = pd.DataFrame(
        {"c": pd.Categorical(["a", "b"]), "big": np.array([2**64 - 1, 0], "uint64")},
        index=["x", "y"],
    )
    (tmp_path / "old").mkdir()
    frame.rename_axis("k").to_parquet(tmp_path / "old/a.parquet")
    warehouse.adopt("sales", "items", str(tmp_path / "old"))
    found = warehouse.load_dataframe("sales", "items", as_="arrow").to_pydict()
    assert found == {"c": ["a", "b"], "big": [2**64 - 1, 0], "k": ["x", "y"]}
    times = pa.table({"t": pa.array([dt.datetime(2016, 10, 31, 1, 2, 3)], pa.timestamp("ns"))})
    (tmp_path / "spark").mkdir()
    pq.write_table(times, tmp_path / "spark/part-00000-c000", use_deprecated_int96_timestamps=True)
    warehouse.adopt("sales", "times", str(tmp_path / "spark"))
    assert warehouse.load_dataframe("sales", "times")["t"].tolist() == [
        pd.Timestamp("2016-10-31 01:02:03")
    ]


REFUSED = {
    "types": (
        [("day=1/a.parquet", {"n": [1]}), ("day=1/b.parquet", {"n": ["x"]})],
        sfx.SchemaMismatch,
        "'n'",
    ),
    "capitals": ([("a.parquet", {"Price": [1]})], sfx.SchemaMismatch, "'Price'"),
    "case": ([("a.parquet", {"a": [1], "A": [2]})], sfx.SchemaMismatch, "ignores case"),
    "comma": ([("a.parquet", {"a,b": [1]})], sfx.SchemaMismatch, r"a\.parquet cannot be adopted"),
    "time32": (
        [("a.parquet", {"t": pa.array([5], pa.time32("s"))})],
        sfx.SchemaMismatch,
        "'t' as time32",
    ),
    "key": (
        [("day=1/a.parquet", {"n": [1], "day": ["1"]})],
        sfx.SchemaMismatch,
        "partition key 'day' as a column",
    ),
    "null": (
        [("day=__HIVE_DEFAULT_PARTITION__/a.parquet", {"n": [1]})],
        sfx.InvalidName,
        "day=__HIVE_DEFAULT_PART",
    ),
    "twice": (
        [("day=a b/a.parquet", {"n": [1]}), ("day=a%20b/b.parquet", {"n": [2]})],
        sfx.InvalidName,
        "same partition",
    ),
    "depths": (
        [("a.parquet", {"n": [1]}), ("day=1/b.parquet", {"n": [2]})],
        sfx.InvalidName,
        "different depths",
    ),
    "keys": (
        [("day=1/a.parquet", {"n": [1]}), ("year=1/b.parquet", {"n": [2]})],
        sfx.InvalidName,
        "same keys",
    ),
    "hidden": (
        [("_tmp/a.parquet", {"n": [1]}), (".b.parquet", {"n": [1]})],
        sfx.InvalidName,
        "no Parquet files",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_adopted_is_refused_and_leaves_no_trace(
    warehouse, tmp_path, case: str
) -> None:
    files, error, words = REFUSED[case]
    for path, columns in files:
        write(tmp_path / "old" / path, **columns)
    with pytest.raises(error, match=words):
        warehouse.adopt("sales", "items", str(tmp_path / "old"))
    assert warehouse.tables() == []
    assert list(warehouse.store.list("sales.db")) == []


def test_what_is_no_directory_of_parquet_files_is_refused(warehouse, legacy, tmp_path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(sfx.InvalidName, match="no Parquet files"):
        warehouse.adopt("sales", "items", str(tmp_path / "nothing"))
    with pytest.raises(sfx.InvalidName, match="there is no directory"):
        warehouse.adopt("sales", "items", str(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()
    with pytest.raises(sfx.InvalidName, match="not an absolute path"):
        warehouse.adopt("sales", "items", "legacy")
    (legacy / "day=20161031/part-9.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(sfx.SchemaMismatch, match=r"part-9\.parquet is not a Parquet file"):
        warehouse.adopt("sales", "items", str(legacy))


@pytest.mark.parametrize("odd", [{"n": ["a text"]}, {"n": [1], "N": [1]}, {"n": [{"in": 1}]}])
def test_the_one_file_that_does_not_fit_the_others_is_named(warehouse, legacy, odd) -> None:
    write(legacy / "day=20161029/part-0.parquet", **odd)  # read before the files that agree
    with pytest.raises(sfx.SchemaMismatch, match=r"day=20161029/part-0\.parquet "):
        warehouse.adopt("sales", "items", str(legacy))


def test_the_one_file_that_does_not_fit_the_table_is_named(warehouse, legacy) -> None:
    warehouse.store_dataframe(
        pd.DataFrame({"n": [1], "m": ["a"]}), "sales", "items", ["20161001"], partition_keys=["day"]
    )
    write(legacy / "day=20161101/part-1.parquet", n=[1], m=[1.5])
    with pytest.raises(
        sfx.SchemaMismatch, match=r"day=20161101/part-1\.parquet does not fit sales\.items: .*'m'"
    ):
        warehouse.adopt("sales", "items", str(legacy))


def test_the_one_file_that_has_a_partition_key_is_named(warehouse, legacy) -> None:
    write(legacy / "day=20161101/part-1.parquet", n=[1], day=["20161101"])
    with pytest.raises(sfx.SchemaMismatch, match=r"part-1\.parquet has the partition key 'day' as"):
        warehouse.adopt("sales", "items", str(legacy))


def test_a_partition_that_has_a_batch_is_not_adopted_and_none_of_the_others_is(
    warehouse, legacy
) -> None:
    stored = warehouse.store_dataframe(
        pd.DataFrame({"n": [9]}), "sales", "items", ["20161101"], partition_keys=["day"]
    )
    before = sorted(info.path for info in warehouse.store.list(""))
    with pytest.raises(
        sfx.CommitConflict, match=r"20161101 already has the batch .* read them and store them"
    ):
        warehouse.adopt("sales", "items", str(legacy))
    assert warehouse.pin("sales", "items") == stored
    assert sorted(info.path for info in warehouse.store.list("")) == before


def test_an_adoption_that_a_run_made_is_undone_and_made_again(warehouse, legacy) -> None:
    run = sfx.Producer(dag_id="migrate", run_id="r1", task_id="adopt", try_number=1)
    warehouse.adopt("sales", "items", str(legacy), producer=run)
    warehouse.rollback_run(dag_id="migrate", run_id="r1")
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.load_dataframe("sales", "items", ["20161031"])
    warehouse.adopt("sales", "items", str(legacy))
    assert len(warehouse.load_dataframe("sales", "items")) == 3


def test_a_file_that_somebody_changes_later_is_noticed(warehouse, legacy) -> None:
    pin = warehouse.adopt("sales", "items", str(legacy))
    path = legacy / "day=20161101/part-0.snappy.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    with pytest.raises(sfx.InconsistentBatch, match="does not have the checksum"):
        warehouse.verify(pin)
    write(path, n=[7, 8, 9])
    with pytest.raises(sfx.InconsistentBatch, match="day=20161101"):
        warehouse.load_dataframe(pin)
