"""Reads of a warehouse that does not exist: nothing is created, and the message says why."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import boto3
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect

FRAME = pd.DataFrame({"n": [1]})
TABLE = ("sales", "items")
READS = {
    "load_dataframe": lambda one, pin: one.load_dataframe(*TABLE),
    "load_dataframe of a pin": lambda one, pin: one.load_dataframe(pin),
    "pin": lambda one, pin: one.pin(*TABLE),
    "manifests": lambda one, pin: one.manifests(pin),
    "locations": lambda one, pin: one.locations(pin),
    "show": lambda one, pin: one.show(*TABLE),
    "overview": lambda one, pin: one.overview(*TABLE),
    "history": lambda one, pin: one.history(*TABLE),
    "audit": lambda one, pin: one.audit(*TABLE),
    "rollback": lambda one, pin: one.rollback(*TABLE, ["a"]),
    "publish": lambda one, pin: one.publish(pin),
    "hold": lambda one, pin: one.hold(pin, "report"),
    "holds": lambda one, pin: one.holds(*TABLE),
    "release": lambda one, pin: one.release(*TABLE, "report"),
    "take": lambda one, pin: one.take(pin, consumer="report", run="1"),
    "missed": lambda one, pin: one.missed(*TABLE, consumer="report"),
    "retain": lambda one, pin: one.retain(*TABLE, keep_last=1, older_than=timedelta(0)),
    "erase": lambda one, pin: one.erase(*TABLE, where="n = 1", dry_run=False),
    "verify": lambda one, pin: one.verify(pin),
    "diff": lambda one, pin: one.diff(pin, pin),
    "repair": lambda one, pin: one.repair(*TABLE),
    "adopt": lambda one, pin: one.adopt(*TABLE),
}
EMPTY = {
    "tables": lambda one, pin: one.tables(),
    "audit_run": lambda one, pin: one.audit_run(dag_id="nightly", run_id="1"),
    "readers": lambda one, pin: one.readers(pin),
}
COMMANDS = [
    ("tables",),
    ("tables", "--json"),
    ("show", "sales.items"),
    ("history", "sales.items"),
    ("head", "sales.items"),
    ("audit",),
    ("audit", "sales.items"),
    ("verify", "sales.items"),
    ("pin", "sales.items"),
    ("rollback", "sales.items", "a", "--yes"),
    ("rollback", "--run", "nightly", "1", "--yes"),
    ("retain", "sales.items", "--keep-last", "1", "--older-than", "1d"),
    ("erase", "sales.items", "--where", "n = 1"),
    ("repair", "sales.items"),
    ("holds", "sales.items"),
    ("publish", "sales.items", "20161031000000", "--yes"),
]


@pytest.fixture
def pin(tmp_path) -> sfx.BatchPin:
    """A pin of a warehouse that does exist."""
    return connect(f"embedded://{tmp_path}/there").store_dataframe(FRAME, *TABLE, ["a"])


def run(*arguments: str, home: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", *arguments],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SFX_")},
            "HOME": str(home),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_no_call_that_needs_a_table_creates_the_directory_of_a_mistyped_uri(
    tmp_path, pin, call
) -> None:
    typo = tmp_path / "data" / "typo"
    with pytest.raises(sfx.SfxError, match=f"{tmp_path}/data/typo does not exist|{pin.location}"):
        call(connect(f"embedded://{typo}"), pin)
    assert not typo.parent.exists()


@pytest.mark.parametrize("call", EMPTY.values(), ids=EMPTY)
def test_no_list_creates_the_directory_of_a_mistyped_uri(tmp_path, pin, call, caplog) -> None:
    typo = tmp_path / "data" / "typo"
    assert call(connect(f"embedded://{typo}"), pin) == []
    assert not typo.parent.exists()
    if call is EMPTY["tables"]:
        assert f"the directory {typo} does not exist: correct the warehouse's URI" in caplog.text


@pytest.mark.parametrize("there", ["an empty directory", "an empty file of the metastore"])
def test_a_reader_creates_nothing_in_an_empty_directory(tmp_path, there) -> None:
    catalog = tmp_path / "_sfx" / "metastore.sqlite"
    if there != "an empty directory":  # as a first writer has it for a moment
        catalog.parent.mkdir()
        catalog.touch()
    warehouse = connect(f"embedded://{tmp_path}")
    assert warehouse.tables() == []
    with pytest.raises(sfx.TableNotFound, match="The warehouse has no tables"):
        warehouse.load_dataframe(*TABLE)
    assert catalog.exists() == (there != "an empty directory")
    assert not catalog.exists() or catalog.read_bytes() == b""


def test_a_reader_that_opened_the_warehouse_before_the_first_write_sees_it(tmp_path) -> None:
    uri = f"embedded://{tmp_path}/warehouse"
    reader = connect(uri)
    assert reader.tables() == []
    connect(uri).store_dataframe(FRAME, *TABLE, ["a"])
    assert [str(one) for one in reader.tables()] == ["sales.items"]
    pd.testing.assert_frame_equal(reader.load_dataframe(*TABLE, ["a"]), FRAME)


def test_the_default_warehouse_is_in_the_present_home(tmp_path, monkeypatch) -> None:
    for variable in ("SFX_WAREHOUSE", "AIRFLOW_CONN_SFX_DEFAULT"):
        monkeypatch.delenv(variable, raising=False)
    for home in ("one", "other"):
        monkeypatch.setenv("HOME", str(tmp_path / home))
        assert sfx.tables() == []
        sfx.store_dataframe(FRAME, *TABLE, ["a"])
        assert (tmp_path / home / ".sfx/warehouse/sales.db/items").is_dir()


def test_the_path_of_a_file_is_refused_when_the_warehouse_is_opened(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(sfx.WarehouseUnavailable, match="Not a directory"):
        connect(f"embedded://{tmp_path}/file")


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_command_creates_the_directory_of_a_mistyped_uri(tmp_path, arguments) -> None:
    done = run("--warehouse", f"embedded://{tmp_path}/typo", *arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"WarehouseUnavailable: there is no warehouse: the directory {tmp_path}/typo (from"
        " --warehouse) does not exist: correct the warehouse's URI, or store a first batch, which"
        " creates it\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "place", "source"),
    [
        ({"SFX_WAREHOUSE": "embedded://{}/typo"}, "typo", "SFX_WAREHOUSE"),
        (
            {"AIRFLOW_CONN_SFX_DEFAULT": "sfx://?warehouse=embedded://{}/connected"},
            "connected",
            "the Airflow connection 'sfx_default'",
        ),
        (
            {},
            ".sfx/warehouse",
            "the default, as SFX_WAREHOUSE and the Airflow connection sfx_default are not set",
        ),
    ],
)
def test_the_message_names_what_named_the_warehouse(tmp_path, environment, place, source) -> None:
    given = {name: value.format(tmp_path) for name, value in environment.items()}
    airflow = {"AIRFLOW_HOME": str(tmp_path / "airflow")} if "AIRFLOW_CONN" in str(given) else {}
    done = run("show", "sales.items", home=tmp_path, **given, **airflow)
    assert done.returncode == 1, done.stdout
    assert f"the directory {tmp_path}/{place} (from {source}) does not exist" in done.stderr
    assert not (tmp_path / place).exists()
    read = "import airflow_sfx as sfx; sfx.load_dataframe('sales', 'items')"
    script = subprocess.run(
        [sys.executable, "-c", read],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SFX_")},
            "HOME": str(tmp_path),
            **given,
            **airflow,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "TableNotFound: there is no table sales.items: the directory" in script.stderr
    assert f"(from {source}) does not exist" in script.stderr
    assert not (tmp_path / place).exists()


def test_a_mistyped_database_or_table_is_named_with_those_that_exist(warehouse) -> None:
    for name in ("orders", "clients", *(f"t{number}" for number in range(10))):
        warehouse.store_dataframe(FRAME, "shop", name)
    with pytest.raises(sfx.TableNotFound, match=r"The database has shop\.orders, shop\.") as error:
        warehouse.load_dataframe("shop", "order")
    assert str(error.value).count("shop.") == 9
    with pytest.raises(sfx.TableNotFound, match="There is no database shpo; .* shop"):
        warehouse.load_dataframe("shpo", "orders")


def test_a_missing_bucket_is_named_and_not_created(hive_address, new_stack_uri) -> None:
    new_stack_uri()  # without the databases of other tests
    uri = f"hive://{hive_address}?location=s3://mistyped/prefix"
    warehouse = connect(uri, source="SFX_WAREHOUSE")
    message = (
        "there is no bucket 'mistyped', in which s3://mistyped/prefix (from SFX_WAREHOUSE) lies:"
        " correct the location, or create the bucket"
    )
    for call in (
        warehouse.tables,
        lambda: warehouse.load_dataframe(*TABLE),
        lambda: warehouse.history(*TABLE),
        lambda: warehouse.store_dataframe(FRAME, *TABLE, ["a"]),
        lambda: warehouse.store_dataframe(FRAME.assign(day="a"), *TABLE, partition_by=["day"]),
        lambda: warehouse.store_dataframe(FRAME, *TABLE, ["a"], publish=False),
    ):
        with pytest.raises(sfx.WarehouseUnavailable) as error:
            call()
        assert str(error.value) == message
    names = [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]]
    assert "mistyped" not in names
    assert warehouse.metastore.tables("sales") == []


def test_the_command_names_a_missing_bucket_in_one_line(hive_address, stack, tmp_path) -> None:
    uri = f"hive://{hive_address}?location=s3://mistyped/prefix"
    done = run("--warehouse", uri, "show", "nothing.here", home=tmp_path, **stack.environment())
    assert done.returncode == 1
    assert done.stderr.startswith("WarehouseUnavailable: there is no bucket 'mistyped'")
    assert "(from --warehouse)" in done.stderr
    assert done.stderr.count("\n") == 1
