"""What was made from a batch that is no longer current is stale, at any depth."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from urllib.parse import unquote

import obstore
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.pins import stale
from airflow_sfx.warehouse.pins.input_ends import Cause
from airflow_sfx.warehouse.pins.lineage import Edge, _edge, all_edges
from airflow_sfx.warehouse.pins.stale import StaleBatch
from airflow_sfx.warehouse.warehouse import Warehouse


def store(
    warehouse: Warehouse, table: str, *inputs: sfx.BatchPin, day: str | None = "1", **more: object
) -> sfx.BatchPin:
    return warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), "shop", table, [day] if day else None, inputs=inputs, **more
    )


def run(number: int, dag: str = "nightly") -> sfx.Producer:
    return sfx.Producer(dag_id=dag, run_id=f"r{number}", task_id="load", try_number=1)


def found(warehouse: Warehouse, *names: str) -> list[tuple[str, str, str]]:
    return [(one.table, one.partition, one.cause.value) for one in warehouse.stale(*names)]


def test_what_was_made_from_a_rolled_back_batch_is_stale_at_any_depth(warehouse) -> None:
    good = store(warehouse, "orders")
    bad = store(warehouse, "orders")
    items = store(warehouse, "items", bad)
    report = store(warehouse, "report", items)
    other = store(warehouse, "orders", day="2")
    store(warehouse, "items", other, day="2")
    assert found(warehouse) == []
    boss = sfx.Producer(user="boss")
    assert warehouse.rollback("shop", "orders", ["1"], reason="zeros", producer=boss) == good
    first, second = warehouse.stale()
    (entry,) = warehouse.history("shop", "orders", ["1"], limit=1)
    assert first == StaleBatch(
        "shop.items", "1", items.batch_id, bad, Cause.ROLLED_BACK, entry.at, boss, "zeros"
    )
    assert (second.table, second.batch_id, second.input) == ("shop.report", report.batch_id, bad)
    assert second.path == (items,)
    again = store(warehouse, "items", good)
    (left,) = warehouse.stale()
    assert (left.table, left.input, left.cause, left.path) == (
        "shop.report",
        items,
        Cause.REPLACED,
        (),
    )
    store(warehouse, "report", again)
    assert found(warehouse) == []


def test_a_correction_makes_stale_and_another_partition_does_not(warehouse) -> None:
    first = store(warehouse, "orders")
    store(warehouse, "items", first)
    store(warehouse, "orders", day="2")
    assert found(warehouse) == []
    store(warehouse, "orders")
    assert found(warehouse) == [("shop.items", "1", "replaced")]
    assert found(warehouse, "shop") == found(warehouse, "shop", "items") == found(warehouse)
    assert found(warehouse, "shop", "orders") == found(warehouse, "sho") == []


def test_of_several_inputs_the_gravest_end_counts(warehouse) -> None:
    before = store(warehouse, "orders", day="2")
    corrected, bad = store(warehouse, "orders"), store(warehouse, "orders", day="2")
    pins = warehouse.pin("shop", "orders")
    store(warehouse, "total", pins, day=None)
    assert {corrected.batch_id, bad.batch_id} == set(pins.batches.values())
    store(warehouse, "orders")
    assert found(warehouse) == [("shop.total", "", "replaced")]
    assert warehouse.rollback("shop", "orders", ["2"]) == before
    (one,) = warehouse.stale()
    assert (one.cause, one.input) == (Cause.ROLLED_BACK, bad)


def test_a_batch_that_replaced_its_own_input_is_not_stale_but_keeps_its_inputs(warehouse) -> None:
    for day in ("1", "2"):
        store(warehouse, "orders", day=day)
        store(warehouse, "orders", day=day)
    total = store(warehouse, "total", warehouse.pin("shop", "orders", ["1"]), day=None)
    day2 = warehouse.pin("shop", "orders", ["2"])
    store(warehouse, "total", total, day2, day=None)
    assert found(warehouse) == []
    bad = warehouse.pin("shop", "orders", ["1"])
    warehouse.rollback("shop", "orders", ["1"])
    (one,) = warehouse.stale()
    assert (one.table, one.input) == ("shop.total", bad)


def test_a_table_that_each_night_writes_anew_does_not_make_partitions_stale(warehouse) -> None:
    prices = store(warehouse, "prices", day=None, producer=run(1))
    store(warehouse, "items", prices)
    store(warehouse, "summary", prices, day=None)
    store(warehouse, "prices", day=None, producer=run(2))
    assert found(warehouse) == [("shop.summary", "", "replaced")]
    corrected = warehouse.pin("shop", "prices")
    store(warehouse, "items", corrected, day="2")
    store(warehouse, "prices", day=None, producer=run(2))  # cleared
    assert ("shop.items", "2", "replaced") in found(warehouse)
    warehouse.rollback("shop", "prices", to=prices.batch_id)
    assert ("shop.items", "1", "replaced") not in found(warehouse)


def test_what_was_staged_did_not_end_but_its_inputs_may_have(warehouse) -> None:
    store(warehouse, "orders")
    bad = store(warehouse, "orders")
    staged = store(warehouse, "items", bad, publish=False)
    store(warehouse, "report", staged)
    assert found(warehouse) == []
    warehouse.rollback("shop", "orders", ["1"])
    (one,) = warehouse.stale()
    assert (one.table, one.input) == ("shop.report", bad)


def test_a_writer_that_dies_after_its_commit_leaves_its_batch_listed(
    embedded_uri, monkeypatch
) -> None:
    warehouse = sfx.connect(embedded_uri)
    store(warehouse, "orders")
    bad = store(warehouse, "orders")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_sfx.warehouse.log.commit.emit", killed)
    with pytest.raises(KeyboardInterrupt):
        store(warehouse, "items", bad)
    monkeypatch.undo()
    warehouse.rollback("shop", "orders", ["1"])
    assert found(warehouse) == [("shop.items", "1", "rolled back")]


def test_downstream_batches_are_found_at_any_depth(warehouse) -> None:
    source = store(warehouse, "orders")
    items = store(warehouse, "items", source)
    report = store(warehouse, "report", items)
    assert [one.pin for one in warehouse.readers(source)] == [items]
    assert [one.pin for one in warehouse.readers(source, any_depth=True)] == [report, items]


def test_a_table_without_a_database_is_refused(embedded_uri) -> None:
    with pytest.raises(sfx.InvalidName, match="no database"):
        sfx.connect(embedded_uri).stale(table="items")


def test_a_table_that_does_not_exist_has_no_answer(embedded_uri) -> None:
    with pytest.raises(sfx.TableNotFound, match="no table sales\\.slod"):
        sfx.connect(embedded_uri).stale("sales", "slod")


@pytest.mark.parametrize("change", ["rename", "drop", "erase"])
def test_a_rewritten_batch_is_stale_when_its_input_ends(warehouse, change: str) -> None:
    store(warehouse, "orders")
    bad = store(warehouse, "orders")
    rows = pd.DataFrame({"n": [1, 2], "m": [1, 2]})
    warehouse.store_dataframe(rows, "shop", "items", ["1"], inputs=[bad])
    if change == "rename":
        warehouse.rename_column("shop", "items", "m", "k")
    elif change == "drop":
        warehouse.drop_column("shop", "items", "m")
    else:
        warehouse.erase("shop", "items", where="n = 2", dry_run=False)
    items = warehouse.pin("shop", "items")
    store(warehouse, "report", items)
    assert found(warehouse) == []
    warehouse.rollback("shop", "orders", ["1"])
    first, second = warehouse.stale()
    assert (first.batch_id, first.input, first.cause) == (items.batch_id, bad, Cause.ROLLED_BACK)
    assert (second.table, second.path) == ("shop.report", (items,))


def listed_by_table(store: ObjectStore) -> list[Edge]:
    """Return all records as one listing for each table gives them."""
    found = []
    for step in store.list_directories("_sfx/readers"):
        source = None
        with contextlib.suppress(sfx.InvalidName):
            source = sfx.TableRef.parse(unquote(step))
        found += [_edge(info.path, source) for info in store.list(f"_sfx/readers/{step}")]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_stale_batches_of_random_graphs_are_those_of_a_listing_for_each_table(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    pins: list[sfx.BatchPin] = []
    names = ["a", "a_b", "a1", "b" * 120, "c"]
    for _ in range(16):
        inputs = chance.sample(pins, min(len(pins), chance.choice((0, 1, 1, 2))))
        pins.append(store(warehouse, chance.choice(names), *inputs, day=chance.choice("12")))
        if chance.random() < 0.3:
            ended = chance.choice(pins)
            with contextlib.suppress(sfx.SfxError):
                warehouse.rollback(ended.database, ended.table, [next(iter(ended.batches))])
    together = warehouse.stale()
    assert sorted(map(str, all_edges(warehouse.store))) == sorted(
        map(str, listed_by_table(warehouse.store))
    )
    monkeypatch.setattr(stale, "all_edges", listed_by_table)
    assert warehouse.stale() == together


def test_many_tables_take_few_requests_to_list(
    stack_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, day = sfx.connect(stack_uri).store, "2016-11-02"
    tables, each = 200, 3
    names = [f"shop%2Et{number // 2}{'-x' * (number % 2)}" for number in range(tables)]
    paths = [
        f"_sfx/readers/{name}/{day}/20161102000000-{number:016x}-several--0.json"
        for name in names
        for number in range(each)
    ]
    map_concurrently(lambda path: store.put_if_absent(path, b"{}"), paths, 16)
    responses = 0

    def counted(*arguments: object, **options: object) -> Iterator[object]:
        nonlocal responses
        for chunk in original(*arguments, **options):
            responses += 1
            yield chunk

    original = obstore.list
    monkeypatch.setattr(obstore, "list", counted)
    assert len(listed_by_table(store)) == tables * each
    before, responses = responses, 0
    assert len(all_edges(store)) == tables * each
    assert (before, responses <= 16) == (tables, True)


def test_what_becomes_stale_is_known_before_the_undo(warehouse: Warehouse) -> None:
    store(warehouse, "orders")
    bad = store(warehouse, "orders", producer=run(1))
    items = store(warehouse, "items", bad, producer=run(1))
    store(warehouse, "old", items)
    store(warehouse, "old")
    report = store(warehouse, "report", items)
    total = store(warehouse, "total", report, day=None)
    store(warehouse, "other", store(warehouse, "orders", day="2"))
    found = [one.pin for one in warehouse.stale_after(bad)]
    assert found == [items, report, total]
    planned = warehouse.rollback_run(dag_id="nightly", run_id="r1", dry_run=True)
    left = [one.left for one in planned if one.left]
    assert {one.pin for one in warehouse.stale_after(*left)} == {report, total}
    assert warehouse.stale_after() == []
    warehouse.rollback("shop", "orders", ["1"])
    stale_now = {(one.table, one.partition, one.batch_id) for one in warehouse.stale()}
    assert stale_now == {(str(pin.ref), *entry) for pin in found for entry in pin.entries}
