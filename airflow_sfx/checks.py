"""Checks that a frame must pass before its batch is published.

If a check fails, the batch stays staged and the current batch is unchanged. A check is any callable
of the frame: None or true passes, false or a text fails. Pandera schemas and models are checks too.
The checks in this module accept pandas, polars and Arrow frames, and all but `portable` can be
declared once for all writers of a table; see `airflow_sfx.set_checks`.

A check that has a method ``with_context`` is given an object with the ``table`` and the
``batches`` that the call has written, as
`airflow_sfx.warehouse.quality.run_checks.CheckContext` describes them, and returns the function of
the frame to call.

Example:
    >>> import pandas as pd
    >>> rows_between(1, 3)(pd.DataFrame({"n": [1, 2]})) is None
    True
    >>> not_null("n")(pd.DataFrame({"n": [1.0, None]}))
    "column 'n' has 1 null"
"""

from airflow_sfx.portability.passes import portable
from airflow_sfx.warehouse.quality.checks import (
    has_columns,
    not_null,
    rows_between,
    rows_like_before,
    unique,
)
from airflow_sfx.warehouse.quality.fresh import fresh
from airflow_sfx.warehouse.quality.like_before import like_before

__all__ = [
    "fresh",
    "has_columns",
    "like_before",
    "not_null",
    "portable",
    "rows_between",
    "rows_like_before",
    "unique",
]
