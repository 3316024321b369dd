"""A batch whose files another program writes into its directory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx
from airflow_sfx.storage.factory import open_place
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.warehouse import Warehouse
from airflow_sfx.warehouse.write.external_batch import ExternalBatch

DAY = "20161031"


def write(warehouse: Warehouse, batch: ExternalBatch, *frames: pd.DataFrame) -> None:
    """Write files as the other program does."""
    store, directory = open_place(batch.location, warehouse.store)
    for number, frame in enumerate(frames):
        sink = io.BytesIO()
        frame.to_parquet(sink, index=False)
        store.put_if_absent(f"{directory}/part-{number}.parquet".lstrip("/"), sink.getvalue())
    store.put_if_absent(f"{directory}/_SUCCESS".lstrip("/"), b"done")


def test_what_another_program_wrote_becomes_a_batch_with_its_inputs(warehouse, frame) -> None:
    source = warehouse.store_dataframe(frame, "raw", "items", [DAY], partition_keys=["day"])
    batch = warehouse.open_batch(
        "made", "items", [DAY], partition_keys=["day"], inputs=[source], reason="a job"
    )
    write(warehouse, batch, frame, frame.assign(price=1.0))
    assert not warehouse.metastore.tables("made"), "nothing is current before it is closed"
    pin = batch.close()
    assert pin.batch_id == batch.batch_id
    assert len(warehouse.load_dataframe(pin)) == 2 * len(frame)
    (manifest,) = warehouse.manifests(pin)
    assert (manifest.inputs, len(manifest.files)) == ((source,), 2)
    (entry,) = warehouse.history("made", "items", [DAY])
    assert (entry.operation.value, entry.reason) == ("publish", "a job")
    warehouse.verify(pin)
    assert warehouse.repair("made", "items") == []


def test_a_batch_that_is_never_closed_is_seen_by_nobody(warehouse, frame) -> None:
    pin = warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    write(warehouse, warehouse.open_batch("made", "items", [DAY]), frame.assign(price=0.0))
    assert warehouse.pin("made", "items", [DAY]) == pin
    (unfinished,) = warehouse.repair("made", "items")
    assert "its writer failed" in unfinished.found


def test_a_store_that_comes_first_is_replaced_by_the_batch_that_is_closed_later(
    warehouse, frame
) -> None:
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    batch = warehouse.open_batch("made", "items", [DAY])
    write(warehouse, batch, frame.assign(price=7.0))
    between = warehouse.store_dataframe(frame.assign(price=5.0), "made", "items", [DAY])
    pin = batch.close()
    assert pin.batch_id > between.batch_id
    assert set(warehouse.load_dataframe("made", "items", [DAY])["price"]) == {7.0}
    assert warehouse.history("made", "items", [DAY])[0].previous == between.batch_id
    warehouse.verify(pin)
    (manifest,) = warehouse.manifests(pin)
    assert manifest.location == "", (
        "nothing of it stays in the directory that an erasure may give up"
    )
    assert warehouse.inconsistencies(pin) == []


def test_a_staged_batch_waits_to_be_published(warehouse, frame) -> None:
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    batch = warehouse.open_batch("made", "items", [DAY])
    write(warehouse, batch, frame.assign(price=7.0))
    staged = batch.close(publish=False)
    assert set(warehouse.load_dataframe("made", "items", [DAY])["price"]) == set(frame["price"])
    warehouse.publish(staged)
    assert set(warehouse.load_dataframe("made", "items", [DAY])["price"]) == {7.0}


class Shifted(datetime):
    """A clock that is wrong by some time."""

    ahead = timedelta(0)

    @classmethod
    def by(cls, ahead: timedelta) -> type[Shifted]:
        return type("Shifted", (Shifted,), {"ahead": ahead})

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + cls.ahead


@pytest.fixture
def days_pass(monkeypatch) -> Iterator[Callable[[], None]]:
    """Date the test's claims thirty hours ago, until this is called."""

    with monkeypatch.context() as clock:
        clock.setattr(batch_writer, "datetime", Shifted.by(timedelta(hours=-30)))
        yield clock.undo


def meanwhile(warehouse: Warehouse, frame: pd.DataFrame) -> None:
    """Store, and let an erasure expire what seems to be unfinished."""
    warehouse.store_dataframe(frame.assign(price=5.0), "made", "items", [DAY])
    expire(warehouse)


def expire(warehouse: Warehouse) -> None:
    """Expire and delete the batch that seems to be unfinished, by an erasure of no row."""
    report = warehouse.erase(
        "made",
        "items",
        where="price = -1",
        grace=timedelta(0),
        dry_run=False,
        producer=sfx.Producer(user="Anna"),
    )
    assert len(report.deleted) == 1


@pytest.mark.parametrize("publish", [True, False])
def test_a_batch_of_which_an_erasure_has_deleted_a_part_is_refused(
    warehouse, frame, days_pass, publish
) -> None:
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    batch = warehouse.open_batch("made", "items", [DAY])
    write(warehouse, batch, frame)
    days_pass()
    meanwhile(warehouse, frame)
    write(warehouse, batch, frame)
    for _ in range(2):
        with pytest.raises(
            sfx.BatchNotFound, match="was retired on .* by Anna .*unfinished.*: run the job again"
        ):
            batch.close(publish=publish)
    assert set(warehouse.load_dataframe("made", "items", [DAY])["price"]) == {5.0}
    assert warehouse.show("made", "items").staged == ()


@pytest.mark.parametrize("day", [DAY, "late"], ids=["of a partition", "of a new partition"])
def test_a_batch_of_a_writer_with_a_slow_clock_is_refused_however_long_ago_it_expired(
    warehouse, frame, monkeypatch, day
) -> None:
    """Its clock says that the batch is too young to be looked for among the tombstones."""
    slow = Shifted.by(timedelta(days=-3))
    monkeypatch.setattr(batch_writer, "datetime", slow)
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    batches = [warehouse.open_batch("made", "items", [day]) for _ in range(2)]
    monkeypatch.undo()
    for batch in batches:
        write(warehouse, batch, frame)
        expire(warehouse)
    monkeypatch.setattr(tombstones, "datetime", slow)
    write(warehouse, batches[0], frame)
    with pytest.raises(sfx.BatchNotFound, match="was retired on .*: run the job again"):
        batches[0].close()


def test_a_store_that_took_days_stages_nothing_that_an_erasure_has_deleted(
    warehouse, frame, days_pass
) -> None:
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])

    def check(_: object) -> bool:
        days_pass()
        meanwhile(warehouse, frame)
        return True

    with pytest.raises(sfx.BatchNotFound, match="run the job again"):
        warehouse.store_dataframe(frame, "made", "items", [DAY], checks=[check], publish=False)
    assert warehouse.show("made", "items").staged == ()


def test_a_batch_that_took_days_and_that_nobody_gave_up_is_closed(
    warehouse, frame, days_pass
) -> None:
    warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    batches = [warehouse.open_batch("made", "items", [DAY]) for _ in range(2)]
    days_pass()
    for batch, publish in zip(batches, (False, True), strict=True):
        write(warehouse, batch, frame.assign(price=7.0))
        assert set(warehouse.load_dataframe(batch.close(publish=publish))["price"]) == {7.0}


def test_nothing_and_what_does_not_fit_are_refused_and_the_partition_stays(
    warehouse, frame
) -> None:
    pin = warehouse.store_dataframe(frame, "made", "items", [DAY], partition_keys=["day"])
    with pytest.raises(sfx.InconsistentBatch, match="has no files"):
        warehouse.open_batch("made", "items", [DAY]).close()
    batch = warehouse.open_batch("made", "items", [DAY])
    write(warehouse, batch, frame.assign(price="dear"))
    with pytest.raises(sfx.SchemaMismatch, match="price"):
        batch.close()
    with pytest.raises(sfx.InvalidName):
        warehouse.open_batch("made", "items", ["../x"])
    assert warehouse.pin("made", "items", [DAY]) == pin


def test_a_close_that_could_not_tell_the_metastore_is_done_again_without_doubling_rows(
    warehouse, frame, monkeypatch
) -> None:
    warehouse.store_dataframe(
        frame.assign(price=1.0), "made", "items", [DAY], partition_keys=["day"]
    )
    batch = warehouse.open_batch("made", "items", [DAY])
    write(warehouse, batch, frame)

    def down(*arguments: object) -> bool:
        raise sfx.WarehouseUnavailable("the metastore is down")

    with monkeypatch.context() as broken:
        broken.setattr(
            type(warehouse.metastore), "moving", lambda *_, **__: contextlib.nullcontext(down)
        )
        with pytest.raises(sfx.WarehouseUnavailable, match="is in the log"):
            batch.close()
    pin = batch.close()
    assert batch.close() == pin
    assert len(warehouse.load_dataframe("made", "items", [DAY])) == len(frame)
    newest, _ = warehouse.history("made", "items", [DAY])
    assert (newest.batch_id, newest.rows) == (pin.batch_id, len(frame))
    warehouse.verify(pin)


def test_a_close_that_failed_before_it_sealed_seals_each_file_once(
    warehouse, frame, monkeypatch
) -> None:
    batch = warehouse.open_batch("made", "items", [DAY], partition_keys=["day"])
    write(warehouse, batch, frame)
    seal = BatchWriter.seal

    def broken(*arguments: object, **named: object) -> None:
        raise sfx.WarehouseUnavailable("storage is down")

    monkeypatch.setattr(BatchWriter, "seal", broken)
    with pytest.raises(sfx.WarehouseUnavailable):
        batch.close()
    monkeypatch.setattr(BatchWriter, "seal", seal)
    assert len(warehouse.load_dataframe(batch.close())) == len(frame)


def test_a_staged_batch_is_published_by_another_close(warehouse, frame) -> None:
    batch = warehouse.open_batch("made", "items", [DAY], partition_keys=["day"])
    write(warehouse, batch, frame)
    staged = batch.close(publish=False)
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.pin("made", "items", [DAY])
    assert batch.close() == staged == warehouse.pin("made", "items", [DAY])


def written(warehouse: Warehouse, files: Mapping[str, pa.Table], **options: object) -> sfx.BatchPin:
    """A batch of these files, closed."""
    batch = warehouse.open_batch("sales", "written", [DAY], **options)
    directory = Path(batch.location.removeprefix("file://"))
    for name, table in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, directory / name)
    return batch.close()


@pytest.mark.parametrize("below", ["part/b.parquet", "day=1/b.parquet", "a/b/c.parquet"])
def test_files_in_directories_below_are_refused_and_not_left_out(embedded_uri, below) -> None:
    warehouse, table = connect(embedded_uri), pa.table({"n": [1]})
    with pytest.raises(sfx.InconsistentBatch, match=rf"files in subdirectories, such as {below}"):
        written(warehouse, {"a.parquet": table, below: table})
    pin = written(warehouse, {"a.parquet": table, "_temporary/0/b.parquet": table})
    assert len(warehouse.load_dataframe(pin)) == 1


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("unit", ["ms", "us"])
def test_nanoseconds_in_one_file_and_a_coarser_unit_in_another_are_read_as_they_are_or_refused(
    embedded_uri, unit, zone
) -> None:
    warehouse = connect(embedded_uri)
    fine = pa.table({"at": pa.array([1_234_567_891, None], pa.timestamp("ns", zone))})
    coarse = pa.table({"at": pa.array([1_234], pa.timestamp(unit, zone))})
    for files in (
        {"a.parquet": fine, "b.parquet": coarse},
        {"a.parquet": coarse, "b.parquet": fine},
    ):
        loaded = warehouse.load_dataframe(written(warehouse, files), as_="arrow")["at"]
        wanted = [
            value
            for one in files.values()
            for value in one["at"].cast(pa.timestamp("ns", zone)).to_pylist()
        ]
        assert loaded.to_pylist() == wanted
    factor = {"ms": 1000, "us": 1_000_000}[unit]
    late = pa.table({"at": pa.array([253_402_300_799 * factor], pa.timestamp(unit, zone))})
    with pytest.raises(sfx.SchemaMismatch, match="b.parquet has times in 'at' that nanoseconds"):
        written(warehouse, {"a.parquet": fine, "b.parquet": late})


def test_what_cannot_be_sealed_is_refused_before_a_program_writes_or_by_the_column(
    embedded_uri,
) -> None:
    warehouse = connect(embedded_uri)
    for inputs in (["20161031"], "20161031"):
        with pytest.raises(sfx.InvalidName, match="^inputs="):
            warehouse.open_batch("sales", "written", [DAY], inputs=inputs)  # type: ignore[arg-type]
    with pytest.raises(sfx.SchemaMismatch, match="column 'n'.*38 digits"):
        written(warehouse, {"a.parquet": pa.table({"n": pa.array([1], pa.decimal256(60, 2))})})
