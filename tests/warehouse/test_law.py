"""The law: what two stores of a table accept is what every read returns.

It is equal by value and by logical type.

For any two frames A and B: if both are stored in partitions of one table, the whole table can be
read as pandas, polars and Arrow, each partition's rows in it are those that its pin gives, and
`diff` calls the two identical only if they are. On S3 and Hive, Spark SQL reads the same values.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, event, given, note, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.logical_columns import Column, pairs
from tests.warehouse.logical_values import as_engines_have, of_arrow, of_pandas

EXAMPLES = int(os.environ.get("SFX_LAW_EXAMPLES", "300"))
ON_STACK = 24
# Columns without a type; tests/warehouse/columns/test_open_columns.py has more of them.
OPEN = (
    "null",
    "None",
    "empty",
    "all NaN",
    "nothing",
    "enum category ''",
)

Drawn = tuple[tuple[str, Column], tuple[str, Column]]
Pins = dict[str, tuple[sfx.BatchPin, Column]]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return connect(f"embedded://{tmp_path_factory.mktemp('law')}")


@given(pairs())
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
def test_what_a_table_accepts_is_what_every_read_gives(warehouse: Warehouse, drawn: Drawn) -> None:
    check_law(warehouse, new_table(), drawn)


def check_law(warehouse: Warehouse, table: str, drawn: Drawn) -> Pins:
    """Store both; whatever the stores accept must hold the law."""
    note(f"{drawn[0][0]}: {drawn[0][1]!r}, then {drawn[1][0]}: {drawn[1][1]!r}")
    pins = stored(warehouse, table, [column for _, column in drawn])
    for pin, column in pins.values():
        check_alone(warehouse, pin, column)
    if pins:
        check_whole(warehouse, table, pins)
    if len(pins) > 1:
        check_diff(warehouse, pins)
    return pins


def stored(warehouse: Warehouse, table: str, columns: Sequence[Column]) -> Pins:
    """Store each column in a partition of its own; a store may refuse, but must name the column."""
    pins: Pins = {}
    for number, column in enumerate(columns, 1):
        try:
            pin = warehouse.store_dataframe(
                frame_of(column), "law", table, [str(number)], partition_keys=["night"]
            )
        except sfx.SfxError as error:
            event(type(error).__name__)
            assert "'c'" in str(error), f"the message names no column: {error}"
        else:
            pins[str(number)] = (pin, column)
    event(f"{len(pins)} stored")
    return pins


def check_alone(warehouse: Warehouse, pin: sfx.BatchPin, column: Column) -> None:
    """A batch is what was stored: pandas' columns to the dtype, Arrow's to the type.

    Where the store cast it to the table's type, the values are the same, and missing ones null.
    """
    (manifest,) = warehouse.manifests(pin)
    if manifest.fit.casts:
        event("cast")
        assert set(manifest.fit.casts) == {"c"}
        check_cast(warehouse, pin, column)
        return
    if isinstance(column, pd.Series):
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), frame_of(column))
        return
    if isinstance(column, pl.Series):
        found = warehouse.load_dataframe(pin, as_="polars")["c"]
        assert found.dtype == column.dtype
        assert found.to_list() == column.to_list()
        return
    back = warehouse.load_dataframe(pin, as_="arrow").column("c")
    assert back.type == column.type
    assert of_arrow(back) == of_arrow(column)
    if not isinstance(column, pa.ExtensionArray):  # pandas has objects of its own for some of them
        assert of_pandas(warehouse.load_dataframe(pin)["c"]) == of_arrow(column)


def check_cast(warehouse: Warehouse, pin: sfx.BatchPin, column: Column) -> None:
    back = of_arrow(warehouse.load_dataframe(pin, as_="arrow").column("c"))
    assert list(map(exact, back)) == list(map(exact, meant(column)))


def exact(value: Any) -> Any:
    """Return a value with equal numbers of different types as the same number."""
    if not isinstance(value, tuple):
        return value
    if value[:1] in (("number",), ("decimal",)):
        return "number", Decimal(str(value[1]))
    return tuple(map(exact, value))


def check_whole(warehouse: Warehouse, table: str, pins: Pins) -> None:
    """Each partition's rows in a read of the whole table are those of its pin."""
    whole = warehouse.load_dataframe("law", table)
    for night, (pin, _) in pins.items():
        rows = whole["c"][whole["night"].astype(str) == night]
        assert of_pandas(rows) == of_pandas(warehouse.load_dataframe(pin)["c"]), (
            f"pandas, partition {night}"
        )
    for as_ in ("arrow", "polars"):
        together = arrow_of(warehouse.load_dataframe("law", table, as_=as_))
        for night, (pin, _) in pins.items():
            there = pc.equal(together.column("night").cast(pa.string()), night).to_pylist()
            rows = [
                value
                for value, mine in zip(of_arrow(together.column("c")), there, strict=True)
                if mine
            ]
            alone = of_arrow(arrow_of(warehouse.load_dataframe(pin, as_=as_)).column("c"))
            assert rows == alone, f"{as_}, partition {night}"


def check_diff(warehouse: Warehouse, pins: Pins) -> None:
    """Check that two batches are identical only if the stored and loaded frames are."""
    (before, a), (after, b) = pins.values()
    same = rows_of(a) == rows_of(b)
    shown = [shown_by_pandas(warehouse.load_dataframe(pin)["c"]) for pin in (before, after)]
    found = warehouse.diff(before, after)
    assert not found.identical or equal_rows(a, b), "diff calls different rows identical"
    assert not found.identical or shown[0] == shown[1], (
        "diff calls identical what a load shows as something else"
    )
    alike = same and shown[0] == shown[1] and type(a) is type(b) and type_of(a) == type_of(b)
    assert found.identical or not alike, "diff finds what is not there"


def rows_of(column: Column) -> list[str]:
    """A column's values in an order that is the same whatever the rows' order is."""
    return sorted(map(repr, meant(column)))


def equal_rows(one: Column, other: Column) -> bool:
    """Return whether two columns have equal values; minus zero is zero."""
    first, second = (
        sorted((exact(value) for value in meant(column)), key=repr) for column in (one, other)
    )
    return first == second


def shown_by_pandas(column: pd.Series) -> Any:
    """What a column is in pandas, beside its values: of objects, of which types they are."""
    return column.dtype, sorted(
        {type(value).__name__ for value in column} if column.dtype == object else ()
    )


NO_KEYS = (
    *(
        "float",
        "decimal",
        "bytes",
        "binary",
        "list",
        "tuple",
        "vector",
        "dict",
        "map",
        "struct",
        "null",
        "none",
        "nan",
    ),
    *(
        "nothing",
        "timedelta",
        "duration",
        "time32",
        "time64",
        "interval",
        "uint64",
        "bool8",
        "uuid",
        ", ",
    ),
)
"""Words in the names of most kinds that cannot be keys."""


def is_key(name: str) -> bool:
    return name == "UUID objects" or not any(word in name.lower() for word in NO_KEYS)


def has_keys(drawn: Drawn) -> bool:
    return all(len(present(column)) for _, column in drawn)


@given(st.one_of(pairs(), pairs(is_key).filter(has_keys), pairs(is_key).filter(has_keys)))
@settings(
    max_examples=EXAMPLES // 3,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
def test_what_a_table_accepts_as_partition_keys_is_what_every_read_gives(
    warehouse: Warehouse, drawn: Drawn
) -> None:
    note(f"{drawn[0][0]}: {drawn[0][1]!r}, then {drawn[1][0]}: {drawn[1][1]!r}")
    table, pins = new_table(), []
    for number, (name, column) in enumerate(drawn):
        frame = keyed_frame(column, number)
        try:
            pin = warehouse.store_dataframe(frame, "law", table, partition_by=["c"])
        except sfx.SfxError as error:
            event(f"{type(error).__name__}")
            assert "'c'" in str(error), f"the message names no column: {error}"
        else:
            event(f"key: {name}" if pin.batches else "no rows")
            check_keyed_alone(warehouse, pin, frame)
            pins += [pin] if pin.batches else []
    event(f"{len(pins)} stored")
    if pins:
        check_keys_together(warehouse, table, pins)


def keyed_frame(column: Column, number: int) -> Any:
    """Return a frame of a key column without nulls, and of row numbers."""
    there = present(column)
    rows = np.arange(len(there)) + 10 * number
    if isinstance(there, pl.Series):
        return pl.DataFrame({"c": there, "row": rows})
    return (
        pa.table({"c": there, "row": rows})
        if isinstance(there, pa.Array)
        else pd.DataFrame({"c": there, "row": rows})
    )


def present(column: Any) -> Any:
    """A column without what cannot be a partition's value whatever its type is."""
    kept = [row for row, value in enumerate(meant(column)) if value not in (None, ("text", ""))]
    if isinstance(column, pd.Series):
        return column.iloc[kept].reset_index(drop=True)
    if isinstance(column, pl.Series):
        return column.gather(kept)
    rows = [column.slice(row, 1) for row in kept]  # pyarrow selects rows of some types only
    return pa.concat_arrays(rows) if rows else column.slice(0, 0)


def check_keyed_alone(warehouse: Warehouse, pin: sfx.BatchPin, frame: Any) -> None:
    """All partitions of a store are the frame that was divided."""
    if not pin.batches:
        assert not len(frame)
    elif isinstance(frame, pd.DataFrame):
        back = warehouse.load_dataframe(pin).sort_values("row", ignore_index=True)
        pd.testing.assert_frame_equal(back, frame)
    elif isinstance(frame, pl.DataFrame):
        back = warehouse.load_dataframe(pin, as_="polars").sort("row")
        assert back.schema == frame.schema
        assert back.equals(frame)
    else:
        table = warehouse.load_dataframe(pin, as_="arrow")
        assert table.column("c").type == frame.column("c").type
        assert keys_by_row(table) == dict(
            enumerate(of_arrow(frame.column("c")), frame.column("row")[0].as_py())
        )


def check_keys_together(warehouse: Warehouse, table: str, pins: list[sfx.BatchPin]) -> None:
    """The keys of all partitions in a read of the whole table are those of the pins."""
    for as_ in ("pandas", "arrow", "polars"):
        together = keys_by_row(warehouse.load_dataframe("law", table, as_=as_))
        alone = [keys_by_row(warehouse.load_dataframe(pin, as_=as_)) for pin in pins]
        assert alone[-1].items() <= together.items(), f"{as_}, the rows stored last"
        assert (
            together.items() <= {row: key for one in alone for row, key in one.items()}.items()
        ), as_
        replaced = any(name in pins[-1].batches for pin in pins[:-1] for name in pin.batches)
        assert replaced or len(together) == sum(map(len, alone)), f"{as_}, all rows"


def keys_by_row(found: Any) -> dict[int, Any]:
    """The key of each row."""
    if isinstance(found, pd.DataFrame):
        return dict(zip(found["row"].tolist(), of_pandas(found["c"]), strict=True))
    table = arrow_of(found)
    return dict(zip(table.column("row").to_pylist(), of_arrow(table.column("c")), strict=True))


def frame_of(column: Column) -> Any:
    """A frame of one column."""
    if isinstance(column, pl.Series):
        return pl.DataFrame({"c": column})
    return pa.table({"c": column}) if isinstance(column, pa.Array) else pd.DataFrame({"c": column})


def meant(column: Column) -> list[Any]:
    """A column's values as they are meant."""
    if isinstance(column, pl.Series):
        return of_arrow(column.to_arrow())
    return of_arrow(column) if isinstance(column, pa.Array) else of_pandas(column)


def type_of(column: Column) -> Any:
    """A column's type, categories and all."""
    if isinstance(column, pa.Array):
        return column.type
    # pandas calls categorical types equal if they have no categories.
    if isinstance(column.dtype, pd.CategoricalDtype):
        return (column.dtype, column.dtype.categories.dtype)
    return column.dtype


def arrow_of(found: Any) -> pa.Table:
    """Return a loaded frame as Arrow."""
    return found if isinstance(found, pa.Table) else found.to_arrow()


def new_table() -> str:
    """A name that no table has."""
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def on_stack(stack_uri: str, spark: Any) -> tuple[Warehouse, Any]:
    return connect(stack_uri), spark


@given(drawn=pairs(lambda name: not any(word in name for word in OPEN)))
@settings(
    max_examples=ON_STACK,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_spark_sql_reads_the_same_values_from_s3_and_hive(
    on_stack: tuple[Warehouse, Any], drawn: Drawn
) -> None:
    warehouse, spark = on_stack
    table = new_table()
    check_spark(warehouse, spark, table, check_law(warehouse, table, drawn))


def check_spark(warehouse: Warehouse, spark: Any, table: str, pins: Pins) -> None:
    """Spark SQL reads what was stored, in the units that the docs promise.

    Empty lists alone do not say what they are lists of: such a column is open, and null to engines.
    """
    if not pins:
        return
    spark.catalog.refreshTable(f"law.{table}")
    read = spark.sql(f"select night, c from law.{table}").toArrow()
    nights = read.column("night").to_pylist()
    values = list(map(as_engines_have, of_arrow(read.column("c"))))
    for night, (pin, column) in pins.items():
        rows = [value for value, mine in zip(values, nights, strict=True) if mine == night]
        is_open = "null" in str(warehouse.load_dataframe(pin, as_="arrow").schema.field("c").type)
        given = meant(column)
        if warehouse.manifests(pin)[0].fit.casts:
            given = of_arrow(warehouse.load_dataframe(pin, as_="arrow").column("c"))
        expected = [None if is_open else as_engines_have(value) for value in given]
        assert sorted(map(repr, rows)) == sorted(map(repr, expected)), f"Spark, partition {night}"
