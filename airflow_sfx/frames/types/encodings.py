"""Encodings of Arrow columns, which many of Arrow's functions do not support."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyColumn


def decode_column(column: AnyColumn) -> AnyColumn:
    """Decode a column with run ends or string views; others are returned as they are.

    Args:
        column: The column.

    Returns:
        The same values, without run-end encoding, and large strings for string views.

    Example:
        >>> runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None])
        >>> decode_column(pa.chunked_array([runs])).to_pylist()
        ['a', 'a', None]
    """
    found: Any = column
    if types.is_run_end_encoded(found.type):
        found = pc.call_function("run_end_decode", [found])
    return found.cast(pa.large_string()) if types.is_string_view(found.type) else found
