"""A frame that does not fit names what helps against the cause, and it helps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

Store = Callable[..., sfx.BatchPin]


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


@pytest.fixture
def store(embedded) -> Store:
    """Stores columns in shop.orders."""

    def run(day: str, columns: dict[str, list[object]], **options: object) -> sfx.BatchPin:
        return embedded.store_dataframe(pd.DataFrame(columns), "shop", "orders", [day], **options)

    return run


def remedy(call: Callable[[], object]) -> str:
    with pytest.raises(sfx.SchemaMismatch) as refused:
        call()
    return refused.value.remedy


def test_numbers_in_a_column_of_text_may_have_lost_zeros(store, embedded) -> None:
    store("1", {"zip": ["01234", "99999"]})
    night = {"zip": [1234, 99998]}
    said = remedy(lambda: store("2", night))
    assert said.startswith("read the column as text, as numbers have lost leading zeros, pass")
    (types,) = re.findall(r"types=({.*?})", said)
    store("2", night, types=json.loads(types))
    assert embedded.load_dataframe("shop", "orders", ["2"])["zip"].tolist() == ["1234", "99998"]
    store("3", night)  # the table remembers the type
    assert "evolve=" in said


def test_text_in_a_column_of_numbers_can_be_read_as_such(store, embedded) -> None:
    store("1", {"n": [1, 2]})
    said = remedy(lambda: store("2", {"n": ["3", "4"]}))
    assert 'pass types={"n": "bigint"} to read the text' in said
    store("2", {"n": ["3", "4"]}, types={"n": "bigint"})
    assert embedded.load_dataframe("shop", "orders", ["2"])["n"].tolist() == [3, 4]


def test_a_declared_type_that_is_too_narrow_is_declared_wider(store, embedded) -> None:
    store("1", {"n": [1]}, types={"n": "int"})
    said = remedy(lambda: store("2", {"n": [1 << 40]}))
    assert 'pass types={"n": "bigint"} to declare the wider type' in said
    store("2", {"n": [1 << 40]}, types={"n": "bigint"})
    assert embedded.load_dataframe("shop", "orders")["n"].tolist() == [1, 1 << 40]


def test_a_column_with_a_new_name_is_renamed_and_one_that_ended_dropped(store, embedded) -> None:
    store("1", {"item": ["hat"], "prcie": [1.0], "old": [True]})
    renamed = {"item": ["hat"], "price": [2.0], "old": [True]}
    said = remedy(lambda: store("2", renamed))
    assert "if 'price' is its new name, run `sfx rename-column shop.orders prcie price`" in said
    embedded.rename_column("shop", "orders", "prcie", "price")
    store("2", renamed)
    ended = {"item": ["hat"], "price": [2.0]}
    said = remedy(lambda: store("3", ended))
    assert "is its new name" not in said
    assert 'evolve="any"' in said
    assert "`sfx drop-column shop.orders old`" in said
    embedded.drop_column("shop", "orders", "old")
    store("3", ended)


def test_an_unchanged_table_is_widened_safely(store) -> None:
    store("1", {"n": pd.array([1], "int32")})
    said = remedy(lambda: store("2", {"n": [1 << 40]}, evolve="none"))
    assert said.endswith('pass evolve="safe" to widen the table\'s')
    store("2", {"n": [1 << 40]}, evolve="safe")


def test_a_staged_batch_that_no_longer_fits_is_discarded(store, embedded) -> None:
    store("1", {"n": [1]})
    staged = store("2", {"n": [2]}, publish=False)
    store("1", {"n": ["x"]}, evolve="any")
    with pytest.raises(sfx.SchemaMismatch, match="and the staged batch as bigint") as refused:
        embedded.publish(staged)
    assert refused.value.remedy.endswith(f"`sfx discard shop.orders --batch {staged.batch_id}`")
    embedded.discard(staged)


def test_files_that_do_not_fit_are_adopted_elsewhere(embedded, tmp_path) -> None:
    (tmp_path / "old" / "day=1").mkdir(parents=True)
    pd.DataFrame({"n": ["x"]}).to_parquet(tmp_path / "old" / "day=1" / "a.parquet")
    embedded.store_dataframe(
        pd.DataFrame({"n": [1]}), "shop", "orders", ["0"], partition_keys=["day"]
    )
    with pytest.raises(sfx.SchemaMismatch, match="and the files as string") as refused:
        embedded.adopt("shop", "orders", str(tmp_path / "old"))
    assert "adopt the files as another table" in refused.value.remedy
    assert "evolve" not in refused.value.cli_message
    embedded.adopt("shop", "older_orders", str(tmp_path / "old"))
