"""The view of streams on the page: positions, last commits, dead letters, and where they lead."""

from __future__ import annotations

import pandas as pd
import pytest
from playwright.sync_api import expect

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.streams.engine import Engine, Rules
from tests.airflow.pages import AMISS, go, picture
from tests.serving.server import until
from tests.streams.functions import POISON, squares
from tests.streams.memory import MemoryStream

ORDERS, SICK = TableRef("fed", "orders"), TableRef("fed", "sick")


@pytest.fixture(scope="module")
def fed(scheduler) -> sfx.Warehouse:
    """A table with two streams and dead letters; one with dead letters only; one without streams.

    The last change of the first one is a compaction.
    """
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    stream = MemoryStream(3)
    engine = Engine(warehouse, "kinesis:orders", squares, ORDERS, Rules(("day",), max_attempts=2))
    for number in range(2):
        for shard in stream.records:
            stream.put_into(shard, "k", {"n": number})
        engine.apply(stream.records)
    stream.put_into("shard-00", "k", {"n": POISON})
    for number in (3, 4, 5):
        stream.put_into("shard-00", "k", {"n": number})
    engine.apply(stream.records)
    hits = MemoryStream(1)
    for _ in range(2):
        hits.put_into("shard-00", "k", {"n": None})
    Engine(warehouse, "kafka:hits", squares, ORDERS, Rules(("day",))).apply(hits.records)
    for number in ("17", "18"):
        have = warehouse.stream_positions("fed", "orders").get("spark:hits", {})
        warehouse.store_window(
            pd.DataFrame({"day": ["20161102"], "n": [1], "square": [1]}),
            "fed",
            "orders",
            consumed=sfx.Consumed("spark:hits", {"batch": (have.get("batch", ""), number)}),
            partition_by=["day"],
        )
    warehouse.compact("fed", "orders", ["20161102"])
    sick = MemoryStream(1)
    sick.put_into("shard-00", "k", b"no JSON <b>")
    Engine(warehouse, "kafka:sick", squares, SICK, Rules()).apply(sick.records)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "fed", "still")
    return warehouse


def test_streams_are_listed_with_positions_dead_letters_and_ways_to_undo(fed, as_user) -> None:
    page = as_user("viewer")
    go(page)
    page.get_by_role("link", name="Streams").click()
    page.get_by_role("searchbox").fill("fed.")
    page.keyboard.press("Enter")
    table = page.get_by_role("table", name="2 tables")
    orders = table.get_by_role("row").filter(has_text="kinesis:orders")
    expect(orders).to_contain_text("fed.orders")
    expect(orders).to_contain_text("1 record")
    expect(orders).to_contain_text("ZeroDivisionError: the number is unlucky")
    expect(orders).to_contain_text("2 attempts")
    orders.get_by_text("3 shards").click()
    for shard, position in fed.stream_positions("fed", "orders")["kinesis:orders"].items():
        expect(orders).to_contain_text(f"{shard}: {position}")
    also = table.get_by_role("row").filter(has_text="kafka:hits")
    expect(also.get_by_role("link", name="2 records")).to_be_visible()
    hits = table.get_by_role("row").filter(has_text="spark:hits")
    expect(hits.get_by_role("link", name="record")).to_have_count(0)
    expect(hits).to_contain_text("batch: 18")
    expect(page.get_by_text("does not ask them")).to_contain_text("sfx stream lag")
    sick = table.get_by_role("row").filter(has_text="kafka:sick")
    expect(sick.get_by_role("link", name="1 record")).to_be_visible()
    assert page.evaluate(AMISS) == []
    picture(page, "streams_view")

    orders.get_by_role("link", name="Open").click()
    expect(page.get_by_role("button", name="Undo this commit…")).to_be_visible()
    page.go_back()
    hits.get_by_role("link", name="Compactions").click()
    expect(page.get_by_role("combobox", name="Kind")).to_have_value("compact")
    expect(page.get_by_role("row").filter(has_text="fed.orders")).to_have_count(1)
    page.go_back()
    hits.get_by_role("link", name="20161102/").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("fed.orders 20161102/")
    expect(page.get_by_role("row").filter(has_text="compact")).to_be_visible()
    page.go_back()
    orders.get_by_role("link", name="1 record").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("fed.orders_dead_letters")
    go(page, "#/table/fed.orders")
    page.get_by_role("link", name="Streams into this table").click()
    expect(page.get_by_role("table", name="1 table")).to_contain_text("spark:hits")
    assert page.faults == []


def test_the_api_has_the_last_commit_of_each_stream_and_its_newest_dead_letter(fed, client) -> None:
    dead = ("fed", "orders_dead_letters")
    with client("viewer") as viewer:
        found = viewer.get("streams", params={"search": "fed."}).json()
        assert (found["total"], found["unreadable"]) == (2, [])
        orders, sick = found["tables"]
        assert (orders["table"], orders["dead_letters"]) == ("fed.orders", ".".join(dead))
        assert (sick["table"], sick["dead_letters"]) == ("fed.sick_dead_letters",) * 2
        assert [one["stream"] for one in orders["streams"]] == [
            "kafka:hits",
            "kinesis:orders",
            "spark:hits",
        ]
        _, mine, hits = orders["streams"]
        assert (mine["rows"], mine["shards"], mine["partitions"]) == (3, 3, 1)
        assert mine["partition"] == f"20161101/{mine['batch_id']}"
        assert (hits["rows"], hits["positions"]) == (1, {"batch": "18"})
        page = viewer.get("streams", params={"search": "fed.", "limit": 1, "offset": 1}).json()
        assert (page["total"], page["tables"]) == (2, [sick])

        told = viewer.get("streams/dead_letters", params={"table": orders["dead_letters"]}).json()
        _, letter = told["newest"]
        assert (told["rows"], letter["stream"], letter["attempts"]) == (3, "kinesis:orders", 2)
        assert told["by_stream"] == {"kafka:hits": 2, "kinesis:orders": 1}
        assert letter["error"] == "ZeroDivisionError: the number is unlucky"
        assert "data" not in letter
        fed.compact(*dead, ["20161101"])
        asked = {"table": orders["dead_letters"]}
        merged = viewer.get("streams/dead_letters", params=asked).json()
        assert (merged["newest"][1], merged["by_stream"]) == (letter, told["by_stream"])
        beside = viewer.get("streams", params={"search": "fed.orders_dead"}).json()
        assert beside["total"] == 0
        for other in ("fed.still", "fed.orders"):
            refused = viewer.get("streams/dead_letters", params={"table": other})
            assert (refused.status_code, refused.json()["error"]) == (400, "InvalidName")
        told = viewer.get("streams/dead_letters", params={"table": sick["table"]}).json()
        assert [one["stream"] for one in told["newest"]] == ["kafka:sick"]
        fed.rollback_commit("fed", "sick_dead_letters", sick["streams"][0]["commit"])

        def none_left() -> bool:
            told = viewer.get("streams/dead_letters", params={"table": sick["table"]}).json()
            return (told["newest"], told["by_stream"]) == ([], {"kafka:sick": 0})

        until(none_left, 60)  # numbers of rows are up to half a minute old
        gone = viewer.get("streams/dead_letters", params={"table": "fed.gone_dead_letters"})
        assert gone.status_code == 404
