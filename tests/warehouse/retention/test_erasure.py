"""Erasure: the rows are in no batch, and all else is unchanged.

The history proves it without the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention.erasure import ErasureReport
from airflow_sfx.warehouse.retention.row_delete import search, without
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call
from tests.warehouse.write.test_external_batch import write

NOW = timedelta(0)
DAYS = ["20161031", "20161101"]
WHERE = "client = 'Karla Kolumna'"


def frame(
    version: int, clients: tuple[str, ...] = ("Ada", "Karla Kolumna", "Bert")
) -> pd.DataFrame:
    return pd.DataFrame(
        {"client": clients, "version": version, "bought": pd.Timestamp("2016-10-31")}
    )


def store(warehouse: Warehouse, day: str, version: int, **options: object) -> sfx.BatchPin:
    data = options.pop("data", frame(version))
    return warehouse.store_dataframe(
        data, "sales", "items", [day], partition_keys=["day"], **options
    )


def erase(warehouse: Warehouse, where: str = WHERE, **options: object) -> ErasureReport:
    return warehouse.erase(
        "sales", "items", **{"where": where, "grace": NOW, "dry_run": False, **options}
    )


def holding(warehouse: Warehouse, text: str) -> list[str]:
    """The objects of the warehouse that hold a text, also inside Parquet."""
    found = []
    for info in warehouse.store.list(""):
        data = warehouse.store.get(info.path) or b""
        if info.path.endswith(".parquet"):
            data += json.dumps(
                pa.parquet.read_table(pa.BufferReader(data)).to_pylist(), default=str
            ).encode()
        if text.encode() in data:
            found.append(info.path)
    return found


def test_a_dry_run_tells_what_would_be_erased_and_does_nothing(warehouse: Warehouse) -> None:
    pins = [store(warehouse, DAYS[0], version) for version in (1, 2)]
    report = warehouse.erase("sales", "items", where=WHERE)
    assert report.dry_run
    assert (report.searched, report.erased) == (2, 2)
    assert [(one.batch_id, one.erased, one.rows, one.current) for one in report.batches] == [
        (pins[1].batch_id, 1, 3, True),
        (pins[0].batch_id, 1, 3, False),
    ]
    assert len(warehouse.load_dataframe(pins[1])) == 3
    assert len(warehouse.history("sales", "items", [DAYS[0]])) == 2


def test_rows_are_erased_from_every_batch_and_nothing_of_them_is_left(warehouse: Warehouse) -> None:
    first, _, _ = (store(warehouse, DAYS[0], version) for version in (1, 2, 3))
    store(warehouse, DAYS[1], 4, data=frame(4, ("Ada",)))
    assert holding(warehouse, "Karla Kolumna")
    report = erase(warehouse, reason="request 17")
    assert (report.searched, report.erased, len(report.deleted), report.waiting) == (4, 3, 3, 0)
    assert holding(warehouse, "Karla") == []
    now = warehouse.load_dataframe("sales", "items", [DAYS[0]])
    assert now["client"].tolist() == ["Ada", "Bert"]
    assert now["version"].tolist() == [3, 3]
    warehouse.verify(warehouse.pin("sales", "items"))
    newest = warehouse.history("sales", "items", [DAYS[0]])[0]
    assert newest.operation.value == "erase"
    assert newest.reason == "erased 3 rows of 3 batches, chosen by client: request 17"
    assert len(newest.retired) == 3
    with pytest.raises(sfx.BatchNotFound, match="was retired on .* in its place"):
        warehouse.load_dataframe(first)


def test_batches_of_one_call_are_replaced_by_those_of_one_call(warehouse: Warehouse) -> None:
    for version in (1, 2):
        days = pd.concat([frame(version).assign(day=day) for day in ("a", "b", "c")])
        pin = warehouse.store_dataframe(days, "sales", "items", partition_by=["day"])
    alone = store(warehouse, "c", 3)
    report = erase(warehouse)
    assert report.erased == 7
    calls: dict[str, set[str]] = {}
    for one in report.batches:
        calls.setdefault(one.batch_id, set()).add(str(one.replaced_by))
    assert [len(news) for news in calls.values()] == [1, 1, 1]
    assert len(set.union(*calls.values())) == len(calls)
    now = warehouse.pin("sales", "items")
    assert {day: {batch} for day, batch in now.batches.items()} == {
        "a": calls[pin.batch_id],
        "b": calls[pin.batch_id],
        "c": calls[alone.batch_id],
    }
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Ada", "Bert"] * 3
    assert warehouse.verify(now).rows == 6
    assert warehouse.load_dataframe(warehouse.rollback("sales", "items", ["c"]))[
        "version"
    ].tolist() == [2, 2]
    assert holding(warehouse, "Karla") == []


def test_a_category_that_one_batch_of_a_call_has_left_is_not_left_in_another(
    embedded_uri: str,
) -> None:
    warehouse = connect(embedded_uri)
    data = pd.DataFrame({"day": ["a", "b"] * 2, "n": [1, 2, 3, 4], "who": list("xxyy")})
    data["who"] = data["who"].astype("category")
    warehouse.store_dataframe(data, "sales", "items", partition_by=["day"])
    assert erase(warehouse, "n = 1").erased == 1
    left = {day: warehouse.load_dataframe("sales", "items", [day])["who"] for day in ("a", "b")}
    assert {day: list(one.cat.categories) for day, one in left.items()} == {
        "a": ["y"],
        "b": ["x", "y"],
    }


def test_a_rollback_goes_to_what_replaced_a_batch(warehouse: Warehouse) -> None:
    pins = [store(warehouse, DAYS[0], version) for version in (1, 2, 3)]
    erase(warehouse)
    for version in (2, 1):
        pin = warehouse.rollback("sales", "items", [DAYS[0]])
        assert warehouse.load_dataframe(pin)[["client", "version"]].to_dict("list") == {
            "client": ["Ada", "Bert"],
            "version": [version, version],
        }
    same = pin
    assert warehouse.rollback("sales", "items", [DAYS[0]], to=pins[0].batch_id) == same, (
        "by its old name"
    )
    warehouse.rollback("sales", "items", [DAYS[0]], to=pins[2].batch_id)
    assert warehouse.rollback("sales", "items", [DAYS[0]], to=same.batch_id) == same, (
        "by its new name"
    )


def test_a_run_is_undone_over_an_erasure(warehouse: Warehouse) -> None:
    store(warehouse, DAYS[0], 1)
    store(warehouse, DAYS[0], 2, producer=sfx.Producer(dag_id="nightly", run_id="second"))
    erase(warehouse)
    warehouse.rollback_run(dag_id="nightly", run_id="second")
    assert warehouse.load_dataframe("sales", "items")["version"].tolist() == [1, 1]
    assert holding(warehouse, "Karla") == []


def test_a_second_person_is_erased_from_what_replaced_the_first_ones_batches(
    warehouse: Warehouse,
) -> None:
    for version in (1, 2):
        store(warehouse, DAYS[0], version)
    erase(warehouse)
    erase(warehouse, "client in ('Ada')")
    assert holding(warehouse, "Ada") == []
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Bert"]
    pin = warehouse.rollback("sales", "items", [DAYS[0]])
    assert warehouse.load_dataframe(pin)["version"].tolist() == [1]


@pytest.fixture
def before_the_note(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Run an action once the next erasure has written batches, before its tombstone."""

    def arrange(action: Callable[[], object]) -> None:
        write_note = tombstones.write

        def act_first(table: Table, note: tombstones.Tombstone) -> None:
            monkeypatch.setattr(tombstones, "write", write_note)
            action()
            write_note(table, note)

        monkeypatch.setattr(tombstones, "write", act_first)

    return arrange


def test_of_two_erasures_of_one_batch_the_second_searches_what_the_first_made(
    warehouse, before_the_note
) -> None:
    for version in (1, 2):
        store(warehouse, DAYS[0], version)
    before_the_note(lambda: erase(warehouse, grace=timedelta(days=1)))
    report = erase(warehouse, "client = 'Ada'", grace=timedelta(days=1), reason="request 18")
    assert report.erased == 2
    assert [(one.current, one.rows) for one in report.batches] == [(True, 2), (False, 2)], (
        "the first one's"
    )
    pins = [warehouse.pin("sales", "items"), warehouse.rollback("sales", "items", [DAYS[0]])]
    assert [warehouse.load_dataframe(pin)["client"].tolist() for pin in pins] == [
        ["Bert"],
        ["Bert"],
    ]
    reasons = [
        one.reason
        for one in warehouse.history("sales", "items", [DAYS[0]])
        if one.operation.value == "erase"
    ]
    assert reasons == [
        "erased 2 rows of 2 batches, chosen by client: request 18",
        "erased 2 rows of 2 batches, chosen by client",
    ], "what came to nothing is not told"


def test_what_an_erasure_wrote_in_vain_is_deleted(warehouse: Warehouse, before_the_note) -> None:
    store(warehouse, DAYS[0], 1)
    before_the_note(lambda: erase(warehouse))
    erase(warehouse, "client = 'Ada'")
    assert holding(warehouse, "Karla") == holding(warehouse, "Ada") == []
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Bert"]


def test_an_erasure_that_lost_some_of_its_batches_to_another_says_so_in_the_history(
    warehouse, before_the_note
) -> None:
    store(warehouse, DAYS[0], 1, data=frame(1, ("Ada", "Karla Kolumna")))
    store(warehouse, DAYS[0], 2, data=frame(2, ("Ada", "Bert")))
    before_the_note(lambda: erase(warehouse))
    assert erase(warehouse, "client = 'Ada'").erased == 2
    reasons = [one.reason for one in warehouse.history("sales", "items", [DAYS[0]])]
    assert (
        "erased 2 rows of 2 batches, chosen by client "
        "(1 of them were replaced by another erasure first, and searched again)" in reasons
    )
    assert holding(warehouse, "Ada") == []


def test_an_erasure_that_died_before_its_entry_has_done_nothing(
    warehouse: Warehouse, monkeypatch
) -> None:
    """Its tombstone is there, and has no effect; what it wrote is nobody's."""
    pins = [store(warehouse, DAYS[0], version) for version in (1, 2)]

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(PartitionLog, "create", die)
        erase(warehouse, "client = 'Ada'")
    assert warehouse.pin("sales", "items") == pins[1]
    assert warehouse.rollback("sales", "items", [DAYS[0]]) == pins[0]
    warehouse.hold(pins[1], name="report", until=None)
    warehouse.release("sales", "items", "report")
    assert erase(warehouse).erased == 2
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Ada", "Bert"]
    assert erase(warehouse, "client = 'Ada'").erased == 2
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Bert"]


def test_what_was_staged_once_and_is_published_is_not_staged_again(warehouse: Warehouse) -> None:
    warehouse.publish(store(warehouse, DAYS[0], 1, publish=False))
    store(warehouse, DAYS[0], 2)
    erase(warehouse)
    assert warehouse.show("sales", "items").staged == ()


def test_retention_gives_up_what_replaced_a_batch(warehouse: Warehouse) -> None:
    for version in (1, 2, 3):
        store(warehouse, DAYS[0], version)
    erase(warehouse)
    for _ in range(2):
        warehouse.retain("sales", "items", keep_last=2, older_than=NOW, grace=NOW, dry_run=False)
    pin = warehouse.rollback("sales", "items", [DAYS[0]])
    assert warehouse.load_dataframe(pin)["version"].tolist() == [2, 2]
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.rollback("sales", "items", [DAYS[0]])


def test_a_staged_batch_is_replaced_by_a_staged_one(warehouse: Warehouse) -> None:
    store(warehouse, DAYS[0], 1)
    staged = store(warehouse, DAYS[0], 2, publish=False)
    alone = store(warehouse, DAYS[1], 3, publish=False)
    erase(warehouse)
    assert holding(warehouse, "Karla") == []
    for old in (staged, alone):
        with pytest.raises(sfx.BatchNotFound):
            warehouse.publish(old)
    waiting = warehouse.show("sales", "items").staged
    assert len(waiting) == 2
    for pin in waiting:
        warehouse.publish(pin)
    assert warehouse.load_dataframe("sales", "items")["version"].tolist() == [2, 2, 3, 3]


def test_a_partition_with_staged_batches_alone_has_none_after_an_erasure(
    warehouse: Warehouse,
) -> None:
    current = store(warehouse, DAYS[0], 1)
    staged = store(warehouse, DAYS[1], 2, publish=False)
    erase(warehouse, reason="request 17")
    (entry,) = warehouse.history("sales", "items", [DAYS[1]])
    assert (entry.batch_id, entry.retired) == (None, (staged.batch_id,))
    assert entry.reason == "erased 1 row of 1 batch, chosen by client: request 17"
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.load_dataframe("sales", "items", [DAYS[1]])
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.rollback("sales", "items", [DAYS[1]])
    with pytest.raises(sfx.BatchNotFound):
        warehouse.rollback("sales", "items", [DAYS[1]], to=staged.batch_id)
    assert [one.partition for one in warehouse.show("sales", "items").partitions] == [DAYS[0]]
    assert set(warehouse.pin("sales", "items").batches) == set(current.batches)
    assert not any(repair.done for repair in warehouse.repair("sales", "items"))
    assert erase(warehouse).erased == 0
    pin = store(warehouse, DAYS[1], 3)
    assert warehouse.load_dataframe(pin)["version"].tolist() == [3, 3, 3]
    with pytest.raises(sfx.BatchNotFound):
        warehouse.rollback("sales", "items", [DAYS[1]])


def test_a_durable_pin_keeps_its_batch_until_it_is_over_unless_the_erasure_says_otherwise(
    warehouse: Warehouse,
) -> None:
    first, second = store(warehouse, DAYS[0], 1), store(warehouse, DAYS[0], 2)
    warehouse.hold(first, name="report", until=None)
    report = erase(warehouse)
    assert [(one.batch_id, one.pinned) for one in report.batches] == [
        (second.batch_id, False),
        (first.batch_id, True),
    ]
    assert report.waiting == 1
    assert len(warehouse.load_dataframe(first)) == 3
    store(warehouse, DAYS[0], 3)
    erase(warehouse, despite_pins=True)
    assert len(warehouse.load_dataframe(first)) == 3, (
        "of the erasure before, which said nothing of pins"
    )


def test_an_erasure_despite_pins_deletes_what_they_hold(warehouse: Warehouse) -> None:
    first = store(warehouse, DAYS[0], 1)
    warehouse.hold(first, name="report", until=datetime(2999, 1, 1, tzinfo=UTC))
    erase(warehouse, despite_pins=True)
    assert holding(warehouse, "Karla") == []


def test_files_stay_for_the_time_of_grace(warehouse: Warehouse) -> None:
    first = store(warehouse, DAYS[0], 1)
    report = erase(warehouse, grace=timedelta(days=7))
    assert (report.deleted, report.waiting) == ((), 1)
    assert len(warehouse.load_dataframe(first)) == 3
    assert len(warehouse.load_dataframe("sales", "items")) == 2


def test_a_batch_of_which_nothing_is_left_has_no_rows_and_its_columns(warehouse: Warehouse) -> None:
    store(warehouse, DAYS[0], 1, data=frame(1, ("Karla Kolumna",)))
    erase(warehouse)
    left = warehouse.load_dataframe("sales", "items", [DAYS[0]])
    assert left.empty
    pd.testing.assert_series_equal(left.dtypes, frame(1).dtypes)


@pytest.mark.parametrize(
    "data",
    [
        frame(1).astype({"client": "category"}),
        frame(1).set_index("client"),
        frame(1).set_index(pd.Index([7, 8, 9], name="place")),
        frame(1).astype({"client": "string[pyarrow]", "version": "Int8"}),
        frame(1).assign(bought=pd.to_datetime(["2016-10-31"] * 3).tz_localize("Europe/Berlin")),
        frame(1).assign(
            other=pd.Categorical(
                ["x", "y", "z"], categories=["z", "y", "x", "unused"], ordered=True
            )
        ),
        frame(1).assign(waited=pd.to_timedelta([1, 2, 3], "s"), seen=pd.interval_range(0, 3)),
        frame(1).assign(n=[None, 2, None]),
    ],
    ids=["category", "index", "named index", "nullable", "zone", "ordered", "duration", "null"],
)
def test_the_rows_that_stay_are_as_they_were(warehouse: Warehouse, data: pd.DataFrame) -> None:
    store(warehouse, DAYS[0], 1, data=data)
    before = warehouse.load_dataframe(
        "sales", "items", [DAYS[0]], filters=[("client", "!=", "Karla Kolumna")]
    )
    erase(warehouse)
    after = warehouse.load_dataframe("sales", "items", [DAYS[0]])
    if "other" in data:
        before["other"] = before["other"].cat.remove_categories(["y"])
    if isinstance(data.get("client", pd.Series()).dtype, pd.CategoricalDtype):
        before["client"] = before["client"].cat.remove_categories(["Karla Kolumna"])
    pd.testing.assert_frame_equal(after, before)
    assert holding(warehouse, "Karla") == []


ODD_VALUES = {
    "string view": pa.array(["a", "b"], pa.string_view()),
    "runs": pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"]),
    "float16": pa.array([1.0, 2.0], pa.float16()),
    "JSON": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1", "2"])),
    "string view in a struct": pa.array(
        [{"x": "a"}, {"x": "b"}], pa.struct([("x", pa.string_view())])
    ),
    "categories of durations": pa.array([timedelta(1), timedelta(2)]).dictionary_encode(),
    "categories of decimals": pa.array([Decimal("1.10"), Decimal("2.20")]).dictionary_encode(),
    "categories of times": pa.array([time(1), time(2)]).dictionary_encode(),
}
LITERALS = {"string view": "'a'", "runs": "'a'", "float16": "1", "categories of decimals": "1.1"}


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        *((kind, "n = 1") for kind in ODD_VALUES),
        *((kind, f"odd = {text}") for kind, text in LITERALS.items()),
    ],
)
def test_rows_are_erased_whatever_types_the_columns_have(
    embedded_uri: str, kind: str, where: str
) -> None:
    """Arrow neither compares nor filters some of its types."""
    warehouse = connect(embedded_uri)
    data = pa.table({"odd": ODD_VALUES[kind], "n": [1, 2]})
    store(warehouse, DAYS[0], 1, data=data)
    before = warehouse.load_dataframe("sales", "items", as_="arrow", columns=["odd", "n"])
    assert erase(warehouse, where).erased == 1
    left = warehouse.load_dataframe("sales", "items", as_="arrow", columns=["odd", "n"])
    assert left.schema == before.schema
    assert left.to_pylist() == data.slice(1).to_pylist()


def test_a_condition_on_a_column_that_cannot_be_compared_is_refused(embedded_uri: str) -> None:
    warehouse = connect(embedded_uri)
    store(warehouse, DAYS[0], 1, data=pa.table({"odd": ODD_VALUES["JSON"]}))
    with pytest.raises(
        sfx.SchemaMismatch, match="does not fit the columns .* they are odd: extension<arrow.json>"
    ):
        erase(warehouse, "odd = '1'")


def test_rows_whose_comparison_is_unknown_stay(warehouse: Warehouse) -> None:
    store(warehouse, DAYS[0], 1, data=frame(1, ("Ada", None, "Karla Kolumna")))
    erase(warehouse)
    assert warehouse.load_dataframe("sales", "items")["client"].isna().tolist() == [False, True]
    erase(warehouse, "NOT client = 'Bert' OR client IS NULL")
    assert warehouse.load_dataframe("sales", "items").empty


def test_a_condition_may_name_a_partition_key(warehouse: Warehouse) -> None:
    for day in DAYS:
        store(warehouse, day, 1)
    report = erase(warehouse, f"{WHERE} and day = '{DAYS[1]}'")
    assert [one.partition for one in report.batches] == [DAYS[1]]
    assert len(warehouse.load_dataframe("sales", "items")) == 5


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("n NOT IN (1)", [1, None]),
        ("NOT (n IN (1, 3))", [1, None, 3]),
        ("c NOT IN ('DE')", [1, None]),
        ("k NOT IN ('DE')", [1, None]),
        ("n <> 1", [1, None]),
        ("NOT (n = 1)", [1, None]),
        ("NOT (n BETWEEN 1 AND 1)", [1, None]),
        ("n IN (1) AND NOT (nothing = 'x')", [1, None, 3, 4]),
        ("n NOT IN (1) OR nothing IN ('x')", [1, None]),
        ("n IN (1) OR n IS NULL AND nothing IS NULL", [3, 4]),
    ],
)
def test_a_condition_is_true_false_or_unknown_as_in_sql(
    embedded_uri: str, where: str, left: list[object]
) -> None:
    warehouse = connect(embedded_uri)
    texts = ["DE", None, "AT", "CH"]
    rows = {
        "n": [1, None, 3, 4],
        "c": texts,
        "k": pa.array(texts).dictionary_encode(),
        "nothing": pa.nulls(4),
    }
    store(warehouse, DAYS[0], 1, data=pa.table(rows))
    erase(warehouse, where)
    assert warehouse.load_dataframe("sales", "items", as_="arrow")["n"].to_pylist() == left


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("x < 5", ["nan", "7.0"]),
        ("x <> 1", ["1.0", "1.0"]),
        ("NOT (x < 5)", ["1.0", "1.0"]),
        ("day = '20161031' AND x < 5", ["nan", "1.0", "7.0"]),
        ("x = 7", ["1.0", "nan", "1.0"]),
    ],
)
def test_a_nan_is_erased_only_if_it_is_meant(
    embedded_uri: str, where: str, left: list[str]
) -> None:
    warehouse = connect(embedded_uri)
    for day, values in zip(DAYS, ([1.0, float("nan")], [1.0, 7.0]), strict=True):
        store(warehouse, day, 1, data=pa.table({"x": values}))
    report = erase(warehouse, where)
    assert report.erased == 4 - len(left)
    assert (
        list(map(str, warehouse.load_dataframe("sales", "items", as_="arrow")["x"].to_pylist()))
        == left
    )


def test_a_column_that_a_batch_has_not_is_null_there(warehouse: Warehouse) -> None:
    store(
        warehouse,
        DAYS[0],
        1,
        data=pd.DataFrame({"version": [1, 1], "client": ["Karla Kolumna", "Ada"]}),
    )
    store(
        warehouse,
        DAYS[0],
        2,
        data=pd.DataFrame({"version": [2, 2], "client": "Ada", "email": ["k@x.de", None]}),
    )
    report = erase(warehouse, f"{WHERE} OR email = 'k@x.de'")
    assert (report.searched, report.without, report.erased) == (2, 1, 2)
    assert len(warehouse.load_dataframe("sales", "items")) == 1
    assert warehouse.load_dataframe(warehouse.rollback("sales", "items", [DAYS[0]]))[
        "client"
    ].tolist() == ["Ada"]
    assert holding(warehouse, "Karla") == []
    assert erase(warehouse, "NOT (email = 'other')").erased == 0
    assert erase(warehouse, "email IS NULL").erased == 2
    assert holding(warehouse, "Ada") == []


def test_files_that_change_between_search_and_replacement_lose_no_rows(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "a.parquet"
    pd.DataFrame({"client": [7, 42]}).to_parquet(file, index=False)
    pin = warehouse.adopt("sales", "old", f"file://{tmp_path}")
    table = warehouse.overview("sales", "old").table
    match = search(table, "", pin.batch_id, "client = 42", ["client"])
    pd.DataFrame({"client": [7, 41]}).to_parquet(file, index=False)
    with pytest.raises(
        sfx.InconsistentBatch, match="1 of 2 rows were to be erased, but 2 would be left"
    ):
        without(table, PartitionLog(table), [match])
    assert warehouse.pin("sales", "old") == pin


def test_a_batch_that_another_program_wrote_for_us_is_deleted_like_others(
    warehouse: Warehouse,
) -> None:
    batch = warehouse.open_batch("sales", "items", [DAYS[0]], partition_keys=["day"])
    write(warehouse, batch, frame(1))
    batch.close()
    report = erase(warehouse)
    assert [one.outside for one in report.batches] == [""]
    assert holding(warehouse, "Karla") == []


def test_batches_from_before_a_column_was_added_are_told_and_left(warehouse: Warehouse) -> None:
    store(warehouse, DAYS[0], 1, data=pd.DataFrame({"version": [1]}))
    store(warehouse, DAYS[0], 2, data=pd.DataFrame({"version": [2], "client": ["Karla Kolumna"]}))
    report = erase(warehouse)
    assert (report.searched, report.without, report.erased) == (2, 1, 1)


def test_adopted_files_are_told_since_their_owner_must_delete_them(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    frame(1).to_parquet(tmp_path / "a.parquet", index=False)
    warehouse.adopt("sales", "old", f"file://{tmp_path}")
    report = warehouse.erase("sales", "old", where=WHERE, grace=NOW, dry_run=False)
    assert [one.outside for one in report.batches] == [f"file://{tmp_path}"]
    assert warehouse.load_dataframe("sales", "old")["client"].tolist() == ["Ada", "Bert"]
    assert (tmp_path / "a.parquet").exists()


def test_directories_that_no_history_names_are_told(warehouse: Warehouse) -> None:
    pin = store(warehouse, DAYS[0], 1)
    layout = warehouse.overview("sales", "items").table.layout
    stray = layout.batch_dir(DAYS[0], "20161101002256")
    assert warehouse.store.claim(layout.call("20161101002256"), "token")
    warehouse.store.put(f"{stray}/part-00000", b"of a writer that died")
    report = warehouse.erase("sales", "items", where=WHERE)
    assert report.orphans == ((DAYS[0], "20161101002256"),)
    assert pin.batch_id not in dict(report.orphans).values()
    assert erase(warehouse).orphans == ()
    assert holding(warehouse, "of a writer that died") == []
    assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Ada", "Bert"]


def test_a_directory_that_somebody_may_still_be_writing_is_told_and_left(
    warehouse: Warehouse,
) -> None:
    pins = [store(warehouse, DAYS[0], version) for version in (1, 2)]
    layout = warehouse.overview("sales", "items").table.layout
    young = f"{moment_of(pins[0].batch_id) - timedelta(seconds=1):%Y%m%d%H%M%S}"
    later = f"{moment_of(pins[1].batch_id) + timedelta(days=400):%Y%m%d%H%M%S}"
    for batch_id in (young, later):
        assert warehouse.store.claim(layout.call(batch_id), "token")
        warehouse.store.put(
            f"{layout.batch_dir(DAYS[0], batch_id)}/part-00000", b"of a writer that lives"
        )
    report = erase(warehouse)
    assert report.orphans == ((DAYS[0], young), (DAYS[0], later))
    assert len(holding(warehouse, "of a writer that lives")) == 2


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("", "not understood"),
        ("client = 'x'; DROP TABLE y", "not understood"),
        ("client LIKE 'K%'", "not understood"),
        ("client = (SELECT 1)", "a literal is expected"),
        ("nobody = 1", "no batch of sales.items has a column 'nobody'"),
        ("version = 1 OR nobody = 1", "no batch of sales.items has a column 'nobody'"),
        ("version = 'Karla'", "is not int64"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_and_nothing_is_done(
    warehouse, where: str, error: str
) -> None:
    pin = store(warehouse, DAYS[0], 1)
    with pytest.raises(sfx.SchemaMismatch, match=error):
        erase(warehouse, where)
    assert warehouse.pin("sales", "items") == pin


def erase_killed(warehouse: Warehouse) -> None:
    erase(warehouse)


@pytest.mark.parametrize("kind", ["embedded", "stack"])
def test_a_process_killed_at_any_call_leaves_all_other_rows_and_the_next_completes(
    request, kind: str
) -> None:
    new_uri = request.getfixturevalue(f"new_{kind}_uri")
    killed = 0
    for calls in range(1, 300, 3 if kind == "embedded" else 17):
        uri = new_uri()
        warehouse = connect(uri)
        for version in (1, 2):
            for day in DAYS:
                store(warehouse, day, version)
        code = run_until_call(uri, erase_killed, calls, after=True)
        now = warehouse.load_dataframe("sales", "items")
        assert now[now["client"] != "Karla Kolumna"]["client"].tolist() == ["Ada", "Bert"] * 2
        erase(warehouse)
        assert holding(warehouse, "Karla Kolumna") == [] if code == 0 else True
        assert warehouse.load_dataframe("sales", "items")["client"].tolist() == ["Ada", "Bert"] * 2
        pin = warehouse.rollback("sales", "items", DAYS)
        assert warehouse.load_dataframe(pin)["version"].tolist() == [1] * 4
        assert holding(warehouse, "Karla Kolumna") == []
        if code == 0:
            break
        assert code == KILLED
        killed += 1
    else:
        pytest.fail("the erasure never ended")
    assert killed > 2
