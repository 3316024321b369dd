"""Columns nested deeper than every reader supports are rejected by the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.outputs import read_table, to_output
from airflow_sfx.frames.types.hive import columns_of
from airflow_sfx.frames.types.limits import MAX_LEVELS, MAX_TYPE_TEXT
from tests.frames.builders import objects, stored

Wrap = Callable[[Any, Any], tuple[Any, Any]]
WRAPS: dict[str, Wrap] = {
    "list": lambda kind, value: (pa.list_(kind), [value, value]),
    "large list": lambda kind, value: (pa.large_list(kind), [value]),
    "fixed list": lambda kind, value: (pa.list_(kind, 1), [value]),
    "struct": lambda kind, value: (
        pa.struct([("a", kind), ("b", pa.int8())]),
        {"a": value, "b": 1},
    ),
    "map": lambda kind, value: (pa.map_(pa.string(), kind), [("k", value)]),
}


def nested(levels: int, *wraps: str) -> pa.Table:
    """A column of so many levels, of which the kinds take turns."""
    kind, value = pa.int64(), 1
    for level in range(levels):
        kind, value = (
            WRAPS[wraps[level % len(wraps)]](kind, value)
            if level < 10
            else _single(kind, value, wraps, level)
        )
    return pa.table({"deep": pa.array([value, None], kind), "n": [1, 2]})


def _single(kind: Any, value: Any, wraps: tuple[str, ...], level: int) -> tuple[Any, Any]:
    """As its wrap, without doubling the values each time."""
    if wraps[level % len(wraps)] == "list":
        return pa.list_(kind), [value]
    return WRAPS[wraps[level % len(wraps)]](kind, value)


SHAPES = [*((name,) for name in WRAPS), ("list", "struct", "map")]


@pytest.mark.parametrize("wraps", SHAPES, ids="+".join)
def test_the_deepest_column_that_is_stored_is_read_by_all(wraps: tuple[str, ...]) -> None:
    table = nested(MAX_LEVELS, *wraps)
    back = read_table(stored(table))
    assert back.to_pylist() == table.to_pylist()
    assert len(to_output(back, "pandas")) == len(to_output(back, "polars")) == 2


@pytest.mark.parametrize("wraps", SHAPES, ids="+".join)
@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 30])
def test_one_level_more_is_refused_with_the_column_s_name(
    wraps: tuple[str, ...], levels: int
) -> None:
    table = nested(levels, *wraps)
    for data in (table, iter([table]), table.to_reader(), table.schema.empty_table()):
        with pytest.raises(
            SchemaMismatch,
            match=f"column 'deep' cannot be stored: it nests more than {MAX_LEVELS} lists",
        ):
            to_source(data)


@pytest.mark.parametrize("levels", [25, 49, 60, 99, 500, 5000])
def test_deep_objects_of_python_are_refused_too(levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    with pytest.raises(SchemaMismatch, match="'deep'"):
        to_source(pd.DataFrame({"deep": objects(value), "n": 1}))
    if levels < 100:
        with pytest.raises(SchemaMismatch, match="'deep'"):
            to_source(pl.DataFrame({"deep": [value]}, strict=False))


def test_objects_that_hold_themselves_are_refused_and_end_no_process() -> None:
    circle: list[Any] = [1]
    circle += [circle, circle]
    ring: dict[str, Any] = {}
    ring["next"] = ({"next": ring},)
    box = np.empty(1, dtype=object)
    box[0] = box
    for value in (circle, ring, (circle,), box):
        with pytest.raises(
            SchemaMismatch, match="column 'deep' cannot be stored: it nests more than"
        ):
            to_source(pd.DataFrame({"deep": objects(None, value), "n": 1}))


def test_a_type_that_is_longer_than_metastores_keep_is_refused() -> None:
    wide = pa.struct([(f"field_{number}", pa.string()) for number in range(2500)])
    with pytest.raises(
        SchemaMismatch,
        match=f"column 'wide' cannot be stored: its Hive type, .* stores up to {MAX_TYPE_TEXT:,}",
    ):
        columns_of(pa.schema([("wide", wide)]))
