"""One batch ID and one manifest for a call, of which each partition is read and deleted alone."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.warehouse.table import manifests
from airflow_sfx.warehouse.table.manifests import open_call
from airflow_sfx.warehouse.warehouse import Warehouse

DAYS = [f"{number:04d}" for number in range(365)]
FRAME = pd.DataFrame({"day": DAYS, "n": range(365)})
LAYOUT = TableLayout("sales.db/items", ("day",))
NOW = timedelta(0)


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return sfx.connect(embedded_uri)


def store(warehouse: Warehouse, frame: pd.DataFrame) -> sfx.BatchPin:
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])


def objects(warehouse: Warehouse) -> set[str]:
    return {info.path for info in warehouse.store.list("") if "/metastore." not in info.path}


def retain(warehouse: Warehouse) -> None:
    rule = {"keep_last": 1, "older_than": NOW, "grace": NOW, "dry_run": False}
    for _ in range(2):
        warehouse.retain("sales", "items", **rule)


def test_a_call_writes_an_object_for_each_partition_and_few_beside(warehouse) -> None:
    store(warehouse, FRAME)
    before = objects(warehouse)
    store(warehouse, FRAME)
    made = objects(warehouse) - before
    assert len([path for path in made if path.endswith(".parquet")]) == 365
    assert len(made) <= 370 - 1  # on S3, the claim is an object as well
    before = objects(warehouse)
    store(warehouse, FRAME.head(1))
    assert len(objects(warehouse) - before) <= 5


def test_calls_of_one_second_have_different_ids(warehouse) -> None:
    pins = [store(warehouse, FRAME[number : number + 1]) for number in range(6)]
    ids = [pin.batch_id for pin in pins]
    assert len(set(ids)) == 6
    assert ids == sorted(ids)


def test_a_batch_of_a_call_is_deleted_and_the_others_stay(warehouse) -> None:
    first = store(warehouse, FRAME[:3].assign(name=["secret", "b", "c"]))
    store(warehouse, FRAME[:1].assign(name="a"))
    retain(warehouse)
    stored = objects(warehouse)
    assert LAYOUT.manifest(first.batches["0001"]) not in stored
    assert LAYOUT.manifest(first.batches["0001"], 2) in stored
    found = [warehouse.store.get(path) or b"" for path in stored]
    assert not [data for data in found if b"secret" in data]
    assert warehouse.load_dataframe("sales", "items")["name"].tolist() == ["a", "b", "c"]
    with pytest.raises(sfx.BatchNotFound, match="retired|deleted"):
        warehouse.load_dataframe("sales", "items", ["0000"], batch_id=first.batches["0000"])
    store(warehouse, FRAME[1:3].assign(name="z"))
    retain(warehouse)
    left = [path for path in objects(warehouse) if f"/{first.batches['0001']}/" in path]
    assert [path.rpartition("/")[2] for path in left] == ["claim"]  # for a day: no other has its ID
    assert warehouse.repair("sales", "items") == []


def test_a_reader_of_a_manifest_that_retention_replaces_reads_the_next(
    warehouse, monkeypatch
) -> None:
    first = store(warehouse, FRAME[:3])
    store(warehouse, FRAME[:1])
    opened = open_call

    def then_retained(*arguments: object) -> object:
        monkeypatch.setattr(manifests, "open_call", opened)
        found = opened(*arguments)
        found._blocks._read = b""  # as of a manifest of which the blocks come later
        retain(warehouse)
        return found

    monkeypatch.setattr(manifests, "open_call", then_retained)
    assert warehouse.load_dataframe("sales", "items", ["0001"])["n"].tolist() == [1]
    assert first.batches["0001"] == warehouse.pin("sales", "items", ["0001"]).batch_id


def test_a_deletion_that_dies_between_two_manifests_is_completed(warehouse, monkeypatch) -> None:
    first = store(warehouse, FRAME[:3])
    store(warehouse, FRAME[:1])

    delete = type(warehouse.store).delete

    def dies(self: object, paths: list[str]) -> None:
        if any(path.endswith("/manifest") for path in paths):
            raise KeyboardInterrupt
        delete(self, paths)

    rule = {"keep_last": 1, "older_than": NOW, "grace": NOW, "dry_run": False}
    with monkeypatch.context() as dying:
        dying.setattr(type(warehouse.store), "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            for _ in range(2):
                warehouse.retain("sales", "items", **rule)
    both = [LAYOUT.manifest(first.batches["0001"], number) for number in (1, 2)]
    assert set(both) <= objects(warehouse)
    assert len(warehouse.load_dataframe("sales", "items")) == 3
    retain(warehouse)
    assert set(both) & objects(warehouse) == {both[1]}
    assert warehouse.load_dataframe("sales", "items")["n"].tolist() == [0, 1, 2]


def test_a_table_of_an_earlier_format_is_refused_and_stays_as_it_is(warehouse) -> None:
    store(warehouse, FRAME[:1])
    for info in list(warehouse.store.list("sales.db/items/_sfx/log")):
        warehouse.store.delete([info.path])
    warehouse.store.put_if_absent("sales.db/items/_sfx/ledger/0000/000000000001.json", b"{}")
    before = objects(warehouse)
    with pytest.raises(sfx.InconsistentBatch, match="of an earlier airflow_sfx"):
        sfx.connect(warehouse.uri).history("sales", "items")
    with pytest.raises(sfx.InconsistentBatch):
        store(sfx.connect(warehouse.uri), FRAME[:1])
    assert objects(warehouse) == before
