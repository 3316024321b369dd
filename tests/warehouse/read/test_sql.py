"""SQL reads exactly what a load does, at one moment, and nothing outside of the warehouse."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings

import airflow_sfx as sfx
from airflow_sfx.frames.types.duckdb import duckdb_type
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.events import Loaded, subscribe, unsubscribe
from airflow_sfx.warehouse.read import relation
from airflow_sfx.warehouse.read.moment import same_moment
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.logical_columns import Column, pairs
from tests.warehouse.logical_values import of_arrow
from tests.warehouse.test_law import EXAMPLES, stored

DAYS = ["20161029", "20161030", "20161031"]


@pytest.fixture
def shop(warehouse: Warehouse) -> Warehouse:
    """Three days of orders, and the names of items."""
    for number, day in enumerate(DAYS):
        orders = pd.DataFrame(
            {"item": pd.Categorical(["hat", "shoe"]), "sold": [number, 10], "note": ["x", None]}
        )
        warehouse.store_dataframe(orders, "shop", "orders", [day], partition_keys=["day"])
    names = pd.DataFrame({"item": ["hat", "shoe"], "name": ["Sun hat", "Red shoe"]})
    warehouse.store_dataframe(names, "shop", "items")
    return warehouse


def test_a_query_joins_tables_with_their_partition_keys(shop) -> None:
    found = shop.sql(
        """
        with o as (select * from shop.orders where day > '20161029')
        select name, sum(sold) as sold, min(day) as first, count(*) as n
        from o join shop."items" using (item) group by name order by name
        """
    )
    assert found.to_dict("list") == {
        "name": ["Red shoe", "Sun hat"],
        "sold": [20, 3],
        "first": ["20161030", "20161030"],
        "n": [2, 2],
    }
    assert found["sold"].dtype == "int64"


def test_a_table_may_be_scanned_several_times_and_columns_may_have_one_name(shop) -> None:
    found = shop.sql(
        "select a.sold, b.sold from shop.orders a join shop.orders b on a.day = b.day"
        " and a.sold < b.sold where (select count(*) from shop.orders) = 6 order by 1"
    )
    assert found.to_dict("list") == {"sold": [0, 1, 2], "sold_1": [10, 10, 10]}


def test_a_query_reads_the_batches_of_pins_or_of_a_time(shop) -> None:
    before = shop.pin("shop", "orders")
    moment = datetime.now(UTC)
    bad = pd.DataFrame({"item": ["hat"], "sold": [-99], "note": ["x"]})
    shop.store_dataframe(bad, "shop", "orders", [DAYS[0]])
    query = "select sum(sold) as sold from shop.orders"
    assert shop.sql(query)["sold"].tolist() == [-76]
    assert shop.sql(query, pins=before)["sold"].tolist() == [33]
    assert shop.sql(query, pins=[before])["sold"].tolist() == [33]
    assert shop.sql(query, as_of=moment)["sold"].tolist() == [33]
    (last,) = shop.history("shop", "orders", limit=1)
    assert shop.sql(query, version=last.version - 1)["sold"].tolist() == [33]
    both = 'select * from shop.orders join shop."items" using (item)'
    assert (
        shop.sql_pins(both, version=last.version - 1, pins=shop.pin("shop", "items"))[0] == before
    )
    with pytest.raises(sfx.InvalidName, match="is of one table, and the query reads"):
        shop.sql(both, version=1)
    with pytest.raises(sfx.InvalidName, match="as_of= and version= were both given"):
        shop.sql(query, version=1, as_of=moment)
    days = [shop.pin("shop", "orders", [day]) for day in DAYS[1:]]
    assert shop.sql(query, pins=days)["sold"].tolist() == [23]
    assert shop.sql_pins(query, pins=before) == [before]
    assert shop.sql_pins(query) == [shop.pin("shop", "orders")]
    with pytest.raises(sfx.InvalidName, match="two batches of shop.orders 20161029"):
        shop.sql(query, pins=[before, shop.pin("shop", "orders")])
    with pytest.raises(sfx.InvalidName, match="the query names shop.items"):
        shop.sql('from shop."items"', pins=before)


def test_the_pins_of_a_query_are_events_so_that_a_task_records_them(shop) -> None:
    query = 'select * from shop.orders join shop."items" using (item)'
    loaded: list[Any] = []
    subscribe(loaded.append)
    try:
        shop.sql(query)
    finally:
        unsubscribe(loaded.append)
    assert [one.pin for one in loaded if isinstance(one, Loaded)] == shop.sql_pins(query)


def test_a_query_opens_only_the_files_of_partitions_and_the_columns_that_it_needs(
    shop, monkeypatch
) -> None:
    opened: list[str] = []
    asked: list[Any] = []
    original = relation.iter_batches

    def seen(sources: Any, **options: Any) -> Any:
        opened.extend(str(one).rsplit("/", 3)[1] for one in sources)
        asked.append(sorted(options["columns"]))
        return original(sources, **options)

    monkeypatch.setattr(relation, "iter_batches", seen)
    for condition, days in (
        ("day = '20161030'", DAYS[1:2]),
        ("day in ('20161029', '20161031') and sold >= 0", [DAYS[0], DAYS[2]]),
        ("not (day < '20161031')", DAYS[2:]),
        ("day = '20161030' or sold = 2", DAYS),
        ("upper(day) = '20161030'", DAYS),
        ("sold is not null", DAYS),
    ):
        opened.clear()
        asked.clear()
        found = shop.sql(f"select sum(sold) as sold from shop.orders where {condition}")
        whole = shop.load_dataframe("shop", "orders")
        assert len(opened) == len(days), condition
        assert "note" not in asked[0]
        masks: dict[str, Callable[[pd.DataFrame], Any]] = {
            "day = '20161030'": lambda f: f.day == "20161030",
            "day = '20161030' or sold = 2": lambda f: (f.day == "20161030") | (f.sold == 2),
            "upper(day) = '20161030'": lambda f: f.day == "20161030",
            "not (day < '20161031')": lambda f: f.day >= "20161031",
            "sold is not null": lambda f: f.sold.notna(),
        }
        mask = masks.get(condition, lambda f: f.day.isin([DAYS[0], DAYS[2]]))(whole)
        assert found["sold"].tolist() == [whole.sold[mask].sum()], condition


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select n, s.a as a, s.b.c as c from d.t order by n", [(1, 1, "x"), (2, 2, "y")]),
        ("select n from d.t where s.a = 2", [(2,)]),
        ("select count(*) as n from d.t where s.b.c = 'y' and day = '2'", [(1,)]),
        ("select s from d.t where s.a = 1", [({"a": 1, "b": {"c": "x"}},)]),
        ("select l[1] as first, n from d.t where day = '1'", [(1, 1)]),
        ("select m['k'] as k, n from d.t where n = 2", [(2, 2)]),
        ("select u, n from d.t, unnest(l) as x(u) where n = 2", [(2, 2)]),
        ("select max(s.a) over () as most, day from d.t where n = 1", [(1, "1")]),
    ],
)
def test_parts_of_nested_columns_are_read(local, query, rows) -> None:
    nested = pa.schema(
        [
            ("n", pa.int64()),
            ("s", pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])),
            ("l", pa.list_(pa.int64())),
            ("m", pa.map_(pa.string(), pa.int64())),
        ]
    )
    for n, text in ((1, "x"), (2, "y")):
        row = {"n": n, "s": {"a": n, "b": {"c": text}}, "l": [n], "m": [("k", n)]}
        local.store_dataframe(
            pa.Table.from_pylist([row], nested), "d", "t", [str(n)], partition_keys=["day"]
        )
    found = local.sql(query, as_="arrow").to_pylist()
    assert [tuple(row.values()) for row in found] == rows


def test_a_batch_without_rows_and_a_condition_that_no_partition_meets_give_no_rows(shop) -> None:
    shop.store_dataframe(pd.DataFrame({"n": pd.Series([], dtype="int64")}), "shop", "empty")
    assert shop.sql("from shop.empty").dtypes.to_dict() == {"n": "int64"}
    assert len(shop.sql("from shop.orders where day = 'never'")) == 0
    with pytest.raises(sfx.TableNotFound, match="The database has shop.empty"):
        shop.sql("from shop.order")


def test_other_kinds_of_frames(shop) -> None:
    query = "select item, sold from shop.orders where day = '20161031' order by item"
    assert shop.sql(query, as_="polars").rows() == [("hat", 2), ("shoe", 10)]
    assert shop.sql(query, as_="arrow").to_pydict() == {"item": ["hat", "shoe"], "sold": [2, 10]}
    with pytest.raises(sfx.SchemaMismatch, match="not a kind of frame"):
        shop.sql(query, as_="numpy")
    with pytest.raises(sfx.SchemaMismatch, match=r"as_='spark' is for load_dataframe.* spark\.sql"):
        shop.sql(query, as_="spark")


@pytest.fixture
def local(embedded_uri) -> Warehouse:
    warehouse = connect(embedded_uri)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "shop", "orders")
    return warehouse


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{}')",
        "select * from read_text('{}')",
        "select * from read_parquet('{}')",
        "select * from glob('{}*')",
        "select * from '{}'",
        "select n from shop.orders where exists (select 1 from read_text('{}'))",
        "copy shop.orders to '{}'",
        "attach '{}' as other",
        "set enable_external_access = true",
        "install httpfs",
        "load '{}'",
        "select 1; copy shop.orders to '{}'",
        "create table shop.other as select 1 as n",
        "delete from shop.orders",
        "from local_frame",
    ],
)
def test_a_query_reaches_no_file_no_variable_and_no_setting(local, tmp_path, query) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\ns3cr3t\n")
    local_frame = pd.DataFrame({"password": ["s3cr3t"]})  # which DuckDB would find by its name
    with pytest.raises((sfx.InvalidName, sfx.TableNotFound, sfx.SchemaMismatch)) as error:
        local.sql(query.format(secret))
    assert "s3cr3t" not in str(error.value)
    assert secret.read_text() == "password\ns3cr3t\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["secret.csv"]
    assert len(local_frame) == 1


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("selec n", sfx.InvalidName, 'not valid SQL: syntax error at or near "selec"'),
        ("select nope from shop.orders", sfx.SchemaMismatch, '"nope" not found'),
        ("select nn from shop.orders", sfx.SchemaMismatch, 'Candidate bindings: "n"'),
        ("select summ(sold) from shop.orders", sfx.InvalidName, 'Did you mean "sum"'),
        ("select cast('a' as int) from shop.orders", sfx.SchemaMismatch, "Could not convert"),
        ("from orders", sfx.TableNotFound, "as DB.TABLE"),
        ("from nowhere.orders", sfx.TableNotFound, "There is no database nowhere.* shop"),
        ("from other.shop.orders", sfx.TableNotFound, "'other.shop.orders'"),
        ("", sfx.InvalidName, "not one SELECT"),
        (None, sfx.InvalidName, "NoneType, not text"),
    ],
)
def test_a_query_that_cannot_be_run_says_why(local, query, kind, message) -> None:
    with pytest.raises(kind, match=message):
        local.sql(query)


def test_a_damaged_file_is_named_and_not_read_as_other_rows(local) -> None:
    pin = local.pin("shop", "orders")
    (file,) = local.manifests(pin)[0].files
    path = Path(local.locations(pin)[0].removeprefix("file://")) / file.path
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(sfx.InconsistentBatch, match="part-00000"):
        local.sql("from shop.orders")


def test_a_table_larger_than_a_piece_is_streamed_whole_and_in_order(local) -> None:
    frame = pd.DataFrame({"n": range(400_000)})
    local.store_dataframe(frame, "shop", "large")
    pd.testing.assert_frame_equal(local.sql("from shop.large"), frame)


def test_tables_are_pinned_at_one_moment_or_not_at_all() -> None:
    a, b = sfx.TableRef("shop", "a"), sfx.TableRef("shop", "b")
    numbers = iter([1, 1, 2, 1, 2, 2, 2, 2])

    def pin(ref: sfx.TableRef) -> sfx.BatchPin:
        second = next(numbers)
        return sfx.BatchPin.of(ref, "file:///w", {"": f"2016110100000{second}"})

    found = same_moment([a, b], pin, again=True)
    assert {one.batch_id for one in found.values()} == {"20161101000002"}
    start = datetime(2016, 11, 1, tzinfo=UTC)
    ids = (f"{start + timedelta(seconds=n):%Y%m%d%H%M%S}" for n in range(100))
    with pytest.raises(sfx.CommitConflict, match=r"shop\.a, shop\.b kept changing"):
        same_moment(
            [a, b], lambda ref: sfx.BatchPin.of(ref, "file:///w", {"": next(ids)}), again=True
        )


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return connect(f"embedded://{tmp_path_factory.mktemp('sql')}")


@given(pairs())
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
def test_select_all_is_what_a_load_gives(
    lawful: Warehouse, drawn: tuple[tuple[str, Column], tuple[str, Column]]
) -> None:
    table = f"t{uuid.uuid4().hex}"
    if not stored(lawful, table, [column for _, column in drawn]):
        return
    loaded = lawful.load_dataframe("law", table, as_="arrow")
    loaded = loaded.select([name for name in loaded.column_names if "index_level" not in name])
    try:
        found = lawful.sql(f"from law.{table}", as_="arrow")
    except sfx.SchemaMismatch as error:
        event("refused")
        assert "SQL cannot hold the column 'c'" in str(error)
        return
    event("equal")
    assert found.column_names == loaded.column_names
    assert len(found) == len(loaded)
    for name in loaded.column_names:
        values = of_arrow(loaded.column(name))
        if loaded.schema.field(name).type == pa.uuid():
            values = [one and ("text", str(uuid.UUID(bytes=one[1]))) for one in values]
        # as text, as NaN is equal to nothing
        assert list(map(repr, of_arrow(found.column(name)))) == list(map(repr, values))
        assert fits(found.schema.field(name).type, loaded.schema.field(name).type)


def fits(found: Any, logical: Any) -> bool:
    """Whether a result's type is the one that DuckDB was given, or its own name for it."""
    given = duckdb_type(logical)
    if found == given:
        return True
    if pa.types.is_nested(given):
        return pa.types.is_nested(found)
    alike = (
        lambda one: one in (pa.string(), pa.large_string(), pa.string_view(), pa.uuid()),
        pa.types.is_date,
        pa.types.is_time,
        lambda one: pa.types.is_timestamp(one) and one.tz is not None,
        pa.types.is_decimal,
        lambda one: "binary" in str(one),
    )
    return any(kind(found) and kind(given) for kind in alike)
