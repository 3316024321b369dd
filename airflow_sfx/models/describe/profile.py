"""The profile of the training data, which is the baseline of drift.

A profile has no rows. Texts that fewer than 20 rows share are counted together, so that it names no
person.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.models.flavours.base import Answers

if TYPE_CHECKING:
    import pandas as pd

PROFILE = "data/profile.parquet"
_QUANTILES = 64
_TOP = 32
_FEWEST = 20
_MOST_DISTINCT = 64
OTHERS = "(others)"


def profile_of(frames: Mapping[str, pd.DataFrame], answers: Answers) -> bytes:
    """Return the profile of frames as a Parquet file.

    Args:
        frames: The rows by role, such as ``train``.
        answers: The model's answers to some of those of the first role.

    Returns:
        A file with one row for each role and column, and for the prediction.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = [
        {"role": role, "column": str(name), **_column(frame[name])}
        for role, frame in frames.items()
        for name in frame.columns
    ]
    role = next(iter(frames), "train")
    found.append({"role": role, "column": "", **_column(pd.Series(answers.scores))})
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(found, _schema()), sink, compression="zstd", version="1.0")
    return sink.getvalue()


def _schema() -> Any:
    import pyarrow as pa

    members: list[tuple[str, Any]] = [
        *((name, pa.string()) for name in ("role", "column", "type")),
        *((name, pa.int64()) for name in ("rows", "nulls", "distinct")),
        *((name, pa.float64()) for name in ("least", "greatest", "mean", "sd")),
        ("quantiles", pa.list_(pa.float64())),
        ("values", pa.list_(pa.string())),
        ("counts", pa.list_(pa.int64())),
    ]
    return pa.schema(members)


def _column(values: pd.Series[Any]) -> dict[str, object]:
    import pandas as pd
    from pandas.api import types

    known = values.dropna()
    members: dict[str, object] = {
        "type": str(values.dtype),
        "rows": len(values),
        "nulls": len(values) - len(known),
    }
    dtype = values.dtype
    if types.is_datetime64_any_dtype(dtype):
        known = known.astype("int64")
    numeric = types.is_numeric_dtype(known.dtype) and not types.is_bool_dtype(dtype)
    if numeric and not isinstance(dtype, pd.CategoricalDtype):
        members |= _numbers(known.to_numpy(dtype=np.float64))
        if members["distinct"] > _MOST_DISTINCT:  # type: ignore[operator]
            return members
    try:
        counts = known.astype(str).value_counts()
    except (TypeError, ValueError):
        return members
    members["distinct"] = len(counts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    shown = [(str(name), int(count)) for name, count in ordered if count >= _FEWEST][:_TOP]
    others = len(known) - sum(count for _, count in shown)
    if others:
        shown.append((OTHERS, others))
    return members | {
        "values": [name for name, _ in shown],
        "counts": [count for _, count in shown],
    }


def _numbers(known: Any) -> dict[str, object]:
    finite = known[np.isfinite(known)]
    if not len(finite):
        return {"distinct": 0}
    ordered = np.sort(finite)
    places = np.linspace(0, len(ordered) - 1, _QUANTILES).round().astype(int)
    return {
        "distinct": int((np.diff(ordered) > 0).sum()) + 1,
        "least": float(ordered[0]),
        "greatest": float(ordered[-1]),
        "mean": float(finite.mean()),
        "sd": float(finite.std()),
        "quantiles": ordered[places].tolist(),
    }
