"""Mistaken arguments: rejected by name before anything is written, or understood."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"reason": None}, "reason=None is NoneType, not text"),
        ({"reason": "\ud800"}, "half a surrogate pair"),
        ({"producer": sfx.Producer(dag_id=7)}, "dag_id=7 is int, not text"),
        (
            {"producer": sfx.Producer(logical_date=datetime(2016, 1, 1, tzinfo=UTC))},
            "logical_date=.* is datetime, not text",
        ),
        ({"producer": sfx.Producer(try_number="2")}, "try_number='2' is str, not a whole number"),
        (
            {"producer": sfx.Producer(packages={"pyarrow": 22})},
            "packages=, of pyarrow: 22 is int, not text",
        ),
        ({"evolve": "yes"}, "evolve='yes' is not one of 'none', 'safe', 'any'"),
        ({"inputs": ["20161031"]}, "inputs= holds '20161031', which is not a BatchPin"),
        ({"inputs": "20161031"}, "inputs='20161031' is not a list"),
        ({"checks": ["not_null"]}, "checks= holds 'not_null', which is not a check"),
        ({"checks": len}, "checks=.* is not a list"),
        (
            {"partitions": DAY},
            r"partitions='20161031' is not a list: pass a list, as in partitions=\['20161031'\]",
        ),
        ({"partitions": {"partition": DAY}}, "is not a list"),
        ({"partitions": {DAY}}, "is a set, which has no order"),
        ({"partitions": None, "partition_by": "item"}, "partition_by='item' is not a list"),
        ({"partitions": None, "partition_by": []}, "partition_by= is empty"),
        (
            {"publish": "no"},
            "publish='no' is neither True nor False: pass one of them, as in publish=True",
        ),
        ({"publish": None}, "publish=None is neither"),
        ({"publish": np.bool_(False)}, "publish=.*False.* is neither"),
    ],
    ids=str,
)
def test_a_store_with_a_wrong_argument_is_refused_and_leaves_no_trace(
    warehouse, frame, given, why
) -> None:
    with pytest.raises(sfx.InvalidName, match=why):
        warehouse.store_dataframe(frame, "sales", "items", **{"partitions": [DAY], **given})
    assert warehouse.tables() == []


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT, pd.NA, np.ma.masked], ids=str)
def test_a_missing_value_names_nothing_in_any_call(warehouse, frame, missing) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    before = warehouse.history("sales", "items"), warehouse.tables()
    refused = [
        lambda: warehouse.store_dataframe(frame, missing, "items", [DAY]),
        lambda: warehouse.store_dataframe(frame, "sales", missing, [DAY]),
        lambda: warehouse.store_dataframe(frame, "sales", "items", [missing]),
        lambda: warehouse.store_dataframe(frame, "sales", "new", [DAY], partition_keys=[missing]),
        lambda: warehouse.store_dataframe(
            frame, "sales", "new", [DAY], partition_keys={"day": missing}
        ),
        lambda: warehouse.store_dataframe(frame, "sales", "new", partition_by=[missing]),
        lambda: warehouse.store_dataframe(frame, "sales", "items", [DAY], reason=missing),
        lambda: warehouse.load_dataframe("sales", "items", [missing]),
        lambda: warehouse.pin("sales", "items", [missing]),
        lambda: warehouse.history("sales", "items", [missing]),
        lambda: warehouse.rollback("sales", "items", [missing]),
        lambda: warehouse.pin_and_hold("sales", "items", name=missing),
        lambda: warehouse.release("sales", "items", missing),
        lambda: warehouse.rollback_run(dag_id=missing, run_id="r"),
        lambda: warehouse.rollback_run(dag_id="nightly", run_id=missing),
        lambda: warehouse.rollback_backfill(dag_id="nightly", backfill_id=missing),
    ]
    if missing is not None:  # None means: not given
        refused += [
            lambda: warehouse.rollback("sales", "items", [DAY], to=missing),
            lambda: warehouse.load_dataframe("sales", "items", [DAY], batch_id=missing),
            lambda: warehouse.load_dataframe("sales", "items", [DAY], as_of=missing),
            lambda: warehouse.load_dataframe("sales", "items", missing),
            lambda: warehouse.store_dataframe(frame, "sales", "new", missing),
            lambda: warehouse.store_dataframe(frame, "sales", "new", partition_by=missing),
            lambda: warehouse.store_dataframe(frame, "sales", "new", [DAY], partition_keys=missing),
        ]
    for call in refused:
        with pytest.raises(sfx.InvalidName):
            call()
    assert (warehouse.history("sales", "items"), warehouse.tables()) == before


@pytest.mark.parametrize(
    "days",
    [
        pd.array([DAY, None], dtype=object),
        pd.array([DAY, pd.NA], dtype="str"),
        pd.Categorical([DAY, None]),
        pd.array([20161031, None], dtype="Int64"),
        pd.to_datetime([DAY, None]),
        pd.array([True, None], dtype="boolean"),
    ],
    ids=lambda days: str(days.dtype),
)
def test_rows_whose_partition_is_missing_are_refused(warehouse, days) -> None:
    with pytest.raises(
        sfx.InvalidName, match="'day' is null in 1 row, and a partition must have a value"
    ):
        warehouse.store_dataframe(
            pd.DataFrame({"day": days, "n": [1, 2]}), "sales", "items", partition_by=["day"]
        )
    assert warehouse.tables() == []


def test_a_rollback_and_a_publish_with_a_wrong_reason_leave_the_history_readable(
    warehouse, frame
) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    staged = warehouse.store_dataframe(frame, "sales", "items", [DAY], publish=False)
    warehouse.store_dataframe(frame.head(1), "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="reason=5 is int"):
        warehouse.rollback("sales", "items", [DAY], to=first.batch_id, reason=5)
    with pytest.raises(sfx.InvalidName, match="reason=None"):
        warehouse.publish(staged, reason=None, force=True)
    assert len(warehouse.history("sales", "items", [DAY])) == 2


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"as_of": "2016-11-01"}, sfx.InvalidName, "as_of='2016-11-01' is not a time"),
        ({"as_of": date(2016, 11, 1)}, sfx.InvalidName, "is not a time"),
        ({"version": "1"}, sfx.InvalidName, "version='1' is not a whole number"),
        ({"version": True}, sfx.InvalidName, "version=True is not a whole number"),
        (
            {"version": 0},
            sfx.InvalidName,
            "version 0: the first version of a table is 1",
        ),
        ({"version": 2}, sfx.BatchNotFound, "has no version 2: its last one is 1"),
        ({"version": 10**40}, sfx.BatchNotFound, "its last one is 1"),
        (
            {"version": 1, "as_of": datetime(2016, 11, 1, tzinfo=UTC)},
            sfx.InvalidName,
            "as_of= and version= were both given: pass one of them",
        ),
        (
            {"version": 1, "batch_id": "20161101002256"},
            sfx.InvalidName,
            "batch_id= and version= were both given",
        ),
        ({"columns": "item"}, sfx.InvalidName, "columns='item' is not a list"),
        ({"columns": [0]}, sfx.InvalidName, "columns= holds 0, which is not a column's name"),
        ({"filters": {"sold": 1}}, sfx.SchemaMismatch, "it is a dict.*pass a list of conditions"),
        ({"filters": "sold > 1"}, sfx.SchemaMismatch, "it is a str.*pass a list of conditions"),
        ({"filters": ("sold", ">", 1)}, sfx.SchemaMismatch, "it is not a list of conditions"),
    ],
    ids=str,
)
def test_a_load_with_a_wrong_argument_is_refused(warehouse, frame, given, error, why) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(error, match=why):
        warehouse.load_dataframe("sales", "items", [DAY], **given)


def test_a_wrong_limit_partition_or_key_is_refused_by_the_argument_s_name(warehouse, frame) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="limit=-1 is below 1"):
        warehouse.history("sales", "items", [DAY], limit=-1)
    for limit in ("2", 2.0, True):
        for call in (warehouse.history, warehouse.history_page):
            with pytest.raises(
                sfx.InvalidName,
                match=f"limit={limit!r} is not a whole number: pass one, as in limit=10",
            ):
                call("sales", "items", [DAY], limit=limit)
        with pytest.raises(sfx.InvalidName, match=f"limit={limit!r} is not a whole number"):
            warehouse.audit("sales", "items", limit=limit)
    with pytest.raises(sfx.InvalidName, match="partition='20161031' is not a list"):
        warehouse.history("sales", "items", partition=DAY)
    with pytest.raises(sfx.InvalidName, match="keys='item' is not a list"):
        warehouse.diff(pin, pin, keys="item")


WRONG_CALLS: dict[str, Callable[[Warehouse, sfx.BatchPin], object]] = {
    "until='2030' is not a time": lambda warehouse, pin: warehouse.hold(
        pin, "report", until="2030"
    ),  # type: ignore[arg-type]
    "None is not a name for a hold": lambda warehouse, pin: warehouse.hold(pin, None),  # type: ignore[arg-type]
    "since='2016' is not a time": lambda warehouse, _: warehouse.audit(
        "sales", "items", since="2016"
    ),  # type: ignore[arg-type]
    "keep_last='1' is not a whole number": lambda warehouse, _: warehouse.retain(
        "sales",
        "items",
        keep_last="1",  # type: ignore[arg-type]
        older_than=timedelta(1),
    ),
    "older_than=90 is not a duration": lambda warehouse, _: warehouse.retain(
        "sales",
        "items",
        keep_last=1,
        older_than=90,  # type: ignore[arg-type]
    ),
    "expected='20161101002256' does not name the partitions.*as in expected=": lambda wh, _: (
        wh.rollback(
            "sales",
            "items",
            [DAY],
            expected="20161101002256",  # type: ignore[arg-type]
        )
    ),
    r"expected=\['20161031'\] does not name the partitions": lambda warehouse, pin: (
        warehouse.publish(
            pin,
            expected=[DAY],  # type: ignore[arg-type]
        )
    ),
    "where=None is not text: pass an SQL condition": lambda warehouse, _: warehouse.erase(
        "sales",
        "items",
        where=None,  # type: ignore[arg-type]
    ),
    "20161101002256 is int, not text: pass the 14 digits of a batch ID as text": lambda wh, _: (
        wh.load_dataframe(
            "sales",
            "items",
            [DAY],
            batch_id=20161101002256,  # type: ignore[arg-type]
        )
    ),
    "7 is int, not text: pass the 14 digits": lambda warehouse, _: warehouse.rollback(
        "sales", "items", [DAY], to=7
    ),  # type: ignore[arg-type]
    "run_id='' is empty or not text": lambda warehouse, _: warehouse.rollback_run(
        dag_id="nightly", run_id=""
    ),
    "dag_id=None is empty or not text": lambda warehouse, _: warehouse.rollback_run(
        dag_id=None, run_id="r"
    ),  # type: ignore[arg-type]
    "producer='ada' is not a Producer": lambda warehouse, pin: warehouse.publish(
        pin, producer="ada"
    ),  # type: ignore[arg-type]
    "is not a URI": lambda warehouse, _: connect(Path("/nowhere")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("why", WRONG_CALLS)
def test_other_calls_with_a_wrong_argument_are_refused_by_its_name(warehouse, frame, why) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match=why):
        WRONG_CALLS[why](warehouse, pin)
    assert warehouse.holds("sales", "items") == []


def test_a_directory_to_adopt_may_be_a_path(warehouse, frame, tmp_path) -> None:
    (tmp_path / "old").mkdir()
    frame.to_parquet(tmp_path / "old" / "one.parquet")
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe(warehouse.adopt("sales", "old", tmp_path / "old")), frame
    )


@pytest.mark.parametrize(
    "kind", [tuple, np.array, pd.Series, iter], ids=["tuple", "array", "column", "iterator"]
)
def test_partitions_may_be_a_column_of_values(warehouse, frame, kind) -> None:
    for day in (DAY, "20161101"):
        warehouse.store_dataframe(frame, "sales", "items", kind([day]))
    assert len(warehouse.load_dataframe("sales", "items", kind([DAY, "20161101"]))) == 2 * len(
        frame
    )
    warehouse.store_dataframe(
        frame, "sales", "two", kind(["2016", "US"]), partition_keys=["year", "area"]
    )
    assert list(warehouse.pin("sales", "two", kind(["2016", "US"])).batches) == ["2016/US"]


def test_a_table_without_a_batch_at_a_time_says_which_time(warehouse, frame) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(
        sfx.PartitionNotFound, match="has no partition that had a batch at 2016-11-01T00:00:00"
    ):
        warehouse.load_dataframe("sales", "items", as_of=datetime(2016, 11, 1, tzinfo=UTC))


SWITCHES: dict[str, Callable[[Warehouse, sfx.BatchPin], object]] = {
    "dry_run=None": lambda warehouse, _: warehouse.retain(
        "sales",
        "items",
        keep_last=1,
        older_than=timedelta(0),
        grace=timedelta(0),
        dry_run=None,  # type: ignore[arg-type]
    ),
    "dry_run=0": lambda warehouse, _: warehouse.erase(
        "sales", "items", where="sold > 0", dry_run=0
    ),  # type: ignore[arg-type]
    "despite_pins='no'": lambda warehouse, _: warehouse.erase(
        "sales",
        "items",
        where="sold > 0",
        despite_pins="no",  # type: ignore[arg-type]
        dry_run=False,
    ),
    "force='no'": lambda warehouse, pin: warehouse.publish(pin, force="no"),  # type: ignore[arg-type]
    "dry_run=''": lambda warehouse, _: warehouse.rollback_run(
        dag_id="nightly", run_id="r", dry_run=""
    ),  # type: ignore[arg-type]
    "dry_run='no'": lambda warehouse, _: warehouse.rollback_backfill(
        dag_id="nightly",
        backfill_id="7",
        dry_run="no",  # type: ignore[arg-type]
    ),
    "batches='no'": lambda warehouse, pin: warehouse.load_dataframe(pin, batches="no"),  # type: ignore[call-overload]
    "renew='no'": lambda warehouse, pin: warehouse.hold(pin, "report", renew="no"),  # type: ignore[arg-type]
    "renew=1": lambda warehouse, _: warehouse.pin_and_hold(
        "sales", "items", name="report", renew=1
    ),  # type: ignore[arg-type]
    "newest=1": lambda warehouse, pin: warehouse.take(pin, consumer="report", run="r", newest=1),  # type: ignore[arg-type]
    "foreign='no'": lambda warehouse, _: warehouse.audit("sales", "items", foreign="no"),  # type: ignore[arg-type]
    "files=0": lambda warehouse, _: warehouse.audit("sales", "items", files=0),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("given", SWITCHES)
def test_a_switch_that_is_neither_true_nor_false_is_refused_and_nothing_is_done(
    warehouse, frame, given
) -> None:
    producer = sfx.Producer(dag_id="nightly", run_id="r", task_id="load", try_number=1)
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    second = warehouse.store_dataframe(frame, "sales", "items", [DAY], producer=producer)
    staged = warehouse.store_dataframe(frame, "sales", "items", [DAY], publish=False)
    with pytest.raises(
        sfx.InvalidName, match=f"^{given} is neither True nor False: pass one of them"
    ):
        SWITCHES[given](warehouse, staged)
    assert [entry.batch_id for entry in warehouse.history("sales", "items", [DAY])] == [
        second.batch_id,
        first.batch_id,
    ]
    assert warehouse.holds("sales", "items") == []


def test_a_batch_of_another_program_is_not_closed_with_a_switch_that_is_none(warehouse) -> None:
    batch = warehouse.open_batch("sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="publish='no' is neither True nor False"):
        batch.close(publish="no")  # type: ignore[arg-type]
    assert warehouse.tables() == []


def test_a_hold_until_a_time_that_is_over_is_refused_since_it_would_hold_nothing(
    warehouse, frame
) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    over = datetime.now(UTC) - timedelta(seconds=1)
    for hold in (
        lambda: warehouse.hold(pin, "report", until=over),
        lambda: warehouse.pin_and_hold("sales", "items", name="report", until=over),
    ):
        with pytest.raises(sfx.InvalidName, match=r"until=.* is in the past: pass a future time"):
            hold()
    assert warehouse.holds("sales", "items") == []


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda one, _: one.readers("20161031"), "is not a BatchPin"),
        (lambda one, _: one.readers(None), "is not a BatchPin"),
        (
            lambda one, _: one.history_page("sales", "items", [DAY], before="1"),
            "before='1' is not a whole number",
        ),
        (
            lambda one, _: one.history_page("sales", "items", [DAY], before=1.5),
            "before=1.5 is not a whole number",
        ),
        (
            lambda one, _: one.history_page("sales", "items", [DAY], before=True),
            "before=True is not a whole number",
        ),
        (lambda one, _: one.audit("sales", "items", actor=1), "actor=1 is not a name"),
        (lambda one, _: one.audit("sales", "items", dag_id=["nightly"]), "dag_id=.* is not a name"),
        (lambda one, _: one.audit("sales", "items", run_id=""), "run_id='' is not a name"),
        (lambda one, _: one.audit("sales", "items", since=pd.NaT), "since=NaT is not a time"),
        (lambda one, pin: one.hold(pin, "report", until=pd.NaT), "until=NaT is not a time"),
        (lambda one, _: one.pin("sales", "items", as_of=pd.NaT), "as_of=NaT is not a time"),
        (
            lambda one, _: one.retain("sales", "items", keep_last=True, older_than=timedelta(0)),
            "keep_last=True is not",
        ),
        (
            lambda one, _: one.retain("sales", "items", keep_last=1, older_than=timedelta.max),
            "older_than=.* is too long",
        ),
        (
            lambda one, _: one.retain(
                "sales", "items", keep_last=1, older_than=timedelta(0), grace=timedelta.max
            ),
            "grace=.* is too long",
        ),
    ],
)
def test_what_looks_at_batches_refuses_what_is_no_pin_name_number_or_time(
    warehouse, frame, call, why
) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match=why):
        call(warehouse, pin)


@pytest.mark.parametrize("hours", [14, -12])
def test_the_ends_of_the_calendar_are_times_in_every_zone(warehouse, frame, hours) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    zone = timezone(timedelta(hours=hours))
    first, last = (one.replace(tzinfo=zone) for one in (datetime.min, datetime.max))
    assert len(warehouse.audit("sales", "items", since=first, until=last).entries) == 1
    assert warehouse.audit("sales", "items", since=last).entries == ()
    assert warehouse.missed("sales", "items", consumer="report", since=first) == pin
    assert warehouse.pin("sales", "items", as_of=last) == pin
    assert warehouse.export_audit("audit", "days", since=first, until=last) is not None
    held = warehouse.hold(pin, "for ever", until=last)
    assert held.until > datetime.now(UTC)
    assert warehouse.holding("sales", "items") == [held]


def test_as_many_as_there_are_is_a_limit(warehouse, frame) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    for partitions in (None, [DAY]):
        assert len(warehouse.history("sales", "items", partitions, limit=10**30)) == 1
    assert len(warehouse.audit("sales", "items", limit=10**30).entries) == 1
    assert (
        len(warehouse.history_page("sales", "items", [DAY], limit=10**30, before=10**30).entries)
        == 1
    )
