"""A check before publishing: that a portable function is the same in all ways."""

from __future__ import annotations

from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.portability.function import Portable


class IsPortable:
    """The check `airflow_sfx.checks.portable`, with the same arguments."""

    def __init__(self, function: Portable, rows: Any, most: int) -> None:
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
