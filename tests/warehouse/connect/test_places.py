"""Locations of an embedded warehouse: any name, several names, and after a move."""

from __future__ import annotations

import shutil
from urllib.parse import quote

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect

DAY = "20161031"


@pytest.mark.parametrize("name", ["a b", "größe", "100%", "a%20b", "a#b", "a?b", "%2541"])
def test_a_warehouse_lies_in_the_directory_that_its_uri_names_and_its_own_uri_opens_it_again(
    tmp_path, frame, name
) -> None:
    warehouse = connect(f"embedded://{tmp_path}/{quote(name)}")
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    warehouse.store_dataframe(frame.head(1), "sales", "items", [DAY])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "sales.db/items/_sfx/batches" / first.batch_id / "manifest").exists()
    again = connect(warehouse.uri)
    assert again.rollback("sales", "items", [DAY]) == first
    pd.testing.assert_frame_equal(again.load_dataframe(first), frame)
    assert again.repair("sales", "items") == []


def test_the_options_of_a_uri_are_part_of_it_and_open_the_same_again(
    tmp_path, frame, monkeypatch
) -> None:
    warehouse = connect(f"embedded://{tmp_path}/w?layout=hive")
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    connect(warehouse.uri).store_dataframe(frame, "sales", "others", [DAY])
    assert (tmp_path / f"w/sales.db/others/partition={DAY}").is_dir()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    place = "location=s3://warehouse/prefix"
    options = "region=eu-west-1&endpoint_url=http://127.0.0.1:1/s3&layout=hive"
    for uri in (
        f"hive://one:9083,two:9083?{place}&auth=KERBEROS&kerberos_service_name=metastore&{options}",
        f"glue://eu-west-1?{place}&glue_endpoint_url=http://127.0.0.1:2&{options}",
    ):
        opened = connect(uri)
        assert opened.uri == uri
        assert opened.partition_style == "hive"
    with pytest.raises(sfx.InvalidName, match="without options"):
        connect(f"hive://one:9083?{place}&endpoint_url=http://127.0.0.1:1%3Ftoken=secret")


def test_a_hash_in_a_uri_is_refused_and_not_cut_off(tmp_path) -> None:
    with pytest.raises(sfx.InvalidName, match="write %23"):
        connect(f"embedded://{tmp_path}/a#b")
    assert list(tmp_path.iterdir()) == []


def test_a_warehouse_that_a_link_leads_to_is_the_same_warehouse(tmp_path, frame) -> None:
    warehouse = connect(f"embedded://{tmp_path}/real")
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    linked = connect(f"embedded://{tmp_path}/link")
    pd.testing.assert_frame_equal(linked.load_dataframe(pin), frame)
    newer = linked.store_dataframe(frame.head(1), "sales", "items", [DAY])
    linked.store_dataframe(frame, "sales", "linked", [DAY])
    pd.testing.assert_frame_equal(warehouse.load_dataframe(newer), frame.head(1))
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "linked", [DAY]), frame)
    assert warehouse.rollback("sales", "items", [DAY]) == pin
    assert linked.audit("sales", "items").foreign == ()


def test_a_moved_warehouse_is_whole_and_its_old_pins_say_where_they_point(tmp_path, frame) -> None:
    warehouse = connect(f"embedded://{tmp_path}/old")
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    warehouse.hold(pin, "report")
    warehouse.store_dataframe(frame.head(1), "sales", "items", [DAY])
    shutil.move(tmp_path / "old", tmp_path / "new")
    moved = connect(f"embedded://{tmp_path}/new")
    (held,) = moved.holds("sales", "items")
    pd.testing.assert_frame_equal(moved.load_dataframe(held.pin), frame)
    assert moved.rollback("sales", "items", [DAY]) == held.pin
    assert moved.repair("sales", "items") == []
    with pytest.raises(sfx.InvalidName, match=f"points at file://{tmp_path}/old/"):
        moved.load_dataframe(pin)
