"""A check before publishing: that a portable function is the same in all ways."""

from __future__ import annotations

from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.portability.function import Portable


class portable:
    """Check that a portable function gives the same for rows together, alone and in any order.

    Args:
        function: The function.
        rows: The rows that it is tried on: a frame, a list of records or a pin, such as that of the
            batch which the task got. None takes those of the frame that is checked. If that frame
            also has the columns that the function gives, they must be what it gives online.
        most: The most rows; of more, a random sample.

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

    def __init__(self, function: Portable, rows: Any = None, *, most: int = 1000) -> None:
        if not isinstance(function, Portable):
            raise InvalidName(
                f"{function!r:.80} is not a portable function: declare it with @sfx.portable"
            )
        self._function, self._rows, self._most = function, rows, most
        self.__name__ = f"portable({function.name})"

    def __call__(self, frame: object) -> str | None:
        """Return what is wrong, or None."""
        found = self._function.check(frame if self._rows is None else self._rows, most=self._most)
        if not found:
            return str(found)
        return self._function.compare(frame, most=self._most) if self._rows is None else None
