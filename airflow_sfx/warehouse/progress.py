"""How far long work has come, for whoever shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from airflow_sfx.core.errors import InvalidName

In = TypeVar("In")
Out = TypeVar("Out")

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many of how many pieces are done, by one thread at a time."""


def telling(action: Callable[[In], Out], total: int, progress: Progress | None) -> Callable[[In], Out]:
    """An action that tells of each time that it has been done.

    Args:
        action: What is done with each piece, in any thread.
        total: How many pieces there are.
        progress: Whom to tell; None for nobody.

    Returns:
        The action.

    Raises:
        InvalidName: There is something to tell that cannot be called.

    Example:
        >>> told = []
        >>> list(map(telling(str.upper, 2, lambda done, total: told.append(f"{done}/{total}")), "ab")), told
        (['A', 'B'], ['1/2', '2/2'])
    """
    if progress is None:
        return action
    if not callable(progress):
        raise InvalidName(
            f"progress={progress!r:.80} is no function: pass one that takes how many of how many are done"
        )
    done = 0
    lock = threading.Lock()

    def act(item: In) -> Out:
        nonlocal done
        result = action(item)
        with lock:
            done += 1
            progress(done, total)
        return result

    return act
