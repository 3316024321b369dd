"""Room on the interpreter's stack for what an operator calls.

CPython keeps the frames of Python functions in chunks of 16 KiB. A call that does not fit into the
last one gets a new chunk from the operating system, and gives it back when it returns
(``push_chunk`` and ``_PyThreadState_PopFrame`` in ``pystate.c``). A loop that stands at the end of
a chunk pays for that at each call: to import ``pyarrow.compute`` in a task took 82 ms in place of
18. A task does not choose the depth at which it runs, below some eighty frames of Airflow; so a
frame asks for a chunk that is large enough for all that it calls. What is not used of it is never
touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")

_SLOTS = 1 << 15
"""Of 8 bytes. Its chunk has the next power of two, as the frame has some more: 256 KiB are left for what it calls."""


def with_room(function: Callable[[], _Result]) -> _Result:
    """Call a function on a chunk of the stack that has room for about a thousand calls, one within the other.

    Args:
        function: The function.

    Returns:
        What it returns.

    Example:
        >>> with_room(lambda: 42)
        42
    """
    return function()


with_room.__code__ = with_room.__code__.replace(co_stacksize=_SLOTS)
