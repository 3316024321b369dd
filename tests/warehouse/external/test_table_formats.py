"""Directories of Delta, Iceberg and Hudi tables are not adopted.

All their files together would bring deleted rows back.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.s3_access import S3Access
from airflow_sfx.warehouse.batch.table_formats import refuse_below_logs
from airflow_sfx.warehouse.connect import connect
from tests.warehouse.external.test_reconcile import Others

NIGHTS = pa.table({"day": ["a", "a", "b"], "n": [1, 2, 3]})


@pytest.fixture
def uri(embedded_uri) -> str:
    """Its location matters only to the bucket's tests below."""
    return embedded_uri


@pytest.fixture
def delta(tmp_path) -> Path:
    """A real Delta table of which a row was deleted: its file is there still."""
    folder = tmp_path / "lake" / "delta"
    folder.mkdir(parents=True)
    deltalake.write_deltalake(folder, NIGHTS, partition_by=["day"])
    deltalake.DeltaTable(folder).delete("n = 2")
    return folder


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(NIGHTS.select(["n"]), path)


@pytest.mark.parametrize("part", ["", "day=a"], ids=["the table", "one of its partitions"])
def test_a_delta_table_is_refused_with_its_own_reader_as_the_way(warehouse, delta, part) -> None:
    keys = None if not part else []
    with pytest.raises(
        sfx.InvalidName,
        match="the directory of a table in Delta Lake format"
        r".*deltalake\.DeltaTable.*store_dataframe",
    ):
        warehouse.adopt("sales", "items", str(delta / part), partition_keys=keys)
    assert warehouse.tables() == []
    frame = deltalake.DeltaTable(delta).to_pyarrow_table()
    pin = warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])
    assert sorted(warehouse.load_dataframe(pin)["n"]) == [1, 3]


def test_a_directory_above_a_delta_table_is_refused(warehouse, delta) -> None:
    with pytest.raises(sfx.InvalidName, match="Delta Lake"):
        warehouse.adopt("sales", "items", str(delta.parent), partition_keys=["name", "day"])


@pytest.mark.parametrize("adopted", ["ice", "ice/data", "ice/data/day=a"])
def test_an_iceberg_table_is_refused_wherever_one_begins(warehouse, tmp_path, adopted) -> None:
    write(tmp_path / "ice/data/day=a/00000-0-1.parquet")
    metadata = tmp_path / "ice/metadata"
    metadata.mkdir()
    (metadata / "00001-5d1d.metadata.json").write_text("{}")
    with pytest.raises(sfx.InvalidName, match="Apache Iceberg"):
        warehouse.adopt("sales", "items", str(tmp_path / adopted))


@pytest.mark.parametrize("mark", [".hoodie/hoodie.properties", "day=a/.hoodie_partition_metadata"])
@pytest.mark.parametrize("adopted", ["hudi", "hudi/day=a"])
def test_a_hudi_table_is_refused_wherever_one_begins(warehouse, tmp_path, mark, adopted) -> None:
    write(tmp_path / "hudi/day=a/one_0-1-0_20161031.parquet")
    note = tmp_path / "hudi" / mark
    note.parent.mkdir(exist_ok=True)
    note.write_text("")
    with pytest.raises(sfx.InvalidName, match="Apache Hudi"):
        warehouse.adopt("sales", "items", str(tmp_path / adopted))


def test_other_directories_of_those_names_are_no_hindrance(warehouse, tmp_path) -> None:
    write(tmp_path / "metadata/day=a/part-0.parquet")
    (tmp_path / "metadata/readme.json").write_text("{}")
    pin = warehouse.adopt("sales", "items", str(tmp_path / "metadata"))
    assert len(warehouse.load_dataframe(pin)) == 3


def test_what_a_program_wrote_as_a_delta_table_is_not_sealed_as_a_batch(warehouse) -> None:
    batch = warehouse.open_batch("sales", "items", ["a"])
    deltalake.write_deltalake(batch.location.removeprefix("file://"), NIGHTS.select(["n"]))
    with pytest.raises(sfx.InvalidName, match="Delta Lake"):
        batch.close()


@pytest.fixture
def others(stack, hive_address, new_stack_uri) -> Others:
    new_stack_uri()
    return Others(hive_address)


@pytest.mark.parametrize(
    ("parameters", "classes", "name"),
    [
        (
            {"table_type": "ICEBERG", "metadata_location": "s3://warehouse/x/1.metadata.json"},
            {},
            "Apache Iceberg",
        ),
        ({"spark.sql.sources.provider": "delta"}, {}, "Delta Lake"),
        ({}, {"inputFormat": "org.apache.hudi.hadoop.HoodieParquetInputFormat"}, "Apache Hudi"),
    ],
)
def test_what_the_metastore_calls_a_table_format_is_neither_adopted_nor_stored_into(
    others, hive_address, parameters, classes, name
) -> None:
    """Its files may be anywhere, and Hive sees none of them: the table seems empty."""
    place = f"s3://warehouse/lake/{uuid.uuid4().hex}"
    others.make_table(place, keys=())
    table = others.table("old", "sales")
    table.parameters |= parameters
    for member, value in classes.items():
        setattr(table.sd, member, value)
    others.clients.call_once(lambda client: client.alter_table("old", "sales", table))
    warehouse = connect(f"hive://{hive_address}?location=s3://warehouse/tests/{uuid.uuid4().hex}")
    with pytest.raises(sfx.InvalidName, match=f"old.sales as a.* {name}.*store_dataframe"):
        warehouse.adopt("old", "sales")
    with pytest.raises(sfx.InvalidName, match=name):
        warehouse.store_dataframe(pd.DataFrame({"item": ["hat"], "sold": [1]}), "old", "sales")
    after = others.table("old", "sales")
    assert {key: after.parameters[key] for key in parameters} == parameters
    assert "sfx.root" not in after.parameters


def test_a_delta_table_in_a_bucket_is_refused_from_a_partition_of_it(others, hive_address) -> None:
    place = f"hive/{uuid.uuid4().hex}"
    others.put(f"{place}/day=a/part-0.parquet", n=[1])
    others.store.put_if_absent(f"{place}/_delta_log/00000000000000000000.json", b"{}")
    warehouse = connect(f"hive://{hive_address}?location=s3://warehouse/tests/{uuid.uuid4().hex}")
    for part in ("", "/day=a"):
        with pytest.raises(sfx.InvalidName, match="Delta Lake"):
            warehouse.adopt("old", "nights", f"s3://warehouse/{place}{part}")


def test_a_partition_that_was_pointed_at_a_delta_table_is_noted_and_does_not_become_a_batch(
    others, hive_address, caplog
) -> None:
    warehouse = connect(f"hive://{hive_address}?location=s3://warehouse/tests/{uuid.uuid4().hex}")
    night = pd.DataFrame({"n": [1, 2]})
    warehouse.store_dataframe(night, "old", "nights", ["a"], partition_keys=["day"])
    place = f"hive/{uuid.uuid4().hex}"
    others.put(f"{place}/day=a/part-0.parquet", n=[9])
    others.store.put_if_absent(f"{place}/_delta_log/00000000000000000000.json", b"{}")
    others.set_location("old", "nights", ["a"], f"s3://warehouse/{place}/day=a")
    warehouse.store_dataframe(night, "old", "nights", ["a"])
    history = warehouse.history("old", "nights", ["a"])
    assert [entry.operation for entry in history] == ["publish", "foreign_change", "publish"]
    assert history[1].batch_id is None
    assert "Delta Lake" in caplog.text


LIMITED = "team/warehouse/"
"""Below what a policy's s3:prefix lets these credentials list."""


class Limiting(BaseHTTPRequestHandler):
    """A bucket with a Delta table in team/warehouse/lake.

    The credentials may list the warehouse's prefix only.
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        prefix = parse_qs(urlsplit(self.path).query)["prefix"][0]
        log = "team/warehouse/lake/_delta_log/"
        entry = (
            f"<Contents><Key>{log}0.json</Key>"
            "<LastModified>2016-11-02T23:42:52.000Z</LastModified><Size>2</Size></Contents>"
        )
        listed = entry if prefix == log else ""
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        allowed = prefix.startswith(LIMITED)
        answer = (body if allowed else "<Error><Code>AccessDenied</Code></Error>").encode()
        self.send_response(200 if allowed else 403)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def limited(monkeypatch) -> Iterator[ObjectStore]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Limiting)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    yield open_store(
        f"s3://bucket/{LIMITED}", S3Access(endpoint=f"http://127.0.0.1:{server.server_port}")
    )
    server.shutdown()
    server.server_close()


def test_credentials_that_may_list_the_warehouse_alone_are_enough(limited) -> None:
    refuse_below_logs(limited, [f"{limited.uri}/old/day=a", "s3://bucket/elsewhere/day=a"])
    with pytest.raises(sfx.InvalidName, match="Delta Lake"):
        refuse_below_logs(limited, [f"{limited.uri}/lake/day=a"])
