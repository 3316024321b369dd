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

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_sfx.warehouse.quality.checks import (
    has_columns,
    not_null,
    rows_between,
    rows_like_before,
    unique,
)
from airflow_sfx.warehouse.quality.fresh import fresh
from airflow_sfx.warehouse.quality.like_before import like_before

if TYPE_CHECKING:
    from airflow_sfx.portability.function import Portable

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


def portable(
    function: Portable, rows: Any = None, *, most: int = 1000
) -> Callable[[object], str | None]:
    """Check that a portable function gives the same for rows together, alone and in any order.

    Args:
        function: The function.
        rows: The rows that it is tried on: a frame, a list of records or a pin, such as that of the
            batch which the task got. None takes those of the frame that is checked. If that frame
            also has the columns that the function gives, they must be what it gives online.
        most: The most rows; of more, a random sample.

    Returns:
        The check.

    Raises:
        InvalidName: The function is not portable.

    Example:
        >>> import pandas as pd
        >>> import airflow_sfx as sfx
        >>> @sfx.portable(inputs={"n": "bigint"}, outputs={"twice": "bigint"})
        ... def twice(frame):
        ...     return frame.mul(2).rename(columns={"n": "twice"})
        >>> portable(twice)(pd.DataFrame({"n": [1, 2]})) is None
        True
        >>> portable(twice)(pd.DataFrame({"n": [1, 2], "twice": [2, 5]}))
        "twice gives 4 online for 'twice' of row 1, and the frame has 5"
    """
    # files of DAGs import this module, and should not load a library of frames
    from airflow_sfx.portability.passes import IsPortable

    return IsPortable(function, rows, most)
