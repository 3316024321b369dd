"""A file system that hangs: FUSE, whose server never answers."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOSUID, _NODEV, _DETACH = 2, 4, 2


@contextmanager
def hanging(directory: Path) -> Iterator[None]:
    """Let each call on a directory wait, until the end of the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
    place = os.fsencode(directory)
    try:
        done = libc.mount(b"hanging", place, b"fuse", _NOSUID | _NODEV, options.encode())
        assert done == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            # without its server all calls that wait fail, so that no process is left behind
            os.close(server)
            server = -1
            assert libc.umount2(place, _DETACH) == 0, os.strerror(ctypes.get_errno())
    finally:
        if server >= 0:
            os.close(server)
