"""Bad arguments of public calls raise an `SfxError`, not a library's own error.

What Python itself says of a call that has too few arguments, or one of an unknown name, stays a
TypeError; and an exception of the caller's own function or iterator is the caller's.
"""

from __future__ import annotations

import datetime as dt
import enum
import fractions
import inspect
import ipaddress
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from tests.frames.builders import REFUSED, objects

DAY = "20161031"
FRAME = pd.DataFrame({"item": ["hat", "shoe"], "n": [1, 2]})


class Odd:
    """An object that nothing knows."""

    def __init__(self, *given: object) -> None: ...


class Broken:
    """An object that offers Arrow a stream, and fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise self._error


class BrokenArray:
    """An object that offers Arrow an array, and fails."""

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        raise RuntimeError("no")


class Seconds(dt.tzinfo):
    """A time zone whose offset is not a whole second."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(seconds=1.5)

    def dst(self, moment: dt.datetime | None) -> None:
        return None

    def tzname(self, moment: dt.datetime | None) -> str:
        return "odd"


@pytest.fixture(scope="module")
def calls(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Every public call with arguments that it takes."""
    place = tmp_path_factory.mktemp("bad")
    warehouse = connect(f"embedded://{place}/warehouse")

    def store(day: str = DAY, **options: Any) -> sfx.BatchPin:
        return warehouse.store_dataframe(FRAME, "sales", "items", [day], **options)

    first, second, staged = store(), store(), store("staged", publish=False)
    ended = store("discarded", publish=False)
    table = {"db": "sales", "table": "items"}
    for name in ("dropped", "renamed", "columns"):
        warehouse.store_dataframe(FRAME, "ends", name)
    commit = warehouse.history("sales", "items", [DAY])[0].commit
    good: dict[str, dict[str, Any]] = {
        "adopt": {"db": "sales", "table": "adopted", "directory": f"{place}/nowhere"},
        "aggregate": {"source": "sales.items", "column": "n", "how": "mean"},
        "audit": table,
        "audit_run": {"dag_id": "a", "run_id": "b"},
        "audit_backfill": {"dag_id": "a", "backfill_id": "1", "run_ids": ["r"]},
        "audit_commit": {**table, "commit": commit},
        "changes": table,
        "check": table,
        "compact": {"db": "sales", "table": "windows", "prefix": "x"},
        "declared_checks": table,
        "discard": {"pin": ended},
        "drop": {"db": "ends", "table": "dropped"},
        "drop_column": {"db": "ends", "table": "columns", "column": "n"},
        "dropped_tables": {},
        "end_retention": {"pattern": "sales.*"},
        "metrics": table,
        "night": {},
        "portable": {"inputs": {"n": "bigint"}, "outputs": {"n": "bigint"}},
        "plan_rollback": {**table, "partitions": [DAY]},
        "policies": {},
        "rename": {"db": "ends", "table": "renamed", "to_db": "ends", "to_table": "new"},
        "rename_column": {"db": "ends", "table": "columns", "column": "item", "to": "thing"},
        "repin": {"dag_id": "a", "run_id": "b"},
        "repin_requested": {"dag_id": "a", "run_id": "b"},
        "retain_all": {},
        "rollback_commit": {**table, "commit": commit, "dry_run": True},
        "set_checks": {**table, "checks": []},
        "set_retention": {"pattern": "a.*", "keep_last": 9, "older_than": dt.timedelta(days=90)},
        "sql": {"query": "select * from sales.items"},
        "sql_pins": {"query": "select * from sales.items"},
        "staged": table,
        "stale": table,
        "connect": {"uri": warehouse.uri},
        "diff": {"before": first, "after": second, "keys": ["item"]},
        "holds": {**table, "name": "report"},
        "erase": {**table, "where": "n = 77"},
        "export_audit": {
            "db": "sales",
            "table": "changes",
            "since": dt.date.today(),
            "until": dt.date.today(),
        },
        "history": {**table, "partition": [DAY]},
        "history_page": {**table, "partition": [DAY]},
        "hold": {"pin": first, "name": "report"},
        "holding": table,
        "inconsistencies": {"pin": first},
        "load_dataframe": {"src_db": "sales", "src_table": "items", "partitions": [DAY]},
        "locations": {"pin": first},
        "manifests": {"pin": first},
        "missed": {**table, "consumer": "report"},
        "open_batch": {**table, "partitions": ["open"]},
        "overview": table,
        "pin": {**table, "partitions": [DAY]},
        "pin_and_hold": {**table, "name": "report"},
        "pinned_table_sql": {"pin": first, "name": "scratch.items"},
        "publish": {"pin": staged},
        "readers": {"pin": first},
        "stale_after": {},
        "models_trained_on": {},
        "release": {**table, "name": "report"},
        "repair": table,
        "retain": {**table, "keep_last": 9, "older_than": dt.timedelta(days=90)},
        "rollback": {**table, "partitions": [DAY]},
        "rollback_backfill": {"dag_id": "a", "backfill_id": "1"},
        "rollback_run": {"dag_id": "a", "run_id": "b"},
        "show": table,
        "store_dataframe": {
            "df": FRAME,
            "dest_db": "sales",
            "dest_table": "items",
            "partitions": [DAY],
        },
        "store_window": {
            "df": FRAME,
            "dest_db": "sales",
            "dest_table": "windows",
            "consumed": sfx.Consumed("kinesis:clicks", {"0": ("", "1")}),
        },
        "stream_positions": table,
        "tables": {},
        "take": {"pin": first, "consumer": "report", "run": "monday"},
        "verify": {"pin": first},
        "BatchPin": {
            "database": "a",
            "table": "b",
            "location": "/c",
            "entries": (("p", "20160101000000"),),
        },
        "BatchPin.of": {"ref": first.ref, "location": "/c", "batches": {"p": "20160101000000"}},
        "BatchPin.from_json": {"text": first.to_json()},
        "Consumed": {"stream": "kinesis:clicks", "shards": {"0": ("", "1")}},
        "TableRef": {"database": "a", "table": "b"},
        "TableRef.parse": {"text": "a.b"},
    }
    named: dict[str, Callable[..., Any]] = {}
    for name in good:
        owner = (
            sfx
            if name.partition(".")[0] in sfx.__all__ and not hasattr(warehouse, name)
            else warehouse
        )
        found: Any = owner
        for step in name.split("."):
            found = getattr(found, step)
        named[name] = found
    return {name: (call, good[name]) for name, call in named.items()}


def bad_arguments() -> dict[str, Any]:
    """Create bad arguments anew, because some can be used only once."""
    circle: list[Any] = []
    circle.append(circle)
    return {
        **{
            repr(one): one
            for one in (
                None,
                0,
                -1,
                2**70,
                1.5,
                math.nan,
                math.inf,
                True,
                1j,
                "",
                " ",
                "..",
                "a/b",
                b"x",
            )
        },
        **{ascii(one): one for one in ("x\x00y", "\ud800", "a\u202eb", "--", "%s", "{}")},
        **{
            repr(one): one
            for one in (
                [],
                [None],
                [[]],
                [""],
                [math.nan],
                [b"a"],
                [5],
                {},
                {1: 2},
                {"a": None},
                {1},
            )
        },
        **{
            str(type(one)): one
            for one in (Odd(), ValueError("x"), Decimal("NaN"), range(3), FRAME, FRAME["n"])
        },
        **{
            f"{one!r} of time": one
            for one in (dt.datetime(2016, 1, 1), dt.date(2016, 1, 1), dt.timedelta.max)
        },
        "negative time": dt.timedelta(-1),
        "last time": dt.datetime.max.replace(tzinfo=dt.UTC),
        "no time": np.timedelta64("NaT"),
        "NaT": pd.NaT,
        "NA": pd.NA,
        "long": "x" * 5000,
        "circle": circle,
        "generator": iter(()),
        "generator of objects": iter([Odd()]),
        "array": np.arange(3),
        "array of one": np.array([5]),
        "array without dimensions": np.array(5),
        "array of two dimensions": np.zeros((2, 2)),
        "class": Odd,
        "function": lambda *given: None,
        "expression": pc.field("n") > 1,
        "pin of elsewhere": sfx.BatchPin("a", "b", "/c", (("p", "20160101000000"),)),
        "producer of numbers": sfx.Producer(dag_id=5),  # type: ignore[arg-type]
        "another URI": "embedded:///dev/null/x",
    }


def test_every_public_call_is_tried(calls) -> None:
    """A new call is added here, one way or the other."""
    others = {name for name in sfx.__all__ if isinstance(getattr(sfx, name), type)} | {
        "__version__",
        "checks",
        "components",
        "job",
        "models",
        "streams",
    }
    assert {*sfx.__all__} - others <= calls.keys()
    methods = {
        name
        for name in dir(sfx.Warehouse)
        if callable(getattr(sfx.Warehouse, name)) and not name.startswith("_")
    }
    assert methods <= calls.keys()


def test_a_bad_argument_of_any_call_is_refused_or_taken(calls) -> None:
    faults, tried = [], 0
    for name, (call, good) in calls.items():
        for argument, parameter in inspect.signature(call).parameters.items():
            for what, value in bad_arguments().items():
                tried += 1
                several = parameter.kind is parameter.VAR_POSITIONAL
                given, named = ((value,), {}) if several else ((), {argument: value})
                faults += fault(
                    f"{name}({argument}={what})",
                    lambda: used(call(*given, **{**good, **named})),  # noqa: B023
                )
    assert not faults, "\n".join(faults)
    assert tried > 6000


def fault(what: str, act: Callable[[], object]) -> list[str]:
    """Return what is wrong with an answer that is neither a result nor an `SfxError`."""
    try:
        act()
    except sfx.SfxError as error:
        return [] if str(error) else [f"{what}: no message"]
    except Exception as error:
        return [f"{what}: {type(error).__name__}: {error}"]
    return []


def used(result: Any) -> None:
    """Read what is lazy."""
    if isinstance(result, Iterator):
        list(result)


def passed(value: Any) -> Any:
    return value


def with_column(name: object) -> pd.DataFrame:
    return pd.DataFrame([[1, 2]], columns=pd.Index([name, "n"], dtype=object))


def with_index(name: Any) -> pd.DataFrame:
    return FRAME.set_axis(pd.Index(["a", "b"], name=name))


def column(*values: Any) -> Any:
    return objects(*values)


NAIVE = dt.datetime(2016, 1, 1)
PANDAS: dict[str, Callable[[], Any]] = {
    **{f"as {name}": partial(passed, values) for name, (values, _) in REFUSED.items()},
    "huge": lambda: column(2**70, 1),
    "bytes and text": lambda: column(b"a", "a"),
    "frozen set": lambda: column(frozenset(), None),
    "class": lambda: column(Odd, None),
    "function": lambda: column(len, None),
    "odd zone": lambda: column(NAIVE.replace(tzinfo=Seconds()), None),
    "two zones": lambda: column(
        NAIVE.replace(tzinfo=dt.UTC), NAIVE.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))
    ),
    "a zone and none": lambda: column(NAIVE, NAIVE.replace(tzinfo=dt.UTC)),
    "decimal infinity": lambda: column(Decimal("Infinity"), None),
    "signalling NaN": lambda: column(Decimal("sNaN"), None),
    "tiny decimal": lambda: column(Decimal("1e-400"), None),
    "giant decimal": lambda: column(Decimal("1e999999"), None),
    "offset": lambda: column(pd.offsets.MonthEnd(1), None),
    "two frequencies": lambda: column(pd.Period("2016", "M"), pd.Period("2016", "D")),
    "two sides": lambda: column(pd.Interval(0, 1), pd.Interval(0, 1, "left")),
    "number as key": lambda: column({1: 2}, None),
    "null as key": lambda: column({None: 2}, None),
    "half a pair as key": lambda: column({"\ud800": 1}, None),
    "keys that differ in case": lambda: column({"a": 1, "A": 2}, None),
    "array of two dimensions": lambda: column(np.zeros((2, 2)), None),
    "array of objects": lambda: column(np.array([Odd()], dtype=object), None),
    "frame": lambda: column(FRAME, None),
    "generator": lambda: column(iter(()), None),
    "error": lambda: column(ValueError(), None),
    "ellipsis": lambda: column(..., None),
    "month of numpy": lambda: column(np.datetime64("2016-01"), None),
    "void": lambda: column(np.void(b"a"), None),
    "fraction": lambda: column(fractions.Fraction(1, 3), None),
    "address": lambda: column(ipaddress.ip_address("10.0.0.1"), None),
    "enum": lambda: column(enum.Enum("Enum", "A").A, None),  # type: ignore[attr-defined]
    "truth and number": lambda: column(True, 1),
    "text of another class": lambda: column(type("Text", (str,), {})("a"), "b"),
    "circle": lambda: column(circle(), None),
    "year 250000": lambda: pd.Series(np.array(["250000-01-01", "NaT"], dtype="datetime64[s]")),
    "longest time": lambda: pd.Series(np.array([2**62, 0], dtype="timedelta64[s]")),
    "half a pair as category": lambda: pd.Series(
        pd.Categorical(["a", "b"], pd.Index(["a", "b", "\ud800"], dtype=object))
    ),
}


def circle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def of_struct(name: str) -> pa.StructArray:
    return pa.StructArray.from_arrays([pa.array([1, 2])], names=[name])


ARROW: dict[str, Callable[[], pa.Array]] = {
    "months, days and nanoseconds": lambda: pa.array(
        [(1, 2, 3), None], pa.month_day_nano_interval()
    ),
    "decimal256": lambda: pa.array([Decimal(1), None], pa.decimal256(50, 2)),
    "negative scale": lambda: pa.array([100, None], pa.decimal128(5, -2)),
    "unknown zone": lambda: pa.array([1, 2], pa.timestamp("us", "Mars/Olympus")),
    "offset that is none": lambda: pa.array([1, 2], pa.timestamp("us", "+99:99")),
    "empty struct": lambda: pa.array([{}, None], pa.struct([])),
    "equal fields": lambda: pa.StructArray.from_arrays([pa.array([1, 2])] * 2, names=["a", "A"]),
    "nameless field": lambda: of_struct(""),
    "dot in a field": lambda: of_struct("a.b"),
    "dense union": lambda: pa.UnionArray.from_dense(
        pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])]
    ),
    "sparse union": lambda: pa.UnionArray.from_sparse(
        pa.array([0, 0], pa.int8()), [pa.array([1, 2])]
    ),
    "list of nothing": lambda: pa.array([[None], []], pa.list_(pa.null())),
    "map by struct": lambda: pa.array(
        [[({"a": 1}, 1)], None], pa.map_(pa.struct([("a", pa.int64())]), pa.int64())
    ),
    "category of nothing": lambda: pa.DictionaryArray.from_arrays(
        pa.array([0, None], pa.int8()), pa.nulls(1)
    ),
    "category of structs": lambda: pa.DictionaryArray.from_arrays(
        pa.array([0, 0], pa.int8()), pa.array([{"a": 1}])
    ),
    "seconds beyond the calendar": lambda: pa.array([2**62, None], pa.timestamp("s")),
    "text that is none": lambda: pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(np.array([0, 1, 2], "int32").tobytes()), pa.py_buffer(b"\xff\xfe")],
    ),
    "UUID": lambda: pa.array([b"0" * 16, None], pa.uuid()),
    "JSON": lambda: pa.array(["{", "x"], pa.json_()),
    "tensor": lambda: pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int64(), [2]), pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2))
    ),
    "time before midnight": lambda: pa.array([-1, 2], pa.int32()).view(pa.time32("s")),
    "time after the day": lambda: pa.array([2**60, 2], pa.int64()).view(pa.time64("us")),
    "half": lambda: pa.array([np.float16(1), None], pa.float16()),
}
WAYS: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {
    "column": lambda bad: (pd.DataFrame({"good": range(len(bad)), "bad": bad}), {}),
    "index": lambda bad: (
        pd.DataFrame({"good": range(len(bad))}, index=pd.Index(bad, name="bad")),
        {},
    ),
    "key": lambda bad: (
        pd.DataFrame({"good": range(len(bad)), "bad": bad}),
        {"partitions": None, "partition_by": ["bad"]},
    ),
    "stream": lambda bad: (iter([pd.DataFrame({"good": range(len(bad)), "bad": bad})]), {}),
    "table": lambda bad: (pa.table({"good": [1, 2], "bad": bad}), {}),
    "key of a table": lambda bad: (
        pa.table({"good": [1, 2], "bad": bad}),
        {"partitions": None, "partition_by": ["bad"]},
    ),
    "reader": lambda bad: (pa.table({"good": [1, 2], "bad": bad}).to_reader(), {}),
    "list": lambda bad: (
        pa.table({"good": [1], "bad": pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), bad)}),
        {},
    ),
    "pandas of Arrow": lambda bad: (
        pd.DataFrame(
            {"good": [1, 2], "bad": pd.arrays.ArrowExtensionArray(pa.chunked_array([bad]))}
        ),
        {},
    ),
}
OF_PANDAS, OF_ARROW = list(WAYS)[:4], list(WAYS)[4:]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> sfx.Warehouse:
    return connect(f"embedded://{tmp_path_factory.mktemp('data')}")


@pytest.mark.parametrize(
    ("make", "ways"),
    [
        *((make, OF_PANDAS) for make in PANDAS.values()),
        *((make, OF_ARROW) for make in ARROW.values()),
    ],
    ids=[*PANDAS, *(f"{name} of Arrow" for name in ARROW)],
)
def test_a_bad_column_is_refused_by_name_or_kept(warehouse, make, ways) -> None:
    faults = []
    for way in ways:
        bad = make()
        data, options = WAYS[way](bad)
        faults += stored_and_read(
            warehouse,
            f"{way}",
            data,
            lambda: WAYS[way](make())[0],  # noqa: B023
            **options,
        )
    assert faults == []


def stored_and_read(
    warehouse: sfx.Warehouse, what: str, data: Any, again: Callable[[], Any], **options: Any
) -> list[str]:
    """Return what is wrong with a store of data, and with reads of it."""
    stored_and_read.number += 1  # type: ignore[attr-defined]
    table = f"t{stored_and_read.number}"  # type: ignore[attr-defined]
    chosen = {"partitions": ["1"], **options}
    try:
        pin = warehouse.store_dataframe(data, "bad", table, **chosen)
    except sfx.SfxError as error:
        return (
            []
            if "bad" in str(error).replace("bad.t", "")
            else [f"{what}: no column is named: {error}"]
        )
    except Exception as error:
        return [f"{what}: {type(error).__name__}: {error}"]
    acts: dict[str, Callable[[], object]] = {
        f"load as {as_}": lambda as_=as_: warehouse.load_dataframe(pin, as_=as_)
        for as_ in ("arrow", "pandas", "polars")
    }
    acts["store again"] = lambda: warehouse.store_dataframe(
        again(), "bad", table, **{**chosen, **options}
    )
    acts["diff"] = lambda: warehouse.diff(pin, warehouse.pin("bad", table))
    acts["load all"] = lambda: list(
        warehouse.load_dataframe("bad", table, as_="arrow", batches=True)
    )
    acts["filter"] = lambda: warehouse.load_dataframe(
        pin, as_="arrow", filters=[("bad", "in", [None, 1, "a"])]
    )
    acts["verify"] = lambda: warehouse.verify(pin)
    found = []
    for act, run in acts.items():
        found += fault(f"{what}, {act}", run)
        with_name = refusal(run)
        if with_name is not None and "bad" not in with_name.replace("bad.t", ""):
            found.append(f"{what}, {act}: no column is named: {with_name}")
    return found


stored_and_read.number = 0  # type: ignore[attr-defined]


def refusal(run: Callable[[], object]) -> str | None:
    try:
        run()
    except sfx.SfxError as error:
        return str(error)
    return None


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def with_attrs(attrs: dict[Any, Any]) -> pd.DataFrame:
    frame = FRAME.copy()
    frame.attrs = attrs
    return frame


def with_metadata(key: bytes, value: bytes) -> pa.Table:
    return pa.table({"a": [1]}).replace_schema_metadata({key: value})


def closed_reader() -> pa.RecordBatchReader:
    reader = pa.table({"a": [1]}).to_reader()
    reader.close()
    return reader


def read_reader() -> pa.RecordBatchReader:
    reader = pa.table({"a": [1]}).to_reader()
    reader.read_all()
    return reader


def failing() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": [1]})
    raise pa.ArrowInvalid("the query failed")


def own_list() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


FRAMES: dict[str, Callable[[], Any]] = {
    **{
        repr(one): partial(passed, one)
        for one in ("x", b"x", 5, 1.5, None, {"a": [1]}, [], [None], [[1]], Odd)
    },
    "closed reader": closed_reader,
    "reader that was read": read_reader,
    "reader that fails": lambda: pa.RecordBatchReader.from_batches(
        pa.schema([("a", pa.int64())]), failing()
    ),
    "frame without columns": pd.DataFrame,
    "frame without rows": lambda: pd.DataFrame({"a": []}),
    "frame of an index": lambda: pd.DataFrame(index=[1, 2]),
    "table without columns": lambda: pa.table({}),
    "table of rows without columns": lambda: pa.table({"a": [1]}).select([]),
    "polars without columns": pl.DataFrame,
    "no frames": lambda: iter([]),
    "frames and an object": lambda: iter([FRAME, Odd()]),
    "frames that differ": lambda: iter([FRAME, FRAME.astype(str)]),
    "frames of which one is bad": lambda: iter([FRAME, FRAME.assign(n=column({1}, {2}))]),
    "broken stream": lambda: Broken(RuntimeError("x")),
    "broken stream of a key": lambda: Broken(KeyError("x")),
    "broken array": BrokenArray,
    "column": lambda: pd.Series([1]),
    "array": lambda: pa.array([1]),
    "chunks": lambda: pa.chunked_array([[1]]),
    "numbers": lambda: np.zeros((2, 2)),
    "records": lambda: np.array([(1, 2)], dtype="i4,i4"),
    "query of a column that is not there": lambda: pl.LazyFrame({"a": [1]}).select(pl.col("nope")),
    "objects of polars": lambda: pl.DataFrame({"bad": [Odd()]}, schema={"bad": pl.Object}),
    "huge numbers of polars": lambda: pl.DataFrame({"bad": [2**100]}, schema={"bad": pl.Int128}),
    "class of frames": lambda: pd.DataFrame,
    "list that holds itself": own_list,
    "names twice": lambda: pd.DataFrame([[1, 2]], columns=["bad", "bad"]),
    "names that differ in case": lambda: pa.table(
        [pa.array([1]), pa.array([2])], names=["bad", "BAD"]
    ),
    **{
        f"column named {name!r}": partial(with_column, name)
        for name in (
            b"x",
            1,
            1.5,
            None,
            math.nan,
            pd.NaT,
            ("a", "b"),
            dt.date(2016, 1, 1),
            "",
            "a\x00b",
            "\ud800",
            "a.b",
            "a b",
        )
    },
    **{
        f"index named {name!a}": partial(with_index, name)
        for name in (b"x", "\ud800", ("a", b"b"), dt.date(2016, 1, 1))
    },
    "attrs of objects": lambda: with_attrs({"x": Odd()}),
    "attrs that hold themselves": lambda: with_attrs({"x": circle()}),
    "attrs with half a pair": lambda: with_attrs({"x": "\ud800"}),
    "attrs by number": lambda: with_attrs({1: 2}),
    "deep attrs": lambda: with_attrs({"x": deep(5000)}),
    "no record of pandas": lambda: with_metadata(b"pandas", b"\xff{"),
    "empty record of pandas": lambda: with_metadata(b"pandas", b"{}"),
    "no record of ours": lambda: with_metadata(b"airflow_sfx", b'{"columns":{"a":5},"index":7}'),
    "list as record of ours": lambda: with_metadata(b"airflow_sfx", b"[]"),
    "no record of times": lambda: with_metadata(b"airflow_sfx.times", b"[]"),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=map(ascii, FRAMES))
def test_what_is_no_frame_is_refused_and_what_is_kept_is_read_by_all(
    warehouse, make, request
) -> None:
    name = f"f{abs(hash(request.node.name))}"
    try:
        pin = warehouse.store_dataframe(make(), "frames", name, ["1"])
    except sfx.SfxError as error:
        assert len(str(error).split()) > 3, "the message says what to do"
        assert f"frames.{name}" not in [str(table) for table in warehouse.tables()]
        return
    for as_ in ("arrow", "pandas", "polars"):
        assert warehouse.load_dataframe(pin, as_=as_) is not None
        assert warehouse.load_dataframe("frames", name, as_=as_) is not None


def test_an_error_of_the_caller_s_own_iterator_is_the_caller_s(warehouse) -> None:
    def frames() -> Iterator[pd.DataFrame]:
        yield FRAME
        raise ZeroDivisionError("the caller's")

    with pytest.raises(ZeroDivisionError, match="the caller's"):
        warehouse.store_dataframe(frames(), "frames", "own", ["1"])
    assert "frames.own" not in [str(table) for table in warehouse.tables()]


def test_a_wrong_signature_stays_python_s_own_error(warehouse) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'partition'"):
        warehouse.store_dataframe(FRAME, "sales", "items", partition=["1"])
    with pytest.raises(TypeError, match="missing"):
        warehouse.show("sales")
