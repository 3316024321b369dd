"""Making everything that was written to a file system durable by one system call, which Python has no name for."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable


def _found() -> Callable[[str], None] | None:
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError, TypeError):  # not Linux
        return None

    def sync(path: str) -> None:
        """Make the file system that holds ``path`` durable; OSError if it cannot be."""
        handle = os.open(path, os.O_RDONLY)
        try:
            if syncfs(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(handle)

    return sync


sync_file_system = _found()
"""Linux's ``syncfs(2)``; None on systems without it."""
