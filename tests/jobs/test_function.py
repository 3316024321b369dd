"""Functions that are sent to a job: with what they use of their module, or refused."""

from __future__ import annotations

import json as letters

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.jobs.function import source_of

RATE, NAMES, OBJECT = 2, ["n", "m"], object()


def twice(value: int) -> int:
    return value * RATE


def report(sales: pd.DataFrame, names=NAMES) -> pd.DataFrame:
    """Double each number."""
    return pd.DataFrame({name: [twice(one) for one in sales[name]] for name in names})


def with_alias() -> str:
    return letters.dumps([1])


def with_object():
    return OBJECT


def recursive(value: int) -> int:
    return value and recursive(value - 1)


def test_a_function_brings_its_imports_constants_and_helpers() -> None:
    names: dict = {}
    exec(source_of(report), names)
    found = names["report"](pd.DataFrame({"n": [1, 2], "m": [3, 4]}))
    assert found["n"].tolist() == [2, 4]
    names = {}
    exec(source_of(with_alias), names)
    assert names["with_alias"]() == "[1]"
    exec(source_of(recursive), names)
    assert names["recursive"](3) == 0


def test_decorators_stay_behind() -> None:
    @pytest.mark.skipif(False, reason="it is never called")
    def decorated():
        return 1

    assert "@" not in source_of(decorated)


def test_what_cannot_be_sent_is_named() -> None:
    around = [1]

    def nested():
        return around

    with pytest.raises(sfx.InvalidName, match="uses OBJECT of its module, a object"):
        source_of(with_object)
    with pytest.raises(sfx.InvalidName, match="around of the function around it"):
        source_of(nested)
    for one in (len, lambda: 1):
        with pytest.raises(sfx.InvalidName, match="def"):
            source_of(one)


def test_a_portable_function_is_refused_as_its_columns_would_be_lost() -> None:
    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def same(rows):
        return rows

    with pytest.raises(sfx.InvalidName, match="declare it inside of a function, and call it there"):
        source_of(same)
