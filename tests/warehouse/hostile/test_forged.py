"""Write access to a table's objects grants no access to anything else.

Nobody reads, copies or deletes what the writer of forged objects may not touch.
"""

from __future__ import annotations

import gc
import json
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.manifest import DataFile
from airflow_sfx.core.schema import Column
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention.erasure import Erasure, erase
from airflow_sfx.warehouse.retention.expire import RetentionReport, Rule, retain
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.forging import below_table, forge_entry, forge_manifest, overwrite

SECRET = pd.DataFrame({"item": ["salary"], "price": [99_000.0], "sold": [1]})


@pytest.fixture
def pin(warehouse: Warehouse, frame: pd.DataFrame) -> sfx.BatchPin:
    warehouse.store_dataframe(frame.assign(price=0.0), "sales", "items", ["a"])
    return warehouse.store_dataframe(frame, "sales", "items", ["a"])


def of_another_table(warehouse: Warehouse, folder: Path) -> str:
    (place,) = warehouse.locations(warehouse.store_dataframe(SECRET, "hr", "pay"))
    return place


def of_this_machine(warehouse: Warehouse, folder: Path) -> str:
    SECRET.to_parquet(folder / "part-00000.parquet")
    return f"file://{folder}"


def through_a_step_up(warehouse: Warehouse, folder: Path) -> str:
    of_another_table(warehouse, folder)
    found = next(iter(warehouse.store.list("hr.db/pay"))).path.rpartition("/")[0]
    return f"{warehouse.store.uri}/sales.db/items/a/../../../{found}"


PLACES: dict[str, Callable[[Warehouse, Path], str]] = {
    "another table": of_another_table,
    "a directory of this machine": of_this_machine,
    "a step up": through_a_step_up,
}
USES: dict[str, Callable[[Warehouse, sfx.BatchPin], object]] = {
    "load": lambda warehouse, pin: warehouse.load_dataframe(pin),
    "stream": lambda warehouse, pin: list(warehouse.load_dataframe("sales", "items", batches=True)),
    "diff": lambda warehouse, pin: warehouse.diff(pin, pin),
    "verify": lambda warehouse, pin: warehouse.verify(pin),
    "locations": lambda warehouse, pin: warehouse.locations(pin),
    "pinned_table_sql": lambda warehouse, pin: warehouse.pinned_table_sql(pin, "scratch.items"),
    "erase": lambda warehouse, pin: warehouse.erase(
        "sales", "items", where="item = 'hat'", dry_run=False
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_files_are_not_read_where_a_forged_manifest_says_that_they_are(
    warehouse, pin, tmp_path, place
) -> None:
    where = PLACES[place](warehouse, tmp_path)
    path = Path(where.removeprefix("file://")) / "part-00000.parquet"
    size = path.stat().st_size if path.exists() else 1
    forge_manifest(
        warehouse, pin, location=where, files=(DataFile("part-00000.parquet", size, 1, "", ""),)
    )
    for use in USES.values():
        with pytest.raises(sfx.InconsistentBatch, match="nothing there is read") as caught:
            use(warehouse, pin)
        assert (caught.value.table, caught.value.partition) == ("sales.items", "a")
    assert warehouse.rollback("sales", "items", ["a"]).batch_id < pin.batch_id


@pytest.mark.parametrize(
    "path",
    ["../x.parquet", "/etc/passwd", "a//x.parquet", "./x.parquet", "file:///etc/passwd", "x\0"],
)
def test_the_path_of_a_file_stays_below_its_batch(warehouse, pin, path) -> None:
    forge_manifest(warehouse, pin, files=(DataFile(path, 1, 1, "", ""),))
    with pytest.raises(sfx.InconsistentBatch, match="not below"):
        warehouse.load_dataframe(pin)


def test_a_forged_entry_leads_neither_readers_nor_engines_elsewhere(
    warehouse, pin, tmp_path
) -> None:
    where = of_another_table(warehouse, tmp_path)

    def elsewhere(entry: dict[str, object]) -> None:
        entry |= {"version": 3, "parent": 2, "location": where}

    forge_entry(warehouse, pin, 3, elsewhere, after=2)
    for use in (
        lambda: warehouse.load_dataframe("sales", "items", ["a"]),
        lambda: warehouse.rollback("sales", "items", ["a"]),
    ):
        with pytest.raises(sfx.InconsistentBatch, match="nothing there is read"):
            use()
    assert "nothing there is read" in str(warehouse.repair("sales", "items"))
    (info,) = warehouse.metastore.get_partitions(pin.ref).values()
    assert info.location == f"{pin.location}/a/{pin.batch_id}"


class TestLinks:
    """Write access to a directory allows symbolic links in it."""

    @pytest.fixture
    def uri(self, embedded_uri) -> str:
        return embedded_uri

    @pytest.fixture
    def batch(self, warehouse, pin) -> Path:
        return Path(warehouse.store.local_path(below_table(pin, f"a/{pin.batch_id}")))

    @pytest.mark.parametrize("what", ["file", "directory", "location"])
    def test_a_link_in_a_batch_leads_nowhere(self, warehouse, pin, batch, tmp_path, what) -> None:
        secret = tmp_path / "secret"
        shutil.copytree(batch, secret)
        if what == "file":
            (batch / "part-00000.parquet").unlink()
            (batch / "part-00000.parquet").symlink_to(secret / "part-00000.parquet")
        elif what == "directory":
            shutil.rmtree(batch)
            batch.symlink_to(secret)
        else:
            (batch / "data").symlink_to(secret)
            forge_manifest(warehouse, pin, location=f"file://{batch}/data")
        for name in ("load", "stream", "verify", "erase"):
            with pytest.raises(sfx.InconsistentBatch, match="symbolic link|nothing there is read"):
                USES[name](warehouse, pin)

    def test_a_link_within_the_table_and_one_above_it_are_as_good_as_a_directory(
        self, warehouse, pin, batch, frame, tmp_path
    ) -> None:
        moved = batch.with_name("moved")
        batch.rename(moved)
        batch.symlink_to(moved)
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), frame)
        root = Path(warehouse.uri.removeprefix("embedded://"))
        (tmp_path / "link").symlink_to(root)
        linked = connect(f"embedded://{tmp_path}/link")
        pd.testing.assert_frame_equal(linked.load_dataframe("sales", "items", ["a"]), frame)
        (root / "sales.db").rename(tmp_path / "disk")
        (root / "sales.db").symlink_to(tmp_path / "disk")
        pd.testing.assert_frame_equal(
            connect(warehouse.uri).load_dataframe("sales", "items", ["a"]), frame
        )

    def test_a_file_that_is_a_link_is_not_adopted(self, warehouse, tmp_path) -> None:
        (tmp_path / "old").mkdir()
        SECRET.to_parquet(tmp_path / "secret.parquet")
        (tmp_path / "old" / "part-0.parquet").symlink_to(tmp_path / "secret.parquet")
        with pytest.raises(sfx.SchemaMismatch, match="symbolic link"):
            warehouse.adopt("sales", "old", str(tmp_path / "old"))


class TestAdopted:
    """An adopted batch is read where the metastore says."""

    @pytest.fixture
    def uri(self, embedded_uri) -> str:
        return embedded_uri

    @pytest.fixture
    def old(self, tmp_path, frame) -> Path:
        frame.assign(day=["a", "b", "b"]).to_parquet(tmp_path / "old", partition_cols=["day"])
        return tmp_path / "old"

    def test_one_note_is_enough_for_all_partitions_and_for_what_is_adopted_later(
        self, warehouse, old, frame
    ) -> None:
        pin = warehouse.adopt("sales", "items", str(old))
        later = warehouse.store_dataframe(frame, "sales", "items", ["a"])
        assert len(warehouse.load_dataframe(pin)) == 3
        assert (
            warehouse.rollback("sales", "items", ["a"]).batches["a"]
            == pin.batches["a"]
            != later.batch_id
        )
        info = warehouse.metastore.get_table(pin.ref)
        assert [text for name, text in info.parameters.items() if "adopted" in name] == [
            f"file://{old}"
        ]

    def test_of_a_table_that_the_metastore_has_lost_a_person_says_what_was_adopted(
        self, warehouse, old
    ) -> None:
        pin = warehouse.adopt("sales", "items", str(old))
        uri = warehouse.uri
        root = Path(uri.removeprefix("embedded://"))
        del warehouse
        gc.collect()
        for path in (root / "_sfx").glob("metastore.sqlite*"):
            path.unlink()
        again = connect(uri)
        with pytest.raises(sfx.InconsistentBatch, match=r"sfx repair sales\.items --adopted-from"):
            again.repair("sales", "items")
        again.repair("sales", "items", adopted_from=[str(old)])
        assert again.pin("sales", "items") == pin
        assert len(again.load_dataframe(pin)) == 3


NAMES = ["`) AS SELECT 1 --", "n` bigint, `m", "n\nm"]
TYPES = [
    "bigint) LOCATION 's3://x'; DROP TABLE sales.items; --",
    "struct<`a`:int>",
    "bigint COMMENT 'x'",
    "array<" * 2000,
]


@pytest.mark.parametrize(
    "column",
    [*(Column(name, "bigint") for name in NAMES), *(Column("n", type_) for type_ in TYPES)],
)
def test_the_columns_of_a_forged_manifest_do_not_get_into_sql(tmp_path, column) -> None:
    warehouse = connect(f"embedded://{tmp_path}/w")
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "items", ["a"])
    forge_manifest(warehouse, pin, columns=(column,))
    with pytest.raises(sfx.InconsistentBatch, match=r"manifest of sales\.items has the column"):
        warehouse.pinned_table_sql(pin, "scratch.items")


def test_a_value_that_engines_would_take_for_a_variable_does_not_get_into_sql(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}/w")
    pin = warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), "sales", "items", ["${env:AWS_SECRET_ACCESS_KEY}"]
    )
    with pytest.raises(sfx.InvalidName, match="variable"):
        warehouse.pinned_table_sql(pin, "scratch.items")
    with pytest.raises(sfx.InvalidName, match="s3_scheme"):
        warehouse.pinned_table_sql(pin, "scratch.items", s3_scheme="s3'")


LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)


def forge_note(
    warehouse: Warehouse, pin: sfx.BatchPin, batches: list[str], *, said: bool, **more: object
) -> None:
    """Forge a tombstone whose batches are due, as if retention had written it.

    With ``said``, it names the last commit, which the history has.
    """
    (last,) = warehouse.history("sales", "items", ["a"], limit=1)
    name = last.commit.replace("/", "~") if said else f"20160101000000-{uuid.uuid4().hex}"
    directory = below_table(pin, f"_sfx/retired/{name}{'-erasure' if 'replaced' in more else ''}")
    note = {
        "batches": {"a": batches},
        "at": LONG_AGO.isoformat(),
        "delete_after": LONG_AGO.isoformat(),
        "producer": {},
        "reason": "",
        "replaced": {},
        **more,
    }
    overwrite(warehouse, f"{directory}/intent.json", json.dumps(note).encode())


def harmless_retain(warehouse: Warehouse) -> RetentionReport:
    return warehouse.retain(
        "sales",
        "items",
        keep_last=100,
        older_than=timedelta(days=999),
        grace=timedelta(0),
        dry_run=False,
    )


@pytest.mark.parametrize("said", [False, True], ids=["noted", "noted as said"])
def test_a_forged_note_deletes_neither_what_is_current_nor_what_is_held_nor_anything_else(
    warehouse, frame, caplog, said
) -> None:
    pins = [
        warehouse.store_dataframe(frame.assign(sold=n), "sales", "items", ["a"]) for n in range(4)
    ]
    warehouse.hold(pins[0], name="report", until=None)
    staged = warehouse.store_dataframe(frame, "sales", "items", ["a"], publish=False)
    living = warehouse.open_batch("sales", "items", ["a"])
    wanted = [*(pin.batch_id for pin in pins), staged.batch_id, living.batch_id]
    forge_note(warehouse, pins[0], wanted, said=said)
    for _ in range(2):
        report = harmless_retain(warehouse)
        warehouse.erase(
            "sales", "items", where="item = 'nobody'", grace=timedelta(0), dry_run=False
        )
        assert report.deleted == report.retired == ()
    for number, pin in enumerate(pins):
        assert set(warehouse.load_dataframe(pin)["sold"]) == {number}
    assert len(warehouse.load_dataframe(staged)) == len(frame)
    assert [one.operation for one in warehouse.history("sales", "items", ["a"])] == ["publish"] * 4
    assert warehouse.rollback("sales", "items", ["a"]) == pins[2]
    assert [one for _, one in report.ignored] == ([] if said else wanted)
    assert ("have not expired in the history" in caplog.text) is not said


def test_a_forged_note_neither_deletes_an_old_staged_batch_nor_hides_it_from_an_erasure(
    warehouse, frame
) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", ["a"])
    staged = warehouse.store_dataframe(
        frame.assign(item="hat"), "sales", "items", ["a"], publish=False
    )
    forge_note(warehouse, first, [staged.batch_id], said=False)
    table = warehouse.overview("sales", "items").table
    author = Author(sfx.Producer(user="ada"))
    later = datetime.now(UTC) + timedelta(days=3)
    rule = Rule(100, timedelta(days=999), timedelta(0))
    for _ in range(2):
        report = retain(table, PartitionLog(table), rule, author, dry_run=False, now=later)
        assert report.deleted == ()
        assert report.ignored == (("a", staged.batch_id),)
    assert table.manifest("a", staged.batch_id).rows == len(frame)
    condition = Erasure("item = 'hat'", timedelta(0))
    found = erase(table, PartitionLog(table), condition, author, dry_run=False, now=later)
    assert staged.batch_id in {one.batch_id for one in found.batches}
    assert ("a", staged.batch_id) in found.deleted, (
        "what an erasure gave up does not stay for having been staged"
    )
    assert (
        erase(table, PartitionLog(table), condition, author, dry_run=True, now=later).batches == ()
    )


@pytest.mark.parametrize("said", [False, True], ids=["noted", "noted as said"])
def test_a_forged_erasure_replaces_nothing_by_another_batch(warehouse, frame, said) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", ["a"])
    second = warehouse.store_dataframe(frame.assign(sold=2), "sales", "items", ["a"])
    warehouse.hold(first, name="report", until=None)
    other = warehouse.store_dataframe(pd.concat([frame] * 2), "sales", "items", ["b"])
    news = {
        pin.batch_id: {"batch_id": other.batch_id, "rows": 6, "bytes": 1, "staged": False}
        for pin in (first, second)
    }
    forge_note(warehouse, first, [first.batch_id, second.batch_id], said=said, replaced={"a": news})
    for _ in range(2):
        assert harmless_retain(warehouse).deleted == ()
        warehouse.erase(
            "sales", "items", where="item = 'nobody'", grace=timedelta(0), dry_run=False
        )
    assert warehouse.pin("sales", "items", ["a"]) == second
    for pin in (first, second):
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin)[["item"]], frame[["item"]])


def test_what_an_erasure_said_of_held_batches_is_done_and_what_a_note_says_alone_is_not(
    warehouse, frame
) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", ["a"])
    warehouse.hold(first, name="report", until=None)
    warehouse.erase("sales", "items", where="item = 'hat'", grace=timedelta(0), dry_run=False)
    forge_note(warehouse, first, [first.batch_id], said=True)
    assert harmless_retain(warehouse).deleted == ()
    assert len(warehouse.load_dataframe(first)) == len(frame)
    second = warehouse.pin("sales", "items", ["a"])
    warehouse.hold(second, name="report", until=None, renew=True)
    later = warehouse.erase(
        "sales",
        "items",
        where="item = 'shoe'",
        grace=timedelta(days=9),
        despite_pins=True,
        dry_run=False,
    )
    assert later.deleted == ()
    assert warehouse.history("sales", "items", ["a"])[0].despite_pins


class TestLinkedBatches:
    """A writer of the table's directory replaces a batch by a link to others' files."""

    @pytest.fixture
    def uri(self, embedded_uri) -> str:
        return embedded_uri

    def test_files_behind_a_link_are_not_deleted(self, warehouse, frame, tmp_path) -> None:
        first = warehouse.store_dataframe(frame, "sales", "items", ["a"])
        warehouse.store_dataframe(frame, "sales", "items", ["a"])
        rule = {"keep_last": 1, "older_than": timedelta(0), "grace": timedelta(0), "dry_run": False}
        warehouse.retain("sales", "items", **rule)
        batch = Path(warehouse.store.local_path(below_table(first, f"a/{first.batch_id}")))
        batch.rename(tmp_path / "precious")
        batch.symlink_to(tmp_path / "precious")
        with pytest.raises(sfx.InconsistentBatch, match="Nothing behind it was deleted"):
            warehouse.retain("sales", "items", **rule)
        assert list((tmp_path / "precious").glob("*.parquet"))
