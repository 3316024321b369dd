"""Room on the interpreter's stack for what an operator calls.

CPython keeps the frames of Python functions in chunks of 16 KiB. A call that does not fit into the last one gets a new chunk from
the operating system, and gives it back when it returns (``push_chunk`` and ``_PyThreadState_PopFrame`` in ``pystate.c``). A loop
that stands at the end of a chunk pays for that at each call: to import ``pyarrow.compute`` in a task took 82 ms in place
of 18. A task does not choose the depth at which it runs, below some eighty frames of Airflow; so the operator's frame asks for a
chunk that is large enough for all that it calls. What is not used of it is never touched.
"""

from __future__ import annotations

from types import FunctionType
from typing import TypeVar, cast

_Function = TypeVar("_Function")

_SLOTS = 1 << 15
"""Of 8 bytes. Its chunk has the next power of two, as the frame has some more: 256 KiB are left for what it calls."""


def roomy(function: _Function) -> _Function:
    """Let a function's frame begin a chunk of the stack with room for about a thousand calls, one within the other.

    Args:
        function: The function; it is changed.

    Returns:
        The same.

    Example:
        >>> @roomy
        ... def answer() -> int:
        ...     return 42
        >>> answer()
        42
    """
    plain = cast("FunctionType", function)
    plain.__code__ = plain.__code__.replace(co_stacksize=_SLOTS)
    return function
