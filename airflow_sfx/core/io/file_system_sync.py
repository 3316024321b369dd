"""Making all files of a file system durable at once."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable


def _syncfs() -> Callable[[str], None] | None:
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError, TypeError):  # not Linux
        return None

    def sync(path: str) -> None:
        """Sync the file system of ``path``; raise OSError on failure."""
        handle = os.open(path, os.O_RDONLY)
        try:
            if syncfs(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(handle)

    return sync


sync_file_system = _syncfs()
"""Linux's ``syncfs(2)``, or None on systems without it."""
