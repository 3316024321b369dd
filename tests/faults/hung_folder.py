"""A folder that hangs, as one of a file server that has died: a FUSE file system of the kernel.

It says what it is, so that it can be mounted into a container, unless it is to be silent. All else
that is asked is never answered: who asks waits, and cannot be killed, until the folder is given up.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ENOSYS
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_FORCE, _DETACH = 1, 2
_MOST = 1 << 20
_GETATTR, _INIT = 3, 26
_NEVER_ANSWERED = {1, 2, 8, 9, 27, 28, 35, 36, 51}
"""The numbers of what looks up, makes and lists files; of FORGET and INTERRUPT, too."""
_PROTOCOL = struct.pack("<IIIIHHI", 7, 12, 0, 0, 0, 0, 4096)
_ATTRIBUTES = struct.pack("<QII6Q10I", 1, 0, 0, 1, *[0] * 8, stat.S_IFDIR | 0o777, 2, *[0] * 5)


@contextmanager
def hung_folder(place: Path, *, silent: bool = False) -> Iterator[Callable[[], None]]:
    """Make a folder that hangs, for the length of the block.

    Args:
        place: Where; it is made.
        silent: Whether it does not say what it is, either.

    Yields:
        What gives the folder up earlier: all that waits gets an error.
    """
    place.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if _LIBC.mount(b"hung", os.fsencode(place), b"fuse", 0, options):
        os.close(device)
        raise OSError(ctypes.get_errno(), "mount")
    server = threading.Thread(target=_serve, args=(device,), daemon=True)
    if not silent:
        server.start()

    def give_up() -> None:
        _LIBC.umount2(os.fsencode(place), _FORCE | _DETACH)
        if not silent:
            server.join(10)

    try:
        yield give_up
    finally:
        give_up()
        os.close(device)


def _serve(device: int) -> None:
    with suppress(OSError):
        while request := os.read(device, _MOST):
            kind, unique = struct.unpack_from("<IQ", request, 4)
            if kind in _NEVER_ANSWERED:
                continue
            answer = {_INIT: _PROTOCOL, _GETATTR: _ATTRIBUTES}.get(kind)
            body, error = (b"", -ENOSYS) if answer is None else (answer, 0)
            os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
