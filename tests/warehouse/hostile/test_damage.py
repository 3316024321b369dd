"""Damage from outside raises the right error, and harms nothing else."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.metastore.embedded import CATALOG_FILE
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def uri(embedded_uri) -> str:
    """Only files can be damaged from here."""
    return embedded_uri


@pytest.fixture
def two(warehouse: Warehouse, frame: pd.DataFrame) -> tuple[sfx.BatchPin, sfx.BatchPin]:
    """An older and a current batch."""
    return (
        warehouse.store_dataframe(frame, "sales", "items", [DAY]),
        warehouse.store_dataframe(frame.assign(price=0.0), "sales", "items", [DAY]),
    )


def batch_folder(warehouse: Warehouse, pin: sfx.BatchPin) -> Path:
    return Path(warehouse.store.local_path(f"sales.db/items/{DAY}/{pin.batch_id}") or "")


def manifest_of(warehouse: Warehouse, pin: sfx.BatchPin) -> Path:
    return Path(
        warehouse.store.local_path(f"sales.db/items/_sfx/batches/{pin.batch_id}/manifest") or ""
    )


def data_file(warehouse: Warehouse, pin: sfx.BatchPin) -> Path:
    (path,) = batch_folder(warehouse, pin).glob("*.parquet")
    return path


def refuses_to_load_and_verify(warehouse: Warehouse, pin: sfx.BatchPin, words: str) -> None:
    with pytest.raises(sfx.InconsistentBatch, match=words) as caught:
        warehouse.load_dataframe("sales", "items", [DAY])
    assert caught.value.batch_id == pin.batch_id
    with pytest.raises(sfx.InconsistentBatch, match=words):
        warehouse.verify(pin)


def older_is_unharmed_and_can_be_rolled_back_to(
    warehouse: Warehouse, older: sfx.BatchPin, frame: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(warehouse.load_dataframe(older), frame)
    assert warehouse.rollback("sales", "items", [DAY]) == older
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "items", [DAY]), frame)


def test_a_truncated_file_is_named_and_the_batch_before_is_unharmed(warehouse, two, frame) -> None:
    path = data_file(warehouse, two[1])
    path.write_bytes(path.read_bytes()[:-7])
    refuses_to_load_and_verify(warehouse, two[1], "part-00000.parquet.*bytes")
    older_is_unharmed_and_can_be_rolled_back_to(warehouse, two[0], frame)


def test_a_missing_file_is_named(warehouse, two, frame) -> None:
    data_file(warehouse, two[1]).unlink()
    refuses_to_load_and_verify(warehouse, two[1], "part-00000.parquet.*missing")
    older_is_unharmed_and_can_be_rolled_back_to(warehouse, two[0], frame)


def test_a_file_with_other_content_of_the_same_size_is_found_by_verify(warehouse, two) -> None:
    path = data_file(warehouse, two[1])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(sfx.InconsistentBatch, match="does not have the checksum") as caught:
        warehouse.verify(two[1])
    assert len(caught.value.problems) == 1
    assert warehouse.verify(two[0]).files == 1


def test_an_altered_byte_never_escapes_verify_and_next_to_never_a_load(warehouse, frame) -> None:
    stored = pd.concat(
        [frame.assign(day=date(2016, 10, 31), n=range(number, number + 3)) for number in range(300)]
    )
    stored = stored.reset_index(drop=True)
    pin = warehouse.store_dataframe(stored, "sales", "items", [DAY])
    path = data_file(warehouse, pin)
    content = path.read_bytes()
    places = range(0, len(content), 11)
    other = 0
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << place % 8
        path.write_bytes(altered)
        with pytest.raises(sfx.InconsistentBatch, match="does not have the checksum"):
            warehouse.verify(pin)
        with contextlib.suppress(sfx.SfxError):
            other += not warehouse.load_dataframe(pin).equals(stored)
    assert other <= len(places) / 50, "only a footer's bytes have no checksum"
    assert len(places) > 300


def test_a_file_that_something_else_added_is_found_by_verify_and_not_read(
    warehouse, two, frame
) -> None:
    older, _ = two
    folder = batch_folder(warehouse, older)
    shutil.copy(data_file(warehouse, older), folder / "000000_0")
    (folder / "_SUCCESS").touch()
    with pytest.raises(sfx.InconsistentBatch, match="000000_0 is not in the manifest") as caught:
        warehouse.verify(older)
    assert len(caught.value.problems) == 1
    pd.testing.assert_frame_equal(warehouse.load_dataframe(older), frame)


def test_an_edited_manifest_is_refused(warehouse, two, frame) -> None:
    path = manifest_of(warehouse, two[1])
    text = path.read_text()
    assert '"staged":false' in text
    path.write_text(text.replace('"staged":false', '"staged":true'))
    refuses_to_load_and_verify(warehouse, two[1], "checksum")
    older_is_unharmed_and_can_be_rolled_back_to(warehouse, two[0], frame)


def test_a_missing_manifest_is_an_inconsistent_batch_and_an_unknown_batch_is_not_found(
    warehouse, two
) -> None:
    manifest_of(warehouse, two[1]).unlink()
    refuses_to_load_and_verify(warehouse, two[1], "no manifest")
    with pytest.raises(sfx.BatchNotFound, match="20010101000000"):
        warehouse.load_dataframe("sales", "items", [DAY], batch_id="20010101000000")


def test_nobody_rolls_back_to_a_batch_that_cannot_be_read(warehouse, two) -> None:
    older, newer = two
    manifest_of(warehouse, older).unlink()
    with pytest.raises(sfx.InconsistentBatch, match="has no manifest"):
        warehouse.rollback("sales", "items", [DAY])
    shutil.rmtree(batch_folder(warehouse, older))
    with pytest.raises(sfx.BatchNotFound, match=f"has no batch {older.batch_id}"):
        warehouse.rollback("sales", "items", [DAY], to=older.batch_id)
    assert warehouse.pin("sales", "items", [DAY]) == newer


def test_a_manifest_that_was_copied_from_another_batch_is_refused(warehouse, two) -> None:
    shutil.copy(*(manifest_of(warehouse, pin) for pin in two))
    with pytest.raises(sfx.InconsistentBatch, match="moved or copied"):
        warehouse.load_dataframe("sales", "items", [DAY])


def test_a_removed_log_entry_is_named(warehouse, two) -> None:
    Path(
        warehouse.store.local_path("sales.db/items/_sfx/log/00000000/0000000001.json") or ""
    ).unlink()
    with pytest.raises(sfx.InconsistentBatch, match="no entry 1"):
        warehouse.history("sales", "items", [DAY])


def remove_entry(warehouse: Warehouse, version: int) -> None:
    path = f"sales.db/items/_sfx/log/00000000/{version:010d}.json"
    Path(warehouse.store.local_path(path) or "").unlink()


def no_entry(version: int):
    return pytest.raises(
        sfx.InconsistentBatch,
        match=f"the log of sales.items has no entry {version}: .* was removed; restore",
    )


def test_a_removed_entry_is_no_missing_batch_to_whoever_rolls_back(warehouse, two, frame) -> None:
    third = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    remove_entry(warehouse, 2)
    with no_entry(2) as caught:
        warehouse.rollback("sales", "items", [DAY])
    assert caught.value.table == "sales.items"
    assert warehouse.pin("sales", "items", [DAY]) == third


def test_a_removed_entry_that_a_rollback_went_back_to_is_named(warehouse, two, frame) -> None:
    warehouse.rollback("sales", "items", [DAY])
    remove_entry(warehouse, 1)
    with no_entry(1):
        warehouse.rollback("sales", "items", [DAY])


def test_a_removed_entry_stops_the_undo_of_a_run(warehouse, two, frame) -> None:
    night = sfx.Producer(dag_id="nightly", run_id="r", task_id="load", try_number=1)
    third = warehouse.store_dataframe(frame, "sales", "items", [DAY], producer=night)
    remove_entry(warehouse, 2)
    with no_entry(2):
        warehouse.rollback_run(dag_id="nightly", run_id="r")
    assert warehouse.pin("sales", "items", [DAY]) == third


@pytest.mark.parametrize("version", [1, 2, 3], ids=["first", "in_between", "last"])
@pytest.mark.parametrize("limit", [None, 3])
def test_an_audit_does_not_pass_over_a_removed_entry(warehouse, two, frame, version, limit) -> None:
    night = sfx.Producer(dag_id="nightly", run_id="r", task_id="load", try_number=1)
    warehouse.store_dataframe(frame, "sales", "items", [DAY], producer=night)
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    remove_entry(warehouse, version)
    with no_entry(version):
        warehouse.audit("sales", "items", foreign=False, limit=limit and 4)
    told = [bool(report.unreadable) for report in warehouse.audit_run(dag_id="nightly", run_id="r")]
    assert told == [version == 3], "the run's own entry is there, or is not"


def test_a_removed_last_entry_is_written_by_nobody_again(warehouse, two, frame) -> None:
    remove_entry(warehouse, 2)
    for use in (
        lambda: warehouse.store_dataframe(frame, "sales", "items", [DAY]),
        lambda: warehouse.rollback("sales", "items", [DAY]),
        lambda: warehouse.load_dataframe("sales", "items", [DAY]),
    ):
        with no_entry(2):
            use()


def test_an_audit_finds_a_removed_entry_of_a_change_of_several_partitions(warehouse, frame) -> None:
    days = pd.DataFrame({"day": [DAY, "20161101"], "n": 1})
    for _ in range(3):
        warehouse.store_dataframe(days, "sales", "items", partition_by=["day"])
    remove_entry(warehouse, 2)
    with no_entry(2):
        warehouse.audit("sales", "items", foreign=False)


def test_a_corrupt_metastore_file_is_unavailable_and_the_data_are_untouched(
    warehouse, two, frame
) -> None:
    root = Path(warehouse.uri.removeprefix("embedded://"))
    catalog = root / CATALOG_FILE
    for extra in root.glob(f"{CATALOG_FILE}-*"):
        extra.unlink()
    catalog.write_bytes(b"this is not a database, and longer than its header is " * 100)
    with pytest.raises(sfx.WarehouseUnavailable, match="metastore.sqlite"):
        connect(warehouse.uri).load_dataframe("sales", "items", [DAY])
    with pytest.raises(sfx.WarehouseUnavailable):
        connect(warehouse.uri).store_dataframe(frame, "sales", "items", [DAY])
    assert data_file(warehouse, two[1]).exists()


_FULL = """
import sys, resource
import pandas as pd, numpy as np
import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
import pyarrow.parquet, obstore, signal
warehouse = connect(sys.argv[1])
warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "other", ["p"])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    warehouse.store_dataframe(
        pd.DataFrame({"n": np.random.default_rng(0).random(400_000)}),
        "sales",
        "items",
        [sys.argv[2]],
        evolve="any",
    )
except sfx.WarehouseUnavailable as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("layout", ["value", "hive"])
def test_a_table_that_the_metastore_has_lost_is_made_again_by_repair(
    tmp_path, layout, frame
) -> None:
    uri = f"embedded://{tmp_path}/lost?layout={layout}"
    warehouse = connect(uri)
    keys = {"day": "date", "area": "string"}
    first = warehouse.store_dataframe(
        frame, "sales", "items", ["2016-10-31", "US/East"], partition_keys=keys
    )
    warehouse.store_dataframe(frame.assign(note="x"), "sales", "items", ["2016-11-01", "US/East"])
    warehouse.store_dataframe(
        frame.head(1), "sales", "items", ["2016-10-31", "US/East"], evolve="any"
    )
    warehouse.store_dataframe(frame, "sales", "whole")
    before = {name: warehouse.show("sales", name) for name in ("items", "whole")}
    del warehouse
    gc.collect()
    for path in (tmp_path / "lost/_sfx").glob("metastore.sqlite*"):
        path.unlink()
    again = connect(uri)
    with pytest.raises(sfx.TableNotFound, match="`sfx repair sales.items` restores it"):
        again.load_dataframe("sales", "items")
    for name, state in before.items():
        assert again.repair("sales", name)[0].done == "made it again from its history"
        assert again.repair("sales", name) == []
        assert again.show("sales", name) == state
    assert again.rollback("sales", "items", [["2016-10-31", "US/East"]]) == first
    with pytest.raises(sfx.TableNotFound, match="there is no table"):
        again.repair("sales", "nothing")


def test_a_lost_table_gets_the_types_of_batches_that_have_values(tmp_path) -> None:
    uri = f"embedded://{tmp_path}/lost"
    warehouse = connect(uri)
    counts = pd.DataFrame({"n": [1, 2]})
    warehouse.store_dataframe(counts, "sales", "items", ["a"])
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [None, None]}), "sales", "items", ["b"])
    whole = warehouse.pin("sales", "items")
    assert "`n` bigint" in warehouse.pinned_table_sql(whole, "sales.whole")[0]
    del warehouse
    gc.collect()
    for path in (tmp_path / "lost/_sfx").glob("metastore.sqlite*"):
        path.unlink()
    again = connect(uri)
    again.repair("sales", "items")
    assert [(one.name, one.type) for one in again.show("sales", "items").columns] == [
        ("n", "bigint")
    ]
    again.store_dataframe(counts, "sales", "items", ["b"])
    assert again.history("sales", "items", ["b"])[1].batch_id == pin.batch_id


def test_a_file_that_cannot_be_written_whole_leaves_the_partition_as_it_was(
    warehouse, two, frame
) -> None:
    code = [sys.executable, "-c", _FULL, warehouse.uri, DAY]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    assert "cannot write" in done.stdout
    assert [column.name for column in warehouse.show("sales", "items").columns] == [
        "item",
        "price",
        "sold",
    ]
    assert warehouse.pin("sales", "items", [DAY]) == two[1]
    assert warehouse.verify(two[1]).rows == len(frame)
    assert warehouse.repair("sales", "items") == []


def test_a_batch_with_files_and_no_manifest_is_recognised_as_unfinished(warehouse, two) -> None:
    unfinished = batch_folder(warehouse, two[1]).parent / "20990101000000"
    shutil.copytree(batch_folder(warehouse, two[0]), unfinished)
    (repair,) = warehouse.repair("sales", "items")
    assert (repair.partition, repair.done) == (DAY, "")
    assert "20990101000000 has no manifest" in repair.found
    assert (unfinished / "part-00000.parquet").exists()
    assert warehouse.pin("sales", "items", [DAY]) == two[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_and_a_read_only_disk_are_named_and_harm_nothing(tmp_path, frame) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)
    try:
        warehouse = connect(f"embedded://{disk}/warehouse")
        good = warehouse.store_dataframe(frame, "sales", "items", [DAY])
        (disk / "filler").write_bytes(b"x" * 1_900_000)
        big = pd.DataFrame(
            {"n": pd.Series(range(400_000)).sample(frac=1, random_state=0).to_numpy()}
        )
        with pytest.raises(sfx.WarehouseUnavailable, match="(?i)no space left.*Free space"):
            warehouse.store_dataframe(big, "sales", "others", [DAY])
        (disk / "filler").unlink()
        pd.testing.assert_frame_equal(warehouse.load_dataframe(good), frame)
        assert warehouse.pin("sales", "items", [DAY]) == good
        uri = warehouse.uri
        del warehouse
        gc.collect()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(sfx.WarehouseUnavailable):
            connect(uri).store_dataframe(frame, "sales", "items", [DAY])
        reader = connect(uri)
        pd.testing.assert_frame_equal(reader.load_dataframe("sales", "items", [DAY]), frame)
        assert [entry.batch_id for entry in reader.history("sales", "items")] == [good.batch_id]
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        newer = connect(uri).store_dataframe(frame.head(1), "sales", "items", [DAY])
        assert reader.pin("sales", "items") == newer
        pd.testing.assert_frame_equal(connect(uri).load_dataframe(good), frame)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextlib.contextmanager
def metastore_for_readers_only(warehouse: Warehouse) -> Iterator[None]:
    """Reject each change of a pointer."""
    path = Path(warehouse.store.local_path(CATALOG_FILE) or "")
    with sqlite3.connect(path) as catalog:
        for change in ("INSERT", "UPDATE"):
            catalog.execute(
                f"CREATE TRIGGER no_{change} BEFORE {change} ON partitions "
                "BEGIN SELECT RAISE(ABORT, 'for readers only'); END"
            )
    yield
    with sqlite3.connect(path) as catalog:
        for change in ("INSERT", "UPDATE"):
            catalog.execute(f"DROP TRIGGER no_{change}")


def test_a_reader_who_may_not_change_the_metastore_reads_what_the_log_says(
    warehouse, two, frame, caplog
) -> None:
    older, _ = two
    with metastore_for_readers_only(warehouse):
        with pytest.raises(
            sfx.WarehouseUnavailable,
            match=r"is in the log, .* interrupted changes\. The next operation",
        ):
            warehouse.rollback("sales", "items", [DAY])
        pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "items", [DAY]), frame)
        assert warehouse.pin("sales", "items") == older
        assert warehouse.history("sales", "items", [DAY])[0].batch_id == older.batches[DAY]
        assert "for readers only" in caplog.text
        with pytest.raises(sfx.WarehouseUnavailable, match="for readers only"):
            warehouse.store_dataframe(frame, "sales", "items", [DAY])
    assert warehouse.load_dataframe("sales", "items", [DAY]).equals(frame)
    caplog.clear()
    assert warehouse.load_dataframe("sales", "items", [DAY]).equals(frame)
    assert not caplog.text


LOOKS: dict[str, Callable[[Warehouse], dict[str, str | None]]] = {
    "pin": lambda warehouse: warehouse.pin("sales", "days").batches,
    "as_of": lambda warehouse: warehouse.pin("sales", "days", as_of=datetime.now(UTC)).batches,
    "history": lambda warehouse: {
        one.partition: one.batch_id for one in reversed(warehouse.history("sales", "days"))
    },
    "show": lambda warehouse: {
        one.partition: one.batch_id for one in warehouse.show("sales", "days").partitions
    },
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_the_whole_table_sees_what_a_writer_left_in_the_log_alone(
    warehouse, look
) -> None:
    """In one partition the metastore has an older batch; of another it has never heard."""
    old = warehouse.store_dataframe(
        pd.DataFrame({"day": ["a", "b"], "n": 1}), "sales", "days", partition_by=["day"]
    )
    with (
        metastore_for_readers_only(warehouse),
        pytest.raises(sfx.WarehouseUnavailable, match="is in the log"),
    ):
        warehouse.store_dataframe(
            pd.DataFrame({"day": ["b", "c"], "n": 2}), "sales", "days", partition_by=["day"]
        )
    seen = LOOKS[look](warehouse)
    assert seen["a"] == old.batches["a"]
    assert seen["b"] == seen["c"] != old.batches["b"]
    assert sorted(warehouse.load_dataframe("sales", "days")["n"]) == [1, 2, 2]
