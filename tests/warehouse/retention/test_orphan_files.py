"""Orphan files of dead writers are found and removed, whatever their names.

A person's name survives an erasure nowhere.
"""

from __future__ import annotations

import io
import os
import random
import re
import signal
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.batch_id import is_batch_id
from airflow_sfx.storage.multipart import Uploads
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention.erasure import Erasure, erase
from airflow_sfx.warehouse.retention.expire import RetentionReport, Rule, retain
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import process, run_until_call

NAME = "Karla Kolumna"
DAYS = ["20161031", "20161101", "20161102"]
NONE = timedelta(0)
AUTHOR = Author(sfx.Producer(user="ada"))


def persons(number: int, name: str = NAME) -> pd.DataFrame:
    return pd.DataFrame({"client": [name, "Bert", "Bert"], "n": number, "day": DAYS})


def store_all(warehouse: Warehouse, number: int = 0, name: str = NAME) -> sfx.BatchPin:
    return warehouse.store_dataframe(persons(number, name), "sales", "items", partition_by=["day"])


def days_later(
    warehouse: Warehouse, days: int = 3, *, dry_run: bool = False, keep_last: int = 1
) -> RetentionReport:
    """Run retention after some days: the first run expires, the second deletes."""
    for more in (0, 2):
        table = warehouse.overview("sales", "items").table
        now = datetime.now(UTC) + timedelta(days=days + more)
        report = retain(
            table,
            PartitionLog(table),
            Rule(keep_last, NONE, NONE),
            AUTHOR,
            dry_run=dry_run,
            now=now,
        )
        if dry_run:
            break
    return report


def erase_name(warehouse: Warehouse, days: int = 3) -> None:
    for more in (0, 2):
        table = warehouse.overview("sales", "items").table
        now = datetime.now(UTC) + timedelta(days=days + more)
        erase(
            table,
            PartitionLog(table),
            Erasure(f"client = '{NAME}'", NONE),
            AUTHOR,
            dry_run=False,
            now=now,
        )


def left(warehouse: Warehouse) -> list[str]:
    """Return the objects that belong neither to the history nor to a current batch."""
    current = warehouse.pin("sales", "items").batches
    found = []
    for info in warehouse.store.list("", unfinished=True):
        steps = info.path.split("/")
        if steps[0] == "_sfx" or steps[2] == "_sfx":
            found += [info.path] if "#" in info.path else []
        elif current.get("/".join(steps[2:-2])) != steps[-2]:
            found.append(info.path)
    root = warehouse.store.local_path("sales.db")
    if root is not None:
        found += [
            folder
            for folder, inner, names in os.walk(root)
            if not inner and not names and "_sfx" not in folder
        ]
    return found + list(warehouse.store.unfinished(""))


def holding(warehouse: Warehouse, name: str) -> list[str]:
    """Return the objects that contain a name, as text or in a file's pages.

    Files are not compressed beyond recognition here.
    """
    paths = [
        info.path
        for info in warehouse.store.list("", unfinished=True)
        if "metastore.sqlite" not in info.path
    ]
    return [path for path in paths if name.encode() in (warehouse.store.get(path) or b"")]


class TestFiles:
    """In a directory a file has another name until it is whole."""

    @pytest.fixture
    def uri(self, embedded_uri) -> str:
        return embedded_uri

    def plant(self, warehouse: Warehouse, path: str, days: float) -> Path:
        place = Path(warehouse.store.local_path(f"{path}#{uuid.uuid4().hex}"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'{{"min":"{NAME}"}}')
        then = time.time() - days * 86_400
        os.utime(place, (then, then))
        return place

    PLACES = (
        "sales.db/items/20161031/20160101000000/part-00000.parquet",
        "sales.db/items/_sfx/batches/{current}/manifest",
        "sales.db/items/20990101/20160101000000/part-00000.parquet",
        "sales.db/items/_sfx/log/00000000/0000000002.json",
        "sales.db/items/_sfx/staged/20160101000000-x.json",
        "_sfx/runs/nightly/r1/sales.items~x.json",
    )

    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("by", [days_later, erase_name])
    def test_an_unfinished_file_is_removed_once_no_living_writer_can_have_it(
        self, warehouse, place, by
    ) -> None:
        pin = store_all(warehouse, name="Ada")
        old = self.plant(warehouse, place.format(current=pin.batches["20161031"]), days=2)
        assert warehouse.retain("sales", "items", keep_last=1, older_than=NONE).unfinished == (
            place.format(current=pin.batches["20161031"]),
        )
        assert old.exists(), "a dry run deletes nothing"
        by(warehouse, days=0)
        assert not old.exists()
        assert left(warehouse) == []
        assert warehouse.verify(pin).files == 3

    @pytest.mark.parametrize("place", PLACES[1:2] + PLACES[3:])
    def test_one_that_a_living_writer_may_have_stays(self, warehouse, place) -> None:
        pin = store_all(warehouse, name="Ada")
        young = self.plant(warehouse, place.format(current=pin.batches["20161031"]), days=0.5)
        rule = {"keep_last": 1, "older_than": NONE, "grace": NONE, "dry_run": False}
        for _ in range(2):
            assert warehouse.retain("sales", "items", **rule).unfinished == ()
            warehouse.erase("sales", "items", where="client = 'nobody'", grace=NONE, dry_run=False)
        assert young.exists()

    @pytest.mark.parametrize(
        "place", ["part-0.parquet", "20161031/part-0.parquet", "_job/20160101000000/0/part-0"]
    )
    def test_what_another_program_began_below_the_table_stays(self, warehouse, place) -> None:
        """Engines still write into the directory of an adopted table in their own way."""
        pin = store_all(warehouse, name="Ada")
        foreign = self.plant(warehouse, f"sales.db/items/{place}", days=30)
        assert days_later(warehouse, dry_run=True).unfinished == ()
        days_later(warehouse)
        erase_name(warehouse)
        assert foreign.exists()
        assert warehouse.verify(pin).files == 3

    def test_it_goes_with_the_batch_that_is_erased(self, warehouse) -> None:
        """Killed between the two names of a manifest."""
        pin = store_all(warehouse)
        self.plant(
            warehouse, f"sales.db/items/_sfx/batches/{pin.batches['20161031']}/manifest", days=0
        )
        warehouse.erase("sales", "items", where=f"client = '{NAME}'", grace=NONE, dry_run=False)
        assert holding(warehouse, NAME) == []


def test_a_partition_that_only_dead_writers_ever_knew_is_cleared_and_a_staged_one_is_not(
    warehouse,
) -> None:
    store_all(warehouse, name="Ada")
    staged = warehouse.store_dataframe(
        persons(1).drop(columns="day"), "sales", "items", ["staged"], publish=False
    )
    assert warehouse.store.claim("sales.db/items/_sfx/batches/20160101000000", "x")
    assert warehouse.store.claim("sales.db/items/_sfx/batches/20160102000000", "x")
    warehouse.store.put("sales.db/items/20990101/20160101000000/part-00000.parquet", NAME.encode())
    assert days_later(warehouse, dry_run=True).orphans == (("20990101", "20160101000000"),)
    days_later(warehouse)
    assert [path for path in left(warehouse) if "/staged/" not in path] == []
    assert warehouse.publish(staged) == staged


@pytest.mark.parametrize("ordered", [False, True])
def test_a_category_that_no_row_has_is_erased_as_well(warehouse, ordered) -> None:
    kind = pd.CategoricalDtype(["Ada", NAME, "Bert"], ordered=ordered)
    frame = pd.DataFrame({"client": pd.Series(["Bert", "Ada"], dtype=kind), "n": [1, 2]})
    pin = warehouse.store_dataframe(frame, "sales", "items", ["a"])
    found = warehouse.erase("sales", "items", where=f"client = '{NAME}'")
    assert [(one.batch_id, one.erased) for one in found.batches] == [(pin.batch_id, 0)]
    for _ in range(2):
        report = warehouse.erase(
            "sales", "items", where=f"client = '{NAME}'", grace=NONE, dry_run=False
        )
    assert report.batches == ()
    left_over = warehouse.load_dataframe("sales", "items", ["a"])
    assert left_over["client"].cat.categories.tolist() == ["Ada", "Bert"]
    assert left_over["client"].tolist() == ["Bert", "Ada"]
    assert list(warehouse.store.list(f"sales.db/items/a/{pin.batch_id}")) == []


@pytest.mark.parametrize(
    "day", ["late", "20161031"], ids=["of a new partition", "of one with a history"]
)
def test_a_writer_that_comes_back_after_its_batch_was_given_up_is_refused(
    warehouse, monkeypatch, day
) -> None:
    store_all(warehouse, name="Ada")
    batch = warehouse.open_batch("sales", "items", [day])
    content = io.BytesIO()
    persons(1, "Ada").drop(columns="day").to_parquet(content)
    path = f"sales.db/items/{day}/{batch.batch_id}/data/part-0.parquet"
    if local := warehouse.store.local_path(path):
        Path(local).parent.mkdir()
    warehouse.store.put(path, content.getvalue())
    later = datetime.now(UTC) + timedelta(days=3)
    table = warehouse.overview("sales", "items").table
    retain(table, PartitionLog(table), Rule(1, NONE, NONE), AUTHOR, dry_run=False, now=later)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return later.astimezone(tz)

    monkeypatch.setattr("airflow_sfx.warehouse.table.tombstones.datetime", Later)
    with pytest.raises(sfx.BatchNotFound, match="run the job again"):
        batch.close()
    assert (day, batch.batch_id) not in warehouse.pin("sales", "items").entries


@pytest.mark.parametrize("by", [days_later, erase_name])
def test_what_a_writer_writes_after_its_batch_was_deleted_is_deleted_later(warehouse, by) -> None:
    store_all(warehouse, name="Ada")
    batch = warehouse.open_batch("sales", "items", ["late"])
    path = f"sales.db/items/late/{batch.batch_id}/data/part-%d.parquet"
    warehouse.store.put_if_absent(path % 0, NAME.encode())
    by(warehouse)
    warehouse.store.put_if_absent(path % 1, NAME.encode())
    assert left(warehouse) == [path % 1]
    by(warehouse, 6)
    assert left(warehouse) == []


def test_parts_of_an_upload_that_nobody_finished_are_found_and_ended(stack_uri) -> None:
    warehouse = connect(stack_uri)
    store_all(warehouse, name="Ada")
    place = warehouse.store.uri.removeprefix("s3://warehouse/")
    uploads = Uploads("warehouse", warehouse.store.access)
    keys = [
        f"{place}/sales.db/items/20161031/20160101000000/part-00000.parquet",
        f"{place}/sales.db/items/20161031/part-of-another-engine.parquet",
        f"{place}-other/part-00000.parquet",
    ]
    for key in keys:
        begun = uploads._client.create_multipart_upload(Bucket="warehouse", Key=key)
        part = {"Bucket": "warehouse", "Key": key, "UploadId": begun["UploadId"], "PartNumber": 1}
        uploads._client.upload_part(**part, Body=NAME.encode())
    mine = (keys[0].removeprefix(f"{place}/"),)
    assert days_later(warehouse, dry_run=True).unfinished == mine
    assert (
        warehouse.retain("sales", "items", keep_last=1, older_than=NONE, dry_run=False).unfinished
        == ()
    )
    assert sorted(one.key for one in uploads.below(place)) == sorted(keys), (
        "it is a day old at the least before it is ended"
    )
    days_later(warehouse)
    assert sorted(one.key for one in uploads.below(place)) == sorted(keys[1:])
    assert left(warehouse) == [keys[1].removeprefix(f"{place}/")], (
        "what another engine began is for that one to finish"
    )


def write_for_ever(uri: str) -> None:
    warehouse = connect(uri)
    number = 0
    while True:
        number += 1
        store_all(warehouse, number)
        warehouse.store_dataframe(
            persons(number).drop(columns="day"), "sales", "items", [f"of{os.getpid()}"]
        )


def store_once(warehouse: Warehouse) -> None:
    store_all(warehouse, 7)
    warehouse.store_dataframe(persons(7).drop(columns="day"), "sales", "items", ["new"])


def nursery(uri: str, count: int) -> None:
    """Forks writers one after another and kills each a moment after it has begun."""
    moment, began = random.Random(16), time.monotonic()
    store_once(connect(uri))
    longest = 2 * (time.monotonic() - began)  # of a busy machine, too
    for _ in range(count):
        child = os.fork()
        if not child:
            write_for_ever(uri)
        time.sleep(moment.uniform(0.02, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def check_nothing_is_left(warehouse: Warehouse) -> None:
    warehouse.repair("sales", "items")
    assert holding(warehouse, NAME)
    days_later(warehouse, keep_last=1)
    assert left(warehouse) == []
    erase_name(warehouse, days=9)
    assert left(warehouse) == []
    assert holding(warehouse, NAME) == []


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
def test_nothing_is_left_of_writers_that_were_killed_at_each_call(new_embedded_uri, after) -> None:
    uri = new_embedded_uri()
    warehouse = connect(uri)
    store_all(warehouse)
    killed = 0
    for calls in range(1, 300):
        together = calls % 2 == 0
        if run_until_call(uri, store_once, calls, after=after, together=together) == 0:
            break
        killed += 1
    assert killed > 10
    check_nothing_is_left(warehouse)


@pytest.mark.parametrize("keys", [("day",), ("day", "shop")])
def test_empty_directories_of_partitions_are_removed_and_others_are_not(embedded_uri, keys) -> None:
    warehouse = connect(embedded_uri)
    frame = persons(1).assign(shop="a")
    warehouse.store_dataframe(frame, "sales", "items", partition_by=list(keys))
    root = Path(warehouse.store.local_path("sales.db/items"))
    (root / "20990101").mkdir()
    root.joinpath("20990102", *["x"] * (len(keys) - 1)).mkdir(parents=True)
    (root / "20990103").mkdir()
    (root / "20990103" / "claim").write_text("of another program")
    days_later(warehouse, days=0)
    assert sorted(one.name for one in root.iterdir() if one.name > "2099") == ["20990103", "_sfx"]
    assert (root / "20990103" / "claim").exists()
    assert len(warehouse.load_dataframe("sales", "items")) == 3


def test_nothing_is_left_of_hundreds_of_writers_that_were_killed_at_random(
    new_embedded_uri,
) -> None:
    uri = new_embedded_uri()
    warehouse = connect(uri)
    store_all(warehouse)
    nurse = process(nursery, uri, 200)
    nurse.start()
    nurse.join(300)
    assert nurse.exitcode == 0
    names = [info.path for info in warehouse.store.list("", unfinished=True)]
    ids = {path.split("/")[-2] for path in names if is_batch_id(path.split("/")[-2])}
    sealed = {path.split("/")[-2] for path in names if path.endswith("/manifest")}
    assert ids - sealed or re.search("#", " ".join(names))
    check_nothing_is_left(warehouse)


def test_nothing_is_left_of_writers_that_were_killed_on_s3(new_stack_uri) -> None:
    uri = new_stack_uri()
    warehouse = connect(uri)
    store_all(warehouse)
    for calls in range(1, 60, 3):
        if run_until_call(uri, store_once, calls, after=True) == 0:
            break
    check_nothing_is_left(warehouse)


def test_the_id_of_a_deleted_batch_is_not_taken_again_and_its_claim_goes_a_day_later(
    warehouse,
) -> None:
    def staged() -> str:
        pin = warehouse.store_dataframe(
            persons(1).drop(columns="day"), "sales", "items", ["staged"], publish=False
        )
        return pin.batch_id

    def claimed() -> set[str]:
        found = warehouse.store.paths("sales.db/items/_sfx/batches")
        return {path.split("/")[-2] for path in found}

    store_all(warehouse, name="Ada")
    # One ID a second: the clock has not reached the last ones when they are deleted.
    old = {staged() for _ in range(5)}
    warehouse.erase("sales", "items", where=f"client = '{NAME}'", grace=NONE, dry_run=False)
    new = {staged() for _ in range(5)}
    assert len(old | new) == 10
    assert old < claimed()
    days_later(warehouse)
    assert old & claimed() == set()
    assert new < claimed()
