"""Tables and partitions of other engines, on Hive's own metastore and S3."""

from __future__ import annotations

import io
import logging
import uuid
from datetime import UTC, datetime, timedelta, tzinfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.metastore.table_properties import INPUT_FORMAT, OUTPUT_FORMAT, SERDE
from airflow_sfx.storage.factory import open_store
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log import commit
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.canaries import CANARY

DAY, NEXT = "20161031", "20161101"


class Others:
    """Changes that other programs make in a metastore and a bucket."""

    def __init__(self, address: str) -> None:
        self.clients = HiveClients(Address.parse(address, {}))
        self.store = open_store("s3://warehouse")

    def put(self, path: str, **columns: list[object]) -> None:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        self.store.put_if_absent(path, sink.getvalue())

    def make_table(self, location: str, *, keys: tuple[str, ...] = ("day",)) -> None:
        from hmsclient.genthrift.hive_metastore import ttypes

        columns = [
            ttypes.FieldSchema("item", "string", "what"),
            ttypes.FieldSchema("sold", "bigint", None),
        ]
        database = ttypes.Database(
            name="old", locationUri="s3://warehouse/hive/old.db", parameters={}
        )
        self.clients.call_once(lambda client: client.create_database(database))
        table = ttypes.Table(
            dbName="old",
            tableName="sales",
            tableType="MANAGED_TABLE",
            partitionKeys=[ttypes.FieldSchema(key, "string", None) for key in keys],
            sd=self._storage(columns, location),
            parameters={"owner_note": "kept"},
        )
        self.clients.call_once(lambda client: client.create_table(table))

    def add_partition(self, database: str, table: str, values: list[str], location: str) -> None:
        from hmsclient.genthrift.hive_metastore import ttypes

        known = self.table(database, table)
        partition = ttypes.Partition(
            dbName=database,
            tableName=table,
            values=values,
            sd=self._storage(known.sd.cols, location),
            parameters={},
        )
        self.clients.call_once(lambda client: client.add_partition(partition))

    def set_location(self, database: str, table: str, values: list[str], location: str) -> None:
        """Move a partition, as ``ALTER TABLE … PARTITION … SET LOCATION`` does."""
        partition = self.clients.call(lambda client: client.get_partition(database, table, values))
        partition.sd.location = location
        self.clients.call_once(lambda client: client.alter_partition(database, table, partition))

    def drop_partition(self, database: str, table: str, values: list[str]) -> None:
        self.clients.call_once(lambda client: client.drop_partition(database, table, values, False))

    def table(self, database: str, table: str):
        return self.clients.call(lambda client: client.get_table(database, table))

    def location(self, database: str, table: str, values: list[str]) -> str:
        return self.clients.call(
            lambda client: client.get_partition(database, table, values)
        ).sd.location

    @staticmethod
    def _storage(columns, location: str):
        from hmsclient.genthrift.hive_metastore import ttypes

        return ttypes.StorageDescriptor(
            cols=columns,
            location=location,
            inputFormat=INPUT_FORMAT,
            outputFormat=OUTPUT_FORMAT,
            numBuckets=-1,
            serdeInfo=ttypes.SerDeInfo(serializationLib=SERDE, parameters={}),
        )


@pytest.fixture
def warehouse(stack_uri) -> Warehouse:
    return connect(stack_uri)


@pytest.fixture
def others(hive_address) -> Others:
    return Others(hive_address)


@pytest.fixture
def elsewhere() -> str:
    """A directory of the bucket that no other test uses, and that is outside of the warehouse."""
    return f"elsewhere/{uuid.uuid4().hex}"


@pytest.fixture
def old_table(warehouse, others, elsewhere) -> str:
    """A table that Hive made, with a partition in Hive's layout and one elsewhere."""
    others.make_table(f"s3://warehouse/{elsewhere}")
    others.put(f"{elsewhere}/day={DAY}/000000_0", item=["hat"], sold=[3])
    others.put(f"{elsewhere}/day={DAY}/000001_0", item=["shoe"], sold=[1])
    others.put(f"{elsewhere}/anywhere/part-1.parquet", item=["belt"], sold=[2])
    others.put(f"{elsewhere}/anywhere/_SUCCESS", item=["no"], sold=[0])
    others.add_partition("old", "sales", [DAY], f"s3a://warehouse/{elsewhere}/day={DAY}")
    others.add_partition("old", "sales", [NEXT], f"s3://warehouse/{elsewhere}/anywhere/")
    return elsewhere


def read(warehouse: Warehouse, day: str, database: str = "old", table: str = "sales") -> list[str]:
    return list(warehouse.load_dataframe(database, table, [day])["item"])


def operations(
    warehouse: Warehouse, day: str, database: str = "old", table: str = "sales"
) -> list[str]:
    return [entry.operation.value for entry in warehouse.history(database, table, [day])]


def test_a_table_that_was_not_adopted_is_neither_read_nor_written(warehouse, old_table) -> None:
    for call in (
        lambda: warehouse.load_dataframe("old", "sales", [DAY]),
        lambda: warehouse.show("old", "sales"),
        lambda: warehouse.store_dataframe(
            pd.DataFrame({"item": ["x"], "sold": [1]}), "old", "sales", [DAY]
        ),
    ):
        with pytest.raises(sfx.ForeignChange, match="sfx adopt old.sales"):
            call()


def test_a_table_of_another_warehouse_on_the_same_metastore_is_known_as_such(
    warehouse, ours
) -> None:
    other = connect(f"{warehouse.uri}/other")
    with pytest.raises(sfx.ForeignChange, match="another warehouse's"):
        other.load_dataframe("mine", "sales", [DAY])
    frame = pd.DataFrame({"changed": [1]})
    other.store_dataframe(frame, "theirs", "items", [DAY])
    warehouse.store_dataframe(frame, "meta", "own", [DAY])
    assert other.export_audit("meta", "changes") is not None, "the tables of others are left out"


def test_an_existing_hive_table_is_adopted_as_it_lies(warehouse, others, old_table) -> None:
    pin = warehouse.adopt("old", "sales", reason="moving in")
    assert sorted(pin.batches) == [DAY, NEXT]
    assert read(warehouse, DAY) == ["hat", "shoe"]
    assert read(warehouse, NEXT) == ["belt"]
    assert operations(warehouse, DAY) == ["adopt"]
    assert others.location("old", "sales", [DAY]) == f"s3://warehouse/{old_table}/day={DAY}"
    table = others.table("old", "sales")
    assert (table.tableType, table.parameters["EXTERNAL"], table.parameters["owner_note"]) == (
        "EXTERNAL_TABLE",
        "TRUE",
        "kept",
    )
    assert table.sd.cols[0].comment == "what"
    warehouse.verify(pin)
    assert warehouse.repair("old", "sales") == []


def test_new_batches_of_an_adopted_table_go_into_the_warehouse_and_the_old_files_stay(
    warehouse, others, old_table
) -> None:
    first = warehouse.adopt("old", "sales")
    warehouse.store_dataframe(pd.DataFrame({"item": ["cap"], "sold": [9]}), "old", "sales", [DAY])
    assert others.location("old", "sales", [DAY]).startswith(
        f"{warehouse.store.uri}/old.db/sales/{DAY}/"
    )
    assert read(warehouse, DAY) == ["cap"]
    assert list(warehouse.load_dataframe(first)["item"]) == ["hat", "shoe", "belt"]
    warehouse.rollback("old", "sales", [DAY])
    assert read(warehouse, DAY) == ["hat", "shoe"]
    assert others.location("old", "sales", [DAY]) == f"s3://warehouse/{old_table}/day={DAY}"
    with pytest.raises(sfx.InvalidName, match="nothing to adopt"):
        warehouse.adopt("old", "sales")


def test_one_partition_of_a_table_can_be_adopted_and_the_rest_later(warehouse, old_table) -> None:
    assert list(warehouse.adopt("old", "sales", partitions=[DAY]).batches) == [DAY]
    (left,) = warehouse.audit("old", "sales").foreign
    assert (left.partition, left.batch_id) == (NEXT, None)
    assert list(warehouse.adopt("old", "sales").batches) == [NEXT]
    assert warehouse.audit("old", "sales").foreign == ()


def test_a_table_with_a_partition_of_nulls_is_adopted_without_it_and_audit_names_it(
    warehouse, others, old_table, caplog
) -> None:
    null = "__HIVE_DEFAULT_PARTITION__"
    others.put(f"{old_table}/day={null}/000000_0", item=["lost"], sold=[1])
    others.add_partition("old", "sales", [null], f"s3://warehouse/{old_table}/day={null}")
    assert sorted(warehouse.adopt("old", "sales").batches) == [DAY, NEXT]
    assert any("skipping" in told and null in told for told in caplog.messages)
    assert sorted(warehouse.load_dataframe("old", "sales")["item"]) == ["belt", "hat", "shoe"]
    (left,) = warehouse.audit("old", "sales").foreign
    assert (left.partition, left.location) == (
        f"day={null}",
        f"s3://warehouse/{old_table}/day={null}",
    )
    assert left.refused
    others.drop_partition("old", "sales", [null])
    assert warehouse.audit("old", "sales").foreign == ()


def test_a_table_without_partitions_is_adopted(warehouse, others, elsewhere) -> None:
    others.make_table(f"s3://warehouse/{elsewhere}", keys=())
    others.put(f"{elsewhere}/000000_0", item=["hat"], sold=[3])
    pin = warehouse.adopt("old", "sales")
    assert list(warehouse.load_dataframe(pin)["item"]) == ["hat"]
    warehouse.store_dataframe(pd.DataFrame({"item": ["cap"], "sold": [9]}), "old", "sales")
    assert list(warehouse.load_dataframe("old", "sales")["item"]) == ["cap"]
    warehouse.rollback("old", "sales")
    assert list(warehouse.load_dataframe("old", "sales")["item"]) == ["hat"]


def test_files_that_are_no_parquet_are_refused_and_nothing_is_changed(
    warehouse, others, elsewhere
) -> None:
    others.make_table(f"s3://warehouse/{elsewhere}")
    others.store.put_if_absent(f"{elsewhere}/day={DAY}/000000_0", b"a,b\n1,2\n")
    others.add_partition("old", "sales", [DAY], f"s3://warehouse/{elsewhere}/day={DAY}")
    with pytest.raises(sfx.SchemaMismatch, match="is not a Parquet file"):
        warehouse.adopt("old", "sales")
    assert others.table("old", "sales").tableType == "MANAGED_TABLE"


@pytest.fixture
def ours(warehouse) -> sfx.BatchPin:
    frame = pd.DataFrame({"item": ["hat"], "sold": [3]})
    return warehouse.store_dataframe(frame, "mine", "sales", [DAY], partition_keys=["day"])


@pytest.fixture
def moved(ours, others, elsewhere) -> str:
    """Move a partition of ours as another engine does; return the new location."""
    others.put(f"{elsewhere}/x/part-0.parquet", item=["stranger"], sold=[7])
    others.set_location("mine", "sales", [DAY], f"s3://warehouse/{elsewhere}/x")
    return f"s3://warehouse/{elsewhere}/x"


def test_a_moved_partition_is_told_by_audit_and_repair_and_readers_keep_the_history_s_batch(
    warehouse, ours, moved
) -> None:
    (found,) = warehouse.audit("mine", "sales").foreign
    assert (found.partition, found.location, found.batch_id) == (DAY, moved, ours.batch_id)
    (told,) = warehouse.repair("mine", "sales")
    assert moved in told.found
    assert not told.done
    assert read(warehouse, DAY, "mine") == ["hat"]
    assert warehouse.load_dataframe("mine", "sales")["item"].tolist() == ["hat"]


def test_a_moved_partition_is_adopted_when_somebody_says_so(warehouse, ours, moved) -> None:
    pin = warehouse.adopt("mine", "sales", partitions=[DAY], reason="the fix of the day")
    assert read(warehouse, DAY, "mine") == ["stranger"]
    newest, first = warehouse.history("mine", "sales", [DAY])
    assert (newest.operation, newest.batch_id, newest.location) == (
        Operation.FOREIGN_CHANGE,
        pin.batch_id,
        moved,
    )
    assert first.batch_id == newest.previous == ours.batch_id
    assert warehouse.audit("mine", "sales").foreign == ()


@pytest.mark.parametrize("change", ["store", "publish", "rollback"])
def test_a_change_takes_what_others_did_into_the_history_first(
    warehouse, ours, others, moved, change
) -> None:
    if change == "store":
        warehouse.store_dataframe(
            pd.DataFrame({"item": ["cap"], "sold": [1]}), "mine", "sales", [DAY]
        )
    elif change == "publish":
        staged = warehouse.store_dataframe(
            pd.DataFrame({"item": ["cap"], "sold": [1]}), "mine", "sales", [DAY], publish=False
        )
        warehouse.publish(staged)
    else:
        warehouse.rollback("mine", "sales", [DAY])
    assert read(warehouse, DAY, "mine") == (["hat"] if change == "rollback" else ["cap"])
    done = "rollback" if change == "rollback" else "publish"
    assert operations(warehouse, DAY, "mine") == [done, "foreign_change", "publish"]
    foreign = warehouse.history("mine", "sales", [DAY])[1]
    warehouse.rollback("mine", "sales", [DAY], to=foreign.batch_id)
    assert others.location("mine", "sales", [DAY]) == moved
    assert read(warehouse, DAY, "mine") == ["stranger"]


def test_what_cannot_be_a_batch_is_noted_with_its_place(warehouse, ours, others, elsewhere) -> None:
    others.store.put_if_absent(f"{elsewhere}/csv/000000_0", b"a,b\n1,2\n")
    others.set_location("mine", "sales", [DAY], f"s3://warehouse/{elsewhere}/csv")
    warehouse.store_dataframe(pd.DataFrame({"item": ["cap"], "sold": [1]}), "mine", "sales", [DAY])
    assert read(warehouse, DAY, "mine") == ["cap"]
    noted = warehouse.history("mine", "sales", [DAY])[1]
    assert (noted.operation, noted.batch_id) == (Operation.FOREIGN_CHANGE, None)
    assert noted.location == f"s3://warehouse/{elsewhere}/csv"
    warehouse.rollback("mine", "sales", [DAY], to=ours.batch_id)
    assert read(warehouse, DAY, "mine") == ["hat"]


def test_a_place_with_a_login_is_shown_adopted_and_kept_without_it(
    warehouse, ours, others, elsewhere, caplog
) -> None:
    """Hadoop took keys in locations for long."""
    caplog.set_level(logging.DEBUG)
    others.put(f"{elsewhere}/x/part-0.parquet", item=["stranger"], sold=[7])
    others.set_location(
        "mine", "sales", [DAY], f"s3://AKIAEXAMPLE:{CANARY}@warehouse/{elsewhere}/x"
    )
    said = [repr(warehouse.audit("mine", "sales")), repr(warehouse.repair("mine", "sales"))]
    pin = warehouse.adopt("mine", "sales", partitions=[DAY])
    assert read(warehouse, DAY, "mine") == ["stranger"]
    said += [
        pin.to_json(),
        repr(warehouse.history("mine", "sales", [DAY], limit=None)),
        caplog.text,
    ]
    kept = [warehouse.store.get(one.path) for one in warehouse.store.list("mine.db")]
    assert len(kept) > 3
    assert CANARY not in "".join(said)
    assert CANARY.encode() not in b"".join(kept)


def test_a_partition_that_was_dropped_and_added_again_is_a_foreign_change(
    warehouse, ours, others, elsewhere
) -> None:
    others.put(f"{elsewhere}/again/part-0.parquet", item=["again"], sold=[7])
    others.drop_partition("mine", "sales", [DAY])
    others.add_partition("mine", "sales", [DAY], f"s3://warehouse/{elsewhere}/again")
    assert [one.partition for one in warehouse.audit("mine", "sales").foreign] == [DAY]
    assert read(warehouse, DAY, "mine") == ["hat"]
    assert others.location("mine", "sales", [DAY]) == f"s3://warehouse/{elsewhere}/again"
    warehouse.adopt("mine", "sales")
    assert read(warehouse, DAY, "mine") == ["again"]


def test_a_partition_that_was_dropped_comes_back_with_its_history(warehouse, ours, others) -> None:
    others.drop_partition("mine", "sales", [DAY])
    assert read(warehouse, DAY, "mine") == ["hat"]
    assert others.location("mine", "sales", [DAY]).endswith(ours.batch_id)


def test_a_partition_that_another_engine_added_is_adopted(
    warehouse, ours, others, elsewhere
) -> None:
    others.put(f"{elsewhere}/added/part-0.parquet", item=["added"], sold=[7])
    others.add_partition("mine", "sales", [NEXT], f"s3://warehouse/{elsewhere}/added")
    with pytest.raises(sfx.PartitionNotFound):
        read(warehouse, NEXT, "mine")
    warehouse.adopt("mine", "sales")
    assert read(warehouse, NEXT, "mine") == ["added"]
    assert operations(warehouse, NEXT, "mine") == ["foreign_change"]


def directory_of(warehouse: Warehouse, pin: sfx.BatchPin) -> str:
    """A batch's directory in the bucket."""
    return (
        f"{warehouse.store.uri.removeprefix('s3://warehouse/')}/mine.db/sales/{DAY}/{pin.batch_id}"
    )


def insert_into(others: Others, directory: str) -> None:
    """Add a file, as another engine's ``INSERT INTO`` does."""
    others.put(f"{directory}/part-00000-inserted.c000.snappy.parquet", item=["inserted"], sold=[7])


def insert_overwrite(others: Others, directory: str) -> None:
    """Replace all in a directory, manifest included, as ``INSERT OVERWRITE`` does."""
    others.store.delete([info.path for info in others.store.list(directory)])
    others.put(
        f"{directory}/part-00000-overwritten.c000.snappy.parquet", item=["overwritten"], sold=[9]
    )
    others.store.put_if_absent(f"{directory}/_SUCCESS", b"")


WRITES = {"inserted": insert_into, "overwritten": insert_overwrite}


@pytest.mark.parametrize("what", WRITES)
def test_files_that_something_else_wrote_are_told_by_audit_and_adopted(
    warehouse, ours, others, what
) -> None:
    WRITES[what](others, directory_of(warehouse, ours))
    report = warehouse.audit("mine", "sales")
    (found,) = report.foreign
    assert (report.files, found.partition, found.batch_id) == (True, DAY, ours.batch_id)
    assert any(
        ("was added" if what == "inserted" else "is missing") in told for told in found.files
    )
    unseen = warehouse.audit("mine", "sales", files=False)
    assert (unseen.files, unseen.foreign) == (False, ())

    pin = warehouse.adopt("mine", "sales", partitions=[DAY], reason="was meant so")
    assert sorted(read(warehouse, DAY, "mine")) == (
        ["hat", "inserted"] if what == "inserted" else ["overwritten"]
    )
    newest, first = warehouse.history("mine", "sales", [DAY])
    assert (newest.operation, newest.batch_id, first.batch_id) == (
        "foreign_change",
        pin.batch_id,
        ours.batch_id,
    )
    assert others.location("mine", "sales", [DAY]).endswith(f"/{DAY}/{pin.batch_id}"), (
        "a directory of its own"
    )
    warehouse.verify(pin)
    assert warehouse.audit("mine", "sales").foreign == ()
    with pytest.raises(sfx.InvalidName, match="nothing to adopt"):
        warehouse.adopt("mine", "sales", partitions=[DAY])


@pytest.mark.parametrize("change", ["store", "rollback"])
def test_a_partition_whose_files_something_else_overwrote_can_be_stored_and_rolled_back(
    warehouse, ours, others, change
) -> None:
    cap = pd.DataFrame({"item": ["cap"], "sold": [1]})
    second = warehouse.store_dataframe(cap, "mine", "sales", [DAY])
    insert_overwrite(others, directory_of(warehouse, second))
    if change == "store":
        warehouse.store_dataframe(cap, "mine", "sales", [DAY])
    else:
        warehouse.rollback("mine", "sales", [DAY])
    assert read(warehouse, DAY, "mine") == (["cap"] if change == "store" else ["hat"])


def test_a_pointer_that_somebody_put_back_by_hand_outlives_the_batch_that_was_there(
    warehouse, ours, others
) -> None:
    """Files in an old batch's directory are copied: retention deletes the batch."""
    place = others.location("mine", "sales", [DAY])
    warehouse.store_dataframe(pd.DataFrame({"item": ["cap"], "sold": [1]}), "mine", "sales", [DAY])
    others.set_location("mine", "sales", [DAY], place)
    taken = warehouse.adopt("mine", "sales", partitions=[DAY])
    for _ in range(2):
        none = timedelta(0)
        warehouse.retain("mine", "sales", keep_last=1, older_than=none, grace=none, dry_run=False)
    with pytest.raises(sfx.BatchNotFound):
        warehouse.load_dataframe(ours)
    assert read(warehouse, DAY, "mine") == ["hat"]
    warehouse.verify(taken)


def test_pages_of_changes_neither_repeat_nor_leave_out_one_where_clocks_differ(
    warehouse, ours, monkeypatch
) -> None:
    frame, real = pd.DataFrame({"item": ["cap"], "sold": [1]}), commit.datetime

    def store(day: str, behind: int) -> None:
        class Clock(real):
            @classmethod
            def now(cls, zone: tzinfo | None = None) -> datetime:
                return real.now(zone) - timedelta(seconds=behind)

        monkeypatch.setattr(commit, "datetime", Clock)
        warehouse.store_dataframe(frame, "mine", "sales", [day])

    for day, behind in ((NEXT, 0), (NEXT, 5), ("20161103", 2), (NEXT, 0)):
        store(day, behind)
    everything = warehouse.audit("mine", "sales").entries
    assert len(everything) == 5
    for limit in range(1, 6):
        assert warehouse.audit("mine", "sales", limit=limit).entries == everything[:limit]


def test_audit_takes_times_and_people(warehouse, ours) -> None:
    middle = datetime.now(UTC)
    frame = pd.DataFrame({"item": ["cap", "tie"], "sold": [1, 2], "day": [DAY, NEXT]})
    producer = sfx.Producer(dag_id="nightly", run_id="r1", task_id="load", user="ada")
    warehouse.store_dataframe(frame, "mine", "sales", partition_by=["day"], producer=producer)
    everything = warehouse.audit("mine", "sales").entries
    assert [(entry.partition, entry.version) for entry in everything] == [
        (NEXT, 2),
        (DAY, 2),
        (DAY, 1),
    ]
    for asked in ({"since": middle}, {"actor": "ada"}, {"dag_id": "nightly"}, {"run_id": "r1"}):
        assert warehouse.audit("mine", "sales", **asked).entries == everything[:2]
    assert warehouse.audit("mine", "sales", until=middle).entries == everything[2:]
    assert warehouse.audit("mine", "sales", since=middle + timedelta(days=2)).entries == ()
    for limit in (1, 2, 3, 9):
        assert warehouse.audit("mine", "sales", limit=limit).entries == everything[:limit]
    with pytest.raises(sfx.InvalidName, match="no time zone"):
        warehouse.audit("mine", "sales", since=datetime(2016, 11, 1))
    with pytest.raises(sfx.InvalidName, match="is below 1"):
        warehouse.audit("mine", "sales", limit=0)
