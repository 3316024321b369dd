"""Rows of every kind of frame become the frame that the model was trained on, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.serde import compact, decode
from airflow_sfx.models.describe.golden import to_json
from airflow_sfx.models.schema.rows import columns_of, frame_of
from airflow_sfx.models.schema.signature import Signature, SignatureRecord, signature_of

FRAME = pd.DataFrame(
    {
        "float": [0.1, np.nan, -0.0],
        "small": np.array([1, 2, 3], dtype="int8"),
        "int": np.array([1, (1 << 62) + 1, -7], dtype="int64"),
        "nullable": pd.array([1, pd.NA, (1 << 53) + 1], dtype="Int64"),
        "flag": [True, False, True],
        "maybe": pd.array([True, pd.NA, False], dtype="boolean"),
        "text": ["a", "Zoë", ""],
        "none": pd.Series(["a", None, "b"], dtype="str"),
        "kind": pd.Categorical(["x", None, "y"], categories=["y", "x", "z"], ordered=True),
        "code": pd.Categorical([10, 20, 10]),
        "time": pd.to_datetime(
            ["2016-10-31", "2016-11-01 12:00:00.000001", None], format="ISO8601"
        ),
        "zoned": pd.to_datetime(["2016-10-31", "2016-11-01", "2016-11-02"], utc=True).tz_convert(
            "America/New_York"
        ),
    }
)


def signature(frame: pd.DataFrame = FRAME) -> Signature:
    found = Signature(signature_of(frame, None, None), ())
    return decode(compact(found.to_json()), SignatureRecord, "signature.json").signature()


def polars_rows() -> pl.DataFrame:
    plain = FRAME.astype({"kind": "str", "code": "int64"})
    return pl.from_pandas(plain)


@pytest.mark.parametrize(
    "rows",
    [
        FRAME,
        FRAME.assign(extra=1)[["extra", *FRAME.columns[::-1]]],
        pa.Table.from_pandas(FRAME),
        polars_rows(),
        FRAME.to_dict("records"),
        to_json(columns_of(signature(), FRAME).arrays),
    ],
    ids=["pandas", "another order", "arrow", "polars", "records", "golden rows"],
)
def test_rows_become_the_training_frame(rows: Any) -> None:
    found = frame_of(signature(), columns_of(signature(), rows))
    pd.testing.assert_frame_equal(found, FRAME, check_exact=True)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("float", "1", "has '1': pass numbers"),
        ("float", True, "has True: pass numbers"),
        ("int", 1.5, "has 1.5: pass whole numbers"),
        ("int", 1 << 64, "pass whole numbers of 64 bits"),
        ("int", None, "1 missing values: the model was trained without any"),
        ("flag", 1, "has 1: pass true or false"),
        ("text", 7, "has 7: pass text"),
        ("text", None, "1 missing values"),
        ("kind", "new", "has 'new': the model knows 3 categories"),
        ("time", "yesterday", "has 'yesterday': pass times in ISO 8601"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_column(
    column: str, value: object, says: str
) -> None:
    record = {**FRAME.iloc[[0]].to_dict("records")[0], column: value}
    with pytest.raises(SchemaMismatch) as refused:
        columns_of(signature(), [record])
    assert says in str(refused.value)
    assert f"'{column}'" in str(refused.value)


def test_a_category_that_the_model_does_not_know_can_be_scored_as_missing() -> None:
    record = {**FRAME.iloc[[0]].to_dict("records")[0], "kind": "new"}
    columns = columns_of(signature(), [record], unseen="missing")
    assert columns.arrays["kind"].tolist() == [None]


def test_columns_that_no_model_takes_are_refused() -> None:
    for values in ([[1], [2]], [b"x", b"y"], [1, "a"]):
        with pytest.raises(SchemaMismatch, match="which no model takes"):
            signature(pd.DataFrame({"odd": values}))
